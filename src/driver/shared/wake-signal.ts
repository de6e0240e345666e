import type { Cancel, Clock } from '../../kit/clock.js';

/** Cuts pauses short. A wake-up is never lost: one that comes before the pause ends it at once, and many count as one. */
export interface WakeSignal {
  wake(): void;
  /**
   * Resolves after `ms` (Infinity arms no timer), on a wake-up since the last pause, or when `signal` aborts. Never rejects.
   * One caller at a time.
   */
  pause(ms: number, signal: AbortSignal): Promise<void>;
}

export function wakeSignal(clock: Clock): WakeSignal {
  let woken = false;
  let endPause: (() => void) | undefined;
  return {
    wake() {
      woken = true;
      endPause?.();
    },
    pause: (ms, signal) =>
      new Promise((resolve) => {
        let cancel: Cancel = () => {};
        const end = () => {
          cancel();
          signal.removeEventListener('abort', end);
          endPause = undefined;
          woken = false;
          resolve();
        };
        if (woken || signal.aborted) return end();
        endPause = end;
        signal.addEventListener('abort', end, { once: true });
        if (ms !== Number.POSITIVE_INFINITY) cancel = clock.schedule(Math.max(0, ms), end);
      }),
  };
}

/** Resolves when `signal` aborts, at once when it already has. */
export function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
