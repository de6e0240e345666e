// Content-Type and Content-Disposition: RFC 2045 5.1 and RFC 2183 with comments, and what senders write against them: no
// semicolon, quotes that do not close, junk between parameters, encoded words. Values stay octets (latin1). Linear.
import { headerText } from './header-text.js';

export interface Parameter {
  /** Lower case, with the asterisks of RFC 2231. */
  readonly name: string;
  readonly value: string;
}

export interface ContentField {
  /** What stands before the parameters, lower case. */
  readonly value: string;
  readonly parameters: readonly Parameter[];
}

/** A longer field is cut: no file name is longer. */
export const LONGEST_CONTENT_FIELD = 8 * 1024;
const MOST_PARAMETERS = 200;
/** A parameter that begins where a semicolon is missing has one of these names; a file name may hold anything else before "=". */
const KNOWN =
  /^(?:charset|name|filename|boundary|format|delsp|type|report-type|start|protocol|micalg|size|method|creation-date|modification-date|read-date|x-[\w-]{1,40})(?:\*\d{0,3}\*?)?\s{0,5}=/i;

export function contentField(raw: string | undefined): ContentField {
  const text = withoutComments((raw ?? '').slice(0, LONGEST_CONTENT_FIELD));
  const { value, end } = headOf(text);
  if (value.includes('=?')) {
    const decoded = Buffer.from(headerText(text)).toString('latin1');
    if (!decoded.includes('=?')) return contentField(decoded);
  }
  return { value: value.toLowerCase(), parameters: parametersOf(text, end) };
}

/** The first parameter of this name that is not empty. */
export function parameter(field: ContentField, name: string): string | undefined {
  return field.parameters.find((entry) => entry.name === name && entry.value !== '')?.value;
}

/** What stands before the first semicolon, or before the first parameter where the semicolon is missing. */
function headOf(text: string): { value: string; end: number } {
  const semicolon = text.indexOf(';');
  const head = semicolon < 0 ? text : text.slice(0, semicolon);
  const first = /(?:^|[\s,])[\w-]{1,60}(?:\*\d{0,3}\*?)?\s{0,5}=(?!\?)/.exec(head);
  const end = first ? first.index : head.length;
  return { value: head.slice(0, end).trim().replace(/,$/, ''), end };
}

function parametersOf(text: string, from: number): Parameter[] {
  const found: Parameter[] = [];
  let at = from;
  while (at < text.length && found.length < MOST_PARAMETERS) {
    at = skip(text, at, isSeparator);
    const nameEnd = skip(text, at, isNameCharacter);
    const equals = skip(text, nameEnd, isBlank);
    const name = text.slice(at, nameEnd).toLowerCase();
    if (name === '' || text[equals] !== '=') {
      // A word without a value is junk.
      at = Math.max(at + 1, nameEnd);
      continue;
    }
    const start = skip(text, equals + 1, isBlank);
    const read = text[start] === '"' ? quoted(text, start, /^(?:file)?name/.test(name)) : token(text, start);
    found.push({ name, value: read.value });
    at = read.end;
  }
  return found;
}

interface Read {
  value: string;
  end: number;
}

function token(text: string, start: number): Read {
  const semicolon = text.indexOf(';', start);
  const stop = semicolon < 0 ? text.length : semicolon;
  for (let at = start; at < stop; at++) {
    if ((isBlank(text[at]) || text[at] === ',') && startsParameter(text, at + 1))
      return { value: text.slice(start, at).trim().replace(/,$/, ''), end: at };
  }
  return { value: text.slice(start, stop).trim(), end: stop };
}

function quoted(text: string, start: number, isName: boolean): Read {
  let value = '';
  let first: Read | undefined;
  for (let at = start + 1; at < text.length; at++) {
    const escaped = escapedAt(text, at);
    if (escaped !== '') at += 1;
    if (escaped !== '' || text[at] !== '"') {
      value += escaped || text[at];
      continue;
    }
    first ??= { value, end: at + 1 };
    const role = isName ? roleOfQuote(text, at) : 'closes';
    if (role === 'closes') return { value, end: at + 1 };
    if (role === 'opens a parameter') return first;
    if (role === 'is text') value += '"';
    else at = skip(text, at + 1, isBlank);
  }
  return first ?? unclosed(text, start);
}

/** Only quotes and backslashes are escaped: other backslashes stand in the paths that some senders write. */
function escapedAt(text: string, at: number): string {
  const next = text[at + 1];
  return text[at] === '\\' && (next === '"' || next === '\\') ? next : '';
}

/** A quote inside a file name is part of it when the name goes on behind it; several quoted strings one after the other are one name. */
function roleOfQuote(text: string, at: number): 'closes' | 'opens a parameter' | 'joins' | 'is text' {
  const follows = skip(text, at + 1, isBlank);
  if (endsValue(text, follows)) return 'closes';
  if (text[follows] === '"' && follows > at + 1) return 'joins';
  return text[at - 1] === '=' ? 'opens a parameter' : 'is text';
}

/** The value ends where the next parameter would begin. */
function unclosed(text: string, start: number): Read {
  const semicolon = text.indexOf(';', start);
  const end = semicolon < 0 ? text.length : semicolon;
  return { value: text.slice(start + 1, end).trim(), end };
}

function endsValue(text: string, at: number): boolean {
  return at >= text.length || text[at] === ';' || startsParameter(text, at);
}

function startsParameter(text: string, at: number): boolean {
  return /[a-z]/i.test(text[at] ?? '') && KNOWN.test(text.slice(at, at + 60));
}

function skip(text: string, from: number, passes: (character: string | undefined) => boolean): number {
  let at = from;
  while (at < text.length && passes(text[at])) at += 1;
  return at;
}

function isBlank(character: string | undefined): boolean {
  return character === ' ' || character === '\t';
}

function isSeparator(character: string | undefined): boolean {
  return isBlank(character) || character === ';' || character === ',' || character === '"';
}

function isNameCharacter(character: string | undefined): boolean {
  return character !== '=' && !isSeparator(character);
}

/** RFC 5322 3.2.2. Inside a token, as in `filename=Invoice(1).pdf`, a parenthesis is none. */
function withoutComments(text: string): string {
  if (!text.includes('(')) return text;
  let plain = '';
  let inQuotes = false;
  let inHead = true;
  for (let at = 0; at < text.length; at++) {
    const character = text[at] ?? '';
    if (inQuotes && character === '\\') {
      plain += text.slice(at, at + 2);
      at += 1;
      continue;
    }
    if (character === '"') inQuotes = !inQuotes;
    else if (character === ';') inHead = false;
    if (character === '(' && !inQuotes && (inHead || /^$|[\s;")]/.test(text[at - 1] ?? ''))) {
      const end = commentEnd(text, at);
      // A comment that never closes ends before the next parameter, and nothing behind it is a comment.
      if (end < 0) return plain + afterSemicolon(text, at);
      at = end;
      plain += ' ';
    } else plain += character;
  }
  return plain;
}

function afterSemicolon(text: string, from: number): string {
  const semicolon = text.indexOf(';', from);
  return semicolon < 0 ? '' : text.slice(semicolon);
}

function commentEnd(text: string, start: number): number {
  let depth = 0;
  for (let at = start; at < text.length; at++) {
    if (text[at] === '\\') at += 1;
    else if (text[at] === '(') depth += 1;
    else if (text[at] === ')') {
      depth -= 1;
      if (depth === 0) return at;
    }
  }
  return -1;
}
