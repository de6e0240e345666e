// Owns MaxPerSecond: evenly spaced beginnings.
import { type Clock, sleep } from '../../kit/clock.js';

export interface Pace {
  /** Resolves when the next send may begin: 0; or, at once, with the ms until then when that is later than `remaining`. */
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
