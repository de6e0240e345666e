// How far a mailbox has been received, stored so that a restart does not ask about every mail again.
import { z } from '../../src/driver/settings.js';
import { mailboxName } from './identity.js';
import type { Session } from './session.js';

/** The names of the members are those of the stored JSON of every version so far; only `aside` is called `rejected` here. */
const stored = z.object({
  uidValidity: z.string(),
  startedAt: z.number(),
  boundary: z.number(),
  sortedTo: z.number(),
  watermark: z.number(),
  aside: z.array(z.number()),
  messages: z.number(),
});

export interface Checkpoint {
  readonly uidValidity: string;
  /** When the gateway opened this mailbox for the first time, ms. */
  readonly startedAt: number;
  /** Mails up to this UID were there at the first start. */
  readonly boundary: number;
  /** Mails up to this UID have been sorted into wanted and skipped. Below `boundary`: the initial sync is unfinished. */
  readonly sortedTo: number;
  /** Every mail up to this UID is settled, except those in `rejected`. */
  readonly watermark: number;
  /** UIDs in quarantine that are still in the folder, ascending. */
  readonly rejected: readonly number[];
  /** Mails in the folder when this checkpoint was written. */
  readonly messages: number;
}

/** A stored checkpoint that cannot be read is no first start: then old mail would be skipped that has never been received. */
export async function readCheckpoint(session: Session): Promise<Checkpoint | 'unreadable' | undefined> {
  const value = await session.context.driverState.getCheckpoint(checkpointName(session));
  if (value === undefined) return undefined;
  const result = stored.safeParse(value);
  if (!result.success) return 'unreadable';
  const { aside, ...rest } = result.data;
  return { ...rest, rejected: aside };
}

export async function writeCheckpoint(session: Session, { rejected, ...rest }: Checkpoint): Promise<void> {
  await session.context.driverState.putCheckpoint(checkpointName(session), { ...rest, aside: rejected });
}

function checkpointName({ mailboxRef }: Session): string {
  return `mailbox ${mailboxName(mailboxRef)}`;
}
