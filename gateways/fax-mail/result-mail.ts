// Owns mails about faxes that were sent: known by the token of our Message-ID, which nobody else can know. What they say
// becomes news of the send request.
import type { DeliveryReceipt, RawMail } from '../../src/driver/contract.js';
import type { OpenedMail } from './open-mail.js';
import { findToken } from './token.js';

export interface Notice {
  readonly receipts: DeliveryReceipt;
  /** True when it says how the fax ended: then it is of no more use than that. */
  readonly final: boolean;
}

export interface ResultWords {
  readonly delivered: readonly string[];
  readonly failed: readonly string[];
}

/** Where the token is looked for in the mail as it came: header, text and the returned header of ours. */
const LOOKED_AT = 256 * 1024;
const LONGEST_DETAIL = 300;

/** `gatewayId`: a result of another gateway's fax is a mail like any other here. */
export function noticeIn(gatewayId: string, raw: RawMail, mail: OpenedMail, words: ResultWords): Notice | null {
  const text = [mail.subject, ...mail.lines].join('\n');
  const source = Buffer.from(raw.raw.buffer, raw.raw.byteOffset, Math.min(raw.raw.byteLength, LOOKED_AT));
  const id = findToken(gatewayId, text) ?? findToken(gatewayId, source.toString('latin1'));
  if (!id) return null;
  const state = returned(source) ? 'undelivered' : verdict(text, words);
  const detail = [mail.subject, ...mail.lines].join('; ').slice(0, LONGEST_DETAIL);
  const base = { id, at: raw.receivedAt, detail: detail === '' ? null : detail };
  if (state) return { receipts: { ...base, state }, final: true };
  return { receipts: { ...base, state: 'accepted', progress: true }, final: false };
}

/** A mail server's report that our mail failed (RFC 3464 2.3.3). Its "delivered" says nothing of the fax. */
function returned(source: Buffer): boolean {
  const text = source.toString('latin1');
  return /^content-type:\s*multipart\/report/im.test(text) && /^action:\s*failed/im.test(text);
}

/** The longest of the words decides: "unsuccessful" holds "successful". */
function verdict(text: string, { delivered, failed }: ResultWords): 'delivered' | 'undelivered' | null {
  const read = text.toLowerCase();
  const longest = (words: readonly string[]) =>
    Math.max(0, ...words.filter((word) => read.includes(word.toLowerCase())).map(({ length }) => length));
  const [good, bad] = [longest(delivered), longest(failed)];
  if (good === 0 && bad === 0) return null;
  return good > bad ? 'delivered' : 'undelivered';
}
