// Mails that the server may be unable to hand out. Some servers end the connection over a damaged mail; every session
// would then break at the same mail. The states of such a mail:
//   suspect   the connection broke while it was being fetched with others -> it is fetched alone from now on
//   damaged   the connection broke twice while it was fetched alone, or the server answered that it cannot read it -> it is
//             left for an hour, then fetched alone again
//   cleared   it was fetched, or it is gone from the folder -> forgotten
import { z } from '../../src/driver/settings.js';
import { mailboxName } from './identity.js';
import type { Session } from './session.js';

/** One break may be the network; two at the same mail are the mail. */
const DAMAGED_BREAKS = 2;
const DAMAGED_RETRY_MS = 3600_000;

/** `doubts` is the name of the member, and of the checkpoint, in every stored version so far. */
const stored = z.object({
  uidValidity: z.string(),
  doubts: z.array(z.tuple([z.number(), z.object({ breaks: z.number(), at: z.number() })])),
});

const checkpointName = ({ mailboxRef }: Session) => `doubts ${mailboxName(mailboxRef)}`;

export async function loadSuspects(session: Session): Promise<void> {
  const result = stored.safeParse(await session.context.driverState.getCheckpoint(checkpointName(session)));
  if (!result.success || result.data.uidValidity !== session.mailboxRef.uidValidity) return;
  for (const [uid, suspect] of result.data.doubts) session.suspects.set(uid, suspect);
}

export function isSuspect({ suspects }: Session, uid: number): boolean {
  return suspects.has(uid);
}

/** True while the mail is to be left alone. */
export function isDamaged({ suspects, context }: Session, uid: number): boolean {
  const suspect = suspects.get(uid);
  return (
    suspect !== undefined && suspect.breaks >= DAMAGED_BREAKS && context.clock.now() - suspect.at < DAMAGED_RETRY_MS
  );
}

/** The connection broke while these mails were being fetched. */
export async function suspect(session: Session, uids: readonly number[]): Promise<void> {
  const at = session.context.clock.now();
  const alone = uids.length === 1;
  for (const uid of uids) {
    const before = session.suspects.get(uid)?.breaks ?? 0;
    session.suspects.set(uid, { breaks: before + (alone ? 1 : 0), at });
  }
  await save(session);
}

/** The server answered that it cannot deliver this mail. */
export async function isolate(session: Session, uid: number): Promise<void> {
  session.suspects.set(uid, { breaks: DAMAGED_BREAKS, at: session.context.clock.now() });
  await save(session);
}

/** These mails were fetched, or they are gone. */
export async function clear(session: Session, uids: readonly number[]): Promise<void> {
  const cleared = uids.filter((uid) => session.suspects.delete(uid));
  if (cleared.length > 0) await save(session);
}

async function save(session: Session): Promise<void> {
  const { uidValidity } = session.mailboxRef;
  await session.context.driverState.putCheckpoint(checkpointName(session), {
    uidValidity,
    doubts: [...session.suspects],
  });
}
