import { type Backoff, fullJitter } from '../kit/backoff.js';
import { type Clock, type Random, sleep } from '../kit/clock.js';
import { deadline, raceSignal } from '../kit/deadline.js';
import { type Deferred, deferred } from '../kit/deferred.js';
import { GatepostError, messageOf } from '../kit/errors.js';
import type { Log } from '../kit/log.js';
import type { Encoding, Frame } from './codec.js';
import { connect, connectError, isTlsFault, type TlsSettings } from './connect.js';
import { DEFAULT_MAX_BODY_BYTES } from './frame.js';
import type { Login } from './messages.js';
import { type ConnectorOptions, connectorSession, type Session } from './session.js';

/**
 * The connection to the server, for ever again after every loss:
 * down       -> connecting   the client was started, or the pause is over
 * connecting -> up           the server accepted the login
 * connecting -> refused      the server refused the login; tried again at the longest interval
 * connecting -> down         anything else went wrong
 * up         -> down         the connection was lost
 * any        -> closed       `stop` was called; final
 * Times are ms since the epoch; `since` of down is when the server was last connected, or first missed. `reason` is one
 * sentence with its advice.
 */
export type ClientState =
  | { is: 'down'; since: number; retryAt: number; code: string; reason: string }
  | { is: 'connecting' }
  | { is: 'up'; since: number }
  | { is: 'refused'; retryAt: number; reason: string }
  | { is: 'closed' };

export interface ClientOptions {
  host: string;
  port: number;
  /** Absent for a connection without TLS. */
  tls?: TlsSettings | undefined;
  account: string;
  password: string;
  peerAddresses: readonly string[];
  /** Names this process among several, `<host>-<pid>`. */
  instance: string;
  /** How contents are written; JSON text when absent. */
  encoding?: Encoding | undefined;
  /** Largest body sent or accepted, bytes. */
  maxBodyBytes?: number | undefined;
  clock: Clock;
  random: Random;
  log: Log;
}

export interface ClientHandlers {
  /** Every frame but the session's own, in order. What it throws or rejects with is logged. */
  onFrame: (frame: Frame) => void | Promise<void>;
  /** Every change, at the moment of the change: 'up' comes before any frame of that session. */
  onState?: (state: ClientState) => void;
}

export interface Client {
  readonly state: ClientState;
  /** Begins to connect. Only the first call counts. */
  start(handlers: ClientHandlers): void;
  /** Cuts the present connection, if there is one, and connects again after the usual pause. */
  reset(reason: string): void;
  /** Sends what is queued, closes, waits for the loop to end. For good; twice is fine. */
  stop(): Promise<void>;
  /**
   * Resolves once the operating system took the bytes. Rejects with `server/not-connected` when not up, and otherwise as
   * Link.send does.
   */
  send(code: string, content: unknown, peer?: string | null): Promise<void>;
  /** Resolves as soon as the client is up, at once when it is; rejects when `signal` aborts or the client is closed. */
  untilUp(signal: AbortSignal): Promise<void>;
}

/** One budget, ms, for DNS, TCP, TLS and login together. */
const CONNECT_MS = 20_000;
const RECONNECT: Backoff = { first: 500, longest: 30_000 };
/** Only a session that lasted this long, ms, counts as a success: a server that takes logins and drops them is not well. */
const SURVIVED_MS = 10_000;

const UNVERIFIED =
  'TLS verification is OFF (server.tls.rejectUnauthorized: false): anybody on the way can read and change every message and learn the password';

export function createClient(options: ClientOptions): Client {
  return new ServerClient(options);
}

class ServerClient implements Client {
  readonly #options: ClientOptions;
  readonly #server: string;
  readonly #stopping = new AbortController();
  readonly #waiting = new Set<Deferred<void>>();
  #handlers: ClientHandlers | undefined;
  #state: ClientState;
  #session: Session | undefined;
  #running: Promise<void> | undefined;

  constructor(options: ClientOptions) {
    this.#options = options;
    this.#server = `${options.host}:${options.port}`;
    this.#state = notStarted(options.clock.now());
  }

  get state(): ClientState {
    return this.#state;
  }

  start(handlers: ClientHandlers): void {
    if (this.#stopping.signal.aborted || this.#running) return;
    this.#handlers = handlers;
    this.#running = this.#run(handlers);
  }

  reset(reason: string): void {
    this.#session?.cut(new GatepostError('server/reset', reason));
  }

  async stop(): Promise<void> {
    this.#stopping.abort(stopped());
    await this.#session?.close();
    await this.#running;
    if (this.#state.is !== 'closed') this.#become({ is: 'closed' });
  }

  async send(code: string, content: unknown, peer: string | null = null): Promise<void> {
    if (this.#state.is !== 'up' || !this.#session) throw notConnected(code, this.#state);
    await this.#session.send({ code, peer, content });
  }

  untilUp(signal: AbortSignal): Promise<void> {
    if (this.#state.is === 'up') return Promise.resolve();
    if (this.#state.is === 'closed') return Promise.reject(stopped());
    const waiter = deferred<void>();
    this.#waiting.add(waiter);
    return raceSignal(waiter.promise, signal, 'waiting for the server').finally(() => this.#waiting.delete(waiter));
  }

  #become(next: ClientState): void {
    const { log, clock } = this.#options;
    const from = this.#state.is;
    this.#state = next;
    logChange(log, this.#server, from, next, clock.now());
    if (next.is === 'up') for (const waiter of [...this.#waiting]) waiter.resolve();
    if (next.is === 'closed') for (const waiter of [...this.#waiting]) waiter.reject(stopped());
    try {
      this.#handlers?.onState?.(next);
    } catch (error) {
      log.error({ err: messageOf(error) }, 'handling a change of the server connection failed');
    }
  }

  async #run(handlers: ClientHandlers): Promise<void> {
    const { log, clock, tls } = this.#options;
    const { signal } = this.#stopping;
    if (tls?.rejectUnauthorized === false) log.warn({ server: this.#server }, UNVERIFIED);
    let failures = 0;
    let lastUp = clock.now();
    while (!signal.aborted) {
      this.#become({ is: 'connecting' });
      const error = await this.#oneSession(handlers);
      if (signal.aborted) return;
      failures = survived(this.#state, clock.now()) ? 1 : failures + 1;
      if (this.#state.is === 'up') lastUp = clock.now();
      const next = afterFailure(asTlsFault(error, this.#options), failures, lastUp, this.#options);
      this.#become(next);
      await sleep(clock, next.retryAt - clock.now(), signal).catch(() => {});
    }
  }

  /** One connection from connecting to its end; resolves with why it ended. */
  async #oneSession(handlers: ClientHandlers): Promise<GatepostError> {
    try {
      const session = await this.#logIn(handlers);
      if (this.#stopping.signal.aborted) await session.close();
      return (await session.closed) ?? stopped();
    } catch (error) {
      const failure = asFailure(error, this.#server);
      this.#session?.cut(failure);
      return failure;
    } finally {
      this.#session = undefined;
    }
  }

  async #logIn({ onFrame }: ClientHandlers): Promise<Session> {
    const { clock } = this.#options;
    const due = deadline(clock, CONNECT_MS, this.#stopping.signal);
    try {
      const socket = await connect(this.#options, due.signal);
      const onUp = () => this.#become({ is: 'up', since: clock.now() });
      const session = connectorSession(socket, { ...sessionOptions(this.#options), onFrame, onUp });
      this.#session = session;
      await due.race(session.up, 'the login was not answered');
      return session;
    } finally {
      due.dispose();
    }
  }
}

function sessionOptions(options: ClientOptions): Omit<ConnectorOptions, 'onUp' | 'onFrame'> {
  const { clock, log, encoding = 'json', maxBodyBytes = DEFAULT_MAX_BODY_BYTES } = options;
  const login: Login = {
    Account: options.account,
    Password: options.password,
    Application: 'Gatepost',
    PeerAddress: [...options.peerAddresses],
    Instance: options.instance,
    Profile: 'gatepost/1',
  };
  return { clock, log, encoding, maxBodyBytes, login };
}

function survived(state: ClientState, now: number): boolean {
  return state.is === 'up' && now - state.since >= SURVIVED_MS;
}

type Failed = Extract<ClientState, { is: 'down' | 'refused' }>;

function afterFailure(error: GatepostError, failures: number, since: number, { clock, random }: ClientOptions): Failed {
  const reason = error.advice ? `${error.message}. ${error.advice}` : error.message;
  // Frequent logins with a wrong password lock accounts.
  if (error.code === 'server/login-refused') return { is: 'refused', retryAt: clock.now() + RECONNECT.longest, reason };
  const retryAt = clock.now() + fullJitter(RECONNECT, failures, random);
  return { is: 'down', since, retryAt, code: error.code, reason };
}

/** With TLS 1.3 a server refuses a client certificate only after the handshake: the error of the session becomes that of connecting. */
function asTlsFault(error: GatepostError, options: ClientOptions): GatepostError {
  return isTlsFault(error.cause) ? connectError(options, error.cause) : error;
}

function asFailure(error: unknown, where: string): GatepostError {
  if (error instanceof GatepostError && error.code === 'deadline') {
    const sentence = `no session with the server ${where} within ${CONNECT_MS / 1000} s`;
    return new GatepostError('server/timeout', sentence, {
      advice: 'Check server.host and server.port, and whether something between here and the server drops packets.',
      cause: error,
    });
  }
  if (error instanceof GatepostError) return error;
  return new GatepostError('server/unreachable', `cannot connect to ${where}: ${messageOf(error)}`, { cause: error });
}

function notStarted(now: number): ClientState {
  return { is: 'down', since: now, retryAt: now, code: 'server/not-connected', reason: 'it was not started yet' };
}

function stopped(): GatepostError {
  return new GatepostError('server/not-connected', 'the connection to the server was stopped');
}

function notConnected(code: string, state: ClientState): GatepostError {
  const why = 'reason' in state ? state.reason : `the connection is ${state.is}`;
  return new GatepostError('server/not-connected', `${code} cannot be sent, there is no server: ${why}`);
}

function logChange(log: Log, where: string, from: ClientState['is'], next: ClientState, now: number): void {
  const fields = { from, to: next.is, server: where };
  if (next.is === 'down' || next.is === 'refused')
    log.warn({ ...fields, reason: next.reason, retry_in_ms: next.retryAt - now }, `server connection ${next.is}`);
  else if (next.is === 'up') log.info(fields, 'server connection up');
  else log.debug(fields, `server connection ${next.is}`);
}
