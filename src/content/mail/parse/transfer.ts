import { base64End } from './base64-end.js';

/** What RFC 2045 6 knows, anything else counts as "as it is". */
export type Encoding = 'base64' | 'quoted-printable' | 'uuencode' | 'identity';

export function encodingOf(header: string): Encoding {
  const name = header
    .slice(0, 200)
    .toLowerCase()
    .replace(/\([^)]*\)|"/g, '')
    .replaceAll("'", '')
    .trim()
    .replace(/^=\?[^?\s]+\?q\?([^?]*)\?=/, '$1');
  if (/^(?:base[-_ ]?64|b$)/.test(name)) return 'base64';
  if (/^(?:quoted[-_ ]?printable|qp?$)/.test(name)) return 'quoted-printable';
  if (/^(?:x-)?uu(?:e|encode)\b/.test(name)) return 'uuencode';
  return 'identity';
}

/** The result may be a view on `bytes`. */
export function decodeTransfer(bytes: Buffer, encoding: Encoding): Buffer {
  if (encoding === 'base64') return decodeBase64(bytes.subarray(0, base64End(bytes)));
  if (encoding === 'quoted-printable') return decodeQuotedPrintable(bytes);
  return bytes;
}

export function decodeBase64(bytes: Buffer): Buffer {
  return bytes.length > SLICE ? (decodeSlices(bytes) ?? decodeWhole(bytes)) : decodeWhole(bytes);
}

/** A string of this many characters still lives and dies among V8's young objects; larger ones pile up until a full collection. */
const SLICE = 64 * 1024;

/** Regular lines of whole quantums, as every mail program writes them, slice by slice; undefined when they are not regular. */
function decodeSlices(bytes: Buffer): Buffer | undefined {
  const stride = bytes.indexOf(LF) + 1;
  const characters = bytes[stride - 2] === CR ? stride - 2 : stride - 1;
  if (stride < 2 || characters % 4 !== 0 || stride > SLICE) return undefined;
  const lines = Math.floor(SLICE / stride);
  const expected = (lines * characters * 3) / 4;
  const out = Buffer.allocUnsafeSlow(Math.ceil((bytes.length * 3) / 4));
  let length = 0;
  let at = 0;
  for (; bytes.length - at > lines * stride; at += lines * stride) {
    // Fewer bytes than so many lines hold: padding, blanks or shorter lines, and then the slices do not fit together.
    const end = at + lines * stride;
    if (bytes[end - 1] !== LF || out.write(bytes.toString('latin1', at, end), length, 'base64') !== expected)
      return undefined;
    length += expected;
  }
  const rest = decodeWhole(bytes.subarray(at));
  rest.copy(out, length);
  return out.subarray(0, length + rest.length);
}

function decodeWhole(bytes: Buffer): Buffer {
  const padding = bytes.indexOf(EQUALS);
  const after = padding < 0 ? 'padding' : classOf(bytes, padding);
  if (after === 'padding') return Buffer.from(bytes.toString('latin1', 0, bytes.length), 'base64');
  // Several padded pieces one after the other are one content; a plain line after the padding (a list's footer) is none.
  return after === 'base64' ? decodePieces(bytes) : Buffer.from(bytes.toString('latin1', 0, padding), 'base64');
}

/** What stands from the first padding to the end: nothing but padding and blanks, more base64, or something else. */
function classOf(bytes: Buffer, from: number): 'padding' | 'base64' | 'other' {
  let found: 'padding' | 'base64' = 'padding';
  for (let at = from; at < bytes.length; at++) {
    const byte = bytes[at] ?? 0;
    if (byte === EQUALS || isBlank(byte)) continue;
    if ((SIXTETS[byte] ?? -1) < 0) return 'other';
    found = 'base64';
  }
  return found;
}

/** Padded pieces one after the other, into one buffer: a buffer for each would cost a hundred times what the piece does. */
function decodePieces(bytes: Buffer): Buffer {
  const out = Buffer.allocUnsafeSlow(Math.ceil((bytes.length * 3) / 4));
  let length = 0;
  let bits = 0;
  let held = 0;
  for (const byte of bytes) {
    // Padding ends a piece; what is left of its last quantum is no whole byte.
    if (byte === EQUALS) held = 0;
    const sixtet = SIXTETS[byte] ?? -1;
    if (sixtet < 0) continue;
    bits = ((bits << 6) | sixtet) & 0xffff;
    held += 6;
    if (held < 8) continue;
    held -= 8;
    out[length++] = bits >> held;
  }
  return out.subarray(0, length);
}

function isBlank(byte: number): boolean {
  return byte === SPACE || (byte >= TAB && byte <= CR);
}

const SIXTETS = new Int8Array(256).fill(-1);
for (const [value, character] of [...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'].entries())
  SIXTETS[character.charCodeAt(0)] = value;

const HEX = new Int8Array(256).fill(-1);
for (let digit = 0; digit < 16; digit++) {
  HEX[digit.toString(16).charCodeAt(0)] = digit;
  HEX[digit.toString(16).toUpperCase().charCodeAt(0)] = digit;
}

const LF = 0x0a;
const CR = 0x0d;
const TAB = 0x09;
const SPACE = 0x20;
const EQUALS = 0x3d;

/** RFC 2045 6.7, forgiving: what is no valid escape stays as it stands. Blanks at line ends were added on the way and go. */
export function decodeQuotedPrintable(bytes: Buffer): Buffer {
  const out = Buffer.allocUnsafe(bytes.length);
  let length = 0;
  /** Where the line's last character that is no loose blank ends. */
  let solid = 0;
  let at = 0;
  while (at < bytes.length) {
    const byte = bytes[at] ?? 0;
    if (byte !== EQUALS) {
      if (byte === LF || byte === CR) length = solid;
      out[length++] = byte;
      if (byte !== SPACE && byte !== TAB) solid = length;
      at += 1;
      continue;
    }
    const value = escaped(bytes, at);
    const next = value < 0 ? lineEndAfter(bytes, at + 1) : at + 3;
    if (value >= 0) out[length++] = value;
    else if (next < 0) out[length++] = EQUALS;
    solid = length;
    at = next < 0 ? at + 1 : next;
  }
  return out.subarray(0, solid);
}

function escaped(bytes: Buffer, at: number): number {
  const high = HEX[bytes[at + 1] ?? 0] ?? -1;
  const low = HEX[bytes[at + 2] ?? 0] ?? -1;
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

/** Where the next line begins when only blanks stand before the line end; -1 when something else does. */
function lineEndAfter(bytes: Buffer, from: number): number {
  let at = afterBlanks(bytes, from);
  if (at >= bytes.length) return at;
  if (bytes[at] === CR) at += 1;
  else if (bytes[at] !== LF) return -1;
  return bytes[at] === LF ? at + 1 : at;
}

function afterBlanks(bytes: Buffer, from: number): number {
  let at = from;
  while (bytes[at] === SPACE || bytes[at] === TAB) at += 1;
  return at;
}
