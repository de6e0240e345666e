// A message that has ended the process before is stored whole without being read: an operator decides. Nothing of it is looked at
// but its length and its hash.
import { UNKNOWN_SENDER } from '../../content/mail/parse/fields.js';
import { madeId } from '../../content/threading.js';
import type { NewInboundMessage } from '../../journal/types/inbound.js';

export const UNREAD = 'the process died twice while it read this message';

export function unreadOpening(
  gatewayId: string,
  { key, fingerprint }: { key: string; fingerprint: string },
  raw: Uint8Array,
  proposed: NonNullable<NewInboundMessage['proposed']>,
): NewInboundMessage {
  return {
    proposed,
    // What the server is told comes with the first reading, after an operator has requeued the message.
    serverFields: null,
    gatewayId,
    key,
    fingerprint,
    deliverySystemId: madeId(gatewayId, raw),
    rfcMessageId: null,
    references: null,
    remoteAddress: UNKNOWN_SENDER,
    subject: '',
    bytes: raw.length,
    notes: [],
    attachments: [],
  };
}
