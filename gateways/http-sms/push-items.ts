// Reading a push: values from query, form, JSON and headers, one or several items in it, times in the usual forms.
import type { RawRequest } from '../../src/driver/contract.js';
import { type Form, formOf, queryFields } from './push-fields.js';
import { charsetOf, decodeBytes, isUtf16Body } from './push-text.js';
import { atPath, parseJson, scalarText, splitPath } from './value-path.js';

/** A push is one event or a page of events. */
const MAX_ITEMS = 1_000;
const DAY_MS = 86_400_000;

/** Why a push is rejected, one clause that the counterparty reads; `reason` is the word of the metric. */
export class BadPush extends Error {
  override readonly name = 'BadPush';
  readonly reason: 'malformed' | 'too_large' | 'unwanted';
  constructor(message: string, reason: BadPush['reason'] = 'malformed') {
    super(message);
    this.reason = reason;
  }
}

/** One event of a push. */
export interface Item {
  /** The value at a place; undefined when there is none. */
  at(place: string | undefined): string | undefined;
  /** The same for a parameter whose bytes are in this character set; in UTF-8 when it is absent. */
  text(place: string, charset: string | undefined): string | undefined;
  /** Whatever JSON stands at a place. */
  json(place: string | undefined): unknown;
}

/** The events of a push: the request itself, or the elements of its `list`. Throws BadPush. */
export function itemsOf(request: RawRequest, list: string | undefined): Item[] {
  const body = bodyOf(request);
  const query = lazy(() => queryFields(request));
  const fieldText = (where: string, name: string, charset?: string) => {
    const form = where === 'form' ? body.form() : { fields: query(), charset: undefined };
    const field = form.fields.get(name);
    return field && decodeBytes(field.bytes, [charset, field.charset, form.charset]);
  };
  const at = (place: string, json: () => unknown, charset?: string) => {
    const { where, name } = splitPath(place);
    if (where === 'header') return request.headers[name.toLowerCase()];
    return where === 'json' ? scalarText(atPath(json(), name)) : fieldText(where, name, charset);
  };
  const itemOf = (json: () => unknown): Item => ({
    at: (place) => (place === undefined ? undefined : at(place, json)),
    text: (place, charset) => at(place, json, charset),
    json: (place) => (place === undefined ? undefined : atPath(json(), splitPath(place).name)),
  });
  if (list === undefined) return [itemOf(body.json)];
  const { name } = splitPath(list);
  const elements = atPath(body.json(), name);
  if (!Array.isArray(elements)) throw new BadPush(`there is no list at ${name}`);
  if (elements.length > MAX_ITEMS) throw new BadPush(`more than ${MAX_ITEMS} items at once`, 'too_large');
  return elements.map((element: unknown) => itemOf(() => element));
}

/** The body, read in the way it is asked for, once. */
function bodyOf(request: RawRequest): { form(): Form; json(): unknown } {
  return { form: lazy(() => formOf(request)), json: lazy(() => parsed(request)) };
}

function lazy<T>(make: () => T): () => T {
  let made: { value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}

/** Its content type counts for the character set only: JSON comes as text/plain, too. */
function parsed({ body, headers }: RawRequest): unknown {
  if (body.length === 0) return undefined;
  const charset = isUtf16Body(body) ? 'utf-16' : charsetOf(headers['content-type']);
  try {
    return parseJson(decodeBytes(body, [charset]));
  } catch {
    throw new BadPush('the body is not JSON');
  }
}

/** Seconds or ms since the epoch, or a date; one without a zone is UTC. Null for anything that cannot be a time of now. */
export function timeOf(value: string | undefined, now: number): number | null {
  if (!value) return null;
  const number = /^\d{9,14}(?:\.\d+)?$/.test(value) ? Number(value) : Number.NaN;
  const zoned = /(?:z|[+-]\d\d:?\d\d|gmt|utc)$/i.test(value) ? value : `${value}Z`;
  const date = /\b20\d\d\b/.test(value) ? Date.parse(zoned) : Number.NaN;
  const at = Number.isNaN(number) ? date : number < 1e11 ? number * 1000 : number;
  return Number.isFinite(at) && at > 0 && at < now + DAY_MS ? Math.trunc(at) : null;
}
