import type { DeliveryState } from './receipt.js';

/** One recipient that the counterparty did not accept. */
export interface RecipientRejection {
  readonly recipient: string;
  /** True when another attempt may succeed. */
  readonly temporary: boolean;
  /** The counterparty's own words. */
  readonly detail: string;
}

/** The outcome of one attempt. */
export type Outcome =
  /** The counterparty accepted the message. `ids`: the ids that receipts will name, one per part, when these differ from the
   *  deliverySystemId; `state`: the delivery state, when it is known already. */
  | { kind: 'sent'; deliverySystemId: string; detail?: string; ids?: readonly string[]; state?: DeliveryState }
  /** The message surely did not go out; another attempt may succeed. */
  | { kind: 'deferred'; detail: string; retryAfterMs?: number }
  /** The message surely did not go out and never will. `optedOut`: the recipient has opted out. */
  | { kind: 'rejected'; detail: string; optedOut?: boolean }
  /** Some recipients accepted: a repeat goes only to the others. */
  | {
      kind: 'partial';
      deliverySystemId: string;
      accepted: readonly string[];
      refused: readonly RecipientRejection[];
      detail?: string;
    }
  /** The message may have gone out, so it is never sent again blindly. `ids`: the ids that receipts will name, which then
   *  settle the outcome; for a counterparty that still works on the message when the answer is due. */
  | { kind: 'unknown'; detail: string; ids?: readonly string[] };
