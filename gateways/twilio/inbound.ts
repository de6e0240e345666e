import type { InboundMessage, InboundState, TextMessage } from '../../src/driver/contract.js';
import type { FetchedMedia } from './media.js';
import type { Sms } from './messages.js';

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
  { media, notes }: FetchedMedia,
  receivedAt: number,
): TextMessage {
  const { sid, from, to, body, sentAt } = sms;
  return { kind: 'text', from, to, text: body, providerId: sid, receivedAt, sentAt, media, notes };
}

/** `onSettled`: called when the message is acknowledged or in quarantine. Twilio has no confirmation of its own. */
export function inboundMessageOf(
  sid: string,
  content: TextMessage | null,
  onSettled: () => void,
): InboundMessage<TextMessage> {
  return {
    key: keyOf(sid),
    fingerprint: '',
    content,
    bytes: content === null ? 0 : bytesOf(content),
    confirm: async () => onSettled(),
    reject: async () => onSettled(),
  };
}

/** The text in memory, the media, and about 1 kB for the objects around them. */
function bytesOf({ text, media }: TextMessage): number {
  return 1_000 + text.length * 2 + media.reduce((sum, { bytes }) => sum + bytes.length, 0);
}
