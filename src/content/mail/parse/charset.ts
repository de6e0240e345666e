// The tables are those of iconv-lite and, behind libmime, of encoding-japanese.
import { isAscii, isUtf8 } from 'node:buffer';
import iconv from 'iconv-lite';
import { isSingleByte, knownCharset, LAST_RESORT, UTF8 } from './charset-labels.js';
import { decodeJohab } from './johab.js';
import { libmime } from './libmime.js';
import { decodeShifted } from './shifted-charsets.js';

export { isUnknownCharset, knownCharset } from './charset-labels.js';

export interface CharsetGuess {
  charset: string;
  /** True when what the mail declares cannot be right. */
  mended: boolean;
}

/** The charset to read `bytes` with: the declared one unless it is absent, unknown or contradicted by the bytes. */
export function charsetFor(bytes: Buffer, declared: string | undefined, fallback?: string | undefined): CharsetGuess {
  const known = knownCharset(declared);
  if (known !== undefined && known !== UTF8) {
    const other = contradicting(bytes, known);
    return other === undefined ? { charset: known, mended: false } : { charset: other, mended: true };
  }
  if (isUtf8(bytes)) return { charset: known === undefined ? escaped(bytes) : UTF8, mended: false };
  const bom = byteOrderMark(bytes);
  if (bom) return { charset: bom, mended: false };
  if (mostlyUtf8(bytes) || (known === UTF8 && isCutUtf8(bytes))) return { charset: UTF8, mended: true };
  const other = knownCharset(fallback);
  const charset = other !== undefined && other !== UTF8 ? other : LAST_RESORT;
  return { charset, mended: known === UTF8 };
}

/** Undeclared text of 7 bits: the designation of a charset tells. */
function escaped(bytes: Buffer): string {
  if (bytes.includes('\x1b$)C')) return 'iso-2022-kr';
  return bytes.includes('\x1b$') ? 'iso-2022-jp' : UTF8;
}

/** 8-bit charsets of the language of a 7-bit one; of several the first that fits. */
const EIGHT_BIT: Readonly<Record<string, readonly string[]>> = {
  'iso-2022-jp': ['euc-jp', 'shift_jis'],
  'iso-2022-kr': ['euc-kr'],
  'iso-2022-cn': ['gb18030'],
  'hz-gb-2312': ['gb18030'],
  'utf-7': ['windows-1252'],
};

/** The charset that the octets are in when they cannot be in `known`; undefined when they can. */
function contradicting(bytes: Buffer, known: string): string | undefined {
  if (isWide(known) || isAscii(bytes)) return undefined;
  if (isSingleByte(known)) return isUtf8(bytes) || mostlyUtf8(bytes) ? UTF8 : undefined;
  const eightBit = EIGHT_BIT[known];
  if (eightBit) {
    // Some programs write half-width katakana in 8 bits between the escapes of ISO-2022-JP.
    if (known === 'iso-2022-jp' && bytes.includes(0x1b)) return undefined;
    return isUtf8(bytes) ? UTF8 : (eightBit.find((charset) => fits(bytes, charset)) ?? eightBit.at(-1));
  }
  return isUtf8(bytes) && !fits(bytes, known) ? UTF8 : undefined;
}

const SAMPLE = 64 * 1024;

/** Whether every octet of the beginning is part of a character of `charset`; a character may be cut at its end. */
function fits(bytes: Buffer, charset: string): boolean {
  return !decodeBytes(bytes.subarray(0, SAMPLE), charset).slice(0, -1).includes('\ufffd');
}

export function decodeBytes(bytes: Buffer, charset: string): string {
  if (charset === UTF8) return bytes.toString('utf8');
  if (charset === 'iso-2022-jp') return libmime().decodeWord(charset, 'B', bytes.toString('base64'));
  if (charset === 'johab') return decodeJohab(bytes);
  return decodeShifted(bytes, charset) ?? iconv.decode(bytes, charset);
}

/** Bytes of such a charset may be octets of UTF-8 by chance. */
function isWide(charset: string): boolean {
  return /^(?:utf-?(?:16|32)|ucs-?[24])/i.test(charset);
}

function byteOrderMark(bytes: Buffer): string | undefined {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return 'utf-16le';
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return 'utf-16be';
  return undefined;
}

/** Programs cut subjects and names after so many octets, in the middle of their last character. */
function isCutUtf8(bytes: Buffer): boolean {
  for (let cut = 1; cut <= 3 && cut < bytes.length; cut++) {
    const rest = bytes.subarray(0, bytes.length - cut);
    if (isUtf8(rest)) return !isAscii(rest);
  }
  return false;
}

/** One damaged character does not turn a UTF-8 text into a Latin one. */
function mostlyUtf8(bytes: Buffer): boolean {
  const sample = bytes.subarray(0, SAMPLE).toString('utf8');
  let good = 0;
  let bad = 0;
  for (let at = 0; at < sample.length; at++) {
    const unit = sample.charCodeAt(at);
    if (unit === 0xfffd) bad += 1;
    else if (unit > 0x7f) good += 1;
  }
  return good > bad * 2;
}
