// Owns where to read a value in what came over HTTP: `query:from`, `form:Body`, `json:messages.0.id`, `header:X-Id`, or
// a stretch of plain text. A place names one value; there are no patterns and no code.
import { z } from '../../src/driver/settings.js';

const ANSWER_PLACE = /^(?:json|header):\S+$/;
const PUSH_PLACE = /^(?:json|form|query|header):\S+$/;
const ANSWER_WORDS =
  'is a place in the answer: "json:PATH" as in "json:messages.0.id", "header:NAME", or { "After": "ID: ", "Before": " " } in plain text';

/** A place in the answer to a send. */
export const answerPlace = z.union(
  [
    z.string().regex(ANSWER_PLACE, ANSWER_WORDS),
    z.strictObject({ After: z.string().max(200), Before: z.string().min(1).max(200).default('\n') }),
  ],
  { error: ANSWER_WORDS },
);
export type AnswerPlace = z.output<typeof answerPlace>;

/** A place in a pushed request; `member` is the name people look for in the settings. */
export function pushPlace(member: string) {
  return z
    .string({ error: (issue) => (issue.input === undefined ? `needs "${member}"` : `${member} is not a text`) })
    .regex(PUSH_PLACE, `${member} must be "query:NAME", "form:NAME", "json:PATH" or "header:NAME"`);
}

export const splitPlace = (place: string): { where: string; name: string } => ({
  where: place.slice(0, place.indexOf(':')),
  name: place.slice(place.indexOf(':') + 1),
});

/** What stands at `messages.0.id`; undefined when there is nothing. */
export function atPath(root: unknown, path: string): unknown {
  let at = root;
  for (const step of path.split('.')) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, step)) return undefined;
    at = Reflect.get(at, step);
  }
  return at;
}

/** Texts, numbers and booleans as text; undefined for anything else. */
export function wordOf(value: unknown): string | undefined {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
    ? String(value)
    : undefined;
}

/** Strings are skipped over as wholes, so that only numbers that stand by themselves are looked at. */
const STRING_OR_NUMBER = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;
/** From 16 digits on a double may hold a different number. */
const LONG = /^-?\d{16,}$/;

/** JSON with long whole numbers kept as texts: ids of 64 bits must not be rounded. Throws a SyntaxError. */
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
