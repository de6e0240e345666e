// Finds the header and the body of every part. Walks the raw bytes once, from boundary line to boundary line, and
// tolerates what senders get wrong. Decodes nothing and copies nothing.
import { type BoundaryMatch, beforeLineEnd, lineEnd, matchBoundary, nextDashLine, usedBoundary } from './boundary.js';
import { contentFieldsOf, type Level, openPart, type Part } from './part.js';

export interface ScanBudget {
  /** Parts beyond it are not looked for. */
  parts: number;
  /** Multiparts inside multiparts beyond it are not opened. */
  depth: number;
  /** Lines that begin with "--", in all of the mail. */
  candidates: number;
  /** Header lines, in all of the mail. */
  headerLines: number;
  /** Characters of Content-Type and Content-Disposition in all of the mail; as many as the parts can have when absent. */
  contentFields?: number;
}

export interface Scan {
  readonly root: Part;
  /** What ended the walk early, undefined when the whole mail was walked. */
  over: 'parts' | 'candidates' | 'contentFields' | undefined;
  /** True when header lines were passed over, because there are too many. */
  longHeader: boolean;
  /** A multipart whose closing boundary is missing. */
  unclosed: boolean;
  /** Bytes of text that stand after a multipart's closing boundary. */
  afterEnd: number;
}

interface Walk {
  readonly raw: Buffer;
  readonly budget: ScanBudget;
  readonly levels: Level[];
  readonly scan: Scan;
  parts: number;
  candidates: number;
  /** Parts that were walked once more. */
  again: number;
  /** Header lines that may still be looked at. */
  headerLines: number;
  /** Characters of content fields that may still be read. */
  contentFields: number;
  /** The part whose body is being passed over; undefined in preambles and epilogues. */
  leaf: Part | undefined;
  /** Where the text after a closing boundary begins. */
  epilogue: number | undefined;
}

export function scanMail(raw: Buffer, budget: ScanBudget): Scan {
  const levels: Level[] = [];
  const root = openPart(raw, topStart(raw), {
    levels,
    depth: 0,
    deepest: budget.depth,
    headerLines: budget.headerLines,
  });
  const scan: Scan = { root, over: undefined, longHeader: root.headers.over, unclosed: false, afterEnd: 0 };
  const walk: Walk = {
    raw,
    budget,
    levels,
    scan,
    parts: 1,
    candidates: 0,
    again: 0,
    headerLines: budget.headerLines - root.headers.lines,
    contentFields: budget.contentFields ?? Number.POSITIVE_INFINITY,
    leaf: levels.length === 0 ? root : undefined,
    epilogue: undefined,
  };
  walkBoundaries(walk, root.start);
  finish(walk);
  openByUsedBoundary(walk, root);
  return scan;
}

/** Parts that are walked once more; each time costs as much as a walk over them. */
const MOST_WALKS = 10;

/** Multiparts whose declared boundary occurs nowhere, or that declare none, are walked by the one they use. */
function openByUsedBoundary(walk: Walk, part: Part): void {
  if (walk.scan.over || walk.again >= MOST_WALKS) return;
  if (part.children.length === 0 && mayHoldParts(part) && part.depth < walk.budget.depth) {
    const raw = walk.raw.subarray(0, part.end);
    const boundary = usedBoundary(raw, part.start);
    if (boundary !== '') {
      walk.again += 1;
      part.type = part.type.startsWith('multipart/') ? part.type : 'multipart/mixed';
      walk.levels.splice(0, walk.levels.length, { part, boundary, closed: false });
      const inner: Walk = { ...walk, raw, leaf: undefined, epilogue: undefined };
      walkBoundaries(inner, part.start);
      finish(inner);
      Object.assign(walk, { parts: inner.parts, candidates: inner.candidates, headerLines: inner.headerLines });
    }
  }
  for (const child of part.children) openByUsedBoundary(walk, child);
}

/** Also a mail that has lost its Content-Type and keeps its parts. */
function mayHoldParts(part: Part): boolean {
  if (part.encoding === 'base64' || part.encoding === 'quoted-printable') return false;
  if (part.type.startsWith('multipart/')) return true;
  return part.depth === 0 && part.fields.type.value === '' && startsWithParts(part);
}

/** Nothing but the usual sentence stands before the first part. */
function startsWithParts({ raw, start, end }: Part): boolean {
  const head = raw.toString('latin1', start, Math.min(end, start + 500)).trimStart();
  return /^(?:this is a (?:cryptographically signed |multi-?part )?message in mime format\.?\s{1,10})?--\S{1,100}\r?\ncontent-/i.test(
    head,
  );
}

/** A byte order mark and blank lines before the header are noise. */
function topStart(raw: Buffer): number {
  let at = raw[0] === 0xef && raw[1] === 0xbb && raw[2] === 0xbf ? 3 : 0;
  while (raw[at] === 0x0a || raw[at] === 0x0d) at += 1;
  return at;
}

function walkBoundaries(walk: Walk, from: number): void {
  const { raw, levels, budget, scan } = walk;
  let at = from;
  while (levels.length > 0 && !scan.over) {
    const line = nextDashLine(raw, at);
    if (line < 0) return;
    walk.candidates += 1;
    if (walk.candidates > budget.candidates) {
      scan.over = 'candidates';
      return;
    }
    const stop = lineEnd(raw, line, raw.length);
    const match = matchBoundary(raw, line, stop, levels);
    at = match ? cross(walk, match, line, stop) : stop;
  }
}

/** Takes a boundary line: ends what it ends, begins what it begins, returns where to look on. */
function cross(walk: Walk, match: BoundaryMatch, line: number, stop: number): number {
  const { raw, levels, scan } = walk;
  const contentEnd = beforeLineEnd(raw, line);
  endLeaf(walk, contentEnd);
  for (const inner of levels.splice(match.level + 1)) {
    inner.part.end = contentEnd;
    if (!inner.closed && inner.part.children.length > 0) scan.unclosed = true;
  }
  const level = levels[match.level];
  if (!level) return stop;
  const next = Math.min(raw.length, stop + 1);
  level.closed = match.closing;
  if (match.closing) {
    walk.epilogue = next;
    return stop;
  }
  if (walk.parts >= walk.budget.parts) {
    scan.over = 'parts';
    return stop;
  }
  const opening = { levels, depth: level.part.depth + 1, deepest: walk.budget.depth, headerLines: walk.headerLines };
  const part = openPart(raw, next, opening, level.part);
  walk.parts += 1;
  walk.headerLines -= part.headers.lines;
  scan.longHeader ||= part.headers.over;
  walk.contentFields -= contentFieldsOf(part);
  if (walk.contentFields < 0) scan.over = 'contentFields';
  walk.leaf = levels.at(-1)?.part === part ? undefined : part;
  return part.start;
}

function endLeaf(walk: Walk, end: number): void {
  if (walk.leaf) {
    walk.leaf.end = Math.max(walk.leaf.start, end);
    walk.leaf.open = false;
  }
  if (walk.epilogue !== undefined) walk.scan.afterEnd += textLength(walk.raw, walk.epilogue, end);
  walk.leaf = undefined;
  walk.epilogue = undefined;
}

function finish(walk: Walk): void {
  const { levels, scan, raw } = walk;
  if (scan.over) return;
  if (levels.some((level) => !level.closed && level.part.children.length > 0)) scan.unclosed = true;
  if (walk.epilogue !== undefined) scan.afterEnd += textLength(raw, walk.epilogue, raw.length);
}

/** How much of a stretch is more than blanks; looks at its beginning only. */
function textLength(raw: Buffer, start: number, end: number): number {
  if (end <= start) return 0;
  return raw.toString('latin1', start, Math.min(end, start + 4096)).trim() === '' ? 0 : end - start;
}
