// The mail parser expects ASCII with encoded words, or UTF-8; customers' mails hold anything. Here a raw value becomes
// such text, or is decoded (RFC 2047).
import { cleanLine } from '../../limits.js';
import { type CharsetGuess, charsetFor, decodeBytes } from './charset.js';
import { type EncodedWord, wordRuns } from './encoded-words.js';
import { decodeBase64, decodeQuotedPrintable } from './transfer.js';

/** A raw value as text in which every encoded word can be decoded and every other character is what was meant. */
export function mendHeader(value: string, bodyCharset?: string | undefined): string {
  const plain = isPrintableAscii(value);
  const words = value.includes('=?');
  if (plain && !words) return looksUtf7(value, bodyCharset) ? decodeRaw(value, bodyCharset) : value;
  if (!words) return cleanLine(decodeRaw(value, bodyCharset));
  return render(value, bodyCharset, (run, whole) => mendRun(run, whole, bodyCharset));
}

/** The readable text of an unstructured raw value. */
export function headerText(value: string, bodyCharset?: string | undefined): string {
  return render(value, bodyCharset, (run) => decodeRun(piecesOf(run), bodyCharset));
}

/** The whole value, with each run of encoded words in the form that `wordForm` gives it. */
function render(
  value: string,
  bodyCharset: string | undefined,
  wordForm: (run: readonly EncodedWord[], whole: string) => string,
): string {
  let text = '';
  let from = 0;
  for (const run of wordRuns(value)) {
    const [start, end] = [run[0]?.start ?? from, run.at(-1)?.end ?? from];
    text += decodeRaw(value.slice(from, start), bodyCharset) + wordForm(run, value.slice(start, end));
    from = end;
  }
  return cleanLine(text + decodeRaw(value.slice(from), bodyCharset));
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

/** As it stands when the mail parser can decode it, else as one word that it can. */
function mendRun(run: readonly EncodedWord[], whole: string, bodyCharset: string | undefined): string {
  const pieces = piecesOf(run);
  const simple =
    isPrintableAscii(whole) && run.every(isSimple) && !guesses(pieces, bodyCharset).some((guess) => guess.mended);
  if (simple) return whole;
  return `=?utf-8?B?${Buffer.from(decodeRun(pieces, bodyCharset)).toString('base64')}?=`;
}

/** The mail parser has no tables for other charsets, and "?" ends a word for it; other unencoded specials (against RFC 2047 5) would tear an address list apart. */
function isSimple({ charset, text, closed }: EncodedWord): boolean {
  // Its labels count, not ours: what calls itself us-ascii is Latin-1 for it.
  return closed && /^(?:utf-8|windows-125\d|iso-8859-\d{1,2})$/i.test(charset) && !/[\s,;:<>()"@?]/.test(text);
}

/** One character may be spread over two words of the same charset. */
function piecesOf(run: readonly EncodedWord[]): Piece[] {
  const pieces: { charset: string; parts: Buffer[] }[] = [];
  for (const { charset, encoding, text } of run) {
    const last = pieces.at(-1);
    const bytes = wordBytes(encoding, text);
    if (last?.charset.toLowerCase() === charset.toLowerCase()) last.parts.push(bytes);
    else pieces.push({ charset, parts: [bytes] });
  }
  return pieces.map(({ charset, parts }) => ({ charset, bytes: Buffer.concat(parts) }));
}

function guesses(pieces: readonly Piece[], bodyCharset: string | undefined): CharsetGuess[] {
  return pieces.map(({ charset, bytes }) => charsetFor(bytes, charset, bodyCharset));
}

function decodeRun(pieces: readonly Piece[], bodyCharset: string | undefined): string {
  const found = guesses(pieces, bodyCharset);
  return pieces.map(({ bytes }, at) => decodeBytes(bytes, found[at]?.charset ?? 'utf-8')).join('');
}

function wordBytes(encoding: string, text: string): Buffer {
  const raw = Buffer.from(text, 'latin1');
  if (encoding === 'Q') return decodeQuotedPrintable(Buffer.from(text.replace(/[_\s]/g, '=20'), 'latin1'));
  // Octets above 127 are no base64: the sender labelled the word and forgot to encode it.
  return isPrintableAscii(text) ? decodeBase64(raw) : raw;
}

/** Of a field that may stand once and stands several times the first that says anything counts: it is what most programs show. */
export function firstFilled(values: readonly string[]): string {
  return values.find((value) => value.trim() !== '') ?? '';
}
