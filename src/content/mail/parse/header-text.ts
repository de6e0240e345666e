// The mail parser expects ASCII with encoded words, or UTF-8; customers' mails hold anything. Here a raw value becomes
// such text; libmime decodes the words (RFC 2047) afterwards.
import libmime from 'libmime';
import { cleanLine } from '../../limits.js';
import { charsetFor, decodeBytes, knownCharset } from './charset.js';
import { decodeBase64, decodeQuotedPrintable } from './transfer.js';

const WORD = /=\?([^?\s]{1,80})\?([bBqQ])\?([^?]*)\?=/g;
/** Words that stand next to each other: one character may be spread over two of them. */
const RUN = /=\?[^?\s]{1,80}\?[bBqQ]\?[^?]*\?=(?:\s*=\?[^?\s]{1,80}\?[bBqQ]\?[^?]*\?=)*/g;

/** A raw value as text in which every encoded word can be decoded and every other character is what was meant. */
export function mendHeader(value: string, bodyCharset?: string | undefined): string {
  const plain = isPrintableAscii(value);
  const words = value.includes('=?');
  if (plain && !words) return looksUtf7(value, bodyCharset) ? decodeRaw(value, bodyCharset) : value;
  if (!words) return cleanLine(decodeRaw(value, bodyCharset));
  let mended = '';
  let from = 0;
  for (const run of value.matchAll(RUN)) {
    mended += decodeRaw(value.slice(from, run.index), bodyCharset) + mendRun(run[0], bodyCharset);
    from = run.index + run[0].length;
  }
  return cleanLine(mended + decodeRaw(value.slice(from), bodyCharset));
}

/** The readable text of an unstructured raw value. */
export function headerText(value: string, bodyCharset?: string | undefined): string {
  return cleanLine(libmime.decodeWords(mendHeader(value, bodyCharset)));
}

function isPrintableAscii(value: string): boolean {
  return !/[^\x20-\x7e\t]/.test(value);
}

/** Undeclared 8-bit text: UTF-8 if it is valid, else the charset of the body, else Windows-1252. */
function decodeRaw(value: string, bodyCharset: string | undefined): string {
  if (looksUtf7(value, bodyCharset)) return decodeBytes(Buffer.from(value, 'latin1'), 'utf-7');
  if (isPrintableAscii(value)) return value;
  const bytes = Buffer.from(value, 'latin1');
  return decodeBytes(bytes, charsetFor(bytes, undefined, bodyCharset).charset);
}

/** Only where the body says that it is UTF-7 too: "+" is too ordinary a character to guess by. */
function looksUtf7(value: string, bodyCharset: string | undefined): boolean {
  return bodyCharset === 'utf-7' && hasUtf7Run(value);
}

/** "+", two or more characters of base64, "-" (RFC 2152). One pass, because "+" is one of the characters itself. */
function hasUtf7Run(value: string): boolean {
  let plus = -1;
  for (let at = 0; at < value.length; at++) {
    const character = value.charAt(at);
    if (character === '-' && plus >= 0 && at - plus > 2) return true;
    if (!/[A-Za-z0-9+/]/.test(character)) plus = -1;
    else if (character === '+' && plus < 0) plus = at;
  }
  return false;
}

interface Piece {
  charset: string;
  bytes: Buffer;
}

function mendRun(run: string, bodyCharset: string | undefined): string {
  const pieces: Piece[] = [];
  let broken = !isPrintableAscii(run);
  for (const match of run.matchAll(WORD)) {
    const [, charset = '', encoding = '', text = ''] = match;
    const known = knownCharset(charset);
    // libmime does not decode UTF-7. Unencoded specials in a word (against RFC 2047 5) would tear an address list apart.
    broken ||= known === undefined || known === 'utf-7' || /[,;:<>()"@]/.test(text);
    const bytes = wordBytes(encoding, text);
    const last = pieces.at(-1);
    if (last?.charset.toLowerCase() === charset.toLowerCase()) last.bytes = Buffer.concat([last.bytes, bytes]);
    else pieces.push({ charset, bytes });
  }
  const guesses = pieces.map(({ charset, bytes }) => charsetFor(bytes, charset, bodyCharset));
  if (!broken && !guesses.some((guess) => guess.mended)) return run;
  const text = pieces.map((piece, at) => decodeBytes(piece.bytes, guesses[at]?.charset ?? 'utf-8')).join('');
  return `=?utf-8?B?${Buffer.from(text).toString('base64')}?=`;
}

function wordBytes(encoding: string, text: string): Buffer {
  const raw = Buffer.from(text, 'latin1');
  if (encoding.toUpperCase() === 'Q')
    return decodeQuotedPrintable(Buffer.from(`${text.replace(/_/g, '=20')}`, 'latin1'));
  // Octets above 127 are no base64: the sender labelled the word and forgot to encode it.
  return isPrintableAscii(text) ? decodeBase64(raw) : raw;
}

/** Of a field that may stand once and stands several times the first that says anything counts: it is what most programs show. */
export function firstFilled(values: readonly string[]): string {
  return values.find((value) => value.trim() !== '') ?? '';
}
