// mailparser decodes the subject and flowed text. It is given a small, well-formed mail of only these, because its stream
// decoders cost 16 times what Buffer does.
import { type ParsedMail, simpleParser } from 'mailparser';
import { cleanLine, cleanText } from '../../limits.js';
import { type AddressField, type Mailbox, readAddressFields } from './address-fields.js';
import type { Piece } from './attachments.js';
import { decodeBytes } from './charset.js';
import { enrichedText } from './enriched.js';
import { firstFilled, mendHeader } from './header-text.js';
import type { Headers } from './headers.js';

const LONGEST_SUBJECT = 8 * 1024;

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
  const top = await run(subjectLine(headers, bodyCharset), flowed[0], decoded);
  for (const piece of flowed.slice(1)) await run([], piece, decoded);
  const { addresses, unread } = readAddressFields(headers, bodyCharset);
  return { addresses, unread, subject: cleanLine(top.subject ?? ''), texts: decoded };
}

/** Text whose lines are lines needs the charset's table and nothing else; the parser's streams would cost as much again. */
function plainText({ bytes, charset, enriched }: Piece): string {
  const text = decodeBytes(bytes, charset).replace(/\r\n/g, '\n').replace(/\n$/, '');
  return tidy(enriched ? enrichedText(text) : text);
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

/** In UTF-8 whatever the mail's charset: the parser has fewer tables. */
function part(piece: Piece): Buffer {
  const head = [
    `Content-Type: text/${piece.kind === 'html' ? 'html' : 'plain'}; charset=utf-8; format=flowed${piece.delSp ? '; delsp=yes' : ''}`,
    'Content-Transfer-Encoding: 8bit',
    '',
    '',
  ].join('\r\n');
  return Buffer.from(head + decodeBytes(piece.bytes, piece.charset));
}

function subjectLine(headers: Headers, bodyCharset: string | undefined): string[] {
  const subject = firstFilled(headers.all('subject')).slice(0, LONGEST_SUBJECT);
  return subject === '' ? [] : [`subject: ${mendHeader(subject, bodyCharset)}`];
}
