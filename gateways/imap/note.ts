// Owns the driver's durable note about a mailbox: where it is, so that a restart does not ask about every mail again.
import { z } from '../../src/driver/settings.js';
import type { Session } from './session.js';
import { noteName } from './session.js';

const schema = z.object({
  uidValidity: z.string(),
  /** When the gateway first looked at this mailbox, ms. */
  startedAt: z.number(),
  /** The mails up to this UID were there at the first start. */
  boundary: z.number(),
  /** Of those, the ones up to this UID have been sorted into wanted and ignored. Below `boundary`: the first start is not finished. */
  sortedTo: z.number(),
  /** Every mail up to this UID is settled, but for those in `aside`. */
  watermark: z.number(),
  /** UIDs below the watermark that wait in quarantine, ascending. */
  aside: z.array(z.number()),
  /** Mails in the folder when this was written. */
  messages: z.number(),
});

export type Note = z.output<typeof schema>;

/** Undefined when there is none, or none that can be read: then this counts as the first start. */
export async function readNote({ context, place }: Session): Promise<Note | undefined> {
  const result = schema.safeParse(await context.driverState.getCheckpoint(noteName(place)));
  return result.success ? result.data : undefined;
}

export async function writeNote({ context, place }: Session, note: Note): Promise<void> {
  await context.driverState.putCheckpoint(noteName(place), note);
}
