// The time in a Date field: RFC 5322 3.3 and 4.3, ISO 8601, RFC 850, asctime, and what programs in other languages write.

/** A longer value is no date. */
const LONGEST_DATE = 200;
/** No place on earth is further from UTC than 14 hours; a wider offset is a mistake. */
const WIDEST_OFFSET = 14 * 60;

/** Minutes from UTC. RFC 5322 4.3 defines the American names; any other name counts as -0000, except the two that Europe's programs write. */
const ZONES: Readonly<Record<string, number>> = {
  ...{ edt: -240, est: -300, cdt: -300, cst: -360, mdt: -360, mst: -420, pdt: -420, pst: -480 },
  ...{ cet: 60, met: 60, mez: 60, cest: 120, mest: 120, mesz: 120 },
};

/** First letters of a month, in English and in the languages that mail programs write it in. */
const MONTHS: readonly RegExp[] = [
  /^(?:jan|ene|gen|led|янв)/,
  /^(?:feb|fev|fév|úno|фев)/,
  /^(?:mar|mär|mrz|maa|bře|мар)/,
  /^(?:apr|abr|avr|dub|апр)/,
  /^(?:may|mai|mei|mag|maj|kvě|ма[йя])/,
  /^(?:juni?$|june|juin|giu|června?$|červen$|čvn|июн)/,
  /^(?:july?$|juli|juil|lug|červen[ce]|čvc|июл)/,
  /^(?:aug|ago|aoû|srp|авг)/,
  /^(?:sep|set|zář|сен)/,
  /^(?:oct|okt|ott|out|říj|окт)/,
  /^(?:nov|lis|ноя)/,
  /^(?:dec|dez|déc|dic|pro|дек)/,
];

interface Calendar {
  year: number;
  month: number;
  day: number;
  /** What stands behind the date: the time and the zone. */
  rest: string;
}

/** Milliseconds since the epoch; undefined when the value is no date. A time without a known zone is UTC, not this machine's. */
export function mailDate(value: string): number | undefined {
  if (value.length > LONGEST_DATE) return undefined;
  const text = value.toLowerCase().replace(/[\s\p{Cc}]+/gu, ' ');
  const plain = withoutComments(text)
    .trim()
    .replace(/(\d{4}) ?[年년] ?(\d{1,2}) ?[月월] ?(\d{1,2}) ?[日일]/, '$1-$2-$3');
  const date = isoDate(plain) ?? dayFirst(plain) ?? monthFirst(plain) ?? numericDate(plain);
  if (!date) return undefined;
  const minutes = clockTime(date.rest.replace(/(^|[ t])(\d{1,2}):(\d{1,2}):(\d{1,2})(?!\d)/, twoDigits));
  if (minutes === undefined) return undefined;
  const midnight = Date.UTC(date.year, date.month - 1, date.day);
  // A day that the month does not have would roll over into the next one.
  if (Number.isNaN(midnight) || new Date(midnight).getUTCDate() !== date.day) return undefined;
  return midnight + minutes.ms - zoneMinutes(minutes.rest, text) * 60_000;
}

/** `8:5:3` is 08:05:03. */
function twoDigits(_whole: string, before: string, ...parts: string[]): string {
  return `${before}${parts
    .slice(0, 3)
    .map((part) => part.padStart(2, '0'))
    .join(':')}`;
}

function withoutComments(text: string): string {
  let depth = 0;
  let plain = '';
  for (const character of text) {
    if (character === '(') depth += 1;
    else if (character === ')') depth = Math.max(0, depth - 1);
    else if (depth === 0) plain += character;
    if (character === ')') plain += ' ';
  }
  return plain;
}

/** `2026-11-22t10:00:00z`, `2026/11/22 10:00`, `20261122t100000z`. */
function isoDate(text: string): Calendar | undefined {
  const match = /^(?:\p{L}{1,20}[.,]? )?(\d{4})([-/.]?)(\d{1,2})\2(\d{1,2})(?!\d)(.*)$/u.exec(text);
  return match ? calendar(match[1], Number(match[3]), match[4], match[5]) : undefined;
}

/** `thu, 02 may 2024 10:20:30 +0200`, `thursday, 02-may-24 10:20:30 gmt`. */
function dayFirst(text: string): Calendar | undefined {
  const match =
    /(?:^|[^\d:])(\d{1,2})(?:st|nd|rd|th)?[ .,/-]{0,3}(\p{L}{3,12})[ .,/-]{0,3}(\d{2,4})(?![\d:])(.*)$/u.exec(text);
  return match ? calendar(match[3], monthOf(match[2]), match[1], match[4]) : undefined;
}

/** asctime: `thu may  2 10:20:30 2024`; with a zone before the year as date(1) writes it; `may 2, 2024 10:20`. */
function monthFirst(text: string): Calendar | undefined {
  const match = /(?:^|[ ,])(\p{L}{3,12})[ .-]{1,3}(\d{1,2})(?:st|nd|rd|th)?(?:,? | at )(.*)$/u.exec(text);
  if (!match) return undefined;
  const rest = match[3] ?? '';
  const year = /(?:^|[ ,])(\d{4})(?![\d:])/.exec(rest);
  if (!year || /[+-]$/.test(rest.slice(0, year.index + 1))) return undefined;
  const behind = `${rest.slice(0, year.index)} ${rest.slice(year.index + year[0].length)}`;
  return calendar(year[1], monthOf(match[1]), match[2], behind);
}

/** `2.5.2024 10:20` has the day first; `5/2/2024` has the month first unless it cannot be one. */
function numericDate(text: string): Calendar | undefined {
  const match = /(?:^|[ ,])(\d{1,2})([./-]) ?(\d{1,2})\2 ?(\d{2}|\d{4})(?!\d)(.*)$/.exec(text);
  if (!match) return undefined;
  const [, first = '', separator, second = '', year, rest] = match;
  const monthIsFirst = separator === '/' && Number(first) <= 12;
  return monthIsFirst ? calendar(year, Number(first), second, rest) : calendar(year, Number(second), first, rest);
}

function calendar(
  year: string | undefined,
  month: number,
  day: string | undefined,
  rest: string | undefined,
): Calendar | undefined {
  if (month < 1 || month > 12) return undefined;
  return { year: fullYear(year ?? ''), month, day: Number(day), rest: rest ?? '' };
}

/** RFC 5322 4.3. */
function fullYear(digits: string): number {
  const year = Number(digits);
  if (digits.length >= 4) return year;
  return digits.length === 3 || year >= 50 ? 1900 + year : 2000 + year;
}

function monthOf(name: string | undefined): number {
  return MONTHS.findIndex((month) => month.test(name ?? '')) + 1;
}

interface ClockTime {
  ms: number;
  /** What stands around the time: the zone. */
  rest: string;
}

/** 24:00 is the end of the day, second 60 a leap second; a date without a time is its midnight. */
function clockTime(text: string): ClockTime | undefined {
  const match =
    /(?:^|[^\d:+-])(\d{1,2})[:.](\d{2})(?:[:.](\d{2})(?:[.,](\d{1,9}))?)?(?: ?([ap])\.?m\b\.?)?/.exec(text) ??
    /^ ?t(\d{2})(\d{2})(\d{2})?/.exec(text);
  if (!match) return { ms: 0, rest: text };
  const hour = Number(match[1]);
  const hours = match[5] ? (hour % 12) + (match[5] === 'p' ? 12 : 0) : hour;
  const [minutes, seconds] = [Number(match[2]), Number(match[3] ?? 0)];
  if (hours > 24 || minutes > 59 || seconds > 60) return undefined;
  const ms = match[4] ? Math.trunc(Number(`0.${match[4]}`) * 1000) : 0;
  const rest = `${text.slice(0, match.index)} ${text.slice(match.index + match[0].length)}`;
  return { ms: ((hours * 60 + minutes) * 60 + seconds) * 1000 + ms, rest };
}

/** An offset in digits, else a known name, else a known name in a comment, else 0. */
function zoneMinutes(zone: string, whole: string): number {
  const lost = /^ *(\d{4}) *$/.exec(zone);
  // A form that took "+" for a blank.
  if (lost) return zoneMinutes(`+${lost[1]}`, '');
  const digits = /([+-])(\d{1,2}):?(\d{2})?(?!\d)/.exec(zone);
  if (digits) {
    const minutes = Number(digits[2]) * 60 + Number(digits[3] ?? 0);
    return minutes > WIDEST_OFFSET ? 0 : digits[1] === '-' ? -minutes : minutes;
  }
  return namedZone(zone) ?? (/\p{L}/u.test(zone) ? undefined : namedZone(commentsOf(whole))) ?? 0;
}

function namedZone(text: string): number | undefined {
  const name = text.split(/[^a-z]+/).find((word) => Object.hasOwn(ZONES, word));
  return name === undefined ? undefined : ZONES[name];
}

function commentsOf(text: string): string {
  const from = text.indexOf('(');
  return from < 0 ? '' : text.slice(from);
}
