// The state of an outbound message as a fold over its attempts. Pure. The states are described in model/state.ts.
import type { OutboundState } from '../../model/state.js';
import type { AttemptRecord } from '../types/outbound.js';

type Foldable = Pick<AttemptRecord, 'state' | 'acceptedRecipients'>;

export function foldAttempts(attempts: readonly Foldable[]): OutboundState {
  if (attempts.length === 0) return 'accepted';
  for (const state of ['sent', 'sending', 'unknown'] as const)
    if (attempts.some((attempt) => attempt.state === state)) return state;
  return acceptedBy(attempts).length > 0 ? 'partial' : 'failed';
}

/** The newest attempt in the state that decides; the newest of all when the message failed or is partial. */
export function decidingAttempt<A extends Foldable>(attempts: readonly A[]): A | undefined {
  const state = foldAttempts(attempts);
  return attempts.findLast((attempt) => attempt.state === state) ?? attempts.at(-1);
}

/** Recipients that have the message, whichever attempt reached them. */
export function acceptedBy(attempts: readonly Foldable[]): string[] {
  return [...new Set(attempts.flatMap(({ acceptedRecipients }) => acceptedRecipients))];
}
