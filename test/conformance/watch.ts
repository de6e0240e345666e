// A clock that counts its armed timers, and a log that records every line.
import { type Clock, systemClock } from '../../src/kit/clock.js';
import type { Log } from '../../src/kit/log.js';

export interface WatchedClock extends Clock {
  /** Timers armed on it right now. */
  readonly armed: number;
}

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
  /** Fields and message of every line, at every level. */
  readonly lines: readonly unknown[];
}

export function recorder(): Recorder {
  const lines: unknown[] = [];
  const record = (fields: object, message: string) => void lines.push([fields, message]);
  const log: Log = { trace: record, debug: record, info: record, warn: record, error: record, child: () => log };
  return { log, lines };
}
