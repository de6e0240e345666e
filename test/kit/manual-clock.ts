// A clock turned by hand: nothing fires until the test says so.
import type { Clock } from '../../src/kit/clock.js';

export interface ManualClock extends Clock {
  /** Moves time on by `ms`, firing due timers in order and letting promises and sockets settle between them. */
  advance(ms: number): Promise<void>;
  /** How many timers are armed: 0 after everything closed. */
  readonly armed: number;
  /** Resolves once at least `count` timers are armed (a fact to wait for before turning the clock). */
  untilArmed(count: number): Promise<void>;
}

interface Timer {
  at: number;
  order: number;
  run: () => void;
}

export function manualClock(start = Date.UTC(2026, 10, 22, 10, 0, 0)): ManualClock {
  let now = start;
  let order = 0;
  const timers = new Set<Timer>();
  const settle = async () => {
    for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
  };
  const nextDue = (end: number) =>
    [...timers].filter((timer) => timer.at <= end).sort((a, b) => a.at - b.at || a.order - b.order)[0];
  return {
    now: () => now,
    monotonic: () => now - start,
    schedule(ms, run) {
      const timer = { at: now + Math.max(0, ms), order: order++, run };
      timers.add(timer);
      return () => void timers.delete(timer);
    },
    async advance(ms) {
      const end = now + ms;
      await settle();
      for (let timer = nextDue(end); timer; timer = nextDue(end)) {
        now = Math.max(now, timer.at);
        timers.delete(timer);
        timer.run();
        await settle();
      }
      now = end;
      await settle();
    },
    get armed() {
      return timers.size;
    },
    async untilArmed(count) {
      while (timers.size < count) await new Promise((resolve) => setImmediate(resolve));
    },
  };
}
