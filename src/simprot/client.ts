// Owns the connector's standing connection to the server: dials, logs in, and comes back for ever after every loss.
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
 * down    -> dialing   when it is started, and when its wait is over
 * dialing -> up        the login was accepted
 * dialing -> refused   the server said no to this account; tried again at the longest interval
 * dialing -> down      anything else went wrong
 * up      -> down      the connection was lost
 * any     -> closed    `stop` was called; final
 * Times are ms since the epoch; `since` of down is when the server was there last, or first missed. `reason` is one
 * sentence with its advice.
 */
export type ClientState =
  | { is: 'down'; since: number; retryAt: number; code: string; reason: string }
  | { is: 'dialing' }
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
  /** Every frame but the session's own, in order. What it throws or rejects with is logged. */
  onFrame: (frame: Frame) => void | Promise<void>;
  /** Every change, at the moment of the change: 'up' comes before any frame of that session. */
  onState?: (state: ClientState) => void;
}

export interface Client {
  readonly state: ClientState;
  /** Begins to connect. Only the first call counts. */
  start(): void;
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
  const { clock, log } = options;
  const where = `${options.host}:${options.port}`;
  const stopping = new AbortController();
  const waiting = new Set<Deferred<void>>();
  let state = notStarted(clock.now());
  let session: Session | undefined;
  let running: Promise<void> | undefined;

  const become = (next: ClientState) => {
    const from = state.is;
    state = next;
    logChange(log, where, from, next, clock.now());
    if (next.is === 'up') for (const waiter of [...waiting]) waiter.resolve();
    if (next.is === 'closed') for (const waiter of [...waiting]) waiter.reject(stopped());
    try {
      options.onState?.(next);
    } catch (error) {
      log.error({ error: messageOf(error) }, 'handling a change of the server connection failed');
    }
  };
  const logIn = async () => {
    const budget = deadline(clock, CONNECT_MS, stopping.signal);
    try {
      const socket = await connect(options, budget.signal);
      session = connectorSession(socket, {
        ...sessionOptions(options),
        onUp: () => become({ is: 'up', since: clock.now() }),
      });
      await budget.race(session.up, 'the login was not answered');
      return session;
    } finally {
      budget.dispose();
    }
  };
  /** One connection from dialing to its end; resolves with why it ended. */
  const attempt = async (): Promise<GatepostError> => {
    try {
      const live = await logIn();
      if (stopping.signal.aborted) await live.close();
      return (await live.closed) ?? stopped();
    } catch (error) {
      const failure = asFailure(error, where);
      session?.cut(failure);
      return failure;
    } finally {
      session = undefined;
    }
  };
  const run = async () => {
    if (options.tls?.rejectUnauthorized === false) log.warn({ server: where }, UNVERIFIED);
    let failures = 0;
    let lastUp = clock.now();
    while (!stopping.signal.aborted) {
      become({ is: 'dialing' });
      const error = await attempt();
      if (stopping.signal.aborted) return;
      failures = survived(state, clock.now()) ? 1 : failures + 1;
      if (state.is === 'up') lastUp = clock.now();
      const next = afterFailure(explain(error, options), failures, lastUp, options);
      become(next);
      await sleep(clock, next.retryAt - clock.now(), stopping.signal).catch(() => {});
    }
  };

  return {
    get state() {
      return state;
    },
    start() {
      if (!stopping.signal.aborted) running ??= run();
    },
    reset(reason) {
      session?.cut(new GatepostError('server/reset', reason));
    },
    async stop() {
      stopping.abort(stopped());
      await session?.close();
      await running;
      if (state.is !== 'closed') become({ is: 'closed' });
    },
    async send(code, content, peer = null) {
      if (state.is !== 'up' || !session) throw notConnected(code, state);
      await session.send({ code, peer, content });
    },
    untilUp(signal) {
      if (state.is === 'up') return Promise.resolve();
      if (state.is === 'closed') return Promise.reject(stopped());
      const waiter = deferred<void>();
      waiting.add(waiter);
      return raceSignal(waiter.promise, signal, 'waiting for the server').finally(() => waiting.delete(waiter));
    },
  };
}

function sessionOptions(options: ClientOptions): Omit<ConnectorOptions, 'onUp'> {
  const { clock, log, onFrame, encoding = 'json', maxBodyBytes = DEFAULT_MAX_BODY_BYTES } = options;
  const login: Login = {
    Account: options.account,
    Password: options.password,
    Application: 'Gatepost',
    PeerAddress: [...options.peerAddresses],
    Instance: options.instance,
    Profile: 'gatepost/1',
  };
  return { clock, log, onFrame, encoding, maxBodyBytes, login };
}

function survived(state: ClientState, now: number): boolean {
  return state.is === 'up' && now - state.since >= SURVIVED_MS;
}

type Failed = Extract<ClientState, { is: 'down' | 'refused' }>;

function afterFailure(error: GatepostError, failures: number, since: number, { clock, random }: ClientOptions): Failed {
  const reason = error.advice ? `${error.message}. ${error.advice}` : error.message;
  // Waiting is all that helps against a wrong password, and knocking often gets accounts locked.
  if (error.code === 'server/login-refused') return { is: 'refused', retryAt: clock.now() + RECONNECT.longest, reason };
  const retryAt = clock.now() + fullJitter(RECONNECT, failures, random);
  return { is: 'down', since, retryAt, code: error.code, reason };
}

/** With TLS 1.3 a server refuses our certificate only after the connection is up: the better sentence is still ours to give. */
function explain(error: GatepostError, options: ClientOptions): GatepostError {
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
    log.warn({ ...fields, retryInMs: next.retryAt - now }, `server connection ${next.is}: ${next.reason}`);
  else if (next.is === 'up') log.info(fields, 'server connection up');
  else log.debug(fields, `server connection ${next.is}`);
}
