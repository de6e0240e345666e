import type { Clock } from '../kit/clock.js';
import { codeOf, GatepostError } from '../kit/errors.js';
import { oneLine } from '../kit/terminal.js';
import type { Direction } from '../model/message.js';
import type { StoredMessage } from './reading.js';
import { openStore, type Store } from './store.js';

/** What a desk command works with. */
export interface Desk {
  storePath: string;
  clock: Clock;
  /** Prints one piece of text, a line end after it. */
  out: (text: string) => void;
  /** Columns of the terminal; 100 when it is none. */
  columns?: number | undefined;
  /** Ends the waiting for an outcome. */
  signal?: AbortSignal | undefined;
}

/** A sign of life older than this, ms, is that of an embedded server that died. */
const DEAD_AFTER_MS = 5_000;

export async function withStore<T>(desk: Desk, work: (store: Store) => T | Promise<T>): Promise<T> {
  const store = openExisting(desk.storePath);
  try {
    return await work(store);
  } finally {
    store.close();
  }
}

function openExisting(path: string): Store {
  try {
    return openStore(path, { create: false });
  } catch (error) {
    if (codeOf(error) !== 'embedded-server/missing') throw error;
    throw new GatepostError('desk/no-store', `there is no embedded server yet: ${path} does not exist`, {
      advice: 'Start it once with "gatepost start" (or "gatepost frontdesk"), with the same --config.',
      cause: error,
    });
  }
}

/** The message whose id begins so. @throws GatepostError `desk/unknown-id`, `desk/ambiguous-id` */
export function findMessage({ reading }: Store, id: string, direction?: Direction): StoredMessage {
  const prefix = id.trim();
  const messages = (prefix === '' ? [] : reading.idsLike(prefix)).flatMap((whole) => reading.message(whole) ?? []);
  const fitting = messages.filter((message) => !direction || message.Direction === direction);
  const [only, second] = fitting;
  if (only && !second) return only;
  if (second) {
    const ids = fitting.map(({ MessageId }) => MessageId).join(', ');
    throw new GatepostError('desk/ambiguous-id', `several ids begin with ${oneLine(id)}: ${ids}`, {
      advice: 'Give more of the id.',
    });
  }
  throw new GatepostError(
    'desk/unknown-id',
    `no ${direction === 'I' ? 'received ' : ''}message has an id that begins with "${oneLine(id)}"`,
    {
      advice: 'See the ids with "gatepost desk inbox" and "gatepost desk outbox".',
    },
  );
}

/** Time in which connectors log in after the server has started, ms. */
const STARTING_MS = 15_000;

/** A sentence when nothing will move at present, else null. */
export function standstill({ reading }: Store, clock: Clock): string | null {
  const beat = reading.heartbeat();
  if (!beat || clock.now() - beat.at > DEAD_AFTER_MS) {
    return 'No embedded server is running, so nothing is received or sent: start it with "gatepost start".';
  }
  if (beat.connectors === 0 && beat.at - (beat.since ?? 0) < STARTING_MS)
    return 'The embedded server has just started, and no connector has logged in yet: ask again in some seconds.';
  if (beat.connectors === 0) return 'No connector is logged in to the embedded server, so nothing is received or sent.';
  return null;
}

/** As much of an id as operators need to see and to type. */
export function shortId(id: string): string {
  return id.slice(0, 8);
}
