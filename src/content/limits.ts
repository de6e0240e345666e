import { toUSVString } from 'node:util';
import { withoutInvisible } from '../kit/invisible.js';

const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' });

/** A grapheme longer than this many code units is no longer treated as one (stacked marks can go on for ever). */
const LONGEST_GRAPHEME = 1_000;

/** At most `max` UTF-16 code units, cut between two graphemes with "…" at the end when something was cut. */
export function cutText(text: string, max: number, ellipsis = '…'): string {
  if (text.length <= max) return text;
  const room = Math.max(0, max - ellipsis.length);
  return text.slice(0, boundaryBefore(text, room)).trimEnd() + ellipsis;
}

/** The last grapheme boundary at or before `at`; never inside a surrogate pair. */
export function boundaryBefore(text: string, at: number): number {
  if (at <= 0) return 0;
  if (at >= text.length) return text.length;
  const from = Math.max(0, at - LONGEST_GRAPHEME);
  const start = isLowSurrogate(text, from) ? from - 1 : from;
  const found = graphemes.segment(text.slice(start, at + 2)).containing(at - start);
  if (found && found.index > 0) return start + found.index;
  return isLowSurrogate(text, at) ? at - 1 : at;
}

function isLowSurrogate(text: string, at: number): boolean {
  const unit = text.charCodeAt(at);
  return unit >= 0xdc00 && unit <= 0xdfff;
}

/**
 * Joins with ", " what fits into `max` code units and counts the rest: `a, b, … +12`. An entry is never cut in two, except the
 * first when it alone is too long. `unlisted` counts entries that are known of but not in `entries`.
 */
export function cutList(entries: readonly string[], max: number, unlisted = 0): string {
  const whole = entries.join(', ');
  if (unlisted === 0 && whole.length <= max) return whole;
  let used = '';
  let taken = 0;
  for (const entry of entries) {
    const next = taken === 0 ? entry : `${used}, ${entry}`;
    const left = entries.length + unlisted - taken - 1;
    if (next.length + (left > 0 ? rest(left).length : 0) > max) break;
    used = next;
    taken += 1;
  }
  const left = entries.length + unlisted - taken;
  if (taken > 0 || entries.length === 0) return left > 0 ? used + rest(left) : used;
  const tail = left > 1 ? rest(left - 1) : '';
  return cutText(entries[0] ?? '', max - tail.length) + tail;
}

function rest(count: number): string {
  return `, … +${count}`;
}

/** One line for a header field: no control characters, no line ends, no lone surrogates, no blanks around. */
export function cleanLine(text: string): string {
  return toUSVString(text.replace(/[\p{Cc}\u2028\u2029]+/gu, ' ')).trim();
}

/** The same for what an agent reads: nothing that turns the reading direction or hides text either. */
export function shownLine(text: string): string {
  return withoutInvisible(cleanLine(text)).trim();
}

/** Body text: line ends are LF, and no other control character but the tab is left. */
export function cleanText(text: string): string {
  return toUSVString(text.replace(/\r\n?/g, '\n').replace(/[^\P{Cc}\t\n]+/gu, ''));
}

/** `512 bytes`, `3.4 KB`, `12 MB`. */
export function humanSize(bytes: number): string {
  if (bytes < 1024) return bytes === 1 ? '1 byte' : `${bytes} bytes`;
  const kilobytes = bytes / 1024;
  if (kilobytes < 1024) return `${rounded(kilobytes)} KB`;
  return `${rounded(kilobytes / 1024)} MB`;
}

function rounded(value: number): string {
  return value < 10 ? String(Math.round(value * 10) / 10) : String(Math.round(value));
}
