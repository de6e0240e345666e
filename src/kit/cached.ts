// Owns short memory: one running call shared by all who ask, its success kept for a while, its failure never.
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

/** Asking often costs one call per `keepMs`, and a call that hangs is not started a second time. */
export function cached<T>(options: CacheOptions, work: () => Promise<T>): () => Promise<T> {
  const { clock, keepMs, withinMs, what } = options;
  let kept: { value: T; until: number } | undefined;
  let running: Promise<T> | undefined;
  const ask = async () => {
    const value = await work();
    kept = { value, until: clock.monotonic() + keepMs };
    return value;
  };
  return async () => {
    if (kept && clock.monotonic() < kept.until) return kept.value;
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
