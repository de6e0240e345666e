// Owns the identity of a received message and its form as an inbound message, whichever way it came in.
import type { InboundMessage, InboundState, TextMessage } from '../../src/driver/contract.js';
import type { Sms } from './api.js';
import type { Fetched } from './media.js';

/** Polling and webhook give a message the same key, so that the journal has it once. */
export function keyOf(sid: string): string {
  return `sms:${sid}`;
}

/** States in which the journal has nothing left to do for a message. */
export function isSettled(state: InboundState | undefined): boolean {
  return state === 'confirmed' || state === 'quarantined' || state === 'skipped';
}

export function textOf(
  sms: Pick<Sms, 'sid' | 'from' | 'to' | 'body' | 'sentAt'>,
  { media, notes }: Fetched,
  receivedAt: number,
): TextMessage {
  const { sid, from, to, body, sentAt } = sms;
  return { kind: 'text', from, to, text: body, providerId: sid, receivedAt, sentAt, media, notes };
}

/** `settled`: called when the journal has the ack, or the message is in quarantine. Twilio itself needs no word. */
export function inboundMessageOf(
  sid: string,
  content: TextMessage | null,
  settled: () => void,
): InboundMessage<TextMessage> {
  return {
    key: keyOf(sid),
    fingerprint: '',
    content,
    bytes: content === null ? 0 : bytesOf(content),
    confirm: async () => settled(),
    reject: async () => settled(),
  };
}

/** The text in memory, the media, and a little for what is around them. */
function bytesOf({ text, media }: TextMessage): number {
  return 1_000 + text.length * 2 + media.reduce((sum, { bytes }) => sum + bytes.length, 0);
}
