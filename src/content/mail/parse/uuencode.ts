// Files written into the text itself: uuencode, from before MIME.
export interface EncodedFile {
  name: string;
  bytes: Buffer;
}

/** Most files that are extracted from one text; more stay in the text, so that a text of nothing but headers costs nothing. */
const MOST_FILES = 100;

const LF = 0x0a;
const SPACE = 0x20;
const BACKTICK = 0x60;

/** Some programs write no name. */
const BEGIN = /(^|\n)begin(?:-base64)? [0-7]{3,4}(?: ([^\r\n]{0,250}))?\r?\n/g;

/** A line that lost its blanks at the end stands for more bytes than it has; a file beyond these bounds is none. */
const MOST_PER_BYTE = 2;
const ALWAYS_ALLOWED = 1024 * 1024;

/** Takes uuencoded files out of a text part's bytes. A block without its `end` line stays text: it may be cut or no file at all. */
export function takeUuencoded(bytes: Buffer): { bytes: Buffer; files: EncodedFile[] } {
  if (!bytes.includes('begin ') || !bytes.includes('\nend')) return { bytes, files: [] };
  const text = bytes.toString('latin1', 0, bytes.length);
  const files: EncodedFile[] = [];
  const rest: string[] = [];
  const room = { left: ALWAYS_ALLOWED + MOST_PER_BYTE * bytes.length };
  let from = 0;
  BEGIN.lastIndex = 0;
  for (let match = BEGIN.exec(text); match && files.length < MOST_FILES; match = BEGIN.exec(text)) {
    const block = measure(bytes, BEGIN.lastIndex);
    if (!block || block.size > room.left) continue;
    room.left -= block.size;
    files.push({ name: (match[2] ?? '').replace(/^"(.*)"$/, '$1'), bytes: decodeBlock(bytes, BEGIN.lastIndex, block) });
    rest.push(text.slice(from, match.index + (match[1]?.length ?? 0)));
    from = block.end;
    BEGIN.lastIndex = Math.max(0, block.end - 1);
  }
  if (files.length === 0) return { bytes, files };
  rest.push(text.slice(from));
  return { bytes: Buffer.from(rest.join(''), 'latin1'), files };
}

interface Block {
  /** Bytes of the file. */
  size: number;
  /** Where the line `end` begins. */
  stop: number;
  /** Where the line after `end` begins. */
  end: number;
}

/** Goes through the lines up to `end`; undefined at the first line that is none of uuencode's. */
function measure(bytes: Buffer, start: number): Block | undefined {
  let size = 0;
  for (let at = start; at < bytes.length; ) {
    const stop = lineStop(bytes, at);
    if (isEndLine(bytes, at, stop)) return { size, stop: at, end: Math.min(stop + 1, bytes.length) };
    const count = countOf(bytes, at, stop);
    if (count < 0) return undefined;
    size += count;
    at = stop + 1;
  }
  return undefined;
}

/** All lines into one buffer of the size that `measure` found. */
function decodeBlock(bytes: Buffer, start: number, { size, stop }: Block): Buffer {
  const out = Buffer.alloc(size);
  let length = 0;
  for (let at = start; at < stop; ) {
    const end = lineStop(bytes, at);
    const count = countOf(bytes, at, end);
    decodeLine(bytes, { from: at + 1, end: solidEnd(bytes, at, end) }, out, { from: length, to: length + count });
    length += count;
    at = end + 1;
  }
  return out;
}

function lineStop(bytes: Buffer, from: number): number {
  const found = bytes.indexOf(LF, from);
  return found < 0 ? bytes.length : found;
}

function isEndLine(bytes: Buffer, from: number, stop: number): boolean {
  return (
    bytes[from] === 0x65 &&
    bytes[from + 1] === 0x6e &&
    bytes[from + 2] === 0x64 &&
    solidEnd(bytes, from, stop) === from + 3
  );
}

/** Where the line ends but for the blanks at its end. */
function solidEnd(bytes: Buffer, from: number, stop: number): number {
  let end = stop;
  while (end > from && isSpace(bytes[end - 1] ?? 0)) end -= 1;
  return end;
}

function isSpace(byte: number): boolean {
  return byte === SPACE || byte === 0x09 || byte === 0x0d;
}

/** How many bytes the line stands for: its first character says it. -1 when the line is none of uuencode's. */
function countOf(bytes: Buffer, from: number, stop: number): number {
  const end = solidEnd(bytes, from, stop);
  if (end === from) return 0;
  const count = ((bytes[from] ?? SPACE) - SPACE) & 63;
  if (end - from > Math.ceil(count / 3) * 4 + 2) return -1;
  for (let at = from; at < end; at++) if ((bytes[at] ?? 0) < SPACE || (bytes[at] ?? 0) > BACKTICK) return -1;
  return count;
}

/** Each four characters are three bytes; blanks lost at the end are zeros. */
function decodeLine(
  bytes: Buffer,
  line: { from: number; end: number },
  out: Buffer,
  into: { from: number; to: number },
): void {
  const value = (at: number) => (at < line.end ? ((bytes[at] ?? SPACE) - SPACE) & 63 : 0);
  let at = line.from;
  for (let to = into.from; to < into.to; to += 3, at += 4) {
    const group = (value(at) << 18) | (value(at + 1) << 12) | (value(at + 2) << 6) | value(at + 3);
    out[to] = group >> 16;
    if (to + 1 < into.to) out[to + 1] = group >> 8;
    if (to + 2 < into.to) out[to + 2] = group;
  }
}
