// Where base64 data ends and words begin: mailing lists and virus scanners write their footers behind it in plain text.

const LF = 0x0a;
const EQUALS = 0x3d;
/** Lines of data are this long at least, but for the last one; no line of words is so long without a blank. */
const SOLID = 24;
/** What is looked at: lines from the end, and characters of each. */
const MOST_LINES = 300;
const LONGEST_LOOK = 1_000;

type LineKind = 'blank' | 'data' | 'words';

interface Line {
  readonly start: number;
  readonly kind: LineKind;
  readonly length: number;
  readonly padded: boolean;
  /** More than letters, as data is. */
  readonly mixed: boolean;
}

/** The place behind the data; `bytes.length` when there is nothing but data. */
export function base64End(bytes: Buffer): number {
  const { lines, solid, whole } = tailOf(bytes);
  if ((!solid && !whole) || !lines.some((line) => line.kind === 'words')) return bytes.length;
  // Behind a full line one shorter line ends the data; without a full line there are only short ones.
  const most = solid ? (solid.padded ? 0 : 1) : lines.length;
  let at = lines.findIndex((line) => line.kind !== 'blank');
  for (let taken = 0; taken < most && mayBeData(lines[at], solid !== undefined); taken++) {
    at += 1;
    if (lines[at - 1]?.padded) break;
  }
  while (lines[at]?.kind === 'blank') at += 1;
  return lines[at]?.start ?? bytes.length;
}

/** The lines behind the last one that is surely data. */
function tailOf(bytes: Buffer): { lines: Line[]; solid: Line | undefined; whole: boolean } {
  const lines: Line[] = [];
  let stop = bytes.length;
  while (stop > 0 && lines.length < MOST_LINES) {
    const start = stop > 1 ? bytes.lastIndexOf(LF, stop - 2) + 1 : 0;
    const line = lineAt(bytes, start, stop);
    if (line.kind === 'data' && line.length >= SOLID) return { lines: lines.reverse(), solid: line, whole: false };
    lines.push(line);
    stop = start;
  }
  return { lines: lines.reverse(), solid: undefined, whole: stop === 0 };
}

/** "Dear" is base64 too. */
function mayBeData(line: Line | undefined, behindData: boolean): boolean {
  if (line?.kind !== 'data') return false;
  return line.padded || (line.length % 4 === 0 && (behindData || line.mixed));
}

function lineAt(bytes: Buffer, start: number, stop: number): Line {
  let end = stop;
  while (end > start && (bytes[end - 1] ?? 0) <= 0x20) end -= 1;
  const length = end - start;
  const padded = length > 0 && bytes[end - 1] === EQUALS;
  const text = bytes.toString('latin1', start, Math.min(end, start + LONGEST_LOOK)).trimStart();
  const kind = text === '' ? 'blank' : /^[A-Za-z0-9+/]+={0,3}$/.test(text) ? 'data' : 'words';
  return { start, kind, length, padded, mixed: /[0-9+/]/.test(text) };
}
