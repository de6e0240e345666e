// The one HTTP client of the drivers. Per request: unanswered -> written -> answered.
// - unanswered: nothing has left. A failure is a HttpFailure with `written` false: the request was surely not read.
// - written: the connection stands (TLS included) and the first byte is about to be written. A failure has `written` true:
//   the counterparty may have acted on the request. A request that changes something gets a connection of its own, because
//   on a reused one it is unknown whether the server closed it before or after it read the request.
// - answered: the status has come and counts, however the body ends; `cut` says why a body is incomplete.
import { Agent, buildConnector, Client, type Dispatcher, FormData } from 'undici';
import { GatepostError, messageOf } from '../../kit/errors.js';
import { stopper } from '../../kit/stopper.js';
import type { Destination, Network } from '../network.js';
import { assertPublicHost, hostOf, isPublicAddress, notPublic, publicLookup } from './address-guard.js';
import { connectionFault, describeConnectionError } from './connection-faults.js';

export { FormData };

export interface HttpRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array | FormData | undefined;
  /** Bytes of the answer's body that are read at most; what is longer is cut. */
  readonly maxBytes: number;
  /** Ends the request: the client has no timer of its own. */
  readonly signal: AbortSignal;
  /** Called right before the first byte leaves. */
  readonly onWrite?: () => void;
  /** True connects to public addresses only. */
  readonly publicOnly?: boolean;
  /** True for a request that must not be repeated: any other method than GET, unless this is false. */
  readonly once?: boolean;
}

export interface HttpReply {
  readonly status: number;
  /** Names in lower case; of repeated ones all values joined by ", ". */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  /** Why the body is incomplete: too large, broken off or out of time; null when it is whole. */
  readonly cut: HttpFailure | null;
}

export interface HttpClient {
  /** Resolves with any answer, redirects and errors too. Rejects with a HttpFailure when no status came. */
  request(request: HttpRequest): Promise<HttpReply>;
  /** Closes all connections; running requests end with failures. Twice is fine. */
  close(): Promise<void>;
}

/** No answer, or half of one. `code`: `http/not-sent` or `http/no-answer`; `http/too-large` for a body over its limit. */
export class HttpFailure extends GatepostError {
  /** True when the request may have been read at the other end. */
  readonly written: boolean;

  constructor(code: string, message: string, written: boolean, cause?: unknown) {
    super(code, message, { cause });
    this.written = written;
  }
}

/** Connections for reading at once to one host: no driver asks more questions at a time. */
const MAX_CONNECTIONS = 50;
/** Response headers together; an API sends a few hundred bytes. */
const MAX_HEADER_BYTES = 32 * 1024;
/** The library's own timers are off: time is the signal's, and so the Clock's. */
const LIMITS = { headersTimeout: 0, bodyTimeout: 0, pipelining: 1, maxHeaderSize: MAX_HEADER_BYTES };

/** `ca`: authority to trust in place of the public ones, as PEM text. */
export function httpClient({
  ca,
  network,
}: {
  readonly ca?: string | undefined;
  readonly network?: Network | undefined;
} = {}): HttpClient {
  const closing = stopper();
  const connectOptions = (signal: AbortSignal) => ({
    timeout: 0,
    signal,
    ...(ca !== undefined && { ca }),
    ...(network && { lookup: network.to('').lookup }),
  });
  const pool = new Agent({ ...LIMITS, connections: MAX_CONNECTIONS, connect: connectOptions(closing.signal) });

  async function alone(request: HttpRequest): Promise<HttpReply> {
    // The library leaves a socket that is still connecting alone: this signal ends it.
    const ending = new AbortController();
    const options = connectOptions(ending.signal);
    const connect = request.publicOnly ? publicConnector(options) : options;
    const client = new Client(request.url.origin, { ...LIMITS, connect });
    try {
      return await exchange(client, request);
    } finally {
      void client.destroy().catch(() => {});
      ending.abort();
    }
  }

  return {
    async request(request) {
      if (request.signal.aborted) throw new HttpFailure('http/not-sent', messageOf(request.signal.reason), false);
      if (request.publicOnly) assertPublicHost(request.url);
      else network?.to(hostOf(request.url));
      if (isOnce(request) || request.publicOnly) return alone(request);
      try {
        return await exchange(pool, request);
      } catch (error) {
        // Most likely the server had closed the reused connection meanwhile, and reading may be repeated.
        if (request.signal.aborted || connectionFault(error)?.kind !== 'closed') throw error;
        return alone(request);
      }
    },
    close() {
      closing.abort();
      return pool.destroy();
    },
  };
}

/** What an HTTP driver connects to, for its policy. */
export function httpDestination(address: string, secrets: readonly string[]): Destination {
  const url = new URL(address);
  return { host: hostOf(url), isProtected: url.protocol === 'https:', secrets };
}

function isOnce({ method, once }: HttpRequest): boolean {
  return once ?? method !== 'GET';
}

/** The body of an answer; throws why it is incomplete. */
export function wholeBody({ body, cut }: HttpReply): Buffer {
  if (cut) throw cut;
  return body;
}

/** True when a request that failed cannot have been read at the other end. */
export function surelyNotSent(error: unknown): boolean {
  return error instanceof HttpFailure && !error.written;
}

function publicConnector(options: buildConnector.BuildOptions): buildConnector.connector {
  const connect = buildConnector({ ...options, lookup: publicLookup });
  return (target, done) =>
    connect(target, (...[error, socket]) => {
      if (error) return done(error, null);
      if (isPublicAddress(socket.remoteAddress ?? '')) return done(null, socket);
      socket.destroy();
      return done(notPublic(target.hostname), null);
    });
}

function exchange(dispatcher: Dispatcher, request: HttpRequest): Promise<HttpReply> {
  const { url, method, headers, body, signal } = request;
  return new Promise((resolve, reject) => {
    const state = exchangeState(request);
    let controller: Dispatcher.DispatchController | undefined;
    const end = (failure: HttpFailure | null) => {
      signal.removeEventListener('abort', onAbort);
      const reply = state.reply(failure);
      if (reply) resolve(reply);
      else reject(failure);
    };
    const stop = (failure: HttpFailure) => {
      end(failure);
      controller?.abort(failure);
    };
    const onAbort = () => stop(state.failure(signal.reason));
    signal.addEventListener('abort', onAbort, { once: true });
    const options = { origin: url.origin, path: url.pathname + url.search, method, headers: sendable(headers) };
    dispatcher.dispatch(
      { ...options, body: body ?? null },
      {
        onRequestStart(started) {
          controller = started;
          if (signal.aborted || !state.start()) started.abort(state.failure(signal.reason ?? 'sent only once'));
        },
        onResponseStart: (_, status, received) => state.answer(status, received),
        onResponseData(_, chunk) {
          if (!state.add(chunk)) stop(state.tooLarge());
        },
        onResponseEnd: () => end(null),
        onResponseError: (_, error) => end(state.failure(error)),
      },
    );
  });
}

/** What is known of one exchange so far. */
function exchangeState(request: HttpRequest) {
  const { url, maxBytes, onWrite } = request;
  const chunks: Buffer[] = [];
  let bytes = 0;
  let written = false;
  let head: Pick<HttpReply, 'status' | 'headers'> | undefined;
  return {
    /** False when this would send a request that changes something a second time: the library repeats on its own. */
    start(): boolean {
      if (written && isOnce(request)) return false;
      written = true;
      onWrite?.();
      return true;
    },
    answer(status: number, received: Record<string, string | string[] | undefined>): void {
      if (status >= 200) head = { status, headers: joined(received) };
    },
    /** False when the limit is passed. */
    add(chunk: Buffer): boolean {
      bytes += chunk.length;
      if (bytes > maxBytes) return false;
      chunks.push(chunk);
      return true;
    },
    tooLarge: () => new HttpFailure('http/too-large', `the answer is larger than ${maxBytes} bytes`, true),
    failure(error: unknown): HttpFailure {
      if (error instanceof HttpFailure) return error;
      const code = written ? 'http/no-answer' : 'http/not-sent';
      return new HttpFailure(code, describeConnectionError(error, url.host), written, error);
    },
    reply: (cut: HttpFailure | null): HttpReply | undefined => head && { ...head, body: Buffer.concat(chunks), cut },
  };
}

/** The client decides on keeping connections; these headers are about the connection (RFC 9110 7.6.1). */
function sendable(headers: Readonly<Record<string, string>> = {}): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !/^(?:connection|keep-alive)$/i.test(name)));
}

function joined(headers: Record<string, string | string[] | undefined>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, [value ?? []].flat().join(', ')]));
}
