import type { DeliveryReceipt, DeliveryState } from '../../model/receipt.js';
import type { GatewayId } from './inbound.js';

/** A sent outbound message as its counterparty's news concern it. */
export interface Delivery {
  messageId: string;
  deliverySystemId: string | null;
  remoteAddress: string;
  subject: string;
  /** `unknown` is an outbound message whose outcome nobody knows yet. */
  state: DeliveryState | 'unknown';
  detail: string | null;
}

export interface ReceiptJournal {
  /** Late, repeated and out-of-order news change nothing they should not; of two different ends the first stays. News that
   *  come before the outcome is settled wait for it (for a day). News of nobody's id are only counted in the delivery log:
   *  step `receipt`, subject = id. Ids are compared as they are. An outbound message whose
   *  outcome is unknown is settled by them: sent, or failed. In slices, as `ignore`. */
  applyReceipts(gatewayId: GatewayId, items: readonly DeliveryReceipt[]): Promise<void>;
  /** The outbound message that news of this id are about; null when it is nobody's. */
  delivery(gatewayId: GatewayId, id: string): Promise<Delivery | null>;
  /** A remark on how an outbound message that is being sent gets on (a dial, a page): a line of the delivery log, step `receipt`. */
  noteProgress(messageId: string, detail: string): Promise<void>;
}
