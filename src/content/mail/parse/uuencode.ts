// Files written into the text itself: uuencode, from before MIME.
export interface EncodedFile {
  name: string;
  bytes: Buffer;
}

/** Most files that are extracted from one text; more stay in the text, so that a text of nothing but headers costs nothing. */
const MOST_FILES = 100;

const BEGIN = /(^|\n)begin(?:-base64)? [0-7]{3,4} ([^\r\n]{1,250})\r?\n/g;

/** Takes uuencoded files out of a text part's bytes. A block without its `end` line stays text: it may be cut or no file at all. */
export function takeUuencoded(bytes: Buffer): { bytes: Buffer; files: EncodedFile[] } {
  if (!bytes.includes('begin ') || !bytes.includes('\nend')) return { bytes, files: [] };
  const text = bytes.toString('latin1', 0, bytes.length);
  const files: EncodedFile[] = [];
  const rest: string[] = [];
  let from = 0;
  BEGIN.lastIndex = 0;
  for (let match = BEGIN.exec(text); match && files.length < MOST_FILES; match = BEGIN.exec(text)) {
    const block = readBlock(text, BEGIN.lastIndex);
    if (!block) continue;
    files.push({ name: match[2] ?? '', bytes: block.bytes });
    rest.push(text.slice(from, match.index + (match[1]?.length ?? 0)));
    from = block.end;
    BEGIN.lastIndex = Math.max(0, block.end - 1);
  }
  if (files.length === 0) return { bytes, files };
  rest.push(text.slice(from));
  return { bytes: Buffer.from(rest.join(''), 'latin1'), files };
}

/** Reads the lines up to `end`; undefined at the first line that is none of uuencode's. */
function readBlock(text: string, start: number): { bytes: Buffer; end: number } | undefined {
  const pieces: Buffer[] = [];
  let at = start;
  while (at < text.length) {
    const lineEnd = text.indexOf('\n', at);
    const stop = lineEnd < 0 ? text.length : lineEnd;
    const line = text.slice(at, Math.min(stop, at + 200)).replace(/\r$/, '');
    at = stop + 1;
    if (/^end\s*$/.test(line)) return { bytes: Buffer.concat(pieces), end: Math.min(at, text.length) };
    const piece = decodeLine(line);
    if (!piece) return undefined;
    pieces.push(piece);
  }
  return undefined;
}

/** The first character is the number of bytes, each four that follow are three bytes; blanks lost at the end are zeros. */
function decodeLine(line: string): Buffer | undefined {
  const trimmed = line.trimEnd();
  if (trimmed === '' || trimmed === '`') return Buffer.alloc(0);
  const count = (trimmed.charCodeAt(0) - 32) & 63;
  const groups = Math.ceil(count / 3);
  if (/[^ -`]/.test(trimmed) || trimmed.length > groups * 4 + 2) return undefined;
  const bytes = Buffer.alloc(groups * 3);
  const value = (at: number) => ((at < line.length ? line.charCodeAt(at) : 32) - 32) & 63;
  for (let group = 0; group < groups; group++) {
    const at = 1 + group * 4;
    const [a, b, c, d] = [value(at), value(at + 1), value(at + 2), value(at + 3)];
    bytes[group * 3] = (a << 2) | (b >> 4);
    bytes[group * 3 + 1] = ((b & 15) << 4) | (c >> 2);
    bytes[group * 3 + 2] = ((c & 3) << 6) | d;
  }
  return bytes.subarray(0, count);
}
