import { type Clock, sleep } from '../../kit/clock.js';

/** MaxPerSecond: sends start evenly spaced. */
export interface Pace {
  /** Resolves with 0 when the next send may start; at once with the ms until then when that is longer than `remaining`. */
  turn(remaining: number, signal: AbortSignal): Promise<number>;
}

export function pace(clock: Clock, perSecond: number | undefined): Pace {
  let next = 0;
  return {
    async turn(remaining, signal) {
      if (perSecond === undefined) return 0;
      const now = clock.monotonic();
      const at = Math.max(now, next);
      if (at - now > remaining) return at - now;
      next = at + 1000 / perSecond;
      if (at > now) await sleep(clock, at - now, signal);
      return 0;
    },
  };
}
