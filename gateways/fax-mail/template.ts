// Templates say where a mail holds number, station and pages: `New fax from {from} on {*}`. A template is literal text and
// placeholders instead of a regular expression, and `Budget` bounds the steps per mail, so no mail can make matching slow.
const NUMBERS = ['from', 'to'] as const;
const COUNTS = ['pages', 'expected'] as const;
const TEXTS = ['station', 'name', 'id', 'problem'] as const;
export type Field = (typeof NUMBERS)[number] | (typeof COUNTS)[number] | (typeof TEXTS)[number];
const FIELDS: readonly string[] = [...NUMBERS, ...COUNTS, ...TEXTS];

type Part = { readonly text: string } | { readonly field: string };
export type Template = readonly Part[];
export type ParsedTemplate = { ok: true; template: Template } | { ok: false; problem: string };

/** Longer lines of a mail are not matched. */
const MAX_LINE = 1_000;
const MAX_VALUE = 200;
/** Matching steps in one mail: a matching line needs about as many as its template has parts. */
const MAX_STEPS = 5_000;
const MAX_PARTS = 20;

/** What providers write for an unknown value. */
const UNKNOWN =
  /^(?:<?none>?|unknown|unavailable|anonymous|private|withheld|no (?:number|name|caller ?id)|n\/a|unbekannt|anonym|[-?"']*)$/i;

/** `{from}`, `{station}` and so on; `{Speed}` with a capital is shown under that name; `{*}` matches anything. */
export function parseTemplate(written: string): ParsedTemplate {
  const parts = written
    .split(/(\{[^{}]*\})/)
    .filter((piece) => piece !== '')
    .map(partOf);
  const unknown = parts.find((part) => 'field' in part && !isField(part.field));
  if (unknown && 'field' in unknown)
    return bad(`holds {${unknown.field}}; there are ${FIELDS.map((name) => `{${name}}`).join(', ')}, {Word} and {*}`);
  if (!parts.some((part) => 'field' in part && part.field !== '*')) return bad('holds no placeholder such as {from}');
  if (!parts.some((part) => 'text' in part && part.text.trim().length > 1)) return bad('holds no text around {...}');
  if (parts.some((part, at) => 'field' in part && 'field' in (parts[at + 1] ?? { text: '' })))
    return bad('has two placeholders with nothing in between');
  return parts.length <= MAX_PARTS ? { ok: true, template: parts } : bad(`has more than ${MAX_PARTS} parts`);
}

function partOf(piece: string): Part {
  const field = /^\{(.*)\}$/.exec(piece)?.[1];
  return field === undefined ? { text: plain(piece) } : { field };
}

const isField = (name: string) => name === '*' || FIELDS.includes(name) || /^[A-Z][A-Za-z ]{0,29}$/.test(name);

function bad(problem: string): ParsedTemplate {
  return { ok: false, problem };
}

/** A line prepared for matching. */
export interface Line {
  readonly shown: string;
  /** As `shown`, in lower case. */
  readonly text: string;
}

/** Steps left for a mail, shared by all its lines and templates. */
export interface Budget {
  left: number;
}

export const fullBudget = (): Budget => ({ left: MAX_STEPS });

export function lineOf(written: string): Line {
  const shown = written.length > MAX_LINE ? '' : blanks(written).trim();
  return { shown, text: plain(shown) };
}

/**
 * The values of the placeholders in `line`; null when the template does not match. The template may begin and end anywhere in
 * the line. Case (A to Z) and the number of blanks do not matter.
 */
export function match(template: Template, line: Line, budget: Budget): ReadonlyMap<string, string> | null {
  const [first] = template;
  const tried = { ...line, template, budget };
  if (!first || 'field' in first) return fits(tried, 0, 0);
  // A line has no leading blanks.
  const head = first.text.trimStart();
  for (let at = line.text.indexOf(head); at >= 0 && budget.left > 0; at = line.text.indexOf(head, at + 1)) {
    const found = fits(tried, 1, at + head.length);
    if (found) return found;
  }
  return null;
}

interface Try extends Line {
  readonly template: Template;
  readonly budget: Budget;
}

/** Parts from number `part` on, beginning at `at`. */
function fits(tried: Try, part: number, at: number): ReadonlyMap<string, string> | null {
  tried.budget.left -= 1;
  const next = tried.template[part];
  if (!next) return new Map();
  if ('text' in next) return tried.text.startsWith(next.text, at) ? fits(tried, part + 1, at + next.text.length) : null;
  const after = tried.template[part + 1];
  if (!after || !('text' in after)) return valued(next.field, rest(next.field, tried.shown.slice(at)), new Map());
  // The literal after a placeholder at the very end of a line has lost its blanks.
  const stop = part + 2 === tried.template.length ? after.text.trimEnd() : after.text;
  for (
    let end = tried.text.indexOf(stop, at);
    end >= 0 && tried.budget.left > 0;
    end = tried.text.indexOf(stop, end + 1)
  ) {
    const others = fits(tried, part + 2, end + stop.length);
    const found = others && valued(next.field, tried.shown.slice(at, end), others);
    if (found) return found;
  }
  return null;
}

/** Cuts a number or count at the end of a template after its last digit. */
function rest(field: string, text: string): string {
  if (isOneOf(NUMBERS, field)) return /^[+\d().\-/*# ]*\d/.exec(text)?.[0] ?? text;
  if (isOneOf(COUNTS, field)) return /^ ?\d+/.exec(text)?.[0] ?? text;
  return text;
}

/** `others` with this value; null when the value does not suit the field. An unknown value is left out. */
function valued(field: string, raw: string, others: ReadonlyMap<string, string>): ReadonlyMap<string, string> | null {
  const value = unquoted(raw).slice(0, MAX_VALUE);
  if (field === '*' || UNKNOWN.test(value)) return others;
  if (isOneOf(NUMBERS, field) && !isNumber(value)) return null;
  if (isOneOf(COUNTS, field) && !/^\d{1,5}$/.test(value)) return null;
  return new Map([[field, value], ...others]);
}

const isOneOf = (fields: readonly string[], field: string) => fields.includes(field);
const isNumber = (value: string) => /^[+\d().\-/*# ]{3,40}$/.test(value) && value.replace(/\D/g, '').length >= 3;

function unquoted(text: string): string {
  const trimmed = text.trim();
  return /^"[^"]*"$/.test(trimmed) ? trimmed.slice(1, -1).trim() : trimmed;
}

const blanks = (text: string) => text.replace(/\s+/g, ' ');
/** Only A to Z: other letters may change their length, and `shown` and `text` must have the same offsets. */
const plain = (text: string) => blanks(text).replace(/[A-Z]+/g, (capitals) => capitals.toLowerCase());
