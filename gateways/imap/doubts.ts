// Owns the mails that the server may be unable to hand out. Some servers end the connection over a damaged mail, which
// would then break every session at the same place, for ever. So mails that were being fetched when the connection
// broke are fetched one by one in the next session, and one that breaks it alone, too, is left for an hour at a time.
import { z } from '../../src/driver/settings.js';
import { mailboxName } from './identity.js';
import type { Session } from './session.js';

export interface Doubt {
  /** How often the connection broke while this mail was fetched alone. */
  readonly breaks: number;
  /** When that was last, ms. */
  readonly at: number;
}

/** Once may be the network; twice at the same mail is the mail. */
const DAMAGED = 2;
/** A damaged mail is tried again after this, ms. */
const AGAIN_MS = 3600_000;

const schema = z.object({
  uidValidity: z.string(),
  doubts: z.array(z.tuple([z.number(), z.object({ breaks: z.number(), at: z.number() })])),
});

const noteName = ({ place }: Session) => `doubts ${mailboxName(place)}`;

export async function loadDoubts(session: Session): Promise<void> {
  const result = schema.safeParse(await session.context.driverState.getCheckpoint(noteName(session)));
  if (!result.success || result.data.uidValidity !== session.place.uidValidity) return;
  for (const [uid, doubt] of result.data.doubts) session.doubts.set(uid, doubt);
}

export function isDoubted({ doubts }: Session, uid: number): boolean {
  return doubts.has(uid);
}

/** True while it is to be left alone. */
export function isDamaged({ doubts, context }: Session, uid: number): boolean {
  const doubt = doubts.get(uid);
  return doubt !== undefined && doubt.breaks >= DAMAGED && context.clock.now() - doubt.at < AGAIN_MS;
}

/** The connection broke while these were being fetched. */
export async function blame(session: Session, uids: readonly number[]): Promise<void> {
  const at = session.context.clock.now();
  const alone = uids.length === 1;
  for (const uid of uids) {
    const before = session.doubts.get(uid)?.breaks ?? 0;
    session.doubts.set(uid, { breaks: before + (alone ? 1 : 0), at });
  }
  await save(session);
}

/** The server said that it cannot hand this one out. */
export async function condemn(session: Session, uid: number): Promise<void> {
  session.doubts.set(uid, { breaks: DAMAGED, at: session.context.clock.now() });
  await save(session);
}

/** They came, or they are gone. */
export async function absolve(session: Session, uids: readonly number[]): Promise<void> {
  const doubted = uids.filter((uid) => session.doubts.delete(uid));
  if (doubted.length > 0) await save(session);
}

async function save(session: Session): Promise<void> {
  const { uidValidity } = session.place;
  await session.context.driverState.putCheckpoint(noteName(session), { uidValidity, doubts: [...session.doubts] });
}
