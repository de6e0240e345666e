// The file name of a part: RFC 2231 (sections, percent-encoded octets), RFC 2047 (against its section 5, but usual), raw
// octets, and mixtures of them.
import { isUtf8 } from 'node:buffer';
import { charsetFor, decodeBytes, knownCharset } from './charset.js';
import { type ContentField, parameter } from './content-field.js';
import { headerText } from './header-text.js';

/** Of a charset or a language. */
const LONGEST_WORD = 60;

interface Section {
  readonly place: number;
  /** Percent-encoded. */
  readonly extended: boolean;
  readonly value: string;
}

/** The name as the sender gave it, decoded; '' when there is none. Senders mix up the parameters of the two fields. */
export function fileName(disposition: ContentField, type: ContentField, bodyCharset: string | undefined): string {
  for (const [field, name] of namings(disposition, type)) {
    const found = nameIn(field, name, bodyCharset);
    if (found !== '') return found;
  }
  return '';
}

export function isNamed(disposition: ContentField, type: ContentField): boolean {
  return namings(disposition, type).some(([field, name]) =>
    field.parameters.some((entry) => baseOf(entry.name) === name && entry.value !== ''),
  );
}

function namings(disposition: ContentField, type: ContentField): (readonly [ContentField, string])[] {
  return [
    [disposition, 'filename'],
    [disposition, 'name'],
    [type, 'name'],
    [type, 'filename'],
  ];
}

function baseOf(name: string): string {
  return /^[^*]*/.exec(name)?.[0] ?? '';
}

/** RFC 6266 4.3: the extended form says more than the plain one beside it. */
function nameIn(field: ContentField, name: string, bodyCharset: string | undefined): string {
  const sections = sectionsOf(field, name);
  const joined = sections.length > 0 ? joinSections(sections, bodyCharset) : '';
  return joined || plainName(parameter(field, name) ?? '', bodyCharset);
}

function sectionsOf(field: ContentField, name: string): Section[] {
  const found = new Map<number, Section>();
  for (const entry of field.parameters) {
    const match = /^([^*]{1,60})\*(\d{0,3})(\*?)$/.exec(entry.name);
    if (!match || match[1] !== name) continue;
    const place = Number(match[2] ?? 0);
    const extended = match[2] === '' || match[3] === '*';
    if (!found.has(place)) found.set(place, { place, extended, value: entry.value });
  }
  return [...found.values()].sort((a, b) => a.place - b.place);
}

function joinSections(sections: readonly Section[], bodyCharset: string | undefined): string {
  const whole = sections.map((section) => section.value).join('');
  if (!sections.some((section) => section.extended)) return plainName(whole, bodyCharset);
  const { charset, rest } = withoutPrefix(whole);
  if (/^=\?.*\?=$/s.test(rest)) return headerText(rest, bodyCharset);
  let skipped = whole.length - rest.length;
  const parts = sections.map(({ value, extended }) => {
    const own = value.slice(Math.min(skipped, value.length));
    skipped -= value.length - own.length;
    // Many senders forget the mark behind the first section.
    return extended || /%[89a-f][0-9a-f]/i.test(own) ? percentDecoded(own) : Buffer.from(own, 'latin1');
  });
  return decoded(Buffer.concat(parts), charset, bodyCharset);
}

/** RFC 2231 4: charset, apostrophe, language, apostrophe. */
function withoutPrefix(value: string): { charset?: string; rest: string } {
  const first = value.indexOf("'");
  const second = value.indexOf("'", first + 1);
  const charset = value.slice(0, Math.max(0, first));
  const isPrefix = first >= 0 && second > first && first <= LONGEST_WORD && second - first - 1 <= LONGEST_WORD;
  return isPrefix && !charset.includes('%') ? { charset, rest: value.slice(second + 1) } : { rest: value };
}

function decoded(bytes: Buffer, charset: string | undefined, bodyCharset: string | undefined): string {
  return decodeBytes(bytes, charsetFor(bytes, charset, bodyCharset).charset);
}

/** Percent signs in a plain name are text, unless they spell UTF-8 beyond ASCII. */
function plainName(value: string, bodyCharset: string | undefined): string {
  const { charset, rest } = withoutPrefix(value);
  if (charset !== undefined && /^[\w.:-]+$/.test(charset) && knownCharset(charset) !== undefined)
    return decoded(percentDecoded(rest), charset, bodyCharset);
  if (/%[c-f][0-9a-f]%[89ab][0-9a-f]/i.test(value)) {
    const bytes = percentDecoded(value);
    if (isUtf8(bytes)) return bytes.toString('utf8');
  }
  return headerText(/^'(.*)'$/s.exec(value)?.[1] ?? value, bodyCharset);
}

function percentDecoded(value: string): Buffer {
  return Buffer.from(
    value.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))),
    'latin1',
  );
}
