// What identifies a message to the server is fixed once: attachment ids and links are made from the RequestId and the time of the
// first opening, which the journal keeps, and never from the time or the bytes of a later reading.
import { createHash } from 'node:crypto';
import type { LinkMaker, ReadMessage } from '../../content/reader.js';
import type { InboundRecord, NewInboundMessage, ServerFields } from '../../journal/types/inbound.js';
import type { Content, Notice } from '../../model/content.js';
import type { LinkIssuer } from '../links.js';

export type Identity = Pick<InboundRecord, 'requestId' | 'receivedAt'>;

export interface StableIds {
  /** For the reader: the links lead to the final ids. */
  link: LinkMaker;
  /** The reading with the final ids of its attachments. */
  applied(read: ReadMessage): ReadMessage;
}

/** An id counts position and name: when a second reading finds other attachments, none of them takes the id of an earlier one. */
export function stableIds({ requestId, receivedAt }: Identity, issue: LinkIssuer, linkDays?: number): StableIds {
  const ids = new Map<string, string>();
  const idOf = ({ id, name }: { id: string; name: string }): string => {
    const known = ids.get(id);
    if (known !== undefined) return known;
    const made = hash(`${requestId}\n${ids.size}\n${name}`).slice(0, 22);
    ids.set(id, made);
    return made;
  };
  return {
    link: (attachment) => issue({ id: idOf(attachment), name: attachment.name }, receivedAt, linkDays),
    applied: (read) => ({
      ...read,
      attachments: read.attachments.map((attachment) => ({ ...attachment, id: idOf(attachment) })),
    }),
  };
}

/**
 * The DeliverySystemId of a message that has no id of its own and whose content tells the time of reading (the Received line of an
 * SMTP listener, the reception time of a text): made from gateway and key. Undefined for all other messages.
 */
export function idFromKey(
  gatewayId: string,
  key: string,
  content: Content | Notice,
  read: ReadMessage,
): string | undefined {
  const overSmtp = content.kind === 'mail' && content.envelope !== undefined && read.rfcMessageId === null;
  const unnamedText = content.kind === 'text' && !content.providerId;
  if (!overSmtp && !unnamedText) return undefined;
  return `${hash(`${gatewayId.toLowerCase()}\n${key}`)}@gatepost`;
}

export function serverFieldsOf(read: ReadMessage): ServerFields {
  const { BodyHtml: _html, BodyText: _text, ...fields } = read.message;
  return fields;
}

export function openingOf(
  gatewayId: string,
  message: { key: string; fingerprint: string; bytes: number },
  read: ReadMessage,
  more: Pick<NewInboundMessage, 'proposed' | 'serverFields'>,
): NewInboundMessage {
  return {
    gatewayId,
    key: message.key,
    fingerprint: message.fingerprint,
    deliverySystemId: read.message.DeliverySystemId,
    rfcMessageId: read.rfcMessageId,
    references: read.references,
    remoteAddress: read.message.RemoteAddress,
    subject: read.message.SubjectField ?? '',
    bytes: message.bytes,
    notes: read.notes,
    attachments: read.attachments,
    ...more,
  };
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('base64url');
}
