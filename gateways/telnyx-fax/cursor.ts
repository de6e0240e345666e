// Owns how far the list of received faxes has been read: a moment up to which every fax is safe in the journal or settled.
// Telnyx keeps no "taken" mark, so this moment and the journal's keys are all there is. It never passes a fax that was
// handed to the flow and is neither confirmed nor refused: after a crash that one has to be found again.
import type { Memory } from '../../src/driver/contract.js';
import { z } from '../../src/driver/settings.js';
import { recent } from './recent.js';

const NOTE = 'poll';
/** A moment that moves by less than this is not worth a write: reading overlaps by more. */
const WORTH_MS = 60_000;
/** The journal learns of a settled fax a moment after us; by then this many more will hardly have come. */
const MOST_SETTLED = 1_000;

const noteSchema = z.object({
  /** Faxes created before this moment, ms, are not wanted: they were there before the gateway was. */
  start: z.number(),
  /** Every fax created before this moment, ms, is settled; null while those from before the start are being sorted out. */
  settledUpTo: z.number().nullable(),
});
export type Note = z.output<typeof noteSchema>;

export async function readNote(memory: Memory): Promise<Note | undefined> {
  const parsed = noteSchema.safeParse(await memory.read(NOTE));
  return parsed.success ? parsed.data : undefined;
}

export function writeNote(memory: Memory, note: Note): Promise<void> {
  return memory.write(NOTE, note);
}

export interface Cursor {
  readonly start: number;
  readonly settledUpTo: number;
  /** The flow is being handed this fax. */
  begin(id: string, createdAt: number): void;
  /** It is confirmed or refused. */
  settle(id: string): void;
  /** Whether the flow was handed this fax by this session, settled or not. */
  handed(id: string): boolean;
  /** After a round: `seenUpTo` is when it began, or earlier when it left something out. */
  advance(seenUpTo: number): Promise<void>;
}

export function cursorAt(memory: Memory, { start, settledUpTo }: { start: number; settledUpTo: number }): Cursor {
  const pending = new Map<string, number>();
  const settled = recent<true>(MOST_SETTLED);
  let upTo = settledUpTo;
  return {
    start,
    begin: (id, createdAt) => void pending.set(id, createdAt),
    settle(id) {
      pending.delete(id);
      settled.set(id, true);
    },
    handed: (id) => pending.has(id) || settled.has(id),
    get settledUpTo() {
      return upTo;
    },
    async advance(seenUpTo) {
      const next = Math.min(seenUpTo, ...pending.values());
      if (next - upTo < WORTH_MS) return;
      await writeNote(memory, { start, settledUpTo: next });
      upTo = next;
    },
  };
}
