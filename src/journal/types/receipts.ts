import type { DeliveryReceipt, DeliveryState } from '../../model/receipt.js';
import type { GatewayId } from './inbound.js';

/** An outbound message as the receipts about it see it. */
export interface Delivery {
  messageId: string;
  deliverySystemId: string | null;
  remoteAddress: string;
  subject: string;
  /** `unknown`: the outcome of the attempt is not known yet. */
  state: DeliveryState | 'unknown';
  detail: string | null;
}

export interface ReceiptJournal {
  /** Late, repeated and out-of-order receipts change nothing they should not; of two different ends the first stays. Receipts
   *  that come before the outcome is recorded wait for it, for a day; then the delivery log shows them as unmatched. Ids are
   *  compared as they are. A receipt settles the attempt that its id belongs to when the outcome of that attempt is unknown. In
   *  slices, as `skip`. */
  applyReceipts(gatewayId: GatewayId, items: readonly DeliveryReceipt[]): Promise<void>;
  /** The outbound message that receipts of this id are about; null when there is none, or when another attempt decides what became
   *  of the message. */
  delivery(gatewayId: GatewayId, id: string): Promise<Delivery | null>;
  /** Progress of a message that is being sent (a call, a page): an event of the delivery log. */
  noteProgress(messageId: string, detail: string): Promise<void>;
}
