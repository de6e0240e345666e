import type { Clock } from '../../kit/clock.js';

/** A provider's clock, known by the Date headers of its answers: the times in its lists are compared with this clock only. */
export interface ProviderClock {
  /** Takes the header Date of an answer; anything that is no date changes nothing. */
  note(date: string | undefined): void;
  /** A moment of our clock on the provider's clock, ms since the epoch. */
  at(ms: number): number;
  now(): number;
}

export function providerClock(clock: Clock): ProviderClock {
  let aheadMs = 0;
  return {
    note(date) {
      const at = Date.parse(date ?? '');
      if (!Number.isNaN(at)) aheadMs = at - clock.now();
    },
    at: (ms) => ms + aheadMs,
    now: () => clock.now() + aheadMs,
  };
}
