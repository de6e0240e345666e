/** What RFC 2045 6 knows, anything else counts as "as it is". */
export type Encoding = 'base64' | 'quoted-printable' | 'uuencode' | 'identity';

export function encodingOf(header: string): Encoding {
  const name = header
    .slice(0, 200)
    .toLowerCase()
    .replace(/\([^)]*\)|"/g, '')
    .trim();
  if (name.startsWith('base64')) return 'base64';
  if (name.startsWith('quoted-printable')) return 'quoted-printable';
  if (/^(?:x-)?uu(?:e|encode)\b/.test(name)) return 'uuencode';
  return 'identity';
}

/** The result may be a view on `bytes`. */
export function decodeTransfer(bytes: Buffer, encoding: Encoding): Buffer {
  if (encoding === 'base64') return decodeBase64(bytes);
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
  const text = bytes.toString('latin1', 0, bytes.length);
  const padding = text.indexOf('=');
  if (padding < 0 || /^[=\s]*$/.test(text.slice(padding))) return Buffer.from(text, 'base64');
  // Several padded pieces one after the other are one content; a plain line after the padding (a list's footer) is none.
  const more = /^[A-Za-z0-9+/=\s]*$/.test(text.slice(padding));
  const pieces = more ? text.split(/=[=\s]*/) : [text.slice(0, padding)];
  return Buffer.concat(pieces.map((piece) => Buffer.from(piece, 'base64')));
}

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
