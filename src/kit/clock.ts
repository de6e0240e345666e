// The only file that reads the system clock, arms a timer or draws random numbers. Everything else gets a Clock and a
// Random, so that tests can turn them by hand.
import { setImmediate as immediate } from 'node:timers/promises';

/** Ends an armed timer. Calling it twice, or after the timer fired, does nothing. */
export type Cancel = () => void;

export interface Clock {
  /** Wall-clock time in ms since the Unix epoch: for records and protocol timestamps, never for measuring a span. */
  now(): number;
  /** Monotonic ms: for deadlines and latencies. */
  monotonic(): number;
  /** Calls `run` once after `ms`. */
  schedule(ms: number, run: () => void): Cancel;
}

/** A number in [0, 1), as Math.random gives. Passed in wherever jitter is wanted. */
export type Random = () => number;

/** Node's timers hold a signed 32-bit number of ms; a longer wait would fire at once. */
const LONGEST_TIMER = 2_147_483_647;

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  schedule(ms, run) {
    const timer = setTimeout(run, Math.min(Math.max(0, ms), LONGEST_TIMER));
    return () => clearTimeout(timer);
  },
};

export const systemRandom: Random = () => Math.random();

/** Resolves after `ms`; rejects with the signal's reason as soon as `signal` aborts. No timer is left behind either way. */
export function sleep(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted) return Promise.reject(signal.reason);
  return new Promise((resolve, reject) => {
    const abandon = () => {
      cancel();
      reject(signal?.reason);
    };
    const cancel = clock.schedule(ms, () => {
      signal?.removeEventListener('abort', abandon);
      resolve();
    });
    signal?.addEventListener('abort', abandon, { once: true });
  });
}

/** Gives the event loop one turn, so that sockets are served between slices of work. */
export function yieldToEventLoop(): Promise<void> {
  return immediate();
}

/** ISO 8601 in UTC with milliseconds, the form of every time we write. */
export function isoTime(ms: number): string {
  return new Date(ms).toISOString();
}
