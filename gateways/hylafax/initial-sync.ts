import { z } from '../../src/driver/settings.js';
import { listReceived, type ReceivedFile } from './recvq.js';
import type { Session } from './session.js';
import { sinceOf } from './settings.js';

const CHECKPOINT = 'first-start';
const stored = z.object({ newest: z.number(), done: z.boolean() });

/** At the first start on a server: skips the faxes that are older than Since. */
export async function initialSync(session: Session, signal: AbortSignal): Promise<void> {
  const { driverState } = session.context;
  const checkpoint = stored.safeParse(await driverState.getCheckpoint(CHECKPOINT)).data;
  if (checkpoint?.done) return;
  const listed = await session.withClient(signal, listReceived, 'needed');
  const old = listed.filter(({ arriving }) => !arriving);
  // Stored first: after a crash in between, faxes that came meanwhile must not count as old.
  const newest = checkpoint?.newest ?? old.at(-1)?.at ?? 0;
  if (!checkpoint) await driverState.putCheckpoint(CHECKPOINT, { newest, done: false });
  await skipOlder(
    session,
    old.filter(({ at }) => at <= newest),
  );
  await driverState.putCheckpoint(CHECKPOINT, { newest, done: true });
}

async function skipOlder({ context }: Session, faxes: readonly ReceivedFile[]): Promise<void> {
  const { driverState, settings, log } = context;
  const since = sinceOf(settings);
  const unwanted = faxes.filter(({ at }) => at * 1000 < since);
  await driverState.skip(unwanted.map(({ key }) => ({ key, fingerprint: '' })));
  const counts = { skipped: unwanted.length, received: faxes.length - unwanted.length };
  log.info({ since: settings.Since, ...counts }, 'first start, older faxes skipped');
}
