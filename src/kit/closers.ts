import type { Clock } from './clock.js';
import { deadline } from './deadline.js';
import { messageOf } from './errors.js';

export interface Closers {
  /**
   * Registers what undoes the step just done. With bounds it may take `limitMs`, less when the total is nearly used up, but
   * never less than `leastMs`.
   */
  add(name: string, close: () => Promise<void> | void, limitMs?: number, leastMs?: number): void;
  /** Runs everything in reverse order, each once, whatever fails or hangs; throws an AggregateError of what failed. */
  close(): Promise<void>;
}

export interface CloserBounds {
  clock: Clock;
  /** Ms for all together. */
  totalMs: number;
}

/** A part whose turn comes when the total is used up still gets this long, ms: enough to begin. */
const LEAST_MS = 100;

interface Entry {
  name: string;
  close: () => Promise<void> | void;
  limitMs: number;
  leastMs: number;
}

/** Closes in reverse order of opening. With bounds, a part that hangs is left behind and the next one has its turn. */
export function closers(bounds?: CloserBounds): Closers {
  const stack: Entry[] = [];
  return {
    add(name, close, limitMs = Number.POSITIVE_INFINITY, leastMs = LEAST_MS) {
      stack.push({ name, close, limitMs, leastMs });
    },
    async close() {
      const failures: Error[] = [];
      const end = bounds && bounds.clock.monotonic() + bounds.totalMs;
      for (let entry = stack.pop(); entry; entry = stack.pop()) {
        try {
          await (bounds ? closeWithin(bounds.clock, entry, Number(end)) : entry.close());
        } catch (error) {
          failures.push(new Error(`closing ${entry.name}: ${messageOf(error)}`, { cause: error }));
        }
      }
      if (failures.length > 0) throw new AggregateError(failures, 'not everything closed cleanly');
    },
  };
}

async function closeWithin(clock: Clock, { close, limitMs, leastMs }: Entry, end: number): Promise<void> {
  const due = deadline(clock, Math.min(limitMs, Math.max(leastMs, end - clock.monotonic())));
  try {
    await due.race(Promise.resolve(close()), 'it did not close');
  } finally {
    due.dispose();
  }
}
