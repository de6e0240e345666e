// Delivery states: their ranks, and how the state of an outbound message follows from the states of its parts. Pure.
import type { DeliveryState } from '../../model/receipt.js';

const RANK: Record<DeliveryState, number> = { accepted: 0, sent: 1, delivered: 2, undelivered: 2 };

/** Both ends have the same rank: from an end nothing is further. */
export function isFurther(next: DeliveryState, than: DeliveryState): boolean {
  return RANK[next] > RANK[than];
}

/** Undelivered as soon as one part is, delivered only when all are, else where the last one is. */
export function fold(parts: readonly { state: DeliveryState }[]): DeliveryState {
  const states = parts.map(({ state }) => state);
  if (states.includes('undelivered')) return 'undelivered';
  return states.reduce((last, state) => (isFurther(last, state) ? state : last), 'delivered');
}

export function worded(state: string, detail: string | null): string {
  return detail === null || detail === '' ? state : `${state}: ${detail}`;
}

/** `delivered (2 of 2 parts)`, `undelivered (1 of 3 parts): 30003 unreachable handset`, `sent (1 of 2 parts delivered)`. */
export function deliveryWords(
  state: DeliveryState,
  detail: string | null,
  parts: readonly { state: DeliveryState }[],
): string {
  if (parts.length < 2) return worded(state, detail);
  const count = (wanted: DeliveryState) => parts.filter((part) => part.state === wanted).length;
  const ended = state === 'delivered' || state === 'undelivered';
  const many = ended
    ? `${count(state)} of ${parts.length} parts`
    : `${count('delivered')} of ${parts.length} parts delivered`;
  return worded(`${state} (${many})`, detail);
}
