// The operations of the journal and their invariants: the durable record of messages and of what happened to them.
// Each operation is one transaction; it is durable when its promise resolves, and nothing of it happened when it rejects.
// Operations that are asked for at the same moment share one commit (group commit).
import type { DriverRecords } from './driver-state.js';
import type { GatewayId, InboundJournal } from './inbound.js';
import type { DeliveryLog } from './log.js';
import type { OptOuts } from './opt-outs.js';
import type { OutboundJournal } from './outbound.js';
import type { ReceiptJournal } from './receipts.js';

export interface Retention {
  /** Days the delivery log (and postponed inbound messages), settled outbound messages and attachments are kept. Receipts of inbound messages (key, fingerprint, ids) are kept for ten
   *  times as long, because they are what stops a mail from coming twice; ignored keys are kept for ever. */
  logDays: number;
  orderDays: number;
  attachmentDays: number;
}

export interface Journal extends InboundJournal, OutboundJournal, ReceiptJournal, OptOuts, DriverRecords, DeliveryLog {
  getCheckpoint(gatewayId: GatewayId, direction: 'I' | 'O', name: string): Promise<unknown>;
  putCheckpoint(gatewayId: GatewayId, direction: 'I' | 'O', name: string, value: unknown): Promise<void>;
  /** Throws when the journal cannot write. */
  healthy(): Promise<void>;
  /** Removes what is older than the retention says; nothing that is open, unconfirmed, quarantined, without outcome or owed an
   *  answer. In slices: other verbs run between them. `removed` counts rows and files. */
  sweep(retention: Retention): Promise<{ removed: number }>;
  close(): Promise<void>;
}
