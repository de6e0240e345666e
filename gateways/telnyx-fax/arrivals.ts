// Owns the identity of a received fax and its form as an inbound message, whichever way it came in.
import type { FaxDocument, InboundMessage, InboundState } from '../../src/driver/contract.js';
import type { Fax } from './faxes.js';
import { duration } from './states.js';

/** Looking and webhook give a fax the same key, so that the journal has it once. */
export function keyOf(id: string): string {
  return `fax:${id}`;
}

/** States in which the journal has nothing left to do for a fax. */
export function isSettled(state: InboundState | undefined): boolean {
  return state === 'confirmed' || state === 'quarantined' || state === 'skipped';
}

/** `lost`: why there is no document, when there will never be one. */
export function documentOf(fax: Fax, raw: Uint8Array, receivedAt: number, lost: string | null = null): FaxDocument {
  const { id, from, to, callerId, pages, seconds, partial } = fax;
  const caller = callerId !== null && callerId !== from ? callerId : null;
  const isNumber = caller !== null && /^\+?\d+$/.test(caller);
  const facts = [
    ...(seconds === null ? [] : [{ name: 'Duration', value: duration(seconds) }]),
    ...(isNumber ? [{ name: 'Caller ID', value: caller }] : []),
  ];
  return {
    kind: 'fax',
    raw,
    from,
    to,
    station: null,
    callerName: isNumber ? null : caller,
    providerId: id,
    receivedAt,
    pages,
    expectedPages: null,
    problem: lost ?? (partial ? 'Telnyx received only a part of the document' : null),
    facts,
    notes: lost === null ? [] : [`The document of the fax could not be fetched: ${lost}.`],
  };
}

/** `settled`: called when the journal has the ack, or the fax is in quarantine. Telnyx itself needs no word. */
export function inboundMessageOf(
  id: string,
  content: FaxDocument | null,
  settled: () => void,
): InboundMessage<FaxDocument> {
  return {
    key: keyOf(id),
    fingerprint: '',
    content,
    bytes: content === null ? 0 : content.raw.length + 1_000,
    confirm: async () => settled(),
    reject: async () => settled(),
  };
}
