import type { TextMessage } from '../../../src/driver/contract.js';

/** SMPP gives a message no id, no time of sending and no media. */
export function textMessage(fields: Pick<TextMessage, 'from' | 'to' | 'text' | 'notes' | 'receivedAt'>): TextMessage {
  const { from, to, text, notes, receivedAt } = fields;
  return { kind: 'text', from, to, text, notes, receivedAt, providerId: null, sentAt: null, media: [] };
}
