import type { InboundState } from '../../model/state.js';

/** (GatewayId, Direction) is the key of a gateway everywhere; inbound messages are always I and outbound messages always O. */
export type GatewayId = string;

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
