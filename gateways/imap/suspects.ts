// Mails that the server may be unable to hand out. Some servers end the connection over a damaged mail; every session
// would then break at the same mail. The states of such a mail:
//   suspect   the connection broke while it was being fetched with others -> it is fetched alone from now on
//   damaged   the connection broke twice while it was fetched alone -> it is left for an hour, then fetched alone again
//   refused   the server did not hand it out although it handed out others -> it is fetched again after a pause that grows
//             with every refusal, up to an hour
//   cleared   it was fetched, or it is gone from the folder -> forgotten
import { z } from '../../src/driver/settings.js';
import { mailboxName } from './identity.js';
import type { Session } from './session.js';

/** One break may be the network; two at the same mail are the mail. */
const DAMAGED_BREAKS = 2;
const DAMAGED_RETRY_MS = 3600_000;
/** The pause after the first refusal, and its factor for each further one. */
const REFUSED_FIRST_MS = 5_000;
const REFUSED_FACTOR = 3;

/** `doubts` is the name of the member, and of the checkpoint, in every stored version so far. */
const stored = z.object({
  uidValidity: z.string(),
  doubts: z.array(
    z.tuple([z.number(), z.object({ breaks: z.number(), at: z.number(), refusals: z.number().default(0) })]),
  ),
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
export function isResting(session: Session, uid: number): boolean {
  return restOf(session, uid) > 0;
}

/** Ms until the mail may be fetched again; 0 when it may be now. */
export function restOf({ suspects, context }: Session, uid: number): number {
  const suspect = suspects.get(uid);
  if (!suspect) return 0;
  const pause = suspect.breaks >= DAMAGED_BREAKS ? DAMAGED_RETRY_MS : refusedPause(suspect.refusals);
  return Math.max(0, suspect.at + pause - context.clock.now());
}

export function refusedPause(refusals: number): number {
  if (refusals === 0) return 0;
  return Math.min(DAMAGED_RETRY_MS, REFUSED_FIRST_MS * REFUSED_FACTOR ** Math.min(20, refusals - 1));
}

/** The connection broke while these mails were being fetched. */
export async function suspect(session: Session, uids: readonly number[]): Promise<void> {
  const at = session.context.clock.now();
  const alone = uids.length === 1;
  for (const uid of uids) {
    const { breaks = 0, refusals = 0 } = session.suspects.get(uid) ?? {};
    session.suspects.set(uid, { breaks: breaks + (alone ? 1 : 0), at, refusals });
  }
  await save(session);
}

/** The server did not hand these mails out although it handed out others. */
export async function refuse(session: Session, uids: readonly number[]): Promise<void> {
  const at = session.context.clock.now();
  for (const uid of uids) {
    const { breaks = 0, refusals = 0 } = session.suspects.get(uid) ?? {};
    session.suspects.set(uid, { breaks, at, refusals: refusals + 1 });
  }
  if (uids.length > 0) await save(session);
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
