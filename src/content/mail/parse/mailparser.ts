// mailparser decodes flowed text. It is given a small, well-formed mail of only that, because its stream decoders cost 16 times
// what Buffer does, and it is loaded by the first such text.
import { cleanText } from '../../limits.js';
import { type AddressField, type Mailbox, readAddressFields } from './address-fields.js';
import type { Piece } from './attachments.js';
import { decodeBytes } from './charset.js';
import { enrichedText } from './enriched.js';
import { firstFilled, headerText } from './header-text.js';
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
  for (const piece of pieces) if (piece.flowed) decoded.set(piece, await flowedText(piece));
  const { addresses, unread } = readAddressFields(headers, bodyCharset);
  const subject = firstFilled(headers.all('subject')).slice(0, LONGEST_SUBJECT);
  return { addresses, unread, subject: headerText(subject, bodyCharset), texts: decoded };
}

/** Text whose lines are lines needs the charset's table and nothing else; the parser's streams would cost as much again. */
function plainText({ bytes, charset, enriched }: Piece): string {
  const text = decodeBytes(bytes, charset).replace(/\r\n/g, '\n').replace(/\n$/, '');
  return tidy(enriched ? enrichedText(text) : text);
}

async function flowedText(piece: Piece): Promise<string> {
  const { simpleParser } = await import('mailparser');
  const mail = await simpleParser(skeleton(piece), {
    skipHtmlToText: true,
    skipTextToHtml: true,
    skipTextLinks: true,
    skipImageLinks: true,
  });
  return tidy(piece.kind === 'html' ? mail.html : mail.text);
}

/** Neither a byte order mark nor a control character is text. */
function tidy(text: string | false | undefined): string {
  return cleanText((text || '').replace(/^\ufeff/, ''));
}

/** In UTF-8 whatever the mail's charset: the parser has fewer tables. */
function skeleton(piece: Piece): Buffer {
  const head = [
    `Content-Type: text/${piece.kind === 'html' ? 'html' : 'plain'}; charset=utf-8; format=flowed${piece.delSp ? '; delsp=yes' : ''}`,
    'Content-Transfer-Encoding: 8bit',
    '',
    '',
  ].join('\r\n');
  return Buffer.from(head + decodeBytes(piece.bytes, piece.charset));
}
