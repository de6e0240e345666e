// A loop that can be woken and stopped. No code of ours re-arms a timer by itself.
import { type Clock, sleep } from './clock.js';
import { messageOf } from './errors.js';
import type { Log } from './log.js';

export interface Loop {
  /** Cuts the present pause short, or makes the round after the running one come at once. */
  wake(): void;
  /** Ends the loop and resolves when the running round is over. Twice is fine. */
  stop(): Promise<void>;
}

export interface LoopOptions {
  clock: Clock;
  log: Log;
  /** Named in the log line of a failed round. */
  name: string;
  /** Ms of pause after a failed round; it doubles up to 32 times this while rounds keep failing. */
  failurePauseMs: number;
}

/** Runs `round` at once and then again after as many ms as it returned. A round that throws is logged and tried again. */
export function loop(options: LoopOptions, round: (signal: AbortSignal) => Promise<number>): Loop {
  const stopping = new AbortController();
  let nap = new AbortController();
  const pauseAfter = async (ms: number) => {
    if (!stopping.signal.aborted) await sleep(options.clock, ms, nap.signal).catch(() => {});
    nap = new AbortController();
  };
  const running = (async () => {
    let failures = 0;
    while (!stopping.signal.aborted) {
      try {
        const pause = await round(stopping.signal);
        failures = 0;
        await pauseAfter(pause);
      } catch (error) {
        if (stopping.signal.aborted) return;
        const pause = options.failurePauseMs * 2 ** Math.min(5, failures++);
        options.log.error(
          { code: 'loop', error: messageOf(error), pauseMs: pause },
          `${options.name} failed; it is tried again`,
        );
        await pauseAfter(pause);
      }
    }
  })();
  return {
    wake: () => nap.abort(),
    stop() {
      stopping.abort();
      nap.abort();
      return running;
    },
  };
}
