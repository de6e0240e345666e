// Each operation is one transaction: durable when its promise resolves, without any effect when it rejects. Operations that are
// asked for at the same moment share one commit (group commit).
import type { DriverRecords } from './driver-state.js';
import type { GatewayId, InboundJournal } from './inbound.js';
import type { DeliveryLog } from './log.js';
import type { OptOuts } from './opt-outs.js';
import type { OutboundJournal } from './outbound.js';
import type { ReceiptJournal } from './receipts.js';

export interface Retention {
  /** Days that the delivery log (and deferred inbound messages), finished outbound messages and attachments are retained. Rows
   *  of confirmed inbound messages (key, fingerprint, ids) stay ten times as long, because they stop a message from being
   *  handed over twice; skipped keys stay for ever. */
  logDays: number;
  orderDays: number;
  attachmentDays: number;
}

export interface Journal extends InboundJournal, OutboundJournal, ReceiptJournal, OptOuts, DriverRecords, DeliveryLog {
  getCheckpoint(gatewayId: GatewayId, direction: 'I' | 'O', name: string): Promise<unknown>;
  putCheckpoint(gatewayId: GatewayId, direction: 'I' | 'O', name: string, value: unknown): Promise<void>;
  /** Throws when the journal cannot write. */
  healthy(): Promise<void>;
  /** Removes what is older than the retention says, except what is pending, unconfirmed, quarantined, without outcome or
   *  unanswered. In slices: other operations run between them. `removed` counts rows and files. */
  sweep(retention: Retention): Promise<{ removed: number }>;
  close(): Promise<void>;
}
