// The open connections: at most MaxConnections, each idle, in use by one slot, or closing.
import { type Cancel, type Clock, semaphore, sleep } from '../../src/driver/contract.js';
import type { Connection } from './connection.js';

/** Ms after which an idle connection is closed. Servers give up after 5 minutes (RFC 5321 4.5.3.2.7), many relays much earlier. */
const IDLE_MS = 20_000;
/** Ms the server has for answering QUIT when everything closes. */
const QUIT_MS = 1_000;

export interface Pool {
  /** Resolves once a slot is free; rejects with the signal's reason. */
  enter(signal: AbortSignal): Promise<Slot>;
  /** Adds a connection that is not in use. */
  add(connection: Connection): void;
  close(): Promise<void>;
}

export interface Slot {
  /** A connection that was used before, if one is open. */
  idle(): Connection | undefined;
  /** A new connection, in place of the one in use. */
  fresh(signal: AbortSignal): Promise<Connection>;
  /** Releases the slot, and the connection in use with it. */
  release(): void;
}

type Connect = (signal: AbortSignal) => Promise<Connection>;

interface PoolState {
  readonly clock: Clock;
  readonly idle: { connection: Connection; disarm: Cancel }[];
  /** Every connection that is not closed yet. */
  readonly open: Set<Connection>;
  /** Aborts when the gateway closes. */
  readonly closing: AbortController;
}

export function openPool(clock: Clock, connections: number, connect: Connect): Pool {
  const slots = semaphore({ slots: connections, weight: Number.POSITIVE_INFINITY });
  const state: PoolState = { clock, idle: [], open: new Set(), closing: new AbortController() };
  return {
    add: (connection) => putIdle(state, track(state, connection)),
    async enter(signal) {
      const leave = await slots.enter(1, AbortSignal.any([signal, state.closing.signal]));
      return slotOn(state, connect, leave);
    },
    close: () => closeAll(state),
  };
}

function slotOn(state: PoolState, connect: Connect, leave: () => void): Slot {
  let inUse: Connection | undefined;
  return {
    idle() {
      inUse = takeIdle(state);
      return inUse;
    },
    async fresh(signal) {
      inUse?.drop();
      inUse = undefined;
      inUse = track(state, await connect(AbortSignal.any([signal, state.closing.signal])));
      return inUse;
    },
    release() {
      if (inUse) putIdle(state, inUse);
      inUse = undefined;
      leave();
    },
  };
}

function track(state: PoolState, connection: Connection): Connection {
  state.open.add(connection);
  connection.onEnd(() => remove(state, connection));
  void connection.closed.then(() => state.open.delete(connection));
  return connection;
}

function putIdle(state: PoolState, connection: Connection): void {
  if (state.closing.signal.aborted || !connection.alive) {
    connection.drop();
    return;
  }
  const disarm = state.clock.schedule(IDLE_MS, () => {
    remove(state, connection);
    connection.quit();
  });
  state.idle.push({ connection, disarm });
}

function takeIdle(state: PoolState): Connection | undefined {
  const newest = state.idle.findLast(({ connection }) => connection.alive);
  if (newest) remove(state, newest.connection);
  return newest?.connection;
}

function remove({ idle }: PoolState, connection: Connection): void {
  const at = idle.findIndex((entry) => entry.connection === connection);
  for (const { disarm } of at < 0 ? [] : idle.splice(at, 1)) disarm();
}

/** Idle connections are closed with QUIT, the ones in use are cut. Resolves when every socket is closed. */
async function closeAll({ clock, idle, open, closing }: PoolState): Promise<void> {
  closing.abort(new Error('the gateway is closing'));
  const leaving = idle.splice(0);
  for (const { connection, disarm } of leaving) {
    disarm();
    connection.quit();
  }
  const patience = new AbortController();
  const goodbye = Promise.all(leaving.map(({ connection }) => connection.closed));
  await Promise.race([goodbye, sleep(clock, QUIT_MS, patience.signal).catch(() => {})]);
  patience.abort();
  const rest = [...open];
  for (const connection of rest) connection.drop();
  await Promise.all(rest.map(({ closed }) => closed));
}
