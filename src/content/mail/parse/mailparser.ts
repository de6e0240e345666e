// mailparser decodes encoded words, addresses and flowed text. It is given a small, well-formed mail of only these,
// because its stream decoders cost 16 times what Buffer does.
import { type AddressObject, type EmailAddress, type ParsedMail, simpleParser } from 'mailparser';
import { cleanLine, cleanText } from '../../limits.js';
import type { Piece } from './attachments.js';
import { decodeBytes, isWide } from './charset.js';
import { mendHeader } from './header-text.js';
import type { Headers } from './headers.js';

const LIST_FIELDS = ['to', 'cc', 'bcc'] as const;
const SINGLE_FIELDS = ['from', 'sender', 'reply-to', 'return-path'] as const;
export type AddressField = (typeof LIST_FIELDS)[number] | (typeof SINGLE_FIELDS)[number];

/** What is read of one address field: more than is ever shown, and the parser's time grows with its square. */
const LONGEST_LIST = 8 * 1024;
const LONGEST_SINGLE = 4 * 1024;
const MOST_SEPARATORS = 250;
const LONGEST_SUBJECT = 8 * 1024;

export interface Mailbox {
  name: string;
  address: string;
}

export interface Parsed {
  readonly addresses: ReadonlyMap<AddressField, readonly Mailbox[]>;
  /** Addresses that were not read because the field is too long, as nearly as their "@" tell. */
  readonly unread: ReadonlyMap<AddressField, number>;
  readonly subject: string;
  readonly texts: ReadonlyMap<Piece, string>;
}

export interface ParseInput {
  readonly headers: Headers;
  readonly pieces: readonly Piece[];
  readonly bodyCharset: string | undefined;
}

export async function parseText({ headers, pieces, bodyCharset }: ParseInput): Promise<Parsed> {
  const decoded = new Map<Piece, string>();
  for (const piece of pieces) if (!piece.flowed) decoded.set(piece, plainText(piece));
  const flowed = pieces.filter((piece) => piece.flowed);
  const fields = headerFields(headers, bodyCharset);
  const top = await run(fields.lines, flowed[0], decoded);
  for (const piece of flowed.slice(1)) await run([], piece, decoded);
  const addresses = addressesOf(top);
  return { addresses, unread: fields.unread, subject: cleanLine(top.subject ?? ''), texts: decoded };
}

/** Text whose lines are lines needs the charset's table and nothing else; the parser's streams would cost as much again. */
function plainText({ bytes, charset }: Piece): string {
  return tidy(decodeBytes(bytes, charset).replace(/\r\n/g, '\n').replace(/\n$/, ''));
}

async function run(
  lines: readonly string[],
  piece: Piece | undefined,
  decoded: Map<Piece, string>,
): Promise<ParsedMail> {
  const mail = await simpleParser(skeleton(lines, piece), {
    skipHtmlToText: true,
    skipTextToHtml: true,
    skipTextLinks: true,
    skipImageLinks: true,
  });
  if (piece) decoded.set(piece, tidy(piece.kind === 'html' ? mail.html : mail.text));
  return mail;
}

/** Neither a byte order mark nor a control character is text. */
function tidy(text: string | false | undefined): string {
  return cleanText((text || '').replace(/^\ufeff/, ''));
}

function skeleton(lines: readonly string[], piece: Piece | undefined): Buffer {
  const head = lines.length > 0 ? `${lines.join('\r\n')}\r\n` : '';
  return piece ? Buffer.concat([Buffer.from(head), part(piece)]) : Buffer.from(`${head}\r\n`);
}

function part(piece: Piece): Buffer {
  const flowed = piece.flowed ? `; format=flowed${piece.delSp ? '; delsp=yes' : ''}` : '';
  const wide = isWide(piece.charset);
  const head = [
    `Content-Type: text/${piece.kind === 'html' ? 'html' : 'plain'}; charset="${piece.charset}"${flowed}`,
    `Content-Transfer-Encoding: ${wide ? 'base64' : '8bit'}`,
    '',
    '',
  ].join('\r\n');
  const body = wide ? Buffer.from(piece.bytes.toString('base64')) : piece.bytes;
  return Buffer.concat([Buffer.from(head), body]);
}

interface HeaderFields {
  lines: string[];
  unread: Map<AddressField, number>;
}

function headerFields(headers: Headers, bodyCharset: string | undefined): HeaderFields {
  const lines: string[] = [];
  const unread: HeaderFields['unread'] = new Map();
  for (const name of SINGLE_FIELDS) {
    const value = wholeAddresses(firstFilled(headers.all(name)), LONGEST_SINGLE);
    if (value !== '') lines.push(`${name}: ${mendHeader(value, bodyCharset)}`);
  }
  for (const name of LIST_FIELDS) {
    const whole = headers.all(name).join(', ');
    const value = wholeAddresses(whole, LONGEST_LIST);
    unread.set(name, countAddresses(whole.slice(value.length)) + headers.lost(name));
    if (value !== '') lines.push(`${name}: ${mendHeader(value, bodyCharset)}`);
  }
  const subject = firstFilled(headers.all('subject')).slice(0, LONGEST_SUBJECT);
  if (subject !== '') lines.push(`subject: ${mendHeader(subject, bodyCharset)}`);
  return { lines, unread };
}

/** RFC 5322 3.6 allows these fields once. Of several the first counts: it is what most programs show. */
function firstFilled(values: readonly string[]): string {
  return values.find((value) => value.trim() !== '') ?? '';
}

/** As many whole addresses as are read; groups (`name: a, b;`) count with their separators, because nesting them is what costs. */
function wholeAddresses(value: string, max: number): string {
  let separators = 0;
  let end = 0;
  for (const match of value.slice(0, max).matchAll(/[,;:]/g)) {
    end = match.index;
    separators += 1;
    if (separators > MOST_SEPARATORS) return value.slice(0, end);
  }
  return value.length <= max ? value : value.slice(0, end > 0 ? end : max);
}

function countAddresses(value: string): number {
  let count = 0;
  for (let at = value.indexOf('@'); at >= 0; at = value.indexOf('@', at + 1)) count += 1;
  return count;
}

function addressesOf(mail: ParsedMail): Map<AddressField, Mailbox[]> {
  const found = new Map<AddressField, Mailbox[]>();
  for (const name of [...SINGLE_FIELDS, ...LIST_FIELDS]) {
    const value = mail.headers.get(name);
    const objects = (Array.isArray(value) ? value : [value]).filter(isAddressObject);
    found.set(
      name,
      objects.flatMap((object) => flat(object.value)),
    );
  }
  return found;
}

function isAddressObject(value: unknown): value is AddressObject {
  return typeof value === 'object' && value !== null && 'value' in value && Array.isArray(value.value);
}

/** The members of groups count, the group's own name does not. */
function flat(entries: readonly EmailAddress[]): Mailbox[] {
  return entries.flatMap((entry) => {
    if (entry.group) return flat(entry.group);
    const address = cleanLine(entry.address ?? '').replace(/[<>]/g, '');
    const name = cleanLine(entry.name).replace(/[<>]/g, '').trim();
    return address === '' && name === '' ? [] : [{ name, address }];
  });
}
