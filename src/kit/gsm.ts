// The GSM 7 bit default alphabet with its extension table (3GPP TS 23.038, 6.2.1), what forces UCS-2, and how a long
// text is cut into parts. Every function takes linear time.
import { lockingTable, singleTable } from './gsm-national.js';

export type TextEncoding = 'GSM-7' | 'UCS-2';

/** Room for text in one message: alone, and as a part of several, where a header of 6 octets takes its share. */
export interface Room {
  readonly whole: number;
  readonly part: number;
}

/** GSM-7 counts septets, UCS-2 code units: 140 octets, or 134 behind the header (3GPP TS 23.040, 9.2.3.24.1). */
export const ROOM: Readonly<Record<TextEncoding, Room>> = {
  'GSM-7': { whole: 160, part: 153 },
  'UCS-2': { whole: 70, part: 67 },
};

const ESCAPE = 0x1b;
const UNKNOWN = '\ufffd';

/** The basic table in the order of its codes, eight to a column of the standard; the escape stands for itself. */
const BASIC = [
  '@£$¥èéùìòÇ\nØø\rÅå',
  'Δ_ΦΓΛΩΠΨΣΘΞ\u001bÆæßÉ',
  ' !"#¤%&\'()*+,-./',
  '0123456789:;<=>?',
  '¡ABCDEFGHIJKLMNO',
  'PQRSTUVWXYZÄÖÑÜ§',
  '¿abcdefghijklmno',
  'pqrstuvwxyzäöñüà',
].join('');

const EXTENSION: ReadonlyMap<number, string> = new Map([
  [0x0a, '\f'],
  [0x14, '^'],
  [0x28, '{'],
  [0x29, '}'],
  [0x2f, '\\'],
  [0x3c, '['],
  [0x3d, '~'],
  [0x3e, ']'],
  [0x40, '|'],
  [0x65, '€'],
]);

const CODES: ReadonlyMap<string, readonly number[]> = new Map([
  ...[...BASIC].flatMap((character, code): [string, number[]][] => (code === ESCAPE ? [] : [[character, [code]]])),
  ...[...EXTENSION].map(([code, character]): [string, number[]] => [character, [ESCAPE, code]]),
]);

const segmenter = new Intl.Segmenter('en', { granularity: 'grapheme' });
/** Code units that are segmented at a time: the segmenter's time for each grapheme grows with the text it is given. */
const WINDOW = 1_024;

/** Whether every character is in the basic table or the extension table. */
export function isGsm(text: string): boolean {
  for (const character of text) if (!CODES.has(character)) return false;
  return true;
}

/** `text` in septets, one to an octet (unpacked), the escape before those of the extension table; undefined when a character is in neither. */
export function gsmEncode(text: string): Uint8Array | undefined {
  const octets: number[] = [];
  for (const character of text) {
    const codes = CODES.get(character);
    if (!codes) return undefined;
    octets.push(...codes);
  }
  return Uint8Array.from(octets);
}

/** National languages (3GPP TS 23.038, 6.2.1.2.4) by which a text replaces the basic table and the extension table. */
export interface Shift {
  readonly locking?: number | undefined;
  readonly single?: number | undefined;
}

/**
 * The text of unpacked septets. What the standard asks of a receiver: an unknown extension is its character of the basic
 * table, an escape before an escape or at the end is a blank, an unknown language is the default one. An octet above 0x7f
 * is none of the alphabet: U+FFFD.
 */
export function gsmDecode(septets: Uint8Array, { locking = 0, single = 0 }: Shift = {}): string {
  const national = lockingTable(locking);
  const extension = singleTable(single) ?? EXTENSION;
  const basic = (code: number) => national?.table.get(code) ?? (national?.isWhole ? undefined : BASIC[code]) ?? UNKNOWN;
  const out: string[] = [];
  for (let at = 0; at < septets.length; at++) {
    const code = septets[at] ?? 0;
    if (code !== ESCAPE) {
      out.push(basic(code));
      continue;
    }
    at += 1;
    const next = septets[at];
    if (next === undefined || next === ESCAPE) out.push(' ');
    else out.push(extension.get(next) ?? basic(next));
  }
  return out.join('');
}

/** Whether every octet is a code of the 7 bit alphabet. */
export function isSeptets(octets: Uint8Array): boolean {
  return octets.every((octet) => octet < 0x80);
}

export interface Segmentation {
  readonly encoding: TextEncoding;
  /** Messages on the air; an empty text is one as well. */
  readonly segments: number;
  /** What GSM-7 cannot say, each grapheme cluster once, in the order of appearance. */
  readonly forcedBy: readonly string[];
}

export function segmentsOf(text: string): Segmentation {
  const forcedBy = foreign(text);
  const encoding = forcedBy.length === 0 ? 'GSM-7' : 'UCS-2';
  return { encoding, segments: splitText(text, encoding).length, forcedBy };
}

function foreign(text: string): string[] {
  if (isGsm(text)) return [];
  const found = new Set<string>();
  for (const grapheme of graphemes(text)) if (!isGsm(grapheme)) found.add(grapheme);
  return [...found];
}

/**
 * The parts of `text`; joined they are the text again. An escaped character of GSM-7 is never cut in two, nor is a surrogate
 * pair, nor a grapheme cluster (an emoji sequence, a letter with its marks), unless it alone is
 * longer than a part. Other headers leave other room: give `room`. An alphabet of one octet per character is counted as
 * UCS-2 is, with room in octets.
 */
export function splitText(text: string, encoding: TextEncoding, room: Room = ROOM[encoding]): string[] {
  const size = encoding === 'GSM-7' ? septets : codeUnits;
  if (size(text) <= room.whole) return [text];
  const parts: string[] = [];
  let from = 0;
  let end = 0;
  let used = 0;
  for (const unit of encoding === 'GSM-7' ? text : units(text, room.part)) {
    const more = size(unit);
    if (used + more > room.part && end > from) {
      parts.push(text.slice(from, end));
      from = end;
      used = 0;
    }
    end += unit.length;
    used += more;
  }
  parts.push(text.slice(from));
  return parts;
}

/** What stays together: graphemes, and of those longer than a part their code points. */
function* units(text: string, longest: number): Iterable<string> {
  for (const grapheme of graphemes(text)) {
    if (grapheme.length <= longest) yield grapheme;
    else yield* grapheme;
  }
}

/** Grapheme clusters; one longer than a window (stacked marks can go on for ever) comes in pieces. */
function* graphemes(text: string): Iterable<string> {
  for (let at = 0; at < text.length; ) {
    const window = text.slice(at, afterPair(text, at + WINDOW));
    const whole = at + window.length === text.length;
    let cut = 0;
    for (const { segment, index } of segmenter.segment(window)) {
      // The last one may go on behind the window: it begins the next.
      if (!whole && index > 0 && index + segment.length === window.length) break;
      yield segment;
      cut = index + segment.length;
    }
    at += cut;
  }
}

/** `at`, or one further when that is inside a surrogate pair. */
function afterPair(text: string, at: number): number {
  return (text.codePointAt(at - 1) ?? 0) > 0xffff ? at + 1 : at;
}

function septets(text: string): number {
  let count = 0;
  for (const character of text) count += CODES.get(character)?.length ?? 1;
  return count;
}

function codeUnits(text: string): number {
  return text.length;
}
