// Where to read a value in an HTTP message: `query:from`, `form:Body`, `json:messages.0.id`, `header:X-Id`, or between two
// pieces of plain text. A path names one value; there are no patterns and no code.
import { z } from '../../src/driver/settings.js';

const ANSWER_PATH = /^(?:json|header):\S+$/;
const PUSH_PATH = /^(?:json|form|query|header):\S+$/;
const ANSWER_WORDS =
  'is a place in the answer: "json:PATH" as in "json:messages.0.id", "header:NAME", or { "After": "ID: ", "Before": " " } in plain text';

/** The path of a value in the answer to a send. */
export const answerPath = z.union(
  [
    z.string().regex(ANSWER_PATH, ANSWER_WORDS),
    z.strictObject({ After: z.string().max(200), Before: z.string().min(1).max(200).default('\n') }),
  ],
  { error: ANSWER_WORDS },
);
export type AnswerPath = z.output<typeof answerPath>;

/** The path of a value in a push; `member` is its name in the settings. */
export function pushPath(member: string) {
  return z
    .string({ error: (issue) => (issue.input === undefined ? `needs "${member}"` : `${member} is not a text`) })
    .regex(PUSH_PATH, `${member} must be "query:NAME", "form:NAME", "json:PATH" or "header:NAME"`);
}

export const splitPath = (place: string): { where: string; name: string } => ({
  where: place.slice(0, place.indexOf(':')),
  name: place.slice(place.indexOf(':') + 1),
});

/** The value at `messages.0.id`; undefined without one. */
export function atPath(root: unknown, path: string): unknown {
  let at = root;
  for (const step of path.split('.')) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, step)) return undefined;
    at = Reflect.get(at, step);
  }
  return at;
}

/** Texts, numbers and booleans as text; undefined for anything else. */
export function scalarText(value: unknown): string | undefined {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
    ? String(value)
    : undefined;
}

/** Strings match as wholes, so that digits inside them are not taken for numbers. */
const STRING_OR_NUMBER = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;
/** From 16 digits on a double may hold a different number. */
const LONG = /^-?\d{16,}$/;

/** JSON with long whole numbers as texts: ids of 64 bits must not be rounded. Throws a SyntaxError. */
export function parseJson(text: string): unknown {
  JSON.parse(text);
  return JSON.parse(text.replace(STRING_OR_NUMBER, (token) => (LONG.test(token) ? `"${token}"` : token)));
}

export function between(text: string, { After, Before }: { After: string; Before: string }): string | undefined {
  const start = text.indexOf(After);
  if (start < 0) return undefined;
  const rest = text.slice(start + After.length);
  const end = rest.indexOf(Before);
  return (end < 0 ? rest : rest.slice(0, end)).trim();
}
