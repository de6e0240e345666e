// Renames tables, columns and states to the words of docs/glossary.md. The old words stand here and nowhere else.
import { type Kysely, sql } from 'kysely';

const TABLES = [
  ['arrivals', 'inbound_messages'],
  ['orders', 'outbound_messages'],
  ['early_news', 'unmatched_receipts'],
  ['kept', 'driver_records'],
  ['memory', 'driver_checkpoints'],
  ['ledger', 'reconciliation'],
  ['facts', 'journal_meta'],
] as const;

/** Table (new name), column, new name of the column. */
const COLUMNS = [
  ['inbound_messages', 'refusals', 'rejections'],
  ['inbound_messages', 'seen_at', 'received_at'],
  ['inbound_messages', 'postponed_at', 'deferred_at'],
  ['attachments', 'arrival_id', 'inbound_id'],
  ['outbound_messages', 'taken', 'accepted_recipients'],
  ['outbound_messages', 'first_begun_at', 'first_attempt_at'],
  ['delivery_log', 'step', 'event'],
  ['delivery_log', 'arrival_id', 'inbound_id'],
  ['reconciliation', 'seen', 'received'],
] as const;

/** Table, column, old value, new value. */
const VALUES = [
  ['inbound_messages', 'state', 'open', 'pending'],
  ['inbound_messages', 'state', 'ignored', 'skipped'],
  ['outbound_messages', 'state', 'begun', 'sending'],
  ['opt_outs', 'source', 'person', 'operator'],
] as const;

/** Old name of an index, new name; SQLite renames no index, so each is made anew under its new name. */
const INDEXES = [
  ['arrivals_key', 'create unique index inbound_messages_key on inbound_messages (key, gateway_id)'],
  ['arrivals_request', 'create unique index inbound_messages_request on inbound_messages (request_id)'],
  ['arrivals_fingerprint', 'create index inbound_messages_fingerprint on inbound_messages (fingerprint, gateway_id)'],
  ['arrivals_day', 'create index inbound_messages_day on inbound_messages (day, gateway_id)'],
  [
    'arrivals_delivery_system',
    'create index inbound_messages_delivery_system on inbound_messages (delivery_system_id)',
  ],
  [
    'arrivals_rfc_message',
    'create index inbound_messages_rfc_message on inbound_messages (rfc_message_id) where rfc_message_id is not null',
  ],
  [
    'arrivals_message',
    'create index inbound_messages_message on inbound_messages (message_id) where message_id is not null',
  ],
  [
    'arrivals_thread',
    'create index inbound_messages_thread on inbound_messages (sender, thread) where rfc_message_id is not null',
  ],
  [
    'arrivals_sender',
    'create index inbound_messages_sender on inbound_messages (sender, received_at) where rfc_message_id is not null',
  ],
  [
    'arrivals_unsettled',
    "create index inbound_messages_unsettled on inbound_messages (gateway_id, state) where state in ('pending', 'acknowledged', 'quarantined')",
  ],
  [
    'arrivals_confirmed',
    'create index inbound_messages_confirmed on inbound_messages (confirmed_at) where confirmed_at is not null',
  ],
  ['arrivals_raw', 'create index inbound_messages_raw on inbound_messages (raw_sha256) where raw_sha256 is not null'],
  [
    'arrivals_postponed',
    'create index inbound_messages_deferred on inbound_messages (deferred_at) where deferred_at is not null',
  ],
  ['attachments_arrival', 'create index attachments_inbound on attachments (inbound_id)'],
  [
    'orders_delivery_system',
    'create index outbound_messages_delivery_system on outbound_messages (delivery_system_id)',
  ],
  ['orders_changed', 'create index outbound_messages_changed on outbound_messages (changed_at)'],
  ['orders_owned', 'create index outbound_messages_owned on outbound_messages (owner) where owner is not null'],
  ['orders_owing', 'create index outbound_messages_owing on outbound_messages (asked_at) where asked > answered'],
  ['delivery_log_step', 'create index delivery_log_event on delivery_log (event, at)'],
  [
    'delivery_log_arrival',
    'create index delivery_log_inbound on delivery_log (inbound_id) where inbound_id is not null',
  ],
  ['delivery_log_subject', 'create index delivery_log_subject on delivery_log (subject) where inbound_id is null'],
  ['delivery_parts_order', 'create index delivery_parts_message on delivery_parts (message_id)'],
  ['early_news_came', 'create index unmatched_receipts_came on unmatched_receipts (came_at)'],
] as const;

/** Events of the delivery log: direction, old word, new word. */
const EVENTS = [
  ['I', 'handed', 'dispatched'],
  ['I', 'refused', 'rejected'],
  ['I', 'postponed', 'deferred'],
  ['I', 'released', 'requeued'],
  ['O', 'ordered', 'requested'],
  ['O', 'begun', 'attempt_started'],
] as const;

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const [index] of INDEXES) await sql`drop index ${sql.id(index)}`.execute(db);
  for (const [from, to] of TABLES) await db.schema.alterTable(from).renameTo(to).execute();
  for (const [table, from, to] of COLUMNS) await db.schema.alterTable(table).renameColumn(from, to).execute();
  for (const [table, column, from, to] of VALUES)
    await sql`update ${sql.table(table)} set ${sql.ref(column)} = ${to} where ${sql.ref(column)} = ${from}`.execute(db);
  for (const [direction, from, to] of EVENTS)
    await sql`update delivery_log set event = ${to} where direction = ${direction} and event = ${from}`.execute(db);
  for (const [, create] of INDEXES) await sql.raw(create).execute(db);
}
