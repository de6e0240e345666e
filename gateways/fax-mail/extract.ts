import type { OpenedMail } from './open-mail.js';
import type { Rules } from './providers.js';
import {
  type Budget,
  type Field,
  fullBudget,
  type Line,
  lineOf,
  match,
  parseTemplate,
  type Template,
} from './template.js';

export interface Extracted {
  readonly fields: Readonly<Partial<Record<Field, string>>>;
  readonly facts: readonly { readonly name: string; readonly value: string }[];
}

const MAX_PROBLEM = 300;
const MAX_FACTS = 10;

/** Each line uses the first template that matches it; each field keeps its first value, configured rules before the provider's. */
export function extract(mail: Pick<OpenedMail, 'subject' | 'lines' | 'header'>, all: readonly Rules[]): Extracted {
  const fields: Partial<Record<string, string>> = {};
  const facts = new Map<string, string>();
  const add = (found: Found) => {
    for (const [name, value] of found ?? [])
      if (/^[A-Z]/.test(name)) facts.set(name, facts.get(name) ?? value);
      else fields[name] ??= value;
  };
  const budget = fullBudget();
  const lines = mail.lines.map(lineOf);
  for (const { headers = {}, subject, text, problem } of all) {
    for (const [name, template] of Object.entries(headers))
      for (const value of mail.header(name)) add(headerMatch(template, value, budget));
    add(firstMatch(templatesOf(subject), lineOf(mail.subject), budget));
    const templates = templatesOf(text);
    for (const line of lines) add(firstMatch(templates, line, budget));
    fields.problem ??= problemOf(mail.lines, problem ?? []);
  }
  return { fields, facts: [...facts].slice(0, MAX_FACTS).map(([name, value]) => ({ name, value })) };
}

type Found = ReadonlyMap<string, string> | null;

function firstMatch(templates: readonly Template[], line: Line, budget: Budget): Found {
  for (const template of templates) {
    const found = match(template, line, budget);
    if (found) return found;
  }
  return null;
}

/** The template of a header may be a lone placeholder: `{from}`. */
function headerMatch(written: string, value: string, budget: Budget): Found {
  const parsed = parseTemplate(headerTemplate(written));
  return parsed.ok ? match(parsed.template, lineOf(headerTemplate(value)), budget) : null;
}

/** A literal prefix makes a lone placeholder a valid template. */
export const headerTemplate = (text: string) => `value: ${text}`;

function templatesOf(written: readonly string[] = []): Template[] {
  return written.flatMap((text) => {
    const parsed = parseTemplate(text);
    return parsed.ok ? [parsed.template] : [];
  });
}

/** The text from the first line with one of `words` on, as one line. */
function problemOf(lines: readonly string[], words: readonly string[]): string | undefined {
  const at = lines.findIndex((line) => words.some((word) => line.toLowerCase().includes(word.toLowerCase())));
  return at < 0 ? undefined : lines.slice(at).join(' ').slice(0, MAX_PROBLEM).trim();
}
