// Owns looking over a driver's shoulder: a clock that counts what is armed, a log that remembers everything.
import { type Clock, systemClock } from '../../src/kit/clock.js';
import type { Log } from '../../src/kit/log.js';

export interface WatchedClock extends Clock {
  /** Timers armed on it right now. */
  readonly armed: number;
}

/** Real time, counted. */
export function watchedClock(): WatchedClock {
  let armed = 0;
  return {
    now: systemClock.now,
    monotonic: systemClock.monotonic,
    schedule(ms, run) {
      armed += 1;
      let over = false;
      const end = () => {
        if (!over) armed -= 1;
        over = true;
      };
      const cancel = systemClock.schedule(ms, () => {
        end();
        run();
      });
      return () => {
        end();
        cancel();
      };
    },
    get armed() {
      return armed;
    },
  };
}

export interface Recorder {
  readonly log: Log;
  /** Fields and sentence of every line, at every level. */
  readonly lines: readonly unknown[];
}

export function recorder(): Recorder {
  const lines: unknown[] = [];
  const keep = (fields: object, message: string) => void lines.push([fields, message]);
  const log: Log = { trace: keep, debug: keep, info: keep, warn: keep, error: keep, child: () => log };
  return { log, lines };
}
