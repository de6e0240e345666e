// A fax as Telnyx shows it, in lists, answers and webhooks alike, and the ways to ask for it.
import { GatepostError } from '../../src/driver/contract.js';
import { z } from '../../src/driver/settings.js';
import { type Api, extract, statusOf } from './api.js';

/** A fax of Telnyx, sent or received; null where it says nothing. Times are ms since the epoch. */
export interface Fax {
  readonly id: string;
  readonly direction: string | null;
  readonly status: string | null;
  readonly from: string | null;
  readonly to: string | null;
  readonly callerId: string | null;
  /** The sender's own data, which Telnyx stores with the fax; identity.ts reads ours. */
  readonly clientState: string | null;
  readonly createdAt: number | null;
  readonly updatedAt: number | null;
  /** Addresses of the document, the likeliest first. */
  readonly urls: readonly string[];
  readonly mediaName: string | null;
  readonly failureReason: string | null;
  readonly internalReason: string | null;
  readonly pages: number | null;
  /** True when only a part of the document came. */
  readonly partial: boolean;
  readonly seconds: number | null;
}

const text = z.string().nullish().catch(null);
const count = z.coerce.number().int().min(0).nullish().catch(null);
const address = z
  .union([z.string(), z.array(z.string())])
  .nullish()
  .catch(null);

/** Nothing but the id is relied on: members come and go between lists, single faxes and webhooks. */
const shown = z.object({
  id: z.string().regex(/^[\w-]{1,100}$/),
  direction: text,
  status: text,
  from: text,
  to: text,
  caller_id: text,
  client_state: text,
  created_at: text,
  updated_at: text,
  media_url: address,
  stored_media_url: address,
  media_name: text,
  failure_reason: text,
  internal_failure_reason: text,
  page_count: count,
  partial_content: z.boolean().nullish().catch(null),
  call_duration_secs: count,
});

/** Undefined when it is not a fax. */
export function faxOf(value: unknown): Fax | undefined {
  const parsed = shown.safeParse(value);
  if (!parsed.success) return undefined;
  const { data } = parsed;
  const urls = [data.media_url, data.stored_media_url].flatMap((urls) => urls ?? []);
  return {
    id: data.id,
    direction: data.direction ?? null,
    status: data.status ?? null,
    from: data.from || null,
    to: data.to || null,
    callerId: data.caller_id || null,
    clientState: data.client_state || null,
    createdAt: timeOf(data.created_at),
    updatedAt: timeOf(data.updated_at),
    urls: [...new Set(urls.filter((url) => url !== ''))],
    mediaName: data.media_name || null,
    failureReason: data.failure_reason || null,
    internalReason: data.internal_failure_reason || null,
    pages: data.page_count ?? null,
    partial: data.partial_content === true,
    seconds: data.call_duration_secs ?? null,
  };
}

/** Telnyx writes microseconds; null for what is no time. */
export function timeOf(value: string | null | undefined): number | null {
  const at = Date.parse(value ?? '');
  return Number.isNaN(at) ? null : at;
}

const single = z.object({ data: z.unknown() });

/** The fax in an answer of the API; undefined when there is none in it. */
export function faxIn(body: unknown): Fax | undefined {
  const parsed = single.safeParse(body);
  return parsed.success ? faxOf(parsed.data.data) : undefined;
}

/** A fax as it is now; undefined when the account has none of that id. */
export async function fetchFax(api: Api, id: string, signal: AbortSignal): Promise<Fax | undefined> {
  try {
    const fax = faxIn(await api.get({ method: 'GET', path: `/faxes/${id}` }, signal));
    if (fax) return fax;
  } catch (error) {
    if (statusOf(error) === 404) return undefined;
    throw error;
  }
  throw new GatepostError('telnyx/no-answer', 'the answer does not come from the Telnyx API');
}

export interface ListFilter {
  readonly direction: 'inbound' | 'outbound';
  /** Only those created at this moment, ms, or later. */
  readonly since: number;
  readonly to?: string;
  readonly size?: number;
}

/** A list that goes on for longer is a fault of the other end: 100,000 faxes at 100 a page. */
const MAX_PAGES = 1_000;
const PAGE = 100;

const listed = z.object({
  data: z.array(z.unknown()),
  meta: z
    .object({ total_pages: z.number().optional().catch(undefined) })
    .optional()
    .catch(undefined),
});

/** The list of faxes, page by page, in the order of Telnyx, which is not promised. */
export async function* pages(api: Api, filter: ListFilter, signal: AbortSignal): AsyncGenerator<readonly Fax[]> {
  const { direction, since, to, size = PAGE } = filter;
  const query = {
    'filter[direction][eq]': direction,
    'filter[created_at][gte]': new Date(since).toISOString(),
    ...(to && { 'filter[to][eq]': to }),
    'page[size]': String(size),
  };
  for (let number = 1; number <= MAX_PAGES; number++) {
    const body = await api.get(
      { method: 'GET', path: '/faxes', query: { ...query, 'page[number]': String(number) } },
      signal,
    );
    const { data, meta } = extract(listed, body);
    // A filter that Telnyx ignores must not mix the two directions.
    yield data.flatMap((one) => faxOf(one) ?? []).filter((fax) => fax.direction === direction);
    const total = meta?.total_pages;
    if (total === undefined ? data.length < size : number >= total) return;
  }
  throw new GatepostError('telnyx/endless', `the list of faxes at Telnyx does not end after ${MAX_PAGES} pages`);
}
