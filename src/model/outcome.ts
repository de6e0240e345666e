import type { DeliveryState } from './receipt.js';

export interface RecipientRejection {
  readonly recipient: string;
  /** True when another try may help. */
  readonly temporary: boolean;
  /** The counterparty's own words. */
  readonly detail: string;
}

export type Outcome =
  /** `ids`: what receipts will name, one per part, when that is not just the deliverySystemId; `state`: how far it is
   *  known to have come already. */
  | { kind: 'sent'; deliverySystemId: string; detail?: string; ids?: readonly string[]; state?: DeliveryState }
  /** Surely not sent; worth another try. */
  | { kind: 'deferred'; detail: string; retryAfterMs?: number }
  /** Surely not sent, never will be. `optedOut`: because the recipient does not want messages from here. */
  | { kind: 'rejected'; detail: string; optedOut?: boolean }
  /** Some recipients took it: a repeat goes only to the others. */
  | {
      kind: 'partial';
      deliverySystemId: string;
      accepted: readonly string[];
      refused: readonly RecipientRejection[];
      detail?: string;
    }
  /** May have gone out: never blindly sent again. `ids`: what news of it will name, which then settle it; for a counterparty
   *  that has it under way when the answer is due. */
  | { kind: 'unknown'; detail: string; ids?: readonly string[] };
