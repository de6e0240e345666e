import type { MessageContentInfo } from '../../model/message.js';
import type { InboundState } from '../../model/state.js';

/** (GatewayId, Direction) identifies a gateway everywhere; inbound messages are always I and outbound messages always O. */
export type GatewayId = string;

/** What the server is told about a message, bodies aside. Fixed at the first opening, so that every attempt tells the same. */
export type ServerFields = Omit<MessageContentInfo, 'GatewayId' | 'RequestId' | 'BodyHtml' | 'BodyText'>;

export interface NewInboundMessage {
  /** Identity for a row that does not exist yet: attachment ids and links are made from it. A known key keeps its own identity. */
  proposed?: { requestId: string; receivedAt: number };
  /** Null when only a reading that comes later can tell. */
  serverFields: ServerFields | null;
  gatewayId: GatewayId;
  key: string;
  fingerprint: string;
  /** As shortened for the server (80 characters at most). */
  deliverySystemId: string;
  /** The whole RFC 5322 Message-ID without brackets, null when the mail had none. */
  rfcMessageId: string | null;
  /** The References of an answer: the mail's own References and then its Message-ID, with brackets, separated by blanks. */
  references: string | null;
  remoteAddress: string;
  subject: string;
  bytes: number;
  /** Sentences about what was reduced, dropped or odd. */
  notes: readonly string[];
  attachments: readonly NewAttachment[];
}

export interface NewAttachment {
  /** Part of the link in the body; the same each time the same message is read. */
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
  /** GUID, the same on every attempt; '' for skipped messages, which are never handed over. */
  requestId: string;
  deliverySystemId: string;
  /** When the message was first opened, ms since the epoch. */
  receivedAt: number;
  /** Null before the first reading, after the acknowledgement, and in rows of older versions. */
  serverFields: ServerFields | null;
  /** True when the counterparty was answered as soon as the message was stored: nothing remains to be confirmed. */
  spooled: boolean;
  /** Bytes of the message as it was received. */
  bytes: number;
  /** How often the server has rejected the message. */
  rejections: number;
  /** The server's MessageId, once acknowledged. */
  messageId: string | null;
}

export interface QuarantinedMessage {
  inboundMessage: InboundRecord;
  reason: string;
  at: number;
  bytes: number;
}

export interface InboundJournal {
  recordsOf(gatewayId: GatewayId, keys: readonly string[]): Promise<ReadonlyMap<string, InboundRecord>>;
  /** Records keys as skipped; known keys stay as they are. Long lists take several transactions, so a crash may leave only
   *  the first entries recorded; repeating the call is harmless. */
  skip(gatewayId: GatewayId, entries: readonly { key: string; fingerprint: string }[]): Promise<void>;
  byFingerprint(
    gatewayId: GatewayId,
    fingerprints: readonly string[],
  ): Promise<readonly { fingerprint: string; key: string; state: InboundState }[]>;
  /** Gives messages new keys; their history stays. When the new key exists already, both rows stay as they are. In slices, as `skip`. */
  rekey(gatewayId: GatewayId, changes: readonly { from: string; to: string }[]): Promise<void>;
  /** Inserts the message as pending, its attachments durably stored first; or returns the record that the key already has. So
   *  one key has one RequestId, one DeliverySystemId and one set of ServerFields for ever. A pending row that lacks
   *  ServerFields or some of the attachments gets them, unless `proposed` names another identity than the row's. Opening an
   *  acknowledged or confirmed key counts as a duplicate. */
  open(inboundMessage: NewInboundMessage): Promise<InboundRecord>;
  /** As `open`, with the raw message stored in the same transaction: for a counterparty that cannot wait. `requeued` lists the
   *  message until the server has accepted it. A pending row whose raw message was not stored yet becomes a spooled one. */
  spool(inboundMessage: NewInboundMessage, raw: Uint8Array): Promise<InboundRecord>;
  /** The message is being handed to the server (delivery log only). */
  dispatched(inboundId: number, attempt: number): Promise<void>;
  /** The server has accepted the message with this RequestId: pending or quarantined -> acknowledged. Null when the RequestId
   *  is unknown; a repeat changes nothing and returns the record. Only after this resolves may the message be confirmed. */
  acknowledge(requestId: string, ack: { messageId: string | null; at: number }): Promise<InboundRecord | null>;
  /** Counts a rejection and returns their number. Only pending messages count them. */
  rejected(inboundId: number, detail: string): Promise<number>;
  /** The sender of a pending message was told to come again later. Until it does, `backlog` and `reconciliation` leave the
   *  message out on both sides of the sum; `open` of its key and a late acknowledgement take it back in. A message whose raw
   *  form is stored here is never deferred. A deferred message is removed after `logDays`. */
  deferred(inboundId: number): Promise<void>;
  /** acknowledged -> confirmed, all in one transaction. Other states stay. */
  confirmed(inboundIds: readonly number[]): Promise<void>;
  /** acknowledged -> confirmed for messages that were acknowledged before `before` and whose counterparty does not show them
   *  any more; `except`: keys whose confirmation is under way. Returns how many there were. */
  settleAbsent(gatewayId: GatewayId, before: number, except: readonly string[]): Promise<number>;
  /** pending -> quarantined, the raw message stored until the server has accepted it. Returns the row as it is afterwards: a
   *  late acknowledgement may have come first. */
  quarantine(inboundId: number, reason: string, raw: Uint8Array): Promise<InboundRecord>;
  quarantined(gatewayId?: GatewayId): Promise<readonly QuarantinedMessage[]>;
  quarantinedRaw(inboundId: number): Promise<Uint8Array | null>;
  /** quarantined -> pending with rejections back to 0: an operator asked for another attempt. */
  requeue(inboundId: number): Promise<InboundRecord | null>;
  /** Requeued and spooled messages that the server has not accepted yet, by id, from the one after `after` on. Also after a
   *  restart. */
  requeued(gatewayId: GatewayId, after?: number, limit?: number): Promise<readonly InboundRecord[]>;
  /** The newest message received from this address until `until` (ms since the epoch) that an answer with this subject belongs
   *  to: the same subject (without Re:, Fwd: and the like) first, else the newest of the 30 days before. Both results carry angle brackets; `references` has
   *  at most about 900 characters (RFC 5322 3.6.4: the first and the last ones). */
  threadFor(address: string, subject: string, until: number): Promise<{ messageId: string; references: string } | null>;
  /** Null when there is none (any more). `path`: the file with its bytes. */
  attachment(id: string): Promise<FoundAttachment | null>;
  /** Per gateway that has any: pending and not deferred, acknowledged but not confirmed, quarantined, and when the oldest
   *  pending message came (ms). */
  backlog(): Promise<readonly GatewayBacklog[]>;
  /** Per gateway and UTC day of the first opening: received = delivered + waiting + quarantined. Skipped and deferred messages
   *  are in none of these. */
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
  /** How often a message was opened again after the server had accepted it. Not part of the sum. */
  duplicates: number;
}

export interface FoundAttachment {
  name: string;
  type: string;
  size: number;
  path: string;
  /** From the first opening of its message to the server's acknowledgement, ms; Infinity before that. */
  waitedMs: number;
}
