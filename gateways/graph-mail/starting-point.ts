// From where the changes of the folder are read, and what becomes of a mail that the journal does not know.
// first: the very first reading of the folder; mails from before Since are skipped -> usual
// usual: everything that is new is received -> (Graph has forgotten the link) resync
// resync: everything is listed again; what is known is not received again -> usual
import { z } from '../../src/driver/settings.js';
import type { Item } from './delta.js';
import type { Session } from './session.js';
import { type Settings, sinceOf } from './settings.js';

const CHECKPOINT = 'delta';

const pointSchema = z.object({
  /** Mailbox and folder that the link belongs to. */
  source: z.string(),
  phase: z.enum(['first', 'usual', 'resync']),
  /** Where reading goes on; null at the beginning. */
  link: z.string().nullable(),
  /** In the first reading mails received before this moment, ms, are skipped; null for none. */
  since: z.number().nullable(),
  /** When everything had been listed last, ms on Graph's clock; null if never. */
  readUpTo: z.number().nullable(),
});
export type Point = z.output<typeof pointSchema>;

/** After a crash in the first reading it goes on with the first moment: what came meanwhile is not skipped. */
export async function startingPoint({ context, api, folder }: Session): Promise<Point> {
  const { driverState, settings } = context;
  const source = `${api.host} ${settings.Mailbox.toLowerCase()} ${folder.id}`;
  const stored = pointSchema.safeParse(await driverState.getCheckpoint(CHECKPOINT));
  if (stored.success && stored.data.source === source) return stored.data;
  const since = sinceOf(settings, api.clock.now());
  const point: Point = {
    ...{ source, phase: 'first', link: null, readUpTo: null },
    since: Number.isFinite(since) ? since : null,
  };
  await storePoint(context, point);
  return point;
}

export function storePoint({ driverState }: Pick<Session['context'], 'driverState'>, point: Point): Promise<void> {
  return driverState.putCheckpoint(CHECKPOINT, point);
}

/** A mail that the journal has forgotten was confirmed long ago: what is younger than this is surely known, ms. */
const SURELY_KNOWN_MS = 7 * 24 * 60 * 60_000;

export type Marks = Pick<Settings, 'AfterReceive' | 'Category'>;

/** For a mail that the journal does not know. */
export function isWanted(point: Point, { receivedAt, isRead, categories }: Item, settings: Marks): boolean {
  if (receivedAt === undefined || point.phase === 'usual') return true;
  if (point.phase === 'first') return point.since === null || receivedAt >= point.since;
  if (point.readUpTo === null || receivedAt >= point.readUpTo - SURELY_KNOWN_MS) return true;
  // Received mails have left the folder with Move and Delete, so what is there was put there meanwhile.
  switch (settings.AfterReceive) {
    case 'Read':
      return !isRead;
    case 'Category':
      return !categories.includes(settings.Category);
    case 'Keep':
      return false;
    default:
      return true;
  }
}
