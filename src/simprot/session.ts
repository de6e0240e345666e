// Login, keep-alive and the detection of dead connections, for both roles. The vendor publishes none of this, so
// this module is made to be replaced: nothing outside it knows ES_LOGIN, SE_LOGIN, ES_PING or SE_PONG.
import type { Socket } from 'node:net';
import type { Clock } from '../kit/clock.js';
import { type Deferred, deferred } from '../kit/deferred.js';
import { GatepostError, messageOf } from '../kit/errors.js';
import type { Log } from '../kit/log.js';
import type { Encoding, Frame } from './codec.js';
import { createKeepalive, type Keepalive } from './keepalive.js';
import { createLink, type Link } from './link.js';
import { type Login, loginAnswer, login as loginSchema, MSG, problemsOf } from './messages.js';

export interface SessionOptions {
  clock: Clock;
  log: Log;
  encoding: Encoding;
  /** Largest body sent or accepted, bytes. */
  maxBodyBytes: number;
  /** Called for every frame that is not the session's own. What it throws or rejects with is logged; the session stays. */
  onFrame: (frame: Frame) => void | Promise<void>;
}

export interface ConnectorOptions extends SessionOptions {
  login: Login;
  /** Called at the moment the login is accepted, before any frame that follows it. */
  onUp?: () => void;
}

export interface ServerOptions extends SessionOptions {
  /** Announced in SE_LOGIN, seconds. */
  keepAliveSeconds?: number;
  /** True lets the connector in; a text rejects it and is the Reason in the answer. */
  authenticate: (login: Login) => true | string | Promise<true | string>;
  /** Called at the moment the login is accepted, before any frame that follows it. */
  onUp?: (login: Login) => void;
}

export interface Session {
  /** Resolves once the login is accepted; rejects with the reason when it is not (`server/login-refused`: by the server). */
  readonly up: Promise<void>;
  /** Resolves with why the session ended; undefined when it was closed from here. */
  readonly closed: Promise<GatepostError | undefined>;
  /** Resolves once the operating system took the bytes; see Link.send for what it rejects with. */
  send(frame: Frame): Promise<void>;
  /** Sends what is queued, then closes; bounded by a few seconds. */
  close(): Promise<void>;
  /** Closes at once. */
  cut(reason: GatepostError): void;
}

export const DEFAULT_KEEP_ALIVE_SECONDS = 15;
/** How long, ms, a new connection may take to say ES_LOGIN. */
const LOGIN_MS = 10_000;
/** A stranger's frames are held to this size: no login needs more. */
const LOGIN_BODY_BYTES = 64 * 1024;

/** Sends ES_LOGIN over a connected socket and keeps the session alive once SE_LOGIN says yes. */
export function connectorSession(socket: Socket, options: ConnectorOptions): Session {
  const { log } = options;
  let stage: 'login' | 'up' = 'login';
  const up = deferred<void>();
  const link = openLink(socket, 'server', options, (frame) => {
    keepalive.received();
    if (stage === 'login') takeAnswer(frame);
    else if (frame.code === MSG.loginAnswer) log.warn({ content: frame.content }, 'a second SE_LOGIN was ignored');
    else if (frame.code !== MSG.pong) deliver(frame, options);
  });
  const keepalive = createKeepalive(link, options.clock, 'server', MSG.ping);

  const takeAnswer = (frame: Frame) => {
    if (frame.code !== MSG.loginAnswer) return link.cut(violation(`the server sent ${frame.code} before SE_LOGIN`));
    const answer = loginAnswer.safeParse(frame.content);
    if (!answer.success) return link.cut(violation(`SE_LOGIN is malformed: ${problemsOf(answer.error)}`));
    const { Success, Reason, KeepAlive } = answer.data;
    if (!Success) return reject(Reason);
    stage = 'up';
    link.accept(options.maxBodyBytes);
    keepalive.start(KeepAlive ?? DEFAULT_KEEP_ALIVE_SECONDS);
    options.onUp?.();
    up.resolve();
  };
  const reject = (reason: string | null | undefined) => {
    const error = loginRefused(options.login.Account, reason);
    up.reject(error);
    void link.end(error);
  };

  // A failure is the reason that `closed` of the link resolves with.
  link.send({ code: MSG.login, peer: null, content: options.login }).catch(() => {});
  return sessionOf(link, keepalive, up);
}

/** Serves one connector over an accepted socket: checks its login, answers its pings, ends it when it falls silent. */
export function serverSession(socket: Socket, options: ServerOptions): Session {
  const { clock, log } = options;
  let stage: 'login' | 'checking' | 'up' = 'login';
  const up = deferred<void>();
  const link = openLink(socket, 'connector', options, (frame) => {
    keepalive.received();
    if (stage === 'login' && frame.code === MSG.login) void takeLogin(frame);
    else if (stage !== 'up') link.cut(violation(`the connector sent ${frame.code} before it was logged in`));
    else if (frame.code === MSG.login) link.cut(violation('the connector sent a second ES_LOGIN'));
    else if (frame.code === MSG.ping) answer(MSG.pong, null);
    else deliver(frame, options);
  });
  const keepalive = createKeepalive(link, clock, 'connector');
  const tooLate = () => link.cut(new GatepostError('session/silent', `no ES_LOGIN came within ${LOGIN_MS / 1000} s`));
  const cancelLogin = clock.schedule(LOGIN_MS, tooLate);
  void link.closed.then(cancelLogin);

  const answer = (code: string, content: unknown) => {
    keepalive
      .send({ code, peer: null, content })
      .catch((error) => log.debug({ code, error: messageOf(error) }, 'not sent'));
  };
  const takeLogin = async (frame: Frame) => {
    stage = 'checking';
    cancelLogin();
    const parsed = loginSchema.safeParse(frame.content);
    if (!parsed.success) return reject(`the login is malformed: ${problemsOf(parsed.error)}`);
    const verdict = await judge(parsed.data, options);
    if (!link.open) return;
    if (verdict !== true) return reject(verdict, parsed.data.Account);
    const keepAlive = options.keepAliveSeconds ?? DEFAULT_KEEP_ALIVE_SECONDS;
    answer(MSG.loginAnswer, { Success: true, KeepAlive: keepAlive });
    stage = 'up';
    link.accept(options.maxBodyBytes);
    keepalive.start(keepAlive);
    options.onUp?.(parsed.data);
    up.resolve();
  };
  const reject = (reason: string, account = '') => {
    const error = new GatepostError(
      'session/login-refused',
      `the login of account "${account}" was refused: ${reason}`,
    );
    answer(MSG.loginAnswer, { Success: false, Reason: reason });
    up.reject(error);
    void link.end(error);
  };
  return sessionOf(link, keepalive, up);
}

function openLink(socket: Socket, peer: 'server' | 'connector', options: SessionOptions, onFrame: (f: Frame) => void) {
  const { clock, encoding, maxBodyBytes } = options;
  const link = createLink(socket, { peer, clock, encoding, maxBodyBytes, onFrame });
  link.accept(Math.min(maxBodyBytes, LOGIN_BODY_BYTES));
  return link;
}

function sessionOf(link: Link, keepalive: Keepalive, up: Deferred<void>): Session {
  void link.closed.then((reason) =>
    up.reject(reason ?? new GatepostError('session/closed', 'closed before the login')),
  );
  const send = async (frame: Frame) => {
    if (!keepalive.started) throw new GatepostError('session/not-up', `${frame.code} cannot be sent before the login`);
    await keepalive.send(frame);
  };
  return { up: up.promise, closed: link.closed, send, cut: link.cut, close: () => link.end() };
}

async function judge(login: Login, options: ServerOptions): Promise<true | string> {
  try {
    return await options.authenticate(login);
  } catch (error) {
    options.log.error({ account: login.Account, error: messageOf(error) }, 'a login could not be checked');
    return 'the login cannot be checked at the moment';
  }
}

function deliver(frame: Frame, { log, onFrame }: SessionOptions): void {
  const failed = (error: unknown) =>
    log.error({ code: frame.code, error: messageOf(error) }, `handling ${frame.code} failed`);
  try {
    onFrame(frame)?.catch(failed);
  } catch (error) {
    failed(error);
  }
}

function violation(sentence: string): GatepostError {
  return new GatepostError('session/protocol', sentence);
}

function loginRefused(account: string, reason: string | null | undefined): GatepostError {
  const why = reason ? `: ${reason.slice(0, 300)}` : ', without a reason';
  return new GatepostError('server/login-refused', `the server refused the login of account "${account}"${why}`, {
    advice: 'Check server.account and server.password against the account on the server.',
  });
}
