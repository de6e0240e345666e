import type { DeliveryReceipt, RawMail } from '../../src/driver/contract.js';
import type { OpenedMail } from './open-mail.js';
import { findToken } from './token.js';

export interface SendResult {
  readonly receipt: DeliveryReceipt;
  /** True when the mail contains the final result of the fax. Such a mail is not delivered to the server. */
  readonly final: boolean;
}

export interface ResultWords {
  readonly delivered: readonly string[];
  readonly failed: readonly string[];
}

/** Bytes of the mail that are searched for the token: header, text and the returned header of the sent mail. */
const MAX_SEARCHED = 256 * 1024;
const MAX_DETAIL = 300;

/** The result of a fax that gateway `gatewayId` sent, recognized by the token in its Message-ID; null for any other mail. */
export function readResultMail(
  gatewayId: string,
  raw: RawMail,
  mail: OpenedMail,
  words: ResultWords,
): SendResult | null {
  const text = [mail.subject, ...mail.lines].join('\n');
  const source = Buffer.from(raw.raw.buffer, raw.raw.byteOffset, Math.min(raw.raw.byteLength, MAX_SEARCHED));
  const id = findToken(gatewayId, text) ?? findToken(gatewayId, source.toString('latin1'));
  if (!id) return null;
  const state = isFailureReport(source) ? 'undelivered' : stateIn(text, words);
  const detail = [mail.subject, ...mail.lines].join('; ').slice(0, MAX_DETAIL);
  const base = { id, at: raw.receivedAt, detail: detail === '' ? null : detail };
  if (state) return { receipt: { ...base, state }, final: true };
  return { receipt: { ...base, state: 'accepted', progress: true }, final: false };
}

/** A mail server's report that the sent mail failed (RFC 3464 2.3.3). Its "delivered" says nothing about the fax. */
function isFailureReport(source: Buffer): boolean {
  const text = source.toString('latin1');
  return /^content-type:\s*multipart\/report/im.test(text) && /^action:\s*failed/im.test(text);
}

/** The longest matching word decides: "unsuccessful" contains "successful". */
function stateIn(text: string, { delivered, failed }: ResultWords): 'delivered' | 'undelivered' | null {
  const lower = text.toLowerCase();
  const longest = (words: readonly string[]) =>
    Math.max(0, ...words.filter((word) => lower.includes(word.toLowerCase())).map(({ length }) => length));
  const [good, bad] = [longest(delivered), longest(failed)];
  if (good === 0 && bad === 0) return null;
  return good > bad ? 'delivered' : 'undelivered';
}
