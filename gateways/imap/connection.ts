// The connection to the IMAP server: opened under one deadline, watched for silence. Its states:
//   open     commands run
//   leaving  LOGOUT is under way; the end of the connection is then no loss
//   down     for good, with the reason; every command and listener gets that reason
// Every command goes through `ask`, so that nothing waits for ever on a connection that is open but silent.
import type { PeerCertificate } from 'node:tls';
import { ImapFlow } from 'imapflow';
import { GatepostError, type GatewayContext, readWhatHasArrived } from '../../src/driver/contract.js';
import { credentialsFor } from '../../src/driver/shared/oauth/sign-in.js';
import { type CommandLimits, commandLimits } from './command-limits.js';
import { address, imapError, refusal } from './errors.js';
import { CONNECT_MS, type ImapLog, optionsOf } from './options.js';
import type { Settings } from './settings.js';

/** How long a server may stay silent over something trivial (NOOP, the end of IDLE), ms. */
export const TRIVIAL_MS = 30_000;
/** For pending confirms and the goodbye together, ms. */
const GOODBYE_MS = 5_000;

export interface AskOptions {
  signal?: AbortSignal;
  /** Ms of silence after which the connection counts as dead. */
  silence?: number;
  /** What the server is expected to send, bytes, where that is more than an answer of a few lines. */
  bytes?: number;
  /** What it may send beyond that, bytes. */
  tolerance?: number;
}

export interface Connection {
  readonly client: ImapFlow;
  /** Why nothing more can be asked; undefined while the connection is usable. */
  readonly down: GatepostError | undefined;
  /** The server announced mail since this was last set to false. */
  announced: boolean;
  /** Commands of this driver so far; what ends an IDLE without one of them was the server. */
  readonly commands: number;
  /** The certificate that the server showed. */
  readonly certificate: PeerCertificate | undefined;
  /** Runs one command. Rejects with one clear sentence when it fails, when `signal` aborts, or when the server stays silent. */
  ask<T>(what: string, work: () => Promise<T>, options?: AskOptions): Promise<T>;
  /** As `ask`, for commands whose failure the library reports as false: that becomes an error with the server's answer. */
  demand<T>(what: string, work: () => Promise<T | false | undefined>, options?: AskOptions): Promise<T>;
  has(capability: string): boolean;
  /** Calls `onMail` at every announcement and `onDown` once when the connection goes down. Returns the unsubscribe. */
  subscribe(onMail: () => void, onDown: (error: GatepostError) => void): () => void;
  fail(error: GatepostError): void;
  /** Says goodbye after `first` is done; bounded. Twice is fine. */
  close(first?: () => Promise<void>): Promise<void>;
}

/** `onConnection` gets the connection before it is connected: what it has learned is evidence even when connecting fails. */
export async function connectImap(
  context: GatewayContext<Settings>,
  signal?: AbortSignal,
  onConnection: (connection: Connection) => void = () => {},
): Promise<Connection> {
  const { settings, clock } = context;
  const imapLog: ImapLog = { answer: undefined, certificate: undefined };
  const credentials = await credentialsFor(context, settings, 'Imap', signal ?? new AbortController().signal);
  const client = new ImapFlow(await optionsOf(context, credentials, imapLog));
  const connection = connectionOver(context, client, imapLog);
  onConnection(connection);
  const disarm = clock.schedule(
    CONNECT_MS,
    () => void readWhatHasArrived().then(() => connection.fail(tooSlow(settings))),
  );
  const abandon = () => connection.fail(new GatepostError('gateway/closed', 'connecting was given up'));
  signal?.addEventListener('abort', abandon, { once: true });
  if (signal?.aborted) abandon();
  try {
    await client.connect();
    return connection;
  } catch (error) {
    const reason = connection.down ?? imapError(error, settings);
    if (reason.code === 'gateway/login-refused' && 'invalidate' in credentials) credentials.invalidate();
    connection.fail(reason);
    throw reason;
  } finally {
    disarm();
    signal?.removeEventListener('abort', abandon);
  }
}

type State = { is: 'open' } | { is: 'leaving' } | { is: 'down'; error: GatepostError };

interface Listener {
  onMail(): void;
  onDown(error: GatepostError): void;
}

function connectionOver(context: GatewayContext<Settings>, client: ImapFlow, imapLog: ImapLog): Connection {
  const { settings } = context;
  const listeners = new Set<Listener>();
  const limits = commandLimits(context, client, (error) => connection.fail(error));
  let state: State = { is: 'open' };
  let commands = 0;
  const connection: Connection = {
    client,
    announced: false,
    get commands() {
      return commands;
    },
    get down() {
      return state.is === 'down' ? state.error : undefined;
    },
    get certificate() {
      return imapLog.certificate;
    },
    has: (capability) => client.capabilities.has(capability),
    ask(what, work, options) {
      commands += 1;
      return ask(context, { connection, limits }, what, work, options);
    },
    demand: (what, work, options) =>
      demand(settings, connection, imapLog, what, () => connection.ask(what, work, options)),
    subscribe(onMail, onDown) {
      const listener = { onMail, onDown };
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    fail(error) {
      if (state.is === 'down') return;
      state = { is: 'down', error };
      client.close();
      for (const { onDown } of [...listeners]) onDown(error);
    },
    async close(first) {
      if (state.is === 'open') state = { is: 'leaving' };
      await goodbye(context, connection, first);
    },
  };
  client.on('error', (error) => connection.fail(imapError(error, settings)));
  client.on('close', () => connection.fail(state.is === 'open' ? lost(settings, client.byeReason) : left(settings)));
  client.on('exists', ({ count, prevCount }) => {
    if (count <= prevCount) return;
    connection.announced = true;
    for (const { onMail } of [...listeners]) onMail();
  });
  return connection;
}

async function demand<T>(
  settings: Settings,
  connection: Connection,
  imapLog: ImapLog,
  what: string,
  run: () => Promise<T | false | undefined>,
): Promise<T> {
  imapLog.answer = undefined;
  const result = await run();
  if (connection.down) throw connection.down;
  if (result !== false && result !== undefined) return result;
  throw refusal(settings, what, imapLog.answer ?? { status: 'NO', code: '', words: 'refused' });
}

function ask<T>(
  context: GatewayContext<Settings>,
  { connection, limits }: { connection: Connection; limits: CommandLimits },
  what: string,
  work: () => Promise<T>,
  { signal, ...expected }: AskOptions = {},
): Promise<T> {
  if (connection.down) return Promise.reject(connection.down);
  if (signal?.aborted) return Promise.reject(signal.reason);
  return new Promise((resolve, reject) => {
    const stopWatch = limits.watch(what, expected);
    const leave = () => {
      stopWatch();
      unsubscribe();
      signal?.removeEventListener('abort', abandon);
    };
    const fail = (error: unknown) => {
      leave();
      reject(error);
    };
    const abandon = () => fail(signal?.reason);
    const unsubscribe = connection.subscribe(() => {}, fail);
    signal?.addEventListener('abort', abandon, { once: true });
    work().then(
      (result) => {
        leave();
        resolve(result);
      },
      (error) => fail(connection.down ?? imapError(error, context.settings, what)),
    );
  });
}

async function goodbye(
  context: GatewayContext<Settings>,
  connection: Connection,
  first: () => Promise<void> = async () => {},
): Promise<void> {
  const farewell = async () => {
    await first();
    if (!connection.down) await connection.client.logout();
  };
  await new Promise<void>((resolve) => {
    const disarm = context.clock.schedule(GOODBYE_MS, resolve);
    const end = () => {
      disarm();
      resolve();
    };
    farewell().then(end, end);
  });
  connection.fail(left(context.settings));
}

function tooSlow(settings: Settings): GatepostError {
  const message = `${address(settings)} did not finish connection and login within ${CONNECT_MS / 1000} s`;
  const advice = 'Check Host, Port and Security, and how busy the mail server is.';
  return new GatepostError('gateway/unreachable', message, { advice });
}

function lost(settings: Settings, bye: string | undefined): GatepostError {
  const message = `${address(settings)} closed the connection${bye ? `: ${bye}` : ''}`;
  const advice = 'Gatepost opens it again; if this repeats, check the log of the mail server.';
  return new GatepostError('gateway/connection-lost', message, { advice });
}

function left(settings: Settings): GatepostError {
  return new GatepostError('gateway/closed', `Gatepost closed the connection to ${address(settings)}`);
}
