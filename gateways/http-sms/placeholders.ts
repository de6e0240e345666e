// The placeholders of templates: `{to}`, `{text}`, `{to:digits}`. Values are escaped, never computed.

const NAMES = [
  'to',
  'from',
  'text',
  'reference',
  'dlr-url',
  'encoding',
  'segments',
  'user',
  'password',
  'token',
  'secret',
] as const;

export type PlaceholderName = (typeof NAMES)[number];
export type Values = Readonly<Record<PlaceholderName, string>>;

/** Makes a value safe where it stands: JSON string, form, URL, XML. */
export type Escaper = (value: string) => string;

/** What may follow the colon. `url` is for a value that stands in a URL which itself is a value: `{dlr-url}?ref={reference:url}`. */
const FORMS: Readonly<Record<string, Escaper>> = {
  digits: (value) => value.replace(/\D/g, ''),
  url: encodeURIComponent,
};

const PLACEHOLDER = /\{([A-Za-z][\w-]*)(?::(\w+))?\}/g;
const LONE = /^\{([A-Za-z][\w-]*)(?::\w+)?\}$/;

/** Every string of a template, at any depth. */
export function stringsOf(template: unknown): string[] {
  if (typeof template === 'string') return [template];
  if (Array.isArray(template)) return template.flatMap(stringsOf);
  if (typeof template === 'object' && template !== null) return Object.values(template).flatMap(stringsOf);
  return [];
}

/** The names used in a template of any shape. */
export function namesIn(template: unknown): ReadonlySet<string> {
  const found = stringsOf(template).flatMap((text) => [...text.matchAll(PLACEHOLDER)].map(([, name = '']) => name));
  return new Set(found);
}

/** One clause about the first placeholder that does not exist; null when all do. */
export function wrongPlaceholder(template: unknown): string | null {
  for (const text of stringsOf(template)) {
    for (const [whole, name = '', form] of text.matchAll(PLACEHOLDER)) {
      if (name === 'env' || name === 'file')
        return `holds the reference $${whole}: give it in User, Password, Token or Secret and write {password} and the like here`;
      if (!isName(name))
        return `has no placeholder ${whole}: there are ${NAMES.map((known) => `{${known}}`).join(', ')}`;
      if (form !== undefined && !Object.hasOwn(FORMS, form))
        return `cannot write ${whole}: after the colon stands ${Object.keys(FORMS).join(' or ')}`;
    }
  }
  return null;
}

export function fill(template: string, values: Values, escaper: Escaper): string {
  return template.replace(PLACEHOLDER, (whole, name: string, form?: string) => {
    if (!isName(name)) return whole;
    const transform = form === undefined ? undefined : FORMS[form];
    return escaper(transform ? transform(values[name]) : values[name]);
  });
}

/** True for a template that is one placeholder and nothing else, and has no value: such a field is better left out. */
export function isVoid(template: unknown, values: Values): boolean {
  const name = typeof template === 'string' ? (LONE.exec(template)?.[1] ?? '') : '';
  return isName(name) && values[name] === '';
}

function isName(name: string): name is PlaceholderName {
  return NAMES.some((known) => known === name);
}

export const escapes = {
  none: (value: string) => value,
  url: encodeURIComponent,
  json: (value: string) => JSON.stringify(value).slice(1, -1),
  xml: (value: string) => value.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`),
  /** A header line takes printable ASCII; anything else would end or garble it (RFC 9110 5.5). */
  header: (value: string) => value.replace(/[^\x20-\x7e]+/gu, encodeURIComponent),
} satisfies Record<string, Escaper>;
