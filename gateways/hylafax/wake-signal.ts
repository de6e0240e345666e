import { type Clock, sleep } from '../../src/driver/contract.js';

/** Cuts pauses short. A wake-up is never lost: one that comes before the pause ends it at once, and many count as one. */
export interface WakeSignal {
  wake(): void;
  /** Resolves after `ms`, on a wake-up since the last pause, or when `signal` aborts. Never rejects. One caller at a time. */
  pause(ms: number, signal: AbortSignal): Promise<void>;
}

export function wakeSignal(clock: Clock): WakeSignal {
  let next = new AbortController();
  return {
    wake: () => next.abort(),
    async pause(ms, signal) {
      const { signal: woken } = next;
      // AbortSignal.any would leave a reference in `signal`, which lives as long as the session, for every pause.
      const stop = () => next.abort();
      if (signal.aborted) stop();
      else signal.addEventListener('abort', stop, { once: true });
      if (ms === Number.POSITIVE_INFINITY) await aborted(woken);
      else await sleep(clock, ms, woken).catch(() => {});
      signal.removeEventListener('abort', stop);
      if (next.signal.aborted) next = new AbortController();
    },
  };
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
