// Owns the way to Twilio's API: the official SDK, with the wire of this folder beneath it, and the few facts of a message
// that the driver works with.
import type twilio from 'twilio';
import { type Clock, deadline, GatepostError, raceSignal } from '../../src/driver/contract.js';
import type { Settings } from './settings.js';
import { openWire, type Wire, type WireReply, type WireRequest } from './wire.js';

type Sdk = typeof twilio;
export type Client = twilio.Twilio;
/** A message as the SDK hands it out. */
type Listed = Awaited<ReturnType<Client['messages']['page']>>['instances'][number];

/** Largest answer of the API: a page of 1,000 messages of 1,600 characters is about 5 MB. */
const MAX_ANSWER = 16 * 1024 * 1024;
/** Ms within which the API has to answer. */
const ANSWER_MS = 30_000;
/** A wait longer than this asked for by Retry-After is taken as this, ms. */
const LONGEST_WAIT_MS = 3_600_000;

/** One use of the API and what is known about it besides its result. */
export interface Call {
  readonly client: Client;
  /** True from the moment a POST may have been read at the other end. */
  committed: boolean;
  /** What the last answer asked for with Retry-After. */
  retryAfterMs: number | undefined;
}

export interface Api {
  readonly sdk: Sdk;
  /** Runs `work` with a client whose requests end with `signal`, with the session, or after `ms`. */
  call<T>(signal: AbortSignal, work: (call: Call) => Promise<T>, ms?: number): Promise<T>;
  readonly wire: Wire;
  /** Where a path of the API is, honouring BaseUrl. */
  at(path: string): URL;
  readonly authorization: string;
  /** A moment of our clock as Twilio's clock has it, by the dates of its answers: its times are compared with this only. */
  theirs(at: number): number;
  close(): void;
}

/** A message of Twilio, sent or received. Times are ms since the epoch. */
export interface Sms {
  readonly sid: string;
  readonly from: string;
  readonly to: string;
  readonly body: string;
  readonly status: string;
  readonly inbound: boolean;
  readonly serviceSid: string | null;
  readonly createdAt: number;
  readonly sentAt: number | null;
  readonly errorCode: number | null;
  readonly errorMessage: string | null;
  readonly media: number;
}

export async function openApi(settings: Settings, clock: Clock): Promise<Api> {
  const { default: sdk } = await import('twilio');
  const wire = openWire();
  const closing = new AbortController();
  const { user, password } = credentials(settings);
  const aim = aimAt(settings.BaseUrl);
  let aheadMs = 0;
  return {
    sdk,
    wire,
    at: (path) => aim(new URL(path, 'https://api.twilio.com')),
    authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`,
    theirs: (at) => at + aheadMs,
    async call(signal, work, ms = ANSWER_MS) {
      const due = deadline(clock, ms, AbortSignal.any([signal, closing.signal]));
      const httpClient = new sdk.RequestClient();
      const client = sdk(user, password, { accountSid: settings.AccountSid, httpClient });
      const call: Call = { client, committed: false, retryAfterMs: undefined };
      const committed = () => {
        call.committed = true;
      };
      rewire(httpClient, async (request) => {
        const bounds = { maxBytes: MAX_ANSWER, signal: due.signal, committed };
        const reply = await wire.exchange({ ...request, ...bounds, url: aim(request.url) });
        const date = new Date(reply.headers.date ?? '').getTime();
        if (!Number.isNaN(date)) aheadMs = date - clock.now();
        call.retryAfterMs = retryAfter(reply.headers['retry-after'], clock.now() + aheadMs);
        return reply;
      });
      try {
        return await raceSignal(work(call), due.signal, 'asking Twilio');
      } finally {
        due.dispose();
      }
    },
    close() {
      closing.abort(new GatepostError('twilio/closed', 'the gateway is being closed'));
      wire.close();
    },
  };
}

/** The SDK makes the requests and reads the answers; in between they go over our wire. */
function rewire(
  { axios }: InstanceType<Sdk['RequestClient']>,
  exchange: (request: Pick<WireRequest, 'method' | 'url' | 'headers' | 'body'>) => Promise<WireReply>,
): void {
  axios.defaults.adapter = async (config) => {
    const reply = await exchange({
      method: config.method?.toUpperCase() === 'POST' ? 'POST' : 'GET',
      url: new URL(axios.getUri(config)),
      headers: headersOf(config.headers.toJSON()),
      ...(typeof config.data === 'string' && { body: config.data }),
    });
    const headers = headersOf(reply.headers);
    return { data: reply.body.toString('utf8'), status: reply.status, statusText: '', headers, config };
  };
}

function credentials({ AccountSid, AuthToken, ApiKey, ApiSecret }: Settings): { user: string; password: string } {
  return ApiKey ? { user: ApiKey, password: ApiSecret ?? '' } : { user: AccountSid, password: AuthToken ?? '' };
}

function aimAt(base: string | undefined): (url: URL) => URL {
  if (base === undefined) return (url) => url;
  const { origin, pathname } = new URL(base);
  return (url) => new URL(pathname.replace(/\/$/, '') + url.pathname + url.search, origin);
}

function headersOf(given: object): Record<string, string> {
  const entries = Object.entries(given).filter(([, value]) => value !== undefined && value !== null);
  return Object.fromEntries(entries.map(([name, value]) => [name, String(value)]));
}

/** Seconds or an HTTP date (RFC 9110 10.2.3), as ms from now. */
export function retryAfter(value: string | undefined, now: number): number | undefined {
  if (value === undefined || value.trim() === '') return undefined;
  const ms = /^\d+$/.test(value.trim()) ? Number(value) * 1_000 : new Date(value).getTime() - now;
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(0, ms), LONGEST_WAIT_MS);
}

/** Throws a TypeError when there is no message in it: an answer that is not Twilio's. */
export function smsOf(listed: Listed): Sms {
  if (typeof listed.sid !== 'string' || listed.sid === '') throw new TypeError('a message without a SID');
  const createdAt = timeOf(listed.dateCreated);
  const sentAt = timeOf(listed.dateSent);
  return {
    sid: listed.sid,
    from: listed.from ?? '',
    to: listed.to ?? '',
    body: listed.body ?? '',
    status: listed.status,
    inbound: listed.direction === 'inbound',
    serviceSid: listed.messagingServiceSid ?? null,
    createdAt: createdAt ?? sentAt ?? 0,
    sentAt,
    errorCode: listed.errorCode ?? null,
    errorMessage: listed.errorMessage ?? null,
    media: Number(listed.numMedia) || 0,
  };
}

/** The SDK gives back whatever was there when it was no date. */
function timeOf(value: unknown): number | null {
  return value instanceof Date && !Number.isNaN(value.getTime()) ? value.getTime() : null;
}

export interface ListFilter {
  readonly to?: string;
  readonly from?: string;
  /** Only those sent on the day (UTC) of this moment or later. */
  readonly sentSince?: number;
  readonly pageSize: number;
}

const DAY_MS = 86_400_000;
/** A list that goes on for longer is a fault of the other end: 2 million messages at 1,000 a page. */
const MAX_PAGES = 2_000;

/** The message list, newest first, page by page. */
export async function* pages(api: Api, filter: ListFilter, signal: AbortSignal): AsyncGenerator<readonly Sms[]> {
  const { to, from, sentSince, pageSize } = filter;
  const dateSentAfter = sentSince === undefined ? {} : { dateSentAfter: new Date(sentSince - (sentSince % DAY_MS)) };
  const params = { pageSize, ...dateSentAfter, ...(to && { to }), ...(from && { from }) };
  let next: string | undefined;
  for (let count = 0; count < MAX_PAGES; count++) {
    const here = next;
    const page = await api.call(signal, ({ client }) =>
      here === undefined ? client.messages.page(params) : client.messages.getPage(here),
    );
    yield page.instances.map(smsOf);
    next = page.nextPageUrl;
    if (next === undefined) return;
  }
  throw new GatepostError('twilio/endless', `the message list of Twilio does not end after ${MAX_PAGES} pages`);
}
