// Owns how far the message list has been read: a moment up to which every message is safe in the journal or settled.
// Twilio keeps no "taken" mark, so this moment and the journal's keys are all there is. It never passes a message that
// was handed to the flow and is neither confirmed nor refused: after a crash that one has to be found again.

import type { Memory } from '../../src/driver/contract.js';
import { z } from '../../src/driver/settings.js';
import { recent } from './recent.js';

const NOTE = 'poll';
/** A moment that moves by less than this is not worth a write: reading overlaps by more. */
const WORTH_MS = 60_000;

/** The journal learns of a settled message a moment after us; by then this many more will hardly have come. */
const MOST_SETTLED = 10_000;

const noteSchema = z.object({
  /** When the gateway first looked, ms: what came before is not wanted. */
  start: z.number(),
  /** Every message sent before this moment, ms, is settled; null while the messages from before the start are being sorted out. */
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
  readonly settledUpTo: number;
  /** The flow is being handed this message. */
  begin(sid: string, sentAt: number): void;
  /** It is confirmed or refused. */
  settle(sid: string): void;
  /** Whether the flow was handed this message by this session, settled or not. */
  handed(sid: string): boolean;
  /** After a round: `seenUpTo` is when it began, or earlier when it left something out. */
  advance(seenUpTo: number): Promise<void>;
}

export function cursorAt(memory: Memory, { start, settledUpTo }: { start: number; settledUpTo: number }): Cursor {
  const pending = new Map<string, number>();
  const settled = recent(MOST_SETTLED);
  let upTo = settledUpTo;
  return {
    begin: (sid, sentAt) => void pending.set(sid, sentAt),
    settle(sid) {
      pending.delete(sid);
      settled.add(sid);
    },
    handed: (sid) => pending.has(sid) || settled.has(sid),
    get settledUpTo() {
      return upTo;
    },
    async advance(seenUpTo) {
      let next = seenUpTo;
      for (const sentAt of pending.values()) next = Math.min(next, sentAt);
      if (next - upTo < WORTH_MS) return;
      await writeNote(memory, { start, settledUpTo: next });
      upTo = next;
    },
  };
}
