import type { FaxDocument, InboundMessage, InboundState } from '../../src/driver/contract.js';
import type { Fax } from './faxes.js';
import { duration } from './progress.js';

/** Polling and webhook give a fax the same key, so that the journal has it once. */
export function keyOf(id: string): string {
  return `fax:${id}`;
}

/** States in which the journal has nothing left to do for a fax. */
export function isSettled(state: InboundState | undefined): boolean {
  return state === 'confirmed' || state === 'quarantined' || state === 'skipped';
}

/** `lost`: why there is no document and never will be. */
export function documentOf(fax: Fax, raw: Uint8Array, receivedAt: number, lost: string | null = null): FaxDocument {
  const { id, from, to, pages, partial } = fax;
  const { callerName, facts } = callFacts(fax);
  return {
    kind: 'fax',
    raw,
    from,
    to,
    station: null,
    callerName,
    providerId: id,
    receivedAt,
    pages,
    expectedPages: null,
    problem: lost ?? (partial ? 'Telnyx received only a part of the document' : null),
    facts,
    notes: lost === null ? [] : [`The document of the fax could not be fetched: ${lost}.`],
  };
}

/** Telnyx puts a name or another number into the caller ID. */
function callFacts({ callerId, from, seconds }: Fax): Pick<FaxDocument, 'callerName' | 'facts'> {
  const caller = callerId !== null && callerId !== from ? callerId : null;
  const isNumber = caller !== null && /^\+?\d+$/.test(caller);
  const facts = [
    ...(seconds === null ? [] : [{ name: 'Duration', value: duration(seconds) }]),
    ...(isNumber ? [{ name: 'Caller ID', value: caller }] : []),
  ];
  return { callerName: isNumber ? null : caller, facts };
}

/** `onSettled`: called when the fax is acknowledged or in quarantine. Telnyx has no confirmation of its own. */
export function inboundMessageOf(
  id: string,
  content: FaxDocument | null,
  onSettled: () => void,
): InboundMessage<FaxDocument> {
  return {
    key: keyOf(id),
    fingerprint: '',
    content,
    bytes: content === null ? 0 : content.raw.length + 1_000,
    confirm: async () => onSettled(),
    reject: async () => onSettled(),
  };
}
