// The way to Microsoft Graph: requests with the token of the account, bounded answers. Graph serves four requests of an
// application to one mailbox at a time, and throttles by mailbox: both are shared by all gateways of the mailbox.
import {
  deadline,
  GatepostError,
  type GatewayContext,
  messageOf,
  semaphore,
  sleep,
} from '../../src/driver/contract.js';
import { z } from '../../src/driver/settings.js';
import { type HttpReply, type HttpRequest, httpClient } from '../../src/driver/shared/http-client.js';
import { accountTokens } from '../../src/driver/shared/oauth/account.js';
import { type ProviderClock, providerClock } from '../../src/driver/shared/provider-clock.js';
import { retryAfterMs } from '../../src/driver/shared/retry-after.js';
import { accountOf, HOME, type Settings } from './settings.js';

/** Requests at a time per mailbox: a documented limit of Outlook's part of Graph. */
export const AT_A_TIME = 4;
/** Largest JSON answer: a page of 100 messages with few members has 100 kB. */
const MAX_ANSWER = 4 * 1024 * 1024;
/** Ms within which Graph has to answer. */
const ANSWER_MS = 60_000;
/** Assumed where Graph throttles without a time, ms. */
const UNSTATED_PAUSE_MS = 10_000;

export interface ApiRequest {
  readonly method: HttpRequest['method'];
  /** Below the mailbox, `/mailFolders`, or a whole link that Graph gave. */
  readonly path: string;
  readonly json?: object;
  /** A body in place of `json`, as text/plain. */
  readonly text?: string;
  readonly prefer?: readonly string[];
  /** Headers beside the usual ones. */
  readonly headers?: Readonly<Record<string, string>>;
  /** False for a change that may be repeated: it uses an open connection. */
  readonly once?: boolean;
  readonly maxBytes?: number;
}

export interface ApiAnswer {
  readonly status: number;
  readonly reply: HttpReply;
  /** The JSON; undefined when there is none. */
  readonly body: unknown;
  readonly retryAfterMs: number | undefined;
}

export interface Api {
  /** Resolves with any answer, errors too. Rejects when there is none; see `surelyNotSent` of the HTTP client. */
  request(request: ApiRequest, signal: AbortSignal): Promise<ApiAnswer>;
  /** The same for requests that only an answer of 2xx helps: any other rejects with GraphRefusal. */
  need(request: ApiRequest, signal: AbortSignal): Promise<ApiAnswer>;
  /** Without a token: for addresses that are a permission by themselves. */
  plain(request: Omit<HttpRequest, 'signal' | 'maxBytes'>, signal: AbortSignal): Promise<ApiAnswer>;
  /** Ms that Graph still wants this mailbox to be left alone. */
  pauseMs(): number;
  token(signal: AbortSignal): Promise<string>;
  readonly host: string;
  readonly clock: ProviderClock;
  close(): Promise<void>;
}

/** An answer that is not 2xx. */
export class GraphRefusal extends Error {
  override readonly name = 'GraphRefusal';
  readonly answer: ApiAnswer;
  constructor(answer: ApiAnswer) {
    super(describeAnswer(answer));
    this.answer = answer;
  }
}

export function openApi(context: GatewayContext<Settings>): Api {
  const { settings, clock } = context;
  const home = new URL(settings.BaseUrl ?? HOME);
  const mailbox = `${home.href.replace(/\/$/, '')}/users/${encodeURIComponent(settings.Mailbox)}`;
  const tokens = accountTokens(context, accountOf(settings), 'Graph', settings.Mailbox);
  const closing = new AbortController();
  const endsWith = (signal: AbortSignal) => AbortSignal.any([signal, closing.signal]);
  const exchanger = openExchanger(context, mailbox);

  async function request(asked: ApiRequest, given: AbortSignal): Promise<ApiAnswer> {
    const signal = endsWith(given);
    const url = linkOf(asked.path, mailbox, home);
    for (let attempt = 1; ; attempt++) {
      while (exchanger.pauseMs() > 0) await sleep(clock, exchanger.pauseMs(), signal);
      const token = await tokens.token(signal);
      const answer = await exchanger.exchange({ ...requestOf(asked, token), url }, signal);
      if (answer.status !== 401) return answer;
      // The token was revoked or its permissions have changed: Graph has not acted, so one more attempt with a new one.
      tokens.invalidate(token);
      if (attempt > 1) return answer;
    }
  }

  return {
    request,
    async need(asked, signal) {
      const answer = await request(asked, signal);
      if (!isSuccess(answer)) throw new GraphRefusal(answer);
      return answer;
    },
    plain: (asked, signal) => exchanger.exchange({ ...asked, maxBytes: MAX_ANSWER }, endsWith(signal)),
    pauseMs: exchanger.pauseMs,
    token: (signal) => tokens.token(endsWith(signal)),
    host: home.host,
    clock: exchanger.clock,
    close() {
      closing.abort(new GatepostError('graph/closed', 'the gateway is being closed'));
      return exchanger.close();
    },
  };
}

/** One exchange within the limits that all gateways of the mailbox share. */
function openExchanger({ clock, network, shared }: GatewayContext<Settings>, mailbox: string) {
  const http = httpClient({ network });
  const graphClock = providerClock(clock);
  const limits = shared(`mailbox ${mailbox.toLowerCase()}`, () => ({
    slots: semaphore({ slots: AT_A_TIME, weight: AT_A_TIME }),
    pausedUntil: 0,
  }));
  const pauseFor = (ms: number) => {
    limits.pausedUntil = Math.max(limits.pausedUntil, clock.monotonic() + ms);
  };
  return {
    clock: graphClock,
    close: () => http.close(),
    pauseMs: () => Math.max(0, limits.pausedUntil - clock.monotonic()),
    async exchange(asked: Omit<HttpRequest, 'signal'>, parent: AbortSignal): Promise<ApiAnswer> {
      const due = deadline(clock, ANSWER_MS, parent);
      let leave = () => {};
      try {
        leave = await limits.slots.enter(1, due.signal);
        const reply = await http.request({ ...asked, signal: due.signal });
        graphClock.note(reply.headers.date);
        const answer = answerOf(reply, graphClock.now());
        if (isThrottled(answer)) pauseFor(answer.retryAfterMs ?? UNSTATED_PAUSE_MS);
        return answer;
      } finally {
        leave();
        due.dispose();
      }
    },
  };
}

/** A link of Graph is followed on its own host only: the token goes along. */
function linkOf(path: string, mailbox: string, home: URL): URL {
  if (path.startsWith('/')) return new URL(mailbox + path);
  const url = new URL(path);
  if (url.origin !== home.origin)
    throw new GatepostError('graph/foreign-link', `Microsoft Graph named a link on another host: ${url.host}`);
  return url;
}

function requestOf(asked: ApiRequest, token: string): Omit<HttpRequest, 'signal' | 'url'> {
  const { method, json, text, prefer = [], headers, once, maxBytes = MAX_ANSWER } = asked;
  const type = json ? 'application/json' : text === undefined ? undefined : 'text/plain';
  return {
    method,
    maxBytes,
    ...(once !== undefined && { once }),
    body: json ? JSON.stringify(json) : text,
    headers: {
      authorization: `Bearer ${token}`,
      // Ids that stay when a mail is moved.
      prefer: ['IdType="ImmutableId"', ...prefer].join(', '),
      ...(type !== undefined && { 'content-type': type }),
      ...headers,
    },
  };
}

function answerOf(reply: HttpReply, now: number): ApiAnswer {
  const { status, headers, body } = reply;
  const isJson = /^application\/json/i.test(headers['content-type'] ?? '');
  return {
    status,
    reply,
    body: isJson ? parse(body) : undefined,
    retryAfterMs: retryAfterMs(headers['retry-after'], now),
  };
}

function parse(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    return undefined;
  }
}

export function isSuccess({ status }: ApiAnswer): boolean {
  return status >= 200 && status < 300;
}

/** 429, and 503 as the Outlook service says it. */
export function isThrottled({ status }: ApiAnswer): boolean {
  return status === 429 || status === 503;
}

/** What `schema` finds in an answer; throws for an answer that is not of this API. */
export function extract<T>(schema: z.ZodType<T>, { body, reply }: ApiAnswer): T {
  if (reply.cut) throw reply.cut;
  const parsed = schema.safeParse(body);
  if (parsed.success) return parsed.data;
  throw new GatepostError('graph/no-answer', 'the answer does not come from Microsoft Graph');
}

const errorSchema = z.object({ error: z.object({ code: z.string().catch(''), message: z.string().catch('') }) });

export function errorOf({ body }: ApiAnswer): { code: string; message: string } {
  const parsed = errorSchema.safeParse(body);
  return parsed.success ? parsed.data.error : { code: '', message: '' };
}

/** `403 ErrorAccessDenied: Access is denied. Check credentials and try again.` */
export function describeAnswer(answer: ApiAnswer): string {
  const { code, message } = errorOf(answer);
  return oneLine(`Microsoft Graph answered ${answer.status} ${code}${message && `: ${message}`}`);
}

/** One sentence for any failure to use Graph. */
export function reasonOf(error: unknown): string {
  return oneLine(messageOf(error));
}

/** The HTTP status of a refusal; 0 for any other failure. */
export function statusOf(error: unknown): number {
  return error instanceof GraphRefusal ? error.answer.status : 0;
}

const LONGEST_WORDS = 300;
function oneLine(text: string): string {
  return text.slice(0, 2_000).replace(/\s+/g, ' ').trim().slice(0, LONGEST_WORDS);
}
