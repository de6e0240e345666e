import { isoTime } from '../kit/clock.js';
import type { Notice } from '../model/content.js';
import { LIMITS } from '../model/message.js';
import { textToHtml } from './html/from-text.js';
import { cleanLine, cutText } from './limits.js';
import { UNKNOWN_SENDER } from './mail/parse/fields.js';
import type { ReadMessage } from './reader.js';
import { shortId } from './threading.js';

/** A notice as the journal stores it. The stored key of `messageId` is `orderId`; journals of every version use it. */
export type StoredNotice = Omit<Notice, 'messageId'> & { orderId: string };

export function storedNotice({ messageId, ...rest }: Notice): StoredNotice {
  return { ...rest, orderId: messageId };
}

export function noticeFromStored({ orderId, ...rest }: StoredNotice): Notice {
  return { ...rest, messageId: orderId };
}

/** A notice as a message from the counterparty that answers the send request. */
export function readNotice(notice: Notice): ReadMessage {
  const { channel, delivered, messageId, at } = notice;
  const to = cleanLine(notice.remoteAddress);
  const detail = notice.detail === null ? '' : cleanLine(notice.detail);
  const end = delivered ? 'was delivered' : 'was NOT delivered';
  const about = cleanLine(notice.subject);
  const text = [
    `The ${channel.toLowerCase()} to ${to} ${end}${detail === '' ? '.' : `: ${detail}`}`,
    '',
    ...(about === '' ? [] : [`Subject: ${about}`]),
    `Message: ${messageId}`,
    `Time: ${isoTime(at)}`,
  ].join('\n');
  return {
    message: {
      DeliverySystemId: shortId(`report-${messageId}`),
      InReplyToId: shortId(notice.deliverySystemId),
      FromField: cutText(to, LIMITS.FromField) || UNKNOWN_SENDER,
      RemoteAddress: cutText(to, LIMITS.RemoteAddress) || UNKNOWN_SENDER,
      ToField: null,
      ToCcField: null,
      ToBccField: null,
      Direction: 'I',
      ExtendedFields: null,
      ReceivedSentTime: isoTime(at),
      DraftTime: null,
      SubjectField: cutText(`${channel} to ${to} ${delivered ? 'delivered' : 'NOT delivered'}`, LIMITS.SubjectField),
      BodyHtml: textToHtml(text),
      BodyText: text,
      Culture: null,
      Mark: null,
      SpamLevel: null,
      Hierarchy: null,
      Rating: null,
    },
    attachments: [],
    rfcMessageId: null,
    references: null,
    notes: [],
  };
}
