import type { Random } from './clock.js';

export interface Backoff {
  /** Ms before the first repeat. */
  readonly first: number;
  /** Ms that no wait exceeds. */
  readonly longest: number;
}

/** Full jitter: anything between 0 and the doubled ceiling, so that many clients do not come back at once. `attempt` counts from 1. */
export function fullJitter(backoff: Backoff, attempt: number, random: Random): number {
  return Math.round(ceiling(backoff, attempt) * random());
}

/** Equal jitter: half of the doubled ceiling for certain, the rest by chance; for retries that must not come at once. */
export function equalJitter(backoff: Backoff, attempt: number, random: Random): number {
  const top = ceiling(backoff, attempt);
  return Math.round(top / 2 + (top / 2) * random());
}

function ceiling({ first, longest }: Backoff, attempt: number): number {
  return Math.min(longest, first * 2 ** Math.min(30, Math.max(0, attempt - 1)));
}
