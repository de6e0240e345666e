// What one line of a header is: a field, folding, the end, or something that a relay broke.

/** A longer word before the colon is no field name. */
const LONGEST_NAME = 80;

const LF = 0x0a;
const CR = 0x0d;
const COLON = 0x3a;

export function lineEnd(raw: Buffer, from: number, end: number): number {
  const found = raw.indexOf(LF, from);
  return found < 0 || found > end ? end : found;
}

export type LineKind = 'blank' | 'field' | 'folded' | 'other';

export function lineKind(raw: Buffer, start: number, stop: number): LineKind {
  const first = raw[start];
  if (first === 0x20 || first === 0x09) return isBlank(raw, start, stop) ? 'blank' : 'folded';
  if (start === stop || (first === CR && stop - start === 1)) return 'blank';
  return isField(raw, start, stop) ? 'field' : 'other';
}

function isBlank(raw: Buffer, start: number, stop: number): boolean {
  for (let at = start; at < stop; at++) {
    const byte = raw[at];
    if (byte !== 0x20 && byte !== 0x09 && byte !== CR) return false;
  }
  return true;
}

/** RFC 5322 2.2: printable ASCII up to a colon; blanks before the colon are the obsolete form (4.5). */
function isField(raw: Buffer, start: number, stop: number): boolean {
  const limit = Math.min(stop, start + LONGEST_NAME);
  let at = start;
  while (at < limit && isNameByte(raw[at] ?? 0)) at += 1;
  if (at === start) return false;
  while (at < limit && (raw[at] === 0x20 || raw[at] === 0x09)) at += 1;
  return at < limit && raw[at] === COLON;
}

function isNameByte(byte: number): boolean {
  return byte > 0x20 && byte < 0x7f && byte !== COLON;
}

/** Lines before these places have been found to belong to the header; they are not looked at again, so that looking ahead is linear. */
export interface LookAhead {
  blanks: number;
  others: number;
}

/** RFC 5322 2.1, 4.2: only an empty line ends the header, a line of blanks is folding. Senders who end it with a line of blanks are told by
 *  what follows: text, or nothing at all. */
export function foldedBlank(raw: Buffer, { start, at, stop, end }: Line, look: LookAhead): boolean {
  if ((raw[at] !== 0x20 && raw[at] !== 0x09) || !isBlank(raw, at, stop)) return false;
  if (at < look.blanks) return true;
  let folded: Folded | undefined;
  for (let line = stop + 1; line < end; ) {
    const next = lineEnd(raw, line, end);
    const isFolded = raw[line] === 0x20 || raw[line] === 0x09;
    if (!isFolded) {
      const goesOn = isEmpty(raw, line, next)
        ? !folded || (at > start && next + 1 < end && isFolding(raw, lineBefore(raw, at), folded))
        : isHeaderField(raw, line, next);
      if (goesOn) look.blanks = line;
      return goesOn;
    }
    if (!isBlank(raw, line, next)) folded = oneMore(folded, line, next);
    line = next + 1;
  }
  return false;
}

/** Indented lines behind a line of blanks: where the first that holds more than blanks begins and ends, and how many do. */
interface Folded {
  readonly start: number;
  readonly stop: number;
  readonly lines: number;
}

function oneMore(folded: Folded | undefined, start: number, stop: number): Folded {
  return folded ? { ...folded, lines: folded.lines + 1 } : { start, stop, lines: 1 };
}

/** Whether indented lines up to the empty line belong to the header. Words behind a field that is not shown would be lost, so they are text;
 *  one line behind the subject is shown there. */
function isFolding(raw: Buffer, before: number, { start, stop, lines }: Folded): boolean {
  const subject = /^subject\s{0,3}:/i.test(raw.toString('latin1', before, before + 20));
  return (subject && lines === 1) || isPieceOfValue(raw, before, start, stop);
}

function lineBefore(raw: Buffer, at: number): number {
  return at < 2 ? 0 : raw.lastIndexOf(LF, at - 2) + 1;
}

/** Words with a colon begin many texts ("Hello:", "Note: ..."); behind a line of blanks only a name that is one of a mail's fields goes on with the header. */
function isHeaderField(raw: Buffer, start: number, stop: number): boolean {
  if (!isField(raw, start, stop)) return false;
  const name = raw.toString('latin1', start, raw.indexOf(COLON, start)).trim().toLowerCase();
  return name.includes('-') || NAMES.has(name);
}

/** Names of fields without a hyphen. */
const NAMES = new Set(
  'from sender to cc bcc subject date references received keywords comments organization priority importance precedence sensitivity lines xref path newsgroups status encoding'.split(
    ' ',
  ),
);

function isEmpty(raw: Buffer, start: number, stop: number): boolean {
  return start === stop || (raw[start] === CR && stop - start === 1);
}

export interface Line {
  /** Where the header begins. */
  start: number;
  at: number;
  stop: number;
  end: number;
}

/** A line that is no field: a badly folded value when a field follows, else the text begins here without its blank line.
 *  The very first line may also be an mbox "From " line. */
export function continues(raw: Buffer, line: Line, look: LookAhead): boolean {
  const { start, at, stop, end } = line;
  if (at < look.others) return true;
  const next = stop + 1;
  if (next >= end) return false;
  const kind = lineKind(raw, next, lineEnd(raw, next, end));
  if (at === start) return kind === 'field' && /^>?From /.test(raw.toString('latin1', at, Math.min(next, at + 10)));
  return kind === 'field' || kind === 'folded' || continuedTo(raw, line, look);
}

/** Lines of one broken value in a row; a relay that breaks values makes only a few of one. */
const MOST_BROKEN = 100;

/** Several such lines up to a field or, with a text behind it, to the empty line: the value of a field that was broken without
 *  folding it, when each of them looks like a piece of one and none like a sentence. */
function continuedTo(raw: Buffer, { at, end }: Line, look: LookAhead): boolean {
  let before = lineBefore(raw, at);
  let line = at;
  for (let count = 0; line < end && count < MOST_BROKEN; count++) {
    const stop = lineEnd(raw, line, end);
    const kind = lineKind(raw, line, stop);
    if (kind !== 'other') {
      const goesOn = kind === 'blank' ? stop + 1 < end : true;
      if (goesOn) look.others = line;
      return goesOn;
    }
    if (!isPieceOfValue(raw, before, line, stop)) return false;
    before = line;
    line = stop + 1;
  }
  return false;
}

/** What is looked at of one line. */
const LONGEST_LOOK = 1_000;

/** Opaque data, a parameter, or what follows a line that cannot have ended there. The subject is words, as the text is. */
function isPieceOfValue(raw: Buffer, before: number, start: number, stop: number): boolean {
  const line = raw.toString('latin1', start, Math.min(stop, start + LONGEST_LOOK)).trim();
  const previous = raw.toString('latin1', before, Math.min(start, before + LONGEST_LOOK)).trimEnd();
  if (line.startsWith('--') || line === '') return false;
  // Ids, and the next address of a list.
  if (/^(?:<[^<>\s]{1,900}>[\s,]{0,3}){1,20}$/.test(line) || (previous.endsWith(',') && /^[^\s@]+@[^\s@]+$/.test(line)))
    return true;
  if (/^\S{25,}$/.test(line) && !/^(?:https?|www)[:.]/i.test(line)) return true;
  if (/^(?:subject|comments)\s{0,3}:/i.test(previous)) return false;
  return (
    /[;=]$/.test(previous) || /^[\w-]{1,40}\*?\d{0,2}\*?=\S/.test(line) || /^(?:by|for|with|via|id) \S+/.test(line)
  );
}
