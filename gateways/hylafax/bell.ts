// Owns being woken, for one who waits: a ring is never lost, however early it comes, and many make one.
import type { Clock } from '../../src/driver/contract.js';

export interface Bell {
  ring(): void;
  /** Resolves when it has rung since the last time, after `ms`, or when `signal` aborts. */
  heard(ms: number, signal: AbortSignal): Promise<void>;
}

export function bell(clock: Clock): Bell {
  let rung = false;
  let wake: (() => void) | undefined;
  return {
    ring() {
      rung = true;
      wake?.();
    },
    heard: (ms, signal) =>
      new Promise((resolve) => {
        const end = () => {
          cancel();
          signal.removeEventListener('abort', end);
          wake = undefined;
          rung = false;
          resolve();
        };
        const cancel = ms === Number.POSITIVE_INFINITY ? () => {} : clock.schedule(ms, end);
        wake = end;
        signal.addEventListener('abort', end, { once: true });
        if (rung || signal.aborted) end();
      }),
  };
}
