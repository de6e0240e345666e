// How far a provider's list of received messages has been read, for providers that keep no "received" mark: everything
// created before `settledUpTo` is confirmed or rejected, or is not wanted. The cursor never passes a message that is neither
// confirmed nor rejected: after a crash the list has to show that message again.
import type { DriverState } from '../contract.js';
import { z } from '../settings.js';
import { boundedMap } from './bounded-map.js';

const CHECKPOINT = 'poll';
/** A smaller advance is not worth a write: consecutive reads overlap by more, ms. */
const MIN_ADVANCE_MS = 60_000;
/** The journal marks a settled message a moment later than the cursor; by then at most this many more have come. */
const MAX_SETTLED = 10_000;

const checkpointSchema = z.object({
  /** Messages created before this moment, ms, were there before the gateway's first start and are not wanted. */
  start: z.number(),
  /** Everything created before this moment, ms, is settled; null while the first start still records older messages. */
  settledUpTo: z.number().nullable(),
});
export type Checkpoint = z.output<typeof checkpointSchema>;

export async function readCheckpoint(driverState: DriverState): Promise<Checkpoint | undefined> {
  const parsed = checkpointSchema.safeParse(await driverState.getCheckpoint(CHECKPOINT));
  return parsed.success ? parsed.data : undefined;
}

export function writeCheckpoint(driverState: DriverState, checkpoint: Checkpoint): Promise<void> {
  return driverState.putCheckpoint(CHECKPOINT, checkpoint);
}

export interface Cursor {
  readonly start: number;
  readonly settledUpTo: number;
  /** The pipeline is about to receive this message. */
  dispatch(id: string, createdAt: number): void;
  /** The message is confirmed or rejected. */
  settle(id: string): void;
  /** True when this session dispatched the message, settled or not. */
  dispatched(id: string): boolean;
  /** After reading the list: `seenUpTo` is when the reading started, or the creation of the oldest message that it left out. */
  advance(seenUpTo: number): Promise<void>;
}

export function cursorAt(
  driverState: DriverState,
  { start, settledUpTo }: { start: number; settledUpTo: number },
): Cursor {
  /** Bounded by the window: the pipeline asks for the next message only when there is room. */
  const pending = new Map<string, number>();
  const settled = boundedMap<true>(MAX_SETTLED);
  let upTo = settledUpTo;
  return {
    start,
    dispatch: (id, createdAt) => void pending.set(id, createdAt),
    settle(id) {
      pending.delete(id);
      settled.set(id, true);
    },
    dispatched: (id) => pending.has(id) || settled.has(id),
    get settledUpTo() {
      return upTo;
    },
    async advance(seenUpTo) {
      let next = seenUpTo;
      for (const createdAt of pending.values()) next = Math.min(next, createdAt);
      if (next - upTo < MIN_ADVANCE_MS) return;
      await writeCheckpoint(driverState, { start, settledUpTo: next });
      upTo = next;
    },
  };
}
