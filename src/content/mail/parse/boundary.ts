// Boundary lines: RFC 2046 5.1.1.
export interface Delimited {
  readonly boundary: string;
  /** True once its closing boundary has been seen. */
  readonly closed: boolean;
}

const LF = 0x0a;
const CR = 0x0d;
/** The RFC allows 70 characters; lines longer than this are no boundary line whatever they begin with. */
export const LONGEST_BOUNDARY_LINE = 500;

export interface BoundaryMatch {
  level: number;
  closing: boolean;
}

export function matchBoundary(
  raw: Buffer,
  line: number,
  stop: number,
  levels: readonly Delimited[],
): BoundaryMatch | undefined {
  if (stop - line > LONGEST_BOUNDARY_LINE) return undefined;
  return matchLine(raw.toString('latin1', line, stop).trimEnd(), levels);
}

/** RFC 2046 5.1.1: the whole line but for blanks at its end, so that one boundary may begin like another. The innermost
 *  counts; one that has been closed counts only when no open one matches. */
export function matchLine(line: string, levels: readonly Delimited[]): BoundaryMatch | undefined {
  let closed: BoundaryMatch | undefined;
  for (let at = levels.length - 1; at >= 0; at--) {
    const level = levels[at];
    if (!level || !line.startsWith(level.boundary, 2)) continue;
    const tail = line.slice(2 + level.boundary.length);
    if (tail !== '' && tail !== '--') continue;
    const match = { level: at, closing: tail === '--' };
    if (!level.closed) return match;
    closed ??= match;
  }
  return closed;
}

/** The start of the next line that begins with "--", at or after `from`, which is the start of a line. */
export function nextDashLine(raw: Buffer, from: number): number {
  if (raw[from] === 0x2d && raw[from + 1] === 0x2d && (from === 0 || raw[from - 1] === LF)) return from;
  const found = raw.indexOf('\n--', Math.max(0, from), 'latin1');
  return found < 0 ? -1 : found + 1;
}

export function lineEnd(raw: Buffer, from: number, end: number): number {
  const found = raw.indexOf(LF, from);
  return found < 0 ? end : found;
}

/** The line end before a boundary belongs to the boundary (RFC 2046 5.1.1). */
export function beforeLineEnd(raw: Buffer, line: number): number {
  let end = line;
  if (raw[end - 1] === LF) end -= 1;
  if (raw[end - 1] === CR) end -= 1;
  return Math.max(0, end);
}

/** Lines that are looked through for a boundary, and different ones among them. */
const MOST_CANDIDATES = 5_000;
const MOST_DIFFERENT = 200;

interface Candidate {
  opens: number;
  /** How many of them a Content- field follows. */
  headed: number;
  closes: boolean;
}

/** The boundary that a stretch of a mail clearly uses: a line that opens a part with its header, or one that is both opened and
 *  closed or opened twice. Of several the first, which is the outermost. '' when there is none. */
export function usedBoundary(raw: Buffer, start: number): string {
  const candidates = new Map<string, Candidate>();
  let line = nextDashLine(raw, start);
  for (let count = 0; line >= 0 && count < MOST_CANDIDATES; count++) {
    const stop = lineEnd(raw, line, raw.length);
    if (stop - line <= LONGEST_BOUNDARY_LINE) noteCandidate(candidates, raw, line, stop);
    line = nextDashLine(raw, stop);
  }
  for (const [boundary, { opens, headed, closes }] of candidates) {
    if (headed > 0 || (opens > 0 && closes) || opens > 1) return boundary;
  }
  return '';
}

function noteCandidate(candidates: Map<string, Candidate>, raw: Buffer, line: number, stop: number): void {
  const name = raw.toString('latin1', line + 2, stop).trimEnd();
  const closed = name.endsWith('--') ? candidates.get(name.slice(0, -2)) : undefined;
  if (closed) closed.closes = true;
  // Rules of dashes, and "-----Original Message-----", are no boundaries.
  if (closed || !/[0-9A-Za-z]/.test(name) || /\s/.test(name)) return;
  const next = raw.toString('latin1', stop + 1, stop + 100);
  const headed = /^content-[a-z-]{1,30}[ \t]{0,5}:/i.test(next);
  if (!headed && !/^(?:[ \t]{0,20}\r?\n|[\w-]{1,40}:)/.test(next)) return;
  const known = candidates.get(name) ?? { opens: 0, headed: 0, closes: false };
  if (candidates.size >= MOST_DIFFERENT && !candidates.has(name)) return;
  candidates.set(name, { ...known, opens: known.opens + 1, headed: known.headed + (headed ? 1 : 0) });
}
