// Owns the way to Telnyx's API: one request by fetch, one bounded JSON answer, ended by its signal, the API key for this
// host alone, and a clear word about whether a request without an answer may have been read.
import {
  type Clock,
  codeOf,
  type Deadline,
  deadline,
  GatepostError,
  messageOf,
  raceSignal,
} from '../../src/driver/contract.js';
import { z } from '../../src/driver/settings.js';
import type { Settings } from './settings.js';

const HOME = 'https://api.telnyx.com/v2';
/** Largest answer: a page of 100 faxes with their signed addresses is about 200 kB. */
const MAX_ANSWER = 4 * 1024 * 1024;
/** Ms within which the API has to answer. */
const ANSWER_MS = 30_000;
/** A wait longer than this asked for by Retry-After is taken as this, ms. */
const LONGEST_WAIT_MS = 3_600_000;

export interface Question {
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** Below the base address, `/faxes`. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly json?: object;
  readonly form?: FormData;
}

export interface Answer {
  readonly status: number;
  /** The JSON; undefined when there was none, which happens only with errors and empty answers. */
  readonly body: unknown;
  readonly retryAfterMs: number | undefined;
}

export interface Api {
  /** Resolves with whatever the API answered, errors too. Rejects when there is no answer; see `surelyUnread`. */
  ask(question: Question, signal: AbortSignal, ms?: number): Promise<Answer>;
  /** The same for questions that only an answer of 2xx helps: others reject with Refused. */
  get(question: Question, signal: AbortSignal): Promise<unknown>;
  readonly home: URL;
  /** A moment of our clock as Telnyx's clock has it, by the dates of its answers: its times are compared with this only. */
  theirs(at: number): number;
  close(): void;
}

/** Telnyx answered, and the answer is no. */
export class Refused extends Error {
  override readonly name = 'Refused';
  readonly answer: Answer;
  constructor(answer: Answer) {
    super(wordsOf(answer));
    this.answer = answer;
  }
}

export function openApi({ ApiKey, BaseUrl }: Pick<Settings, 'ApiKey' | 'BaseUrl'>, clock: Clock): Api {
  const home = new URL(BaseUrl ?? HOME);
  const closing = new AbortController();
  let aheadMs = 0;

  async function exchange(question: Question, due: Deadline): Promise<Answer> {
    const reply = await fetch(urlOf(home, question), {
      method: question.method,
      headers: headersOf(ApiKey, question),
      body: question.json ? JSON.stringify(question.json) : (question.form ?? null),
      // Whoever sends us elsewhere does not get the key.
      redirect: 'manual',
      signal: due.signal,
    });
    const date = Date.parse(reply.headers.get('date') ?? '');
    if (!Number.isNaN(date)) aheadMs = date - clock.now();
    const { status } = reply;
    const retryAfterMs = retryAfter(reply.headers.get('retry-after'), clock.now() + aheadMs);
    const text = await textOf(reply).catch((error) => {
      // An error counts even when its explanation was cut off.
      if (status < 400) throw error;
      return '';
    });
    return { status, body: parsed(text, status), retryAfterMs };
  }

  const ask: Api['ask'] = async (question, signal, ms = ANSWER_MS) => {
    const due = deadline(clock, ms, AbortSignal.any([signal, closing.signal]));
    try {
      if (due.signal.aborted) throw unread(due.signal.reason);
      return await raceSignal(exchange(question, due), due.signal, 'asking Telnyx');
    } catch (error) {
      throw error instanceof GatepostError ? error : failureOf(error);
    } finally {
      due.dispose();
    }
  };

  return {
    ask,
    home,
    theirs: (at) => at + aheadMs,
    async get(question, signal) {
      const answer = await ask(question, signal);
      if (!isGood(answer)) throw new Refused(answer);
      return answer.body;
    },
    close: () => closing.abort(new GatepostError('telnyx/closed', 'the gateway is being closed')),
  };
}

function urlOf(home: URL, { path, query = {} }: Question): URL {
  const url = new URL(home.pathname.replace(/\/$/, '') + path, home);
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
  return url;
}

/**
 * Every request has a connection of its own: on one that was used before nobody can tell whether the server closed it
 * before or after it read a POST.
 */
function headersOf(key: string, { json }: Question): Record<string, string> {
  const common = { authorization: `Bearer ${key}`, accept: 'application/json', connection: 'close' };
  return json ? { ...common, 'content-type': 'application/json' } : common;
}

async function textOf(reply: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of reply.body ?? []) {
    bytes += chunk.length;
    if (bytes > MAX_ANSWER)
      throw new GatepostError('telnyx/too-large', `the answer is larger than ${MAX_ANSWER} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function parsed(text: string, status: number): unknown {
  if (text.trim() === '') return undefined;
  try {
    return JSON.parse(text);
  } catch {
    if (status >= 300) return undefined;
    throw new GatepostError('telnyx/no-answer', 'the answer is not one of the Telnyx API');
  }
}

/** Handshakes that failed: certificates, and servers that speak no TLS. */
const HANDSHAKE =
  /^(?:UND_ERR_CONNECT_TIMEOUT|ERR_TLS_\w+|ERR_SSL_WRONG_VERSION_NUMBER|CERT_\w+|DEPTH_ZERO_\w+|SELF_SIGNED_\w+|UNABLE_TO_\w+)$/;

/**
 * Whether it failed before the first byte could be written. By the system call and not by the code: "no route to host" may
 * also end a connection that stood, long after the request was read.
 */
function failedEarly(cause: unknown): boolean {
  if (cause instanceof AggregateError) return cause.errors.length > 0 && cause.errors.every(failedEarly);
  const call = cause instanceof Error && 'syscall' in cause ? String(cause.syscall) : '';
  return call === 'connect' || call === 'getaddrinfo' || HANDSHAKE.test(codeOf(cause));
}

/** What fetch throws says "fetch failed"; the reason is its cause. */
function failureOf(error: unknown): GatepostError {
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
  const code = codeOf(cause);
  const words = messageOf(cause);
  const said = code && !words.includes(code) ? `${words} (${code})` : words;
  return new GatepostError(failedEarly(cause) ? 'telnyx/unreachable' : 'telnyx/no-answer', said, { cause: error });
}

function unread(reason: unknown): GatepostError {
  return new GatepostError('telnyx/unreachable', `not asked: ${messageOf(reason)}`);
}

/** True when a request that failed cannot have been read at the other end. */
export function surelyUnread(error: unknown): boolean {
  return codeOf(error) === 'telnyx/unreachable';
}

export function isGood({ status }: Answer): boolean {
  return status >= 200 && status < 300;
}

const errorsSchema = z.object({
  errors: z
    .array(z.object({ code: z.coerce.string().catch(''), title: z.string().catch(''), detail: z.string().catch('') }))
    .min(1),
});

/** What an answer says, as `schema` knows it; rejects what is not of this API. */
export function understood<T>(schema: z.ZodType<T>, body: unknown): T {
  const parsed = schema.safeParse(body);
  if (parsed.success) return parsed.data;
  throw new GatepostError('telnyx/no-answer', 'the answer is not one of the Telnyx API');
}

/** `422 10016 Phone number must be in +E.164 format: The specified phone number ...`, as far as Telnyx says it. */
export function wordsOf({ status, body }: Answer): string {
  const told = errorsSchema.safeParse(body);
  const [first] = told.success ? told.data.errors : [];
  if (!first) return `Telnyx answered ${status}`;
  const { code, title, detail } = first;
  const own = detail && detail.toLowerCase() !== title.toLowerCase() ? `: ${detail}` : '';
  return oneLine(`Telnyx answered ${status} ${code} ${title}${own}`);
}

/** One sentence of any failure to use the API. */
export function reasonOf(error: unknown): string {
  return oneLine(messageOf(error));
}

/** The HTTP status of a refusal; 0 for any other failure. */
export function statusOf(error: unknown): number {
  return error instanceof Refused ? error.answer.status : 0;
}

function oneLine(text: string): string {
  return text.replace(/\s+/g, ' ').trim().slice(0, 500);
}

/** Seconds or an HTTP date (RFC 9110 10.2.3), as ms from now. */
export function retryAfter(value: string | null, now: number): number | undefined {
  if (value === null || value.trim() === '') return undefined;
  const ms = /^\d+$/.test(value.trim()) ? Number(value) * 1_000 : Date.parse(value) - now;
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(0, ms), LONGEST_WAIT_MS);
}
