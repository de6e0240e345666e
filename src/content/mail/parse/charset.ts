// The tables are those of iconv-lite and, behind libmime, of encoding-japanese.
import { isUtf8 } from 'node:buffer';
import iconv from 'iconv-lite';
import libmime from 'libmime';

const UTF8 = 'utf-8';
/** What undeclared 8-bit text that is not UTF-8 is nearly always in. */
export const LAST_RESORT = 'windows-1252';

const ALIASES: Readonly<Record<string, string>> = {
  'ks_c_5601-1987': 'cp949',
  'iso-8859-8-i': 'iso-8859-8',
  'iso-8859-8-e': 'iso-8859-8',
  'iso-8859-6-i': 'iso-8859-6',
  'unicode-1-1-utf-8': UTF8,
  'unicode-1-1-utf-7': 'utf-7',
  'x-sjis': 'shift_jis',
  'us-ascii': UTF8,
  ascii: UTF8,
  'ansi_x3.4-1968': UTF8,
  utf8: UTF8,
  // A page in one of these is a page in its superset; browsers read them so as well.
  'iso-8859-1': LAST_RESORT,
  latin1: LAST_RESORT,
};

/** The charset's name as the decoders know it; undefined for none and for an unknown one. */
export function knownCharset(label: string | undefined): string | undefined {
  if (!label) return undefined;
  // RFC 2231 5: a language may follow the charset after an asterisk.
  const name = label
    .toLowerCase()
    .replace(/\*.*$/s, '')
    .replace(/["'\s]/g, '')
    .slice(0, 60);
  if (name === '') return undefined;
  const alias =
    ALIASES[name] ?? name.replace(/^(?:win|windows)-?(\d+)$/, 'windows-$1').replace(/^utf_?(\d+)/, 'utf-$1');
  return alias === 'utf-7' || isJapanese7Bit(alias) || iconv.encodingExists(alias) ? alias : undefined;
}

export interface CharsetGuess {
  charset: string;
  /** True when what the mail declares cannot be right. */
  mended: boolean;
}

/** The charset to read `bytes` with: the declared one unless it is absent, unknown or contradicted by the bytes. */
export function charsetFor(bytes: Buffer, declared: string | undefined, fallback?: string | undefined): CharsetGuess {
  const known = knownCharset(declared);
  if (known !== undefined && known !== UTF8) return { charset: known, mended: false };
  if (isUtf8(bytes)) {
    const japanese = known === undefined && bytes.includes('\x1b$');
    return { charset: japanese ? 'iso-2022-jp' : UTF8, mended: false };
  }
  const bom = byteOrderMark(bytes);
  if (bom) return { charset: bom, mended: false };
  if (mostlyUtf8(bytes)) return { charset: UTF8, mended: true };
  const other = knownCharset(fallback);
  const charset = other !== undefined && other !== UTF8 ? other : LAST_RESORT;
  return { charset, mended: known === UTF8 };
}

export function decodeBytes(bytes: Buffer, charset: string): string {
  if (charset === UTF8) return bytes.toString('utf8');
  if (isJapanese7Bit(charset)) return libmime.decodeWord(charset, 'B', bytes.toString('base64'));
  return iconv.decode(bytes, charset);
}

/** Bytes of such a charset may hold line ends and NULs that are none, so they travel as base64 only. */
export function isWide(charset: string): boolean {
  return /^(?:utf-?(?:16|32)|ucs-?[24])/i.test(charset);
}

/** iconv-lite has no table for these; libmime and mailparser hand them to encoding-japanese. */
function isJapanese7Bit(name: string): boolean {
  return /^(?:iso-?2022-?jp|jis)/i.test(name);
}

function byteOrderMark(bytes: Buffer): string | undefined {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return 'utf-16le';
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return 'utf-16be';
  return undefined;
}

/** One damaged character does not turn a UTF-8 text into a Latin one. */
function mostlyUtf8(bytes: Buffer): boolean {
  const sample = bytes.subarray(0, 64 * 1024).toString('utf8');
  let good = 0;
  let bad = 0;
  for (let at = 0; at < sample.length; at++) {
    const unit = sample.charCodeAt(at);
    if (unit === 0xfffd) bad += 1;
    else if (unit > 0x7f) good += 1;
  }
  return good > bad * 2;
}
