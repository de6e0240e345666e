import { continues, foldedBlank, type LookAhead, lineEnd, lineKind } from './header-lines.js';

// Values stay undecoded, one character per byte (latin1); header-text.ts decides what an octet above 127 means.
/** The fields that are used; all others are passed over. */
const WANTED = new Set([
  'from',
  'sender',
  'reply-to',
  'return-path',
  'to',
  'cc',
  'bcc',
  'subject',
  'date',
  'message-id',
  'in-reply-to',
  'references',
  'content-type',
  'content-transfer-encoding',
  'content-disposition',
  'content-id',
  'content-language',
]);

/** Longer values are cut: 64 KB hold some 2,000 addresses, more than anyone reads. */
const LONGEST_VALUE = 64 * 1024;
/** Of References the end counts: the last ids are the nearest. */
const READ_END = 16 * 1024;
/** Repetitions of one field that are read; the others are counted only. */
const MOST_REPEATS = 50;

const DASH = 0x2d;
const COLON = 0x3a;
const AT = 0x40;

export interface Headers {
  /** The n-th value of a field in order of appearance, unfolded; undefined when there is none. */
  get(name: string): string | undefined;
  all(name: string): readonly string[];
  /** How often the field appeared, also beyond the repetitions that are read. */
  count(name: string): number;
  /** How many "@" are in the part of the field that was cut off. */
  lost(name: string): number;
  /** Where the body begins. */
  readonly bodyStart: number;
  /** Lines that were looked at. */
  readonly lines: number;
  /** True when there are more lines than were allowed; the others were passed over unread. */
  readonly over: boolean;
  /** False when the block did not end with a blank line. */
  readonly separated: boolean;
}

interface Field {
  values: string[];
  count: number;
  lost: number;
}

export interface HeaderOptions {
  start: number;
  end: number;
  /** Lines that are looked at; without limit when absent. */
  lines?: number;
  /** Is the line from `start` to `stop` (beginning with "--") a boundary in force here? Then the header has ended without its blank line. */
  isBoundary?: (headers: Headers, start: number, stop: number) => boolean;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export function readHeaders(raw: Buffer, options: HeaderOptions): Headers {
  const { start, end, lines = Number.POSITIVE_INFINITY, isBoundary } = options;
  const fields = new Map<string, Field>();
  const headers = emptyHeaders(fields, end);
  const look: LookAhead = { blanks: start, others: start };
  let open: { name: string; from: number } | undefined;
  const finish = (stop: number) => {
    if (open) keep(fields, open.name, raw, open.from, stop);
    open = undefined;
  };
  const ended = (at: number, bodyStart: number) => {
    finish(at);
    headers.bodyStart = Math.min(end, bodyStart);
    return headers;
  };
  for (let at = start; at < end; ) {
    headers.over = headers.lines >= lines;
    if (headers.over) return ended(at, afterBlankLine(raw, at, end));
    headers.lines += 1;
    const stop = lineEnd(raw, at, end);
    const kind = foldedBlank(raw, { start, at, stop, end }, look) ? 'folded' : lineKind(raw, at, stop);
    headers.separated = kind === 'blank';
    if (headers.separated) return ended(at, stop + 1);
    const dashes = raw[at] === DASH && raw[at + 1] === DASH;
    if (kind === 'field' || dashes) finish(at);
    if (dashes && isBoundary?.(headers, at, stop)) return ended(at, at);
    if (kind === 'field') open = fieldAt(raw, at);
    else if (kind === 'other' && !continues(raw, { start, at, stop, end }, look)) return ended(at, at);
    at = stop + 1;
  }
  return ended(end, end);
}

/** The field that begins at `at`; undefined when it is not used. */
function fieldAt(raw: Buffer, at: number): { name: string; from: number } | undefined {
  const colon = raw.indexOf(COLON, at);
  const name = raw.toString('latin1', at, colon).trim().toLowerCase();
  return WANTED.has(name) ? { name, from: colon + 1 } : undefined;
}

function afterBlankLine(raw: Buffer, from: number, end: number): number {
  const found = [raw.indexOf('\n\n', from, 'latin1') + 2, raw.indexOf('\n\r\n', from, 'latin1') + 3];
  return Math.min(end, ...found.map((at) => (at > 2 && at > from ? at : end)));
}

function emptyHeaders(fields: Map<string, Field>, end: number): Mutable<Headers> {
  return {
    get: (name) => fields.get(name)?.values[0],
    all: (name) => fields.get(name)?.values ?? [],
    count: (name) => fields.get(name)?.count ?? 0,
    lost: (name) => fields.get(name)?.lost ?? 0,
    bodyStart: end,
    lines: 0,
    over: false,
    separated: false,
  };
}

function keep(fields: Map<string, Field>, name: string, raw: Buffer, from: number, stop: number): void {
  const field = fields.get(name) ?? { values: [], count: 0, lost: 0 };
  fields.set(name, field);
  field.count += 1;
  if (field.values.length >= MOST_REPEATS) {
    field.lost += countAt(raw, from, stop);
    return;
  }
  if (stop - from <= LONGEST_VALUE) {
    field.values.push(unfold(raw.toString('latin1', from, stop)));
    return;
  }
  const tail = name === 'references' ? raw.toString('latin1', stop - READ_END, stop) : '';
  const head = raw.toString('latin1', from, from + LONGEST_VALUE - tail.length);
  field.lost += countAt(raw, from + head.length, stop);
  field.values.push(unfold(tail === '' ? head : `${head.replace(/<[^<>]*$/, '')} ${tail.replace(/^[^<]*/, '')}`));
}

function countAt(raw: Buffer, from: number, stop: number): number {
  let count = 0;
  for (let at = raw.indexOf(AT, from); at >= 0 && at < stop; at = raw.indexOf(AT, at + 1)) count += 1;
  return count;
}

/** RFC 5322 2.2.3: the line end goes, the blank after it stays; a line that was folded without a blank gets one. */
function unfold(value: string): string {
  return value.includes('\n')
    ? value
        // A line of blanks adds nothing.
        .replace(/\r?\n[ \t]*(?=\r?\n)/g, '')
        .replace(/\r?\n(?=[ \t])/g, '')
        .replace(/\r?\n/g, ' ')
        .trim()
    : value.trim();
}
