// The text of a delivery receipt. SMPP 3.4 (appendix B) has one form as an example, and carriers write it in their own ways:
// other capitals, commas or semicolons or line ends between the fields, "=" or a blank for the colon, ids in quotes, the
// whole in UCS-2. Pure.
import { decodeUtf16 } from '../../../src/driver/shared/utf16.js';

export type ReceiptField = 'id' | 'submitted' | 'done' | 'state' | 'error' | 'text' | 'other';
export type ReceiptFields = ReadonlyMap<ReceiptField, string>;

/** Characters of a receipt that are read: the form has 100 and some, and the text behind it is the beginning of a message. */
const MOST = 2_000;

const NAMES: readonly (readonly [ReceiptField, string])[] = [
  ['submitted', 'sub(?:mit(?:ted)?)?[ _-]?date'],
  ['done', 'done[ _-]?date'],
  ['id', '(?:message|msg)[ _-]?id|id'],
  ['other', 'dlvrd|sub'],
  ['state', 'stat(?:us|e)?|статус'],
  ['error', 'err(?:or)?(?:[ _-]?code)?'],
  ['text', 'te?xt'],
];
const NAME = NAMES.map(([field, names]) => `(?<${field}>${names})`).join('|');
const BEFORE = `(?:^|(?<=[\\s,;|&"'{([]))`;
/** With a colon or "=", as nearly everybody; and with blanks only. */
const WITH_COLON = new RegExp(`${BEFORE}(?:${NAME})["']?[ \\t]{0,3}[:=]`, 'giu');
const WITH_BLANK = new RegExp(`${BEFORE}(?:${NAME})(?=[ \\t])`, 'giu');

/** The first value of each field; of a text without fields an empty map. */
export function receiptFields(whole: string): ReceiptFields {
  const text = whole.slice(0, MOST);
  const { fields, end } = fieldsBy(WITH_COLON, text);
  if (fields.has('id') && fields.has('state') && fields.has('done')) return fields;
  const { fields: loose } = fieldsBy(WITH_BLANK, text.slice(0, end));
  if (!fields.has('id') && !fields.has('state') && loose.has('id') && loose.has('state')) return loose;
  // Some write "submit date 2611221000", but "id:" and "stat:".
  return new Map([...fields, ...[...loose].filter(([field]) => !fields.has(field))]);
}

/** True for a text that starts with the id, as receipts do and sentences do not. */
export function beginsWithId(text: string): boolean {
  return /^[\s"'({[]{0,20}(?:(?:message|msg)[ _-]?)?id["']?[ \t]{0,3}[:= \t]/i.test(text);
}

/** `end`: where the text of the message begins. */
function fieldsBy(pattern: RegExp, text: string) {
  const fields = new Map<ReceiptField, string>();
  const found = [...text.matchAll(pattern)];
  for (const [at, match] of found.entries()) {
    const field = NAMES.find(([name]) => match.groups?.[name] !== undefined)?.[0] ?? 'other';
    const from = match.index + match[0].length;
    // What follows "text:" is a customer's or an agent's, whatever it looks like.
    const value = trimmed(text.slice(from, field === 'text' ? undefined : found[at + 1]?.index), field);
    if (!fields.has(field)) fields.set(field, value);
    if (field === 'text') return { fields, end: match.index };
  }
  return { fields, end: text.length };
}

function trimmed(value: string, field: ReceiptField): string {
  return field === 'text' ? value.trim() : value.replace(/^[\s,;|&"'({[]+/, '').replace(/[\s,;|&"')}\]]{1,200}$/, '');
}

/** One word: an id, an error, a state. */
export function firstWord(value: string | undefined): string | undefined {
  return value === undefined ? undefined : /^[^\s,;|&"']+/.exec(value)?.[0];
}

/**
 * The octets of a receipt as text: UCS-2 by its data_coding or by its octets, else UTF-8 where it is valid, else Latin-1.
 * The form itself is ASCII in every alphabet.
 */
export function receiptTextOf(octets: Buffer, isUcs2: boolean): string {
  if (isUcs2 || looksLikeUcs2(octets)) return decodeUtf16(octets).text;
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(octets);
  } catch {
    return octets.toString('latin1');
  }
}

/** ASCII in UCS-2: every second octet is 0, and no other is. A byte order mark decides at once. */
function looksLikeUcs2(octets: Buffer): boolean {
  if (octets.length < 4) return false;
  const first = octets.readUInt16BE(0);
  if (first === 0xfeff || first === 0xfffe) return true;
  const head = octets.subarray(0, 16);
  const [even, odd] = [0, 1].map((side) => head.filter((octet, at) => at % 2 === side && octet === 0).length);
  const half = head.length >> 1;
  return (even === half && odd === 0) || (odd === half && even === 0);
}

/** YYMMDDhhmm[ss] or YYYYMMDDhhmm[ss], with any signs in between; ms since the epoch in the SMSC's own time zone. */
export function receiptTime(date: string | undefined): number | undefined {
  const digits = (/^\d[\d\-/.:T ]{0,30}/i.exec(date ?? '')?.[0] ?? '').replace(/\D/g, '');
  const short = digits.length === 10 || digits.length === 12 || digits.length >= 15 ? digits.slice(0, 12) : undefined;
  const long = digits.length === 12 || digits.length === 14 ? digits : undefined;
  return (short && timeIn(`20${short}`)) || (long && timeIn(long)) || undefined;
}

function timeIn(digits: string): number | undefined {
  const parts = /^(20\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)?$/
    .exec(digits)
    ?.slice(1)
    .map((part) => Number(part ?? 0));
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = parts ?? [];
  const isTime = month >= 1 && month <= 12 && day >= 1 && day <= 31 && hour < 24 && minute < 60 && second < 61;
  return parts && isTime ? Date.UTC(year, month - 1, day, hour, minute, second) : undefined;
}
