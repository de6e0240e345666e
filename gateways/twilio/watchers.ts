// Owns who waits for which message's state. Shared by the gateways of one account: a two-way gateway has one address, so
// the states of what its sending half sent are pushed to its receiving half.
import type { Progress } from './codes.js';

export interface Watchers {
  /** `hear` is told of every state that is pushed for this message, until the returned function is called. */
  watch(sid: string, hear: (progress: Progress) => void): () => void;
  /** Nobody waiting is fine: the journal has the state in any case. */
  tell(sid: string, progress: Progress): void;
}

/** By account and SID: nobody but the account itself may speak for its messages. Empty when no send is waiting. */
const waiting = new Map<string, (progress: Progress) => void>();

export function watchersOf(accountSid: string): Watchers {
  const keyOf = (sid: string) => `${accountSid} ${sid}`;
  return {
    watch(sid, hear) {
      const key = keyOf(sid);
      waiting.set(key, hear);
      return () => {
        if (waiting.get(key) === hear) waiting.delete(key);
      };
    },
    tell: (sid, progress) => waiting.get(keyOf(sid))?.(progress),
  };
}
