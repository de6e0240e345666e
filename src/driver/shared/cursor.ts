// Owns how far a counterparty's list of received messages has been read, for those that keep no "taken" mark: a moment up to
// which everything is safe in the journal or settled. It never passes a message that was handed to the flow and is neither
// confirmed nor refused: after a crash that one has to be found again.
import type { DriverState } from '../contract.js';
import { z } from '../settings.js';

const NOTE = 'poll';
/** A moment that moves by less than this is not worth a write: reading overlaps by more. */
const WORTH_MS = 60_000;

/** The journal learns of a settled message a moment after us; by then this many more will hardly have come. */
const MOST_SETTLED = 10_000;

const noteSchema = z.object({
  /** What was created before this moment, ms, is not wanted: it was there before the gateway was. */
  start: z.number(),
  /** Everything created before this moment, ms, is settled; null while what is from before the start is being sorted out. */
  settledUpTo: z.number().nullable(),
});
export type Note = z.output<typeof noteSchema>;

export async function readNote(driverState: DriverState): Promise<Note | undefined> {
  const parsed = noteSchema.safeParse(await driverState.getCheckpoint(NOTE));
  return parsed.success ? parsed.data : undefined;
}

export function writeNote(driverState: DriverState, note: Note): Promise<void> {
  return driverState.putCheckpoint(NOTE, note);
}

export interface Cursor {
  readonly start: number;
  readonly settledUpTo: number;
  /** The flow is being handed this message. */
  begin(id: string, createdAt: number): void;
  /** It is confirmed or refused. */
  settle(id: string): void;
  /** Whether the flow was handed this message by this session, settled or not. */
  handed(id: string): boolean;
  /** After a round: `seenUpTo` is when it began, or earlier when it left something out. */
  advance(seenUpTo: number): Promise<void>;
}

export function cursorAt(
  driverState: DriverState,
  { start, settledUpTo }: { start: number; settledUpTo: number },
): Cursor {
  const pending = new Map<string, number>();
  const settled = new Set<string>();
  let upTo = settledUpTo;
  return {
    start,
    begin: (id, createdAt) => void pending.set(id, createdAt),
    settle(id) {
      pending.delete(id);
      settled.add(id);
      for (const oldest of settled) {
        if (settled.size <= MOST_SETTLED) break;
        settled.delete(oldest);
      }
    },
    handed: (id) => pending.has(id) || settled.has(id),
    get settledUpTo() {
      return upTo;
    },
    async advance(seenUpTo) {
      let next = seenUpTo;
      for (const createdAt of pending.values()) next = Math.min(next, createdAt);
      if (next - upTo < WORTH_MS) return;
      await writeNote(driverState, { start, settledUpTo: next });
      upTo = next;
    },
  };
}
