// Owns the verbs of the journal and their invariants: the durable record of inbound messages, outbound messages and what happened to them.
// Each verb is one transaction; it has happened durably when its promise resolves, and not at all when it rejects.
// Verbs that are asked for at the same moment share one commit (group commit).

/** (GatewayId, Direction) is the key of a gateway everywhere; inbound messages are always I and outbound messages always O. */
import type { Outcome } from '../../model/outcome.js';
import type { DeliveryReceipt, DeliveryState } from '../../model/receipt.js';
import type { InboundState, OutboundState } from '../../model/state.js';

export type GatewayId = string;

// ---------------------------------------------------------------- inbound messages

export interface NewInboundMessage {
  gatewayId: GatewayId;
  key: string;
  fingerprint: string;
  /** As shortened for the server (80 characters at most). */
  deliverySystemId: string;
  /** The whole RFC 5322 Message-ID without brackets, null when the mail had none. */
  rfcMessageId: string | null;
  /** The References to give to an answer: the mail's own References and then its Message-ID, with brackets, blank between. */
  references: string | null;
  remoteAddress: string;
  subject: string;
  bytes: number;
  /** Notes of the reader: what was reduced, dropped or odd. */
  notes: readonly string[];
  attachments: readonly NewAttachment[];
}

export interface NewAttachment {
  /** Made by whoever wrote the link into the body; the same each time the same message is read. */
  id: string;
  name: string;
  type: string;
  bytes: Uint8Array;
}

export interface InboundRecord {
  id: number;
  gatewayId: GatewayId;
  key: string;
  state: InboundState;
  /** GUID, the same on every attempt to hand it over; '' for ignored inbound messages, which are never handed over. */
  requestId: string;
  deliverySystemId: string;
  /** How often the server has refused it. */
  rejections: number;
  /** The server's MessageId, once acknowledged. */
  messageId: string | null;
}

export interface KnownKey {
  key: string;
  state: InboundState;
  inboundMessage: InboundRecord;
}

export interface QuarantinedMessage {
  inboundMessage: InboundRecord;
  reason: string;
  at: number;
  bytes: number;
}

export interface InboundJournal {
  recordsOf(gatewayId: GatewayId, keys: readonly string[]): Promise<ReadonlyMap<string, InboundRecord>>;
  /** Records keys as ignored; known keys stay as they are. Thousands take several transactions, so an end in between leaves
   *  the first ones recorded; doing it again is harmless. */
  skip(gatewayId: GatewayId, entries: readonly { key: string; fingerprint: string }[]): Promise<void>;
  byFingerprint(
    gatewayId: GatewayId,
    fingerprints: readonly string[],
  ): Promise<readonly { fingerprint: string; key: string; state: InboundState }[]>;
  /** Gives inbound messages new keys, history kept; a new key that already exists leaves both as they are. In slices, as `ignore`. */
  rekey(gatewayId: GatewayId, changes: readonly { from: string; to: string }[]): Promise<void>;
  /** Inserts the inbound message as open with a fresh requestId, its attachments durably stored first; or returns the record
   *  that the key already has, unchanged. So one key has one requestId and one DeliverySystemId for ever. Opening a key that
   *  the server has taken already counts as a duplicate; opening an open one again is only another try. */
  open(inboundMessage: NewInboundMessage): Promise<InboundRecord>;
  /** As `open`, the whole message kept with it in the same transaction: for a counterparty that cannot wait. `released` lists it
   *  until it is taken. After this resolves the message is either taken or here, whole: an open one of that key that was not
   *  kept yet is kept from now on. Attachments may come later, with the `open` of its key: reading a fax takes longer than its
   *  sender waits. */
  spool(inboundMessage: NewInboundMessage, raw: Uint8Array): Promise<InboundRecord>;
  /** One attempt to hand it over has begun (delivery log only). */
  dispatched(inboundId: number, attempt: number): Promise<void>;
  /** The server has taken the message with this requestId: open or quarantined -> acknowledged. Null when the requestId is
   *  unknown; a repeat changes nothing and returns the record. After this resolves, and only then, may it be confirmed. */
  acknowledge(requestId: string, ack: { messageId: string | null; at: number }): Promise<InboundRecord | null>;
  /** The server said "false"; counts and returns the new number of rejections. Only an open inbound message counts them. */
  rejected(inboundId: number, detail: string): Promise<number>;
  /** The sender of an open inbound message was told to come again later. Until it does, `waiting` and `ledger` leave the inbound message out
   *  on both sides of the sum; `open` of its key, or an ack that came late, takes it back in. Those that we hold ourselves
   *  (released, spooled) are never postponed. Kept for `logDays`. */
  deferred(inboundId: number): Promise<void>;
  /** acknowledged -> confirmed, for all of them in one go. Others are left as they are. */
  confirmed(inboundIds: readonly number[]): Promise<void>;
  /** open -> quarantined, the raw message kept whole with it until the server has taken it. */
  quarantine(inboundId: number, reason: string, raw: Uint8Array): Promise<void>;
  quarantined(gatewayId?: GatewayId): Promise<readonly QuarantinedMessage[]>;
  quarantinedRaw(inboundId: number): Promise<Uint8Array | null>;
  /** quarantined -> open with rejections back to 0: a person asked for another try. */
  requeue(inboundId: number): Promise<InboundRecord | null>;
  /** Those released or spooled and not taken yet: open, with their raw message still kept. Also after a restart. */
  requeued(gatewayId: GatewayId): Promise<readonly InboundRecord[]>;
  /** The newest message received from this address that an answer with this subject belongs to: the same subject (without
   *  Re:, Fwd: and the like) first, else the newest of the last 30 days. Both results carry angle brackets; `references` has
   *  at most about 900 characters (RFC 5322 3.6.4: the first and the last ones). */
  threadFor(address: string, subject: string): Promise<{ messageId: string; references: string } | null>;
  /** Null when there is none, or none any more. `path`: the file with its bytes. */
  attachment(id: string): Promise<{ name: string; type: string; size: number; path: string } | null>;
  /** Per gateway that has any: what is open and not postponed, acknowledged but not confirmed, quarantined, and when the oldest
   *  open one came (ms). */
  backlog(): Promise<readonly GatewayBacklog[]>;
  /** The completeness ledger: per gateway and UTC day of first sight, seen = delivered + waiting + quarantined. Ignored and
   *  postponed ones are in none of these. */
  reconciliation(since: number): Promise<readonly ReconciliationRow[]>;
}

export interface GatewayBacklog {
  gatewayId: GatewayId;
  pending: number;
  unconfirmed: number;
  quarantined: number;
  oldestPendingAt: number | null;
}

export interface ReconciliationRow {
  gatewayId: GatewayId;
  /** YYYY-MM-DD */
  day: string;
  received: number;
  delivered: number;
  waiting: number;
  quarantined: number;
  /** Times that one of them was opened again after the server had taken it. Not part of the sum. */
  duplicates: number;
}

// ---------------------------------------------------------------- outbound messages

export interface NewOutboundMessage {
  messageId: string;
  gatewayId: GatewayId;
  remoteAddress: string;
  subject: string;
  bytes: number;
  at: number;
}

export interface OutboundRecord {
  messageId: string;
  gatewayId: GatewayId;
  state: OutboundState;
  /** Attempts begun so far. */
  attempts: number;
  /** Under what id it is known outside, once an attempt began. */
  deliverySystemId: string | null;
  /** The last attempt's detail. */
  detail: string | null;
  /** Recipients that have taken it already, lower case. */
  acceptedRecipients: readonly string[];
  firstAttemptAt: number | null;
}

/** What to do with an SE_MESSAGE_SENDING, decided in one transaction. */
export type Acceptance =
  | { kind: 'new'; outboundMessage: OutboundRecord }
  /** Failed, partial or never begun before: a fresh attempt (partial: `order.taken` are served already). */
  | { kind: 'again'; outboundMessage: OutboundRecord }
  /** This process is sending it right now. */
  | { kind: 'joins'; outboundMessage: OutboundRecord }
  /** Sent already: answer at once with the recorded result. */
  | { kind: 'answered'; outboundMessage: OutboundRecord }
  /** An attempt began whose outcome is unknown. */
  | { kind: 'uncertain'; outboundMessage: OutboundRecord };

export interface OutboundJournal {
  /** Every SE_MESSAGE_SENDING goes through here once; one answer is now owed for it (`asked` counts up). An outbound message that is
   *  accepted or begun by this process joins; by a dead process it is never mistaken for one of ours. */
  accept(outboundMessage: NewOutboundMessage): Promise<Acceptance>;
  /** accepted | failed | partial | unknown -> begun; returns the number of the attempt. Nothing may leave before this resolves.
   *  Rejects with `journal/not-to-begin` when it is begun or sent already, or accepted by another instance: of two that
   *  want to send only one may. */
  beginAttempt(messageId: string, deliverySystemId: string): Promise<number>;
  /** begun -> what the outcome says. An attempt settles once; a later word for the same attempt only counts when it turns
   *  unknown into something known (or, still unknown, brings the ids that news will name), and is otherwise ignored. deferred and rejected make it failed, or keep it partial when
   *  somebody has taken it already. */
  recordOutcome(messageId: string, attempt: number, outcome: Outcome): Promise<OutboundRecord>;
  /** One owed answer has been written to the wire. `error` is the Data of ES_MESSAGE_SENT, null for success. */
  answered(messageId: string, error: string | null): Promise<void>;
  /** Called once at start: outbound messages begun by a process that is gone become unknown, accepted ones failed. Returns those
   *  that owe an answer and were asked for after `askedSince` (ms); older debts are written off, with a note in the log. */
  reclaimAbandoned(askedSince: number): Promise<readonly OutboundRecord[]>;
  outboundMessage(messageId: string): Promise<OutboundRecord | null>;
}

// ---------------------------------------------------------------- delivery states

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

// ---------------------------------------------------------------- opt-outs

export interface OptOut {
  group: string;
  address: string;
  at: number;
  /** keyword: the recipient wrote STOP; carrier: the counterparty says so; person: entered on the command line. */
  source: 'keyword' | 'carrier' | 'person';
  detail: string | null;
}

/** Who does not want messages from a group of gateways. Addresses are compared as they are, so give them in E.164. */
export interface OptOuts {
  /** False when it was so already; then the first entry stays. */
  optOut(entry: OptOut): Promise<boolean>;
  /** False when there was nothing to take back. */
  optIn(group: string, address: string): Promise<boolean>;
  optedOut(group: string, address: string): Promise<OptOut | null>;
  /** Of one group or of all, by group and address. */
  optOuts(group?: string): Promise<readonly OptOut[]>;
}

// ---------------------------------------------------------------- drivers' small records

export interface DriverRecord {
  key: string;
  value: unknown;
  at: number;
}

/** Nobody but the driver removes them. */
export interface DriverRecords {
  /** A known key is left as it is. 256 KB of JSON each at most: `journal/too-large`, and none is kept. In slices, as `ignore`. */
  putRecords(
    gatewayId: GatewayId,
    collection: string,
    records: readonly { key: string; value: unknown }[],
  ): Promise<void>;
  /** By key, those beginning with `prefix`, at most `limit` (10,000). */
  listRecords(
    gatewayId: GatewayId,
    collection: string,
    prefix: string,
    limit: number,
  ): Promise<readonly DriverRecord[]>;
  deleteRecords(gatewayId: GatewayId, collection: string, keys: readonly string[]): Promise<void>;
}

// ---------------------------------------------------------------- delivery log

/** One step of one message, as ops people search it. */
export interface LogEntry {
  id: number;
  at: number;
  gatewayId: GatewayId;
  direction: 'I' | 'O';
  /** received, handed, refused, postponed, acknowledged, confirmed, quarantined, released, ignored, rekeyed / ordered, begun,
   *  sent, deferred, rejected, partial, unknown, answered, receipt, note */
  event: string;
  /** Key of the inbound message or MessageId of the outbound message. */
  subject: string;
  deliverySystemId: string | null;
  messageId: string | null;
  remoteAddress: string | null;
  /** The counterparty's own words, or ours; one line. */
  detail: string | null;
}

export interface LogFilter {
  gatewayId?: string;
  since?: number;
  until?: number;
  /** One of the steps. */
  event?: string;
  /** Entries with an id above this one (for following). */
  after?: number;
  limit: number;
}

export interface MessageTrace {
  /** What the id turned out to be. */
  is: 'arrival' | 'outboundMessage';
  gatewayId: GatewayId;
  state: InboundState | OutboundState;
  ids: { label: string; value: string }[];
  entries: readonly LogEntry[];
}

export interface DeliveryLog {
  /** Oldest first: with `after` the next ones from there, else the newest `limit` of those that match. At most 10,000. */
  entries(filter: LogFilter): Promise<readonly LogEntry[]>;
  /** Everything known under an id: MessageId, RequestId, DeliverySystemId, whole Message-ID (brackets or not), key, a provider's
   *  id of a part; or under the beginning of one, from 8 characters on. At most 10. */
  traces(id: string): Promise<readonly MessageTrace[]>;
  /** A remark outside the verbs (gateway started, UIDVALIDITY rebased with its numbers, ...). */
  note(gatewayId: GatewayId, direction: 'I' | 'O', subject: string, detail: string): Promise<void>;
}

// ---------------------------------------------------------------- the whole

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
