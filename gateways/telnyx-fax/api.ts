// The way to Telnyx's API: one request, one bounded JSON answer; the API key goes to this host alone.
import { deadline, GatepostError, type GatewayContext, messageOf } from '../../src/driver/contract.js';
import { z } from '../../src/driver/settings.js';
import { type FormData, type HttpClient, type HttpReply, httpClient } from '../../src/driver/shared/http-client.js';
import { type ProviderClock, providerClock } from '../../src/driver/shared/provider-clock.js';
import { retryAfterMs } from '../../src/driver/shared/retry-after.js';
import type { Settings } from './settings.js';

export const HOME = 'https://api.telnyx.com/v2';
/** Largest answer: a page of 100 faxes with their signed addresses is about 200 kB. */
const MAX_ANSWER = 4 * 1024 * 1024;
/** Ms within which the API has to answer. */
const ANSWER_MS = 30_000;

export interface ApiRequest {
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** Below the base address, `/faxes`. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly json?: object;
  readonly form?: FormData;
}

export interface ApiAnswer {
  readonly status: number;
  /** The JSON; undefined when there was none, which happens only with errors and empty answers. */
  readonly body: unknown;
  readonly retryAfterMs: number | undefined;
}

export interface Api {
  /** Resolves with any answer of the API, errors too. Rejects when there is no answer; see `surelyNotSent` of the HTTP client. */
  request(request: ApiRequest, signal: AbortSignal, ms?: number): Promise<ApiAnswer>;
  /** The same for requests that only an answer of 2xx helps: any other rejects with ApiRefusal. */
  get(request: ApiRequest, signal: AbortSignal): Promise<unknown>;
  readonly home: URL;
  readonly http: HttpClient;
  /** Telnyx's clock; the times of its faxes are compared with this clock only. */
  readonly clock: ProviderClock;
  close(): Promise<void>;
}

/** An answer that is not 2xx. */
export class ApiRefusal extends Error {
  override readonly name = 'ApiRefusal';
  readonly answer: ApiAnswer;
  constructor(answer: ApiAnswer) {
    super(describeAnswer(answer));
    this.answer = answer;
  }
}

/** What of a context the way to Telnyx needs. */
export interface ApiContext extends Pick<GatewayContext<unknown>, 'clock' | 'network'> {
  readonly settings: Pick<Settings, 'ApiKey' | 'BaseUrl'>;
}

export function openApi({ settings, clock, network }: ApiContext): Api {
  const { ApiKey, BaseUrl } = settings;
  const home = new URL(BaseUrl ?? HOME);
  const http = httpClient({ network });
  const telnyxClock = providerClock(clock);
  const closing = new AbortController();

  const request: Api['request'] = async (asked, signal, ms = ANSWER_MS) => {
    const due = deadline(clock, ms, AbortSignal.any([signal, closing.signal]));
    try {
      const reply = await http.request({
        method: asked.method,
        url: urlOf(home, asked),
        headers: headersOf(ApiKey, asked),
        body: asked.json ? JSON.stringify(asked.json) : asked.form,
        maxBytes: MAX_ANSWER,
        signal: due.signal,
      });
      telnyxClock.note(reply.headers.date);
      return answerOf(reply, telnyxClock.now());
    } finally {
      due.dispose();
    }
  };

  return {
    ...{ request, home, http, clock: telnyxClock },
    async get(asked, signal) {
      const answer = await request(asked, signal);
      if (!isSuccess(answer)) throw new ApiRefusal(answer);
      return answer.body;
    },
    close() {
      closing.abort(new GatepostError('telnyx/closed', 'the gateway is being closed'));
      return http.close();
    },
  };
}

function urlOf(home: URL, { path, query = {} }: ApiRequest): URL {
  const url = new URL(home.pathname.replace(/\/$/, '') + path, home);
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
  return url;
}

function headersOf(key: string, { json }: ApiRequest): Record<string, string> {
  const common = { authorization: `Bearer ${key}`, accept: 'application/json' };
  return json ? { ...common, 'content-type': 'application/json' } : common;
}

/** An error counts even when its explanation was cut off. */
function answerOf({ status, headers, body, cut }: HttpReply, now: number): ApiAnswer {
  if (cut && status < 400) throw cut;
  const text = cut ? '' : body.toString('utf8');
  return { status, body: parse(text, status), retryAfterMs: retryAfterMs(headers['retry-after'], now) };
}

function parse(text: string, status: number): unknown {
  if (text.trim() === '') return undefined;
  try {
    return JSON.parse(text);
  } catch {
    if (status >= 300) return undefined;
    throw notTelnyx();
  }
}

function notTelnyx(): GatepostError {
  return new GatepostError('telnyx/no-answer', 'the answer does not come from the Telnyx API');
}

export function isSuccess({ status }: ApiAnswer): boolean {
  return status >= 200 && status < 300;
}

/** What `schema` finds in an answer; throws for an answer that is not of this API. */
export function extract<T>(schema: z.ZodType<T>, body: unknown): T {
  const parsed = schema.safeParse(body);
  if (parsed.success) return parsed.data;
  throw notTelnyx();
}

const errorsSchema = z.object({
  errors: z
    .array(z.object({ code: z.coerce.string().catch(''), title: z.string().catch(''), detail: z.string().catch('') }))
    .min(1),
});

/** `422 10016 Phone number must be in +E.164 format: The specified phone number ...`, as far as Telnyx gives it. */
export function describeAnswer({ status, body }: ApiAnswer): string {
  const parsed = errorsSchema.safeParse(body);
  const [first] = parsed.success ? parsed.data.errors : [];
  if (!first) return `Telnyx answered ${status}`;
  const { code, title, detail } = first;
  const own = detail && detail.toLowerCase() !== title.toLowerCase() ? `: ${detail}` : '';
  return oneLine(`Telnyx answered ${status} ${code} ${title}${own}`);
}

/** One sentence for any failure to use the API. */
export function reasonOf(error: unknown): string {
  return oneLine(messageOf(error));
}

/** The HTTP status of a refusal; 0 for any other failure. */
export function statusOf(error: unknown): number {
  return error instanceof ApiRefusal ? error.answer.status : 0;
}

function oneLine(text: string): string {
  return text.replace(/\s+/g, ' ').trim().slice(0, 500);
}
