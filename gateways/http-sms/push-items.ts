// Reading a push: values from query, form, JSON and headers, one or several items in it, times in the usual forms.
import type { RawRequest } from '../../src/driver/contract.js';
import { queryOf } from './authenticate.js';
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
  const query = queryOf(request);
  const at = (place: string, json: () => unknown) => {
    const { where, name } = splitPath(place);
    if (where === 'query') return query.get(name) ?? undefined;
    if (where === 'header') return request.headers[name.toLowerCase()];
    return where === 'form' ? (body.form().get(name) ?? undefined) : scalarText(atPath(json(), name));
  };
  const itemOf = (json: () => unknown): Item => ({
    at: (place) => (place === undefined ? undefined : at(place, json)),
    text(place, charset) {
      const { where, name } = splitPath(place);
      const encoded = where === 'query' ? request.path.split('?')[1] : request.body.toString('latin1');
      const raw = charset && /^(?:query|form)$/.test(where) ? rawParameter(encoded ?? '', name) : undefined;
      return raw ? decoded(raw, charset) : at(place, json);
    },
    json: (place) => (place === undefined ? undefined : atPath(json(), splitPath(place).name)),
  });
  if (list === undefined) return [itemOf(body.json)];
  const { name } = splitPath(list);
  const elements = atPath(body.json(), name);
  if (!Array.isArray(elements)) throw new BadPush(`there is no list at ${name}`);
  if (elements.length > MAX_ITEMS) throw new BadPush(`more than ${MAX_ITEMS} items at once`, 'too_large');
  return elements.map((element: unknown) => itemOf(() => element));
}

function rawParameter(encoded: string, name: string): Buffer | undefined {
  const pair = encoded.split('&').find((one) => one.split('=')[0] === name);
  const bytes = pair
    ?.slice(name.length + 1)
    .replaceAll('+', ' ')
    .replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return bytes === undefined ? undefined : Buffer.from(bytes, 'latin1');
}

/** Words that name no character set we know (Kannel's 8-BIT) mean UTF-8 where it fits, else Western European. */
function decoded(bytes: Buffer, charset = ''): string {
  for (const label of [charset, 'utf-8']) {
    try {
      return new TextDecoder(label, { fatal: true }).decode(bytes);
    } catch {
      // The next one may fit.
    }
  }
  return new TextDecoder('windows-1252').decode(bytes);
}

/** The body, read in the way it is asked for, once. */
function bodyOf({ body }: RawRequest): { form(): URLSearchParams; json(): unknown } {
  return {
    form: lazy(() => new URLSearchParams(body.toString('utf8'))),
    json: lazy(() => parsed(body)),
  };
}

function lazy<T>(make: () => T): () => T {
  let made: { value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}

function parsed(body: Buffer): unknown {
  if (body.length === 0) return undefined;
  try {
    return parseJson(body.toString('utf8'));
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
