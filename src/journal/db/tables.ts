// The tables of the journal, as the migrations leave them. Times are ms since the epoch, lists are JSON text.
import { type Generated, sql } from 'kysely';
import type { DeliveryState } from '../../model/receipt.js';
import type { AttemptState, InboundState, OutboundState } from '../../model/state.js';
import type { OptOut } from '../types/opt-outs.js';

export interface Tables {
  inbound_messages: InboundMessagesTable;
  attachments: AttachmentsTable;
  outbound_messages: OutboundMessagesTable;
  attempts: AttemptsTable;
  delivery_parts: DeliveryPartsTable;
  unmatched_receipts: UnmatchedReceiptsTable;
  opt_outs: OptOutsTable;
  driver_records: DriverRecordsTable;
  delivery_log: DeliveryLogTable;
  reconciliation: ReconciliationTable;
  driver_checkpoints: DriverCheckpointsTable;
  journal_meta: JournalMetaTable;
}

export interface InboundMessagesTable {
  id: Generated<number>;
  gateway_id: string;
  key: string;
  fingerprint: string;
  state: InboundState;
  /** Lower case; null for skipped messages, which are never handed over. */
  request_id: string | null;
  delivery_system_id: string;
  rfc_message_id: string | null;
  /** Cut to a length that fits a header. */
  reply_references: string | null;
  remote_address: string;
  /** `remote_address` in lower case, for finding what an answer belongs to. */
  sender: string;
  subject: string;
  /** The subject without Re:, Fwd: and the like, lower case. */
  thread: string;
  bytes: number;
  /** JSON list of sentences. */
  notes: string;
  rejections: number;
  /** The server's MessageId, lower case. */
  message_id: string | null;
  received_at: number;
  /** UTC day of `received_at`, YYYY-MM-DD. */
  day: string;
  acknowledged_at: number | null;
  confirmed_at: number | null;
  quarantined_at: number | null;
  quarantine_reason: string | null;
  /** The file with the raw message: of a spooled or quarantined message until the server has accepted it. */
  raw_sha256: string | null;
  /** When the sender was told to come again later; pending messages only. */
  deferred_at: number | null;
  /** JSON of ServerFields: what every attempt tells the server, bodies aside. Null before the first reading and after the ack. */
  server_fields: string | null;
  /** 1 when the counterparty was answered as soon as the message was stored, so that nothing remains to be confirmed. */
  spooled: Generated<number>;
}

export interface AttachmentsTable {
  id: string;
  inbound_id: number;
  sha256: string;
  name: string;
  type: string;
  size: number;
  stored_at: number;
}

export interface OutboundMessagesTable {
  /** Lower case. */
  message_id: string;
  gateway_id: string;
  /** Follows from the attempts; written by `writeFold` only. So are the five columns below. */
  state: OutboundState;
  /** The number of the last attempt. */
  attempts: number;
  delivery_system_id: string | null;
  detail: string | null;
  /** JSON list of recipients, lower case. */
  accepted_recipients: string;
  first_attempt_at: number | null;
  remote_address: string;
  subject: string;
  bytes: number;
  /** How often the server requested it, and how many of those requests are answered. */
  asked: number;
  answered: number;
  asked_at: number;
  changed_at: number;
  /** Follows from the parts of the attempt that decides. */
  delivery_state: DeliveryState | null;
  delivery_detail: string | null;
}

/** One attempt to send an outbound message. */
export interface AttemptsTable {
  message_id: string;
  /** From 1. */
  number: number;
  /** The gateway that makes the attempt; its receipts and lookups are about this attempt. */
  gateway_id: string;
  delivery_system_id: string | null;
  state: AttemptState;
  /** JSON list of recipients, lower case. */
  accepted_recipients: string;
  detail: string | null;
  /** JSON of what a lookup needs of the message; null once the outcome is known. */
  outline: string | null;
  started_at: number;
  ended_at: number | null;
  /** The instance that is sending; null when the attempt has ended. */
  owner: string | null;
}

/** A sent outbound message's parts as the counterparty knows them; a mail is one part. Ids may come again after years: the newest counts. */
export interface DeliveryPartsTable {
  id: Generated<number>;
  gateway_id: string;
  /** As the counterparty gave it. */
  provider_id: string;
  message_id: string;
  attempt: number;
  /** From 1. */
  part: number;
  parts: number;
  state: DeliveryState;
  /** When it came into that state, by the counterparty's clock. */
  at: number;
  detail: string | null;
}

/** The furthest receipt of each id that no outbound message has (yet). */
export interface UnmatchedReceiptsTable {
  gateway_id: string;
  provider_id: string;
  state: DeliveryState;
  at: number;
  detail: string | null;
  came_at: number;
}

export interface OptOutsTable {
  group_name: string;
  address: string;
  at: number;
  source: OptOut['source'];
  detail: string | null;
}

/** Collections of small values of drivers. */
export interface DriverRecordsTable {
  gateway_id: string;
  collection: string;
  key: string;
  /** JSON. */
  value: string;
  at: number;
}

export interface DeliveryLogTable {
  id: Generated<number>;
  at: number;
  gateway_id: string;
  direction: 'I' | 'O';
  event: string;
  /** Key of the inbound message at that time, or MessageId of the outbound message. */
  subject: string;
  /** The inbound message, whatever its key is by now; null for outbound messages and notes. */
  inbound_id: number | null;
  delivery_system_id: string | null;
  message_id: string | null;
  remote_address: string | null;
  detail: string | null;
}

/** Counted apart from the inbound messages, so that a lost row shows as a sum that does not add up. */
export interface ReconciliationTable {
  gateway_id: string;
  day: string;
  received: number;
  duplicates: number;
}

/** Cursors and other small values of drivers. */
export interface DriverCheckpointsTable {
  gateway_id: string;
  direction: 'I' | 'O';
  name: string;
  /** JSON. */
  value: string;
}

/** About the journal itself: which process has it open, when it was last proven writable. */
export interface JournalMetaTable {
  name: string;
  value: string;
}

/** The inbound messages that retention must not touch. SQLite uses the partial index `inbound_messages_unsettled` only when
 *  a query repeats the index's condition word for word. */
export const unsettled = sql<boolean>`state in ('pending', 'acknowledged', 'quarantined')`;
