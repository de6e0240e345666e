// The way to Twilio's API: the official SDK builds the requests and reads the answers; the drivers' HTTP client carries them.
import type twilio from 'twilio';
import { type Deadline, deadline, GatepostError, type GatewayContext, raceSignal } from '../../src/driver/contract.js';
import { type HttpClient, httpClient } from '../../src/driver/shared/http-client.js';
import { type ProviderClock, providerClock } from '../../src/driver/shared/provider-clock.js';
import { retryAfterMs } from '../../src/driver/shared/retry-after.js';
import type { Settings } from './settings.js';

type Sdk = typeof twilio;
export type Client = twilio.Twilio;

/** Largest answer of the API: a page of 1,000 messages of 1,600 characters is about 5 MB. */
const MAX_ANSWER = 16 * 1024 * 1024;
/** Ms within which the API has to answer. */
const ANSWER_MS = 30_000;

/** One use of the API. */
export interface Call {
  readonly client: Client;
  /** True from the moment a request may have been read at the other end. */
  written: boolean;
  /** The pause that the last answer asked for. */
  retryAfterMs: number | undefined;
}

export interface Api {
  readonly sdk: Sdk;
  readonly http: HttpClient;
  /** Twilio's clock; the times of its messages are compared with this clock only. */
  readonly clock: ProviderClock;
  /** Runs `work` with a client whose requests end with `signal`, with the session, or after `ms`. */
  call<T>(signal: AbortSignal, work: (call: Call) => Promise<T>, ms?: number): Promise<T>;
  /** The URL of a path of the API, honouring BaseUrl. */
  urlOf(path: string): URL;
  readonly authorization: string;
  close(): Promise<void>;
}

export async function openApi({
  settings,
  clock,
  network,
}: Pick<GatewayContext<Settings>, 'settings' | 'clock' | 'network'>): Promise<Api> {
  const { default: sdk } = await import('twilio');
  const http = httpClient({ network });
  const closing = new AbortController();
  const { user, password } = credentials(settings);
  const transport: Transport = { http, clock: providerClock(clock), rebase: rebaseTo(settings.BaseUrl) };
  return {
    sdk,
    http,
    clock: transport.clock,
    urlOf: (path) => transport.rebase(new URL(path, 'https://api.twilio.com')),
    authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`,
    async call(signal, work, ms = ANSWER_MS) {
      const due = deadline(clock, ms, AbortSignal.any([signal, closing.signal]));
      const httpClient = new sdk.RequestClient();
      const client = sdk(user, password, { accountSid: settings.AccountSid, httpClient });
      const call: Call = { client, written: false, retryAfterMs: undefined };
      carry(httpClient, transport, call, due);
      try {
        return await raceSignal(work(call), due.signal, 'asking Twilio');
      } finally {
        due.dispose();
      }
    },
    close() {
      closing.abort(new GatepostError('twilio/closed', 'the gateway is being closed'));
      return http.close();
    },
  };
}

interface Transport {
  readonly http: HttpClient;
  readonly clock: ProviderClock;
  rebase(url: URL): URL;
}

/** Replaces the SDK's own HTTP client, which does not say whether a request was written. */
function carry(
  { axios }: InstanceType<Sdk['RequestClient']>,
  { http, clock, rebase }: Transport,
  call: Call,
  { signal }: Deadline,
): void {
  axios.defaults.adapter = async (config) => {
    const reply = await http.request({
      method: config.method?.toUpperCase() === 'POST' ? 'POST' : 'GET',
      url: rebase(new URL(axios.getUri(config))),
      headers: headersOf(config.headers.toJSON()),
      body: typeof config.data === 'string' ? config.data : undefined,
      maxBytes: MAX_ANSWER,
      signal,
      onWrite: () => {
        call.written = true;
      },
    });
    const { status, headers, body, cut } = reply;
    // An answer that says "error" counts even when its explanation was cut off.
    if (cut && status < 400) throw cut;
    clock.note(headers.date);
    call.retryAfterMs = retryAfterMs(headers['retry-after'], clock.now());
    return { data: body.toString('utf8'), status, statusText: '', headers, config };
  };
}

function credentials({ AccountSid, AuthToken, ApiKey, ApiSecret }: Settings): { user: string; password: string } {
  return ApiKey ? { user: ApiKey, password: ApiSecret ?? '' } : { user: AccountSid, password: AuthToken ?? '' };
}

function rebaseTo(base: string | undefined): (url: URL) => URL {
  if (base === undefined) return (url) => url;
  const { origin, pathname } = new URL(base);
  return (url) => new URL(pathname.replace(/\/$/, '') + url.pathname + url.search, origin);
}

function headersOf(given: object): Record<string, string> {
  const entries = Object.entries(given).filter(([, value]) => value !== undefined && value !== null);
  return Object.fromEntries(entries.map(([name, value]) => [name, String(value)]));
}
