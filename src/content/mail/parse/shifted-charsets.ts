// Charsets of 7 bits that switch between ASCII and a table of two bytes: iso-2022-kr (RFC 1557), iso-2022-cn (RFC 1922),
// hz-gb-2312 (RFC 1843). The two bytes with their high bits set are a character of the 8-bit charset of the same table.
import iconv from 'iconv-lite';

const ESC = 0x1b;
const SHIFT_OUT = 0x0e;
const SHIFT_IN = 0x0f;
const LF = 0x0a;
const TILDE = 0x7e;

/** Linear; what is no valid sequence stays as it is. Undefined for other charsets. */
export function decodeShifted(bytes: Buffer, charset: string): string | undefined {
  if (charset === 'iso-2022-kr') return iconv.decode(unshifted(bytes), 'cp949');
  if (charset === 'iso-2022-cn') return iconv.decode(unshifted(bytes), 'gbk');
  if (charset === 'hz-gb-2312') return iconv.decode(unescapedHz(bytes), 'gbk');
  return undefined;
}

/** Shift out begins the other table, shift in or the line's end ends it; designations (ESC $ ) C and its like) go. */
function unshifted(bytes: Buffer): Buffer {
  const out = Buffer.allocUnsafe(bytes.length);
  let length = 0;
  let high = 0;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at] ?? 0;
    if (byte === ESC && bytes[at + 1] === 0x24) at += 3;
    else if (byte === SHIFT_OUT) high = 0x80;
    else if (byte === SHIFT_IN) high = 0;
    else {
      if (byte === LF) high = 0;
      out[length++] = byte > 0x20 ? byte | high : byte;
    }
  }
  return out.subarray(0, length);
}

/** `~{` begins the other table, `~}` or the line's end ends it; `~~` is a tilde, `~` at the end of a line joins it with the next. */
function unescapedHz(bytes: Buffer): Buffer {
  const out = Buffer.allocUnsafe(bytes.length);
  let length = 0;
  let high = 0;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at] ?? 0;
    const next = String.fromCharCode(bytes[at + 1] ?? 0);
    if (byte === TILDE && '{}~\n'.includes(next)) {
      at += 1;
      if (next === '~') out[length++] = TILDE;
      else if (next !== '\n') high = next === '{' ? 0x80 : 0;
      continue;
    }
    if (byte === LF) high = 0;
    out[length++] = byte > 0x20 ? byte | high : byte;
  }
  return out.subarray(0, length);
}
