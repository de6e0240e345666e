// The octets of a push as text: character sets that are named, byte order marks, and what to do where neither is right.
import iconv from 'iconv-lite';
import { decodeUtf16 } from '../../src/driver/shared/utf16.js';

/** Words for 16-bit characters that leave their order open: big-endian, as everywhere in SMS (RFC 2781 4.3). */
const UTF16 = /^(?:utf-?16|ucs-?2|iso-10646-ucs-2|unicode)$/i;
/** Servers write these by default, also above UTF-8. */
const LATIN = /^(?:iso-?8859-?1|latin-?1|l1|windows-1252|cp1252|us-ascii|ascii)$/i;

/**
 * The text in the first of these character sets that fits, else in UTF-8, else in Windows-1252. Words that name no
 * character set we know (Kannel's 8-BIT) are passed over.
 */
export function decodeBytes(bytes: Buffer, charsets: readonly (string | undefined)[]): string {
  if (startsWithUtf16Mark(bytes)) return decodeUtf16(bytes).text;
  for (const charset of [...charsets.map(plain), 'utf-8']) {
    const text = charset === undefined ? undefined : decodedAs(bytes, charset);
    if (text !== undefined) return text;
  }
  return new TextDecoder('windows-1252').decode(bytes);
}

/** The charset of a content type; undefined when it names none. */
export function charsetOf(contentType: string | undefined): string | undefined {
  return /;\s{0,20}charset\s{0,5}=\s{0,5}["']?([^\s"';,]{1,40})/i.exec((contentType ?? '').slice(0, 1_000))?.[1];
}

/** A whole body that is in 16-bit characters, by its mark or by its first character, which is ASCII in JSON and in forms. */
export function isUtf16Body(body: Buffer): boolean {
  if (startsWithUtf16Mark(body)) return true;
  const [first, second] = body;
  return body.length >= 2 && (first === 0) !== (second === 0);
}

function startsWithUtf16Mark([first, second]: Buffer): boolean {
  return (first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff);
}

function plain(charset: string | undefined): string | undefined {
  return charset?.trim().replace(/^["']|["']$/g, '') || undefined;
}

function decodedAs(bytes: Buffer, charset: string): string | undefined {
  if (UTF16.test(charset)) return bytes.length % 2 === 0 ? decodeUtf16(bytes).text : undefined;
  if (LATIN.test(charset)) return strictly(bytes, 'utf-8') ?? strictly(bytes, 'windows-1252');
  const known = strictly(bytes, charset);
  if (known !== undefined || isLabel(charset) || !iconv.encodingExists(charset)) return known;
  return iconv.decode(bytes, charset);
}

/** Undefined when the octets do not fit, or the label is none. A byte order mark is dropped. */
function strictly(bytes: Buffer, label: string): string | undefined {
  try {
    return new TextDecoder(label, { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

function isLabel(charset: string): boolean {
  try {
    return Boolean(new TextDecoder(charset));
  } catch {
    return false;
  }
}
