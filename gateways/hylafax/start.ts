// Owns the very first start on a server: which of the faxes that are there already count.
import { z } from '../../src/driver/settings.js';
import { listReceived, type Received } from './recvq.js';
import type { Session } from './session.js';
import { sinceOf } from './settings.js';

const NOTE = 'first-start';
const schema = z.object({ newest: z.number(), done: z.boolean() });

/** Leaves everything that is not wanted recorded as ignored, once and for all. */
export async function prepare(session: Session, signal: AbortSignal): Promise<void> {
  const { driverState } = session.context;
  const read = schema.safeParse(await driverState.getCheckpoint(NOTE));
  if (read.data?.done) return;
  const there = await session.converse(signal, listReceived, 'needed');
  const old = there.filter(({ arriving }) => !arriving);
  // Noted before anything else, so that a crash in between cannot make newer faxes look old.
  const newest = read.data?.newest ?? old.at(-1)?.at ?? 0;
  if (!read.data) await driverState.putCheckpoint(NOTE, { newest, done: false });
  await leaveAlone(
    session,
    old.filter(({ at }) => at <= newest),
  );
  await driverState.putCheckpoint(NOTE, { newest, done: true });
}

async function leaveAlone({ context }: Session, faxes: readonly Received[]): Promise<void> {
  const { driverState, settings, log } = context;
  const since = sinceOf(settings);
  const unwanted = faxes.filter(({ at }) => at * 1000 < since);
  await driverState.skip(unwanted.map(({ key }) => ({ key, fingerprint: '' })));
  const numbers = { since: settings.Since, ignored: unwanted.length, wanted: faxes.length - unwanted.length };
  log.info(numbers, `first start on this server: ${unwanted.length} older faxes are left alone`);
}
