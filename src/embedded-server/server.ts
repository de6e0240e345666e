// The server side of SimProt over TCP, so that Gatepost runs without FrontStage.
import type { Socket } from 'node:net';
import { type Clock, sleep } from '../kit/clock.js';
import { closers } from '../kit/closers.js';
import { messageOf } from '../kit/errors.js';
import type { Log } from '../kit/log.js';
import { stopper } from '../kit/stopper.js';
import type { GatewayInfo } from '../model/message.js';
import type { Frame } from '../simprot/codec.js';
import { DEFAULT_MAX_BODY_BYTES } from '../simprot/frame.js';
import { type Login, MSG } from '../simprot/messages.js';
import { type Session, serverSession } from '../simprot/session.js';
import { type Account, authenticate, type LoginResult, mayServe } from './accounts.js';
import { type Admission, type AdmissionCounts, createAdmission, type Guest } from './admission.js';
import { type InboundHandler, inboundHandler } from './inbound.js';
import { listen, type TlsFiles } from './listener.js';
import { type Connector, type OutboundSender, outboundSender } from './outbound.js';
import type { RetryRules } from './send-requests.js';
import { openStore, type Store } from './store.js';
import { watchGateways } from './watch.js';

export interface EmbeddedServerOptions {
  host: string;
  /** 0 takes a free one. */
  port: number;
  tls?: TlsFiles;
  account: string;
  password: string;
  /** SimProt addresses that this account may serve; absent: all. */
  peerAddresses?: readonly string[];
  /** Accounts of further connectors. */
  accounts?: readonly Account[];
  gatewaysFile: string;
  storePath: string;
  clock: Clock;
  log: Log;
  retry?: RetryRules;
  /** Largest frame body, bytes; 32 MiB when absent. */
  maxBodyBytes?: number;
}

export interface EmbeddedServer {
  readonly port: number;
  readonly counts: Readonly<Counts>;
  readonly admissions: Readonly<AdmissionCounts>;
  gateways(): readonly GatewayInfo[];
  /** Names of the connectors that are logged in. */
  connectors(): readonly string[];
  /** Stops listening, lets go of every connector, closes the store. Twice is fine. */
  close(): Promise<void>;
}

/** What connectors sent that did not count. */
export interface Counts {
  /** MSG codes that are not spoken here. */
  ignored: number;
  /** ES_MESSAGE_SENT that belong to no send request, or could not be read. */
  strayAnswers: number;
  /** Second answers to one SE_MESSAGE_SENDING. */
  faults: number;
}

/** What strangers at the port did. */
export type { AdmissionCounts } from './admission.js';

/** An Instance names a connector in event lines: longer names are cut. */
const LONGEST_NAME = 80;

/** What the handlers of one embedded server share. */
interface State {
  options: EmbeddedServerOptions;
  inbound: InboundHandler;
  outbound: OutboundSender;
  sessions: Set<Session>;
  connectors: Set<Connector>;
  gateways: () => readonly GatewayInfo[];
  counts: Counts;
  admission: Admission;
  /** Of connections without a login or with one, by address and port of the connector. */
  guests: Map<string, Guest>;
}

/**
 * @throws GatepostError `embedded-server/port-taken`, `/port`, `/tls`, `/gateways`, or what openStore throws; nothing is left open then.
 */
export async function startEmbeddedServer(options: EmbeddedServerOptions): Promise<EmbeddedServer> {
  const down = closers();
  try {
    return await start(options, down);
  } catch (error) {
    await down.close();
    throw error;
  }
}

async function start(options: EmbeddedServerOptions, down: ReturnType<typeof closers>): Promise<EmbeddedServer> {
  const { clock, log, gatewaysFile, retry } = options;
  const store = openStore(options.storePath, { create: true, ...(retry && { retry }) });
  down.add('the store', () => store.close());
  const onList = (list: readonly GatewayInfo[]) => remember(store, list);
  const list = await watchGateways({ file: gatewaysFile, clock, log, onList });
  down.add('the gateways file', () => list.stop());

  const connectors = new Set<Connector>();
  const common = { store, clock, log, gateways: list.current };
  // The socket first: a port that is in use must not leave a sign of life of a server that never listened.
  const listener = await listen(
    options,
    (socket) => arrive(socket, state),
    (socket) => serve(socket, state),
  );
  const outbound = outboundSender({ ...common, connectors: () => [...connectors] });
  const state: State = {
    options,
    inbound: inboundHandler(common),
    outbound,
    sessions: new Set(),
    connectors,
    gateways: list.current,
    counts: { ignored: 0, strayAnswers: 0, faults: 0 },
    admission: createAdmission({ clock, log }),
    guests: new Map(),
  };
  down.add('the sign of life', () => store.write(({ reading }) => reading.beat(null)));
  down.add('the sending', () => outbound.stop());
  down.add('the connections', () => listener.stop(() => endSessions(state)));
  const { port } = listener;
  log.info({ host: options.host, port, gateways: list.current().length }, 'embedded server is listening');
  return {
    port,
    counts: state.counts,
    admissions: state.admission.counts,
    gateways: list.current,
    connectors: () => [...connectors].map(({ name }) => name),
    close: () => down.close(),
  };
}

function remember(store: Store, list: readonly GatewayInfo[]): void {
  const gateways = list.map(({ Id, Direction, Channel, DisplayName }) => {
    return { id: Id, direction: Direction, channel: Channel, displayName: DisplayName ?? Id };
  });
  store.write(({ reading }) => reading.setGateways(gateways));
}

async function endSessions({ sessions }: State): Promise<void> {
  await Promise.all([...sessions].map((session) => session.close()));
}

function addressOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress}:${remotePort}`;
}

function arrive(socket: Socket, { admission, guests }: State): void {
  const address = addressOf(socket);
  const guest = admission.arrive(socket.remoteAddress, () => socket.destroy());
  guests.set(address, guest);
  socket.once('close', () => {
    guest.gone();
    guests.delete(address);
  });
}

/** Passwords cannot be tried faster than the delay of their address allows, whatever the answer is. */
async function checkLogin(login: Login, socket: Socket, { options, admission }: State): Promise<LoginResult> {
  const { remoteAddress } = socket;
  const ms = admission.delay(remoteAddress);
  if (ms > 0) await sleep(options.clock, ms, closing(socket)).catch(() => undefined);
  if (socket.destroyed) return { ok: false, reason: 'the connection was closed' };
  const result = authenticate(login, accountsOf(options));
  if (!result.ok) admission.failed(remoteAddress);
  return result;
}

function closing(socket: Socket): AbortSignal {
  const closed = stopper();
  socket.once('close', () => closed.abort(new Error('the connection was closed')));
  return closed.signal;
}

function serve(socket: Socket, state: State): void {
  const { clock, log, maxBodyBytes = DEFAULT_MAX_BODY_BYTES } = state.options;
  const address = addressOf(socket);
  let connector: Connector | undefined;
  let account: Account | undefined;
  const session = serverSession(socket, {
    clock,
    log,
    encoding: 'json',
    maxBodyBytes,
    async authenticate(login) {
      const result = await checkLogin(login, socket, state);
      if (!result.ok) return result.reason;
      account = result.account;
      return true;
    },
    onUp(login) {
      connector = connectorOf(login, address, session);
      state.guests.get(address)?.admitted();
      state.connectors.add(connector);
      log.info({ connector: connector.name, peers: connector.peers, address }, 'a connector logged in');
      state.outbound.wake();
    },
    onFrame: (frame) => (connector && account ? handle(frame, connector, account, state) : undefined),
  });
  state.sessions.add(session);
  // `closed` resolves with the reason of a failed login as well.
  session.up.catch(() => {});
  void session.closed.then((reason) => {
    state.sessions.delete(session);
    if (connector) state.connectors.delete(connector);
    log.info(
      { connector: connector?.name ?? address, code: reason?.code },
      reason?.message ?? 'a connector was let go',
    );
  });
}

function connectorOf(login: Login, address: string, session: Session): Connector {
  const name = (login.Instance?.replace(/[\p{C}\p{Z}]+/gu, ' ').trim() || address).slice(0, LONGEST_NAME);
  const peers = login.PeerAddress.map((peer) => peer.trim().toLowerCase());
  return { name, peers, send: (frame) => session.send(frame) };
}

function accountsOf({ account, password, peerAddresses, accounts = [] }: EmbeddedServerOptions): Account[] {
  return [{ name: account, password, peerAddresses }, ...accounts];
}

async function handle(frame: Frame, connector: Connector, account: Account, state: State): Promise<void> {
  switch (frame.code) {
    case MSG.getGateways:
      return sendGateways(frame.content, connector, account, state);
    case MSG.receiving: {
      const content = await state.inbound.receive(frame.content, connector);
      return reply(connector, { code: MSG.received, peer: connector.peers[0] ?? null, content }, state);
    }
    case MSG.sent: {
      const verdict = state.outbound.answered(frame.content, connector);
      if (verdict === 'fault') state.counts.faults += 1;
      if (verdict === 'unknown' || verdict === 'malformed') state.counts.strayAnswers += 1;
      return;
    }
    default:
      state.counts.ignored += 1;
      state.options.log.debug({ connector: connector.name, code: frame.code.slice(0, 80) }, 'a MSG was ignored');
  }
}

async function sendGateways(asked: unknown, connector: Connector, account: Account, state: State): Promise<void> {
  // No answer rather than an empty list, which would make the connector stop everything.
  if (typeof asked !== 'string') {
    state.options.log.warn({ connector: connector.name }, 'ES_SL_GETGATEWAYS names no PeerAddress and was ignored');
    return;
  }
  const peer = asked.trim();
  // No answer here either: the gateways of another connector hold its passwords.
  if (!mayServe(account, peer)) {
    state.options.log.warn({ connector: connector.name, peer }, 'gateways of another account were asked for');
    return;
  }
  const content = state.gateways().filter(({ PeerAddress }) => PeerAddress?.toLowerCase() === peer.toLowerCase());
  await reply(connector, { code: MSG.gateways, peer, content }, state);
}

/** A connector that went away before its answer asks again. */
async function reply(connector: Connector, frame: Frame, { options }: State): Promise<void> {
  await connector.send(frame).catch((error) => {
    options.log.debug({ connector: connector.name, error: messageOf(error) }, `${frame.code} could not be sent`);
  });
}
