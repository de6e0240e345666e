// Owns what a mail tells of its fax by the rules: number, station, pages, facts.
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

export interface Told {
  readonly fields: Readonly<Partial<Record<Field, string>>>;
  readonly facts: readonly { readonly name: string; readonly value: string }[];
}

const LONGEST_PROBLEM = 300;
const MOST_FACTS = 10;

/** For each line the first template that fits it counts; for each field the first line that gives it, own rules before the provider's. */
export function tell(mail: Pick<OpenedMail, 'subject' | 'lines' | 'header'>, all: readonly Rules[]): Told {
  const fields: Partial<Record<string, string>> = {};
  const facts = new Map<string, string>();
  const learn = (found: Found) => {
    for (const [name, value] of found ?? [])
      if (/^[A-Z]/.test(name)) facts.set(name, facts.get(name) ?? value);
      else fields[name] ??= value;
  };
  const budget = fullBudget();
  const lines = mail.lines.map(lineOf);
  for (const { headers = {}, subject, text, problem } of all) {
    for (const [name, template] of Object.entries(headers))
      for (const value of mail.header(name)) learn(headerMatch(template, value, budget));
    learn(firstFit(templatesOf(subject), lineOf(mail.subject), budget));
    const templates = templatesOf(text);
    for (const line of lines) learn(firstFit(templates, line, budget));
    fields.problem ??= problemOf(mail.lines, problem ?? []);
  }
  return { fields, facts: [...facts].slice(0, MOST_FACTS).map(([name, value]) => ({ name, value })) };
}

type Found = ReadonlyMap<string, string> | null;

function firstFit(templates: readonly Template[], line: Line, budget: Budget): Found {
  for (const template of templates) {
    const found = match(template, line, budget);
    if (found) return found;
  }
  return null;
}

/** In a header field the value may stand alone: `{from}`. */
function headerMatch(written: string, value: string, budget: Budget): Found {
  const parsed = parseTemplate(headerTemplate(written));
  return parsed.ok ? match(parsed.template, lineOf(headerTemplate(value)), budget) : null;
}

/** Gives a header's value a literal beginning, so that a lone placeholder is a template, too. */
export const headerTemplate = (text: string) => `value: ${text}`;

function templatesOf(written: readonly string[] = []): Template[] {
  return written.flatMap((text) => {
    const parsed = parseTemplate(text);
    return parsed.ok ? [parsed.template] : [];
  });
}

/** The text from the line on that says that something is missing, on one line. */
function problemOf(lines: readonly string[], words: readonly string[]): string | undefined {
  const at = lines.findIndex((line) => words.some((word) => line.toLowerCase().includes(word.toLowerCase())));
  return at < 0 ? undefined : lines.slice(at).join(' ').slice(0, LONGEST_PROBLEM).trim();
}
