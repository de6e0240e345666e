import type { Clock } from './clock.js';
import { deadline } from './deadline.js';

export interface CacheOptions {
  clock: Clock;
  /** Ms for which a success is given out again. */
  keepMs: number;
  /** Ms a caller waits for the running call; the call itself goes on and stays the only one. */
  withinMs: number;
  /** Names the call in the error with code `deadline`. */
  what: string;
}

/** Memoizes an async call: shared while running, a success cached for `keepMs`, a failure never. A call that hangs is not started twice. */
export function cached<T>(options: CacheOptions, work: () => Promise<T>): () => Promise<T> {
  const { clock, keepMs, withinMs, what } = options;
  let cachedResult: { value: T; until: number } | undefined;
  let running: Promise<T> | undefined;
  const ask = async () => {
    const value = await work();
    cachedResult = { value, until: clock.monotonic() + keepMs };
    return value;
  };
  return async () => {
    if (cachedResult && clock.monotonic() < cachedResult.until) return cachedResult.value;
    running ??= ask().finally(() => {
      running = undefined;
    });
    const limit = deadline(clock, withinMs);
    try {
      return await limit.race(running, what);
    } finally {
      limit.dispose();
    }
  };
}
