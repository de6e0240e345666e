import stringWidth from 'string-width';
import { withoutInvisible } from './invisible.js';

/** Text of several lines without control characters, so that a customer's text cannot steer the terminal. */
export function clean(text: string): string {
  return withoutInvisible(text.replace(/\r\n?|[\u0085\u2028\u2029]/g, '\n'));
}

/** The same on one line. */
export function oneLine(text: string): string {
  return clean(text).replace(/\s+/g, ' ').trim();
}

const graphemes = new Intl.Segmenter(undefined, { granularity: 'grapheme' });

/** Exactly `columns` wide: cut with an ellipsis, or filled with blanks. */
export function fill(text: string, columns: number): string {
  const whole = stringWidth(text);
  if (whole <= columns) return text + ' '.repeat(columns - whole);
  let fitting = '';
  let used = 0;
  for (const { segment } of graphemes.segment(text)) {
    if (used + stringWidth(segment) > columns - 1) break;
    fitting += segment;
    used += stringWidth(segment);
  }
  return `${fitting}…${' '.repeat(Math.max(0, columns - 1 - used))}`;
}

export interface Column {
  title: string;
  /** Share of the room that is left over by the others; absent: as wide as its widest cell. */
  grow?: number;
}

/** An aligned table with a line of titles and cleaned cells. Columns with `grow` shrink first, to 8 at least. */
export function table(columns: readonly Column[], rows: readonly (readonly string[])[], room: number): string {
  const cells = rows.map((row) => row.map(oneLine));
  const widest = columns.map(({ title }, at) =>
    Math.max(stringWidth(title), ...cells.map((row) => stringWidth(row[at] ?? ''))),
  );
  const widths = shareOut(columns, widest, room - 2 * (columns.length - 1));
  const line = (row: readonly string[]) =>
    row
      .map((cell, at) => fill(cell, widths[at] ?? 0))
      .join('  ')
      .trimEnd();
  return [columns.map(({ title }) => title), ...cells].map(line).join('\n');
}

/** Columns without `grow` get their widest cell. The others share the rest; what one of them does not need goes to the others. */
function shareOut(columns: readonly Column[], wanted: readonly number[], room: number): number[] {
  const widths = columns.map(({ grow }, at) => (grow ? null : (wanted[at] ?? 0)));
  for (;;) {
    const left = room - sum(widths.map((given) => given ?? 0));
    const shares = sum(columns.map(({ grow = 0 }, at) => (widths[at] === null ? grow : 0)));
    const share = (at: number) => Math.max(8, Math.floor((left * (columns[at]?.grow ?? 0)) / shares));
    const content = widths.findIndex((given, at) => given === null && (wanted[at] ?? 0) <= share(at));
    if (content < 0) return widths.map((given, at) => given ?? share(at));
    widths[content] = wanted[content] ?? 0;
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

/** `2026-11-22 11:10` in the time zone of the reader. */
export function localMinute(ms: number): string {
  const time = new Date(ms);
  const date = [time.getFullYear(), two(time.getMonth() + 1), two(time.getDate())].join('-');
  return `${date} ${two(time.getHours())}:${two(time.getMinutes())}`;
}

/** `2026-11-22 11:10:05` in the time zone of the reader. */
export function localSecond(ms: number): string {
  return `${localMinute(ms)}:${two(new Date(ms).getSeconds())}`;
}

function two(number: number): string {
  return String(number).padStart(2, '0');
}
