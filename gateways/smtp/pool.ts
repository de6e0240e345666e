// Owns which connections are open: at most MaxConnections, kept a while between mails, never repeating anything.
import { type Cancel, type Clock, semaphore, sleep } from '../../src/driver/contract.js';
import type { Link } from './link.js';

/** Ms an unused connection is kept. Servers give up after 5 minutes (RFC 5321 4.5.3.2.7), many relays much earlier. */
const IDLE_MS = 20_000;
/** Ms the server has for answering QUIT when everything closes. */
const QUIT_MS = 1_000;

export interface Pool {
  /** Resolves once a place is free; rejects with the signal's reason. */
  enter(signal: AbortSignal): Promise<Place>;
  /** Adds a connection that nobody uses yet. */
  keep(link: Link): void;
  close(): Promise<void>;
}

export interface Place {
  /** A connection that was used before, if one is open. */
  idle(): Link | undefined;
  /** A new connection, in place of the one in use. */
  fresh(signal: AbortSignal): Promise<Link>;
  /** Gives the place back, and the connection in use with it. */
  leave(): void;
}

type Dial = (signal: AbortSignal) => Promise<Link>;

interface Shelf {
  readonly clock: Clock;
  readonly idle: { link: Link; disarm: Cancel }[];
  /** Every connection that is not closed yet, idle or in use. */
  readonly open: Set<Link>;
  /** Aborts when the gateway closes. */
  readonly over: AbortController;
}

export function openPool(clock: Clock, connections: number, dial: Dial): Pool {
  const places = semaphore({ places: connections, weight: Number.POSITIVE_INFINITY });
  const shelf: Shelf = { clock, idle: [], open: new Set(), over: new AbortController() };
  return {
    keep: (link) => putAway(shelf, adopt(shelf, link)),
    async enter(signal) {
      const release = await places.enter(1, AbortSignal.any([signal, shelf.over.signal]));
      return placeOn(shelf, dial, release);
    },
    close: () => closeAll(shelf),
  };
}

function placeOn(shelf: Shelf, dial: Dial, release: () => void): Place {
  let held: Link | undefined;
  return {
    idle() {
      held = takeIdle(shelf);
      return held;
    },
    async fresh(signal) {
      held?.drop();
      held = undefined;
      held = adopt(shelf, await dial(AbortSignal.any([signal, shelf.over.signal])));
      return held;
    },
    leave() {
      if (held) putAway(shelf, held);
      held = undefined;
      release();
    },
  };
}

function adopt(shelf: Shelf, link: Link): Link {
  shelf.open.add(link);
  link.onEnd(() => remove(shelf, link));
  void link.closed.then(() => shelf.open.delete(link));
  return link;
}

function putAway(shelf: Shelf, link: Link): void {
  if (shelf.over.signal.aborted || !link.alive) {
    link.drop();
    return;
  }
  const disarm = shelf.clock.schedule(IDLE_MS, () => {
    remove(shelf, link);
    link.quit();
  });
  shelf.idle.push({ link, disarm });
}

function takeIdle(shelf: Shelf): Link | undefined {
  const newest = shelf.idle.findLast(({ link }) => link.alive);
  if (newest) remove(shelf, newest.link);
  return newest?.link;
}

function remove({ idle }: Shelf, link: Link): void {
  const at = idle.findIndex((entry) => entry.link === link);
  for (const { disarm } of at < 0 ? [] : idle.splice(at, 1)) disarm();
}

/** Idle connections say goodbye, the ones in use are cut. Resolves when every socket is closed. */
async function closeAll({ clock, idle, open, over }: Shelf): Promise<void> {
  over.abort(new Error('the gateway is closing'));
  const leaving = idle.splice(0);
  for (const { link, disarm } of leaving) {
    disarm();
    link.quit();
  }
  const patience = new AbortController();
  const goodbye = Promise.all(leaving.map(({ link }) => link.closed));
  await Promise.race([goodbye, sleep(clock, QUIT_MS, patience.signal).catch(() => {})]);
  patience.abort();
  const rest = [...open];
  for (const link of rest) link.drop();
  await Promise.all(rest.map(({ closed }) => closed));
}
