// Forged webhooks: after a few the answer is 429. Genuine ones are never held back: a carrier behind the same proxy has the
// same address as the forger.
import type { Clock } from '../kit/clock.js';

/** Forged webhooks of one address that are answered with the reason. */
const FEW = 5;
/** How long an address is remembered after its last forged webhook, ms. */
const REMEMBERED_MS = 60_000;
/** Addresses remembered; the oldest makes room. */
const MOST_ADDRESSES = 1_000;

export interface ForgedCounter {
  /** Counts one; true when the answer is 429. */
  isTooMany(address: string): boolean;
}

export function forgedCounter(clock: Pick<Clock, 'monotonic'>): ForgedCounter {
  const counts = new Map<string, { count: number; at: number }>();
  return {
    isTooMany(address) {
      const now = clock.monotonic();
      const known = counts.get(address);
      const count = known && now - known.at < REMEMBERED_MS ? known.count + 1 : 1;
      counts.delete(address);
      counts.set(address, { count, at: now });
      const [oldest] = counts.keys();
      if (counts.size > MOST_ADDRESSES && oldest !== undefined) counts.delete(oldest);
      return count > FEW;
    },
  };
}
