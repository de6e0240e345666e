// Owns the first shape of the journal. Never edited once released: a change is a new migration.
import { type Kysely, sql } from 'kysely';
import type { Dialect } from './dialect.js';

export async function up(db: Kysely<unknown>, { id }: Dialect): Promise<void> {
  await arrivals(db, id);
  await orders(db);
  await deliveryLog(db, id);
  await db.schema
    .createTable('attachments')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('arrival_id', 'bigint', (column) => column.notNull())
    .addColumn('sha256', 'text', (column) => column.notNull())
    .addColumn('name', 'text', (column) => column.notNull())
    .addColumn('type', 'text', (column) => column.notNull())
    .addColumn('size', 'bigint', (column) => column.notNull())
    .addColumn('stored_at', 'double precision', (column) => column.notNull())
    .execute();
  await db.schema.createIndex('attachments_arrival').on('attachments').column('arrival_id').execute();
  await db.schema.createIndex('attachments_file').on('attachments').column('sha256').execute();
  await db.schema.createIndex('attachments_stored').on('attachments').column('stored_at').execute();
  await db.schema
    .createTable('ledger')
    .addColumn('gateway_id', 'text', (column) => column.notNull())
    .addColumn('day', 'text', (column) => column.notNull())
    .addColumn('seen', 'integer', (column) => column.notNull())
    .addColumn('duplicates', 'integer', (column) => column.notNull())
    .addPrimaryKeyConstraint('ledger_key', ['day', 'gateway_id'])
    .execute();
  await db.schema
    .createTable('memory')
    .addColumn('gateway_id', 'text', (column) => column.notNull())
    .addColumn('direction', 'text', (column) => column.notNull())
    .addColumn('name', 'text', (column) => column.notNull())
    .addColumn('value', 'text', (column) => column.notNull())
    .addPrimaryKeyConstraint('memory_key', ['gateway_id', 'direction', 'name'])
    .execute();
  await db.schema
    .createTable('facts')
    .addColumn('name', 'text', (column) => column.primaryKey())
    .addColumn('value', 'text', (column) => column.notNull())
    .execute();
}

async function arrivals(db: Kysely<unknown>, id: Dialect['id']): Promise<void> {
  await id(db.schema.createTable('arrivals'))
    .addColumn('gateway_id', 'text', (column) => column.notNull())
    .addColumn('key', 'text', (column) => column.notNull())
    .addColumn('fingerprint', 'text', (column) => column.notNull())
    .addColumn('state', 'text', (column) => column.notNull())
    .addColumn('request_id', 'text')
    .addColumn('delivery_system_id', 'text', (column) => column.notNull())
    .addColumn('rfc_message_id', 'text')
    .addColumn('reply_references', 'text')
    .addColumn('remote_address', 'text', (column) => column.notNull())
    .addColumn('sender', 'text', (column) => column.notNull())
    .addColumn('subject', 'text', (column) => column.notNull())
    .addColumn('thread', 'text', (column) => column.notNull())
    .addColumn('bytes', 'bigint', (column) => column.notNull())
    .addColumn('notes', 'text', (column) => column.notNull())
    .addColumn('refusals', 'integer', (column) => column.notNull())
    .addColumn('message_id', 'text')
    .addColumn('seen_at', 'double precision', (column) => column.notNull())
    .addColumn('day', 'text', (column) => column.notNull())
    .addColumn('acknowledged_at', 'double precision')
    .addColumn('confirmed_at', 'double precision')
    .addColumn('quarantined_at', 'double precision')
    .addColumn('quarantine_reason', 'text')
    .addColumn('raw_sha256', 'text')
    .execute();
  const index = (name: string, columns: string[]) => db.schema.createIndex(name).on('arrivals').columns(columns);
  // The key comes first, so that one index serves both "this key of this gateway" and "this key, whoever has it".
  await index('arrivals_key', ['key', 'gateway_id']).unique().execute();
  await index('arrivals_request', ['request_id']).unique().execute();
  await index('arrivals_fingerprint', ['fingerprint', 'gateway_id']).execute();
  await index('arrivals_day', ['day', 'gateway_id']).execute();
  await index('arrivals_delivery_system', ['delivery_system_id']).execute();
  await partial(db, 'arrivals_rfc_message', 'rfc_message_id', 'rfc_message_id is not null');
  await partial(db, 'arrivals_message', 'message_id', 'message_id is not null');
  await partial(db, 'arrivals_thread', 'sender, thread', 'rfc_message_id is not null');
  await partial(db, 'arrivals_sender', 'sender, seen_at', 'rfc_message_id is not null');
  await partial(db, 'arrivals_unsettled', 'gateway_id, state', "state in ('open', 'acknowledged', 'quarantined')");
  await partial(db, 'arrivals_confirmed', 'confirmed_at', 'confirmed_at is not null');
  await partial(db, 'arrivals_raw', 'raw_sha256', 'raw_sha256 is not null');
}

async function partial(db: Kysely<unknown>, name: string, columns: string, where: string): Promise<void> {
  await sql`create index ${sql.id(name)} on arrivals (${sql.raw(columns)}) where ${sql.raw(where)}`.execute(db);
}

async function orders(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('orders')
    .addColumn('message_id', 'text', (column) => column.primaryKey())
    .addColumn('gateway_id', 'text', (column) => column.notNull())
    .addColumn('state', 'text', (column) => column.notNull())
    .addColumn('attempts', 'integer', (column) => column.notNull())
    .addColumn('delivery_system_id', 'text')
    .addColumn('detail', 'text')
    .addColumn('taken', 'text', (column) => column.notNull())
    .addColumn('first_begun_at', 'double precision')
    .addColumn('remote_address', 'text', (column) => column.notNull())
    .addColumn('subject', 'text', (column) => column.notNull())
    .addColumn('bytes', 'bigint', (column) => column.notNull())
    .addColumn('asked', 'integer', (column) => column.notNull())
    .addColumn('answered', 'integer', (column) => column.notNull())
    .addColumn('asked_at', 'double precision', (column) => column.notNull())
    .addColumn('changed_at', 'double precision', (column) => column.notNull())
    .addColumn('owner', 'text')
    .execute();
  const index = (name: string, column: string) => db.schema.createIndex(name).on('orders').column(column).execute();
  await index('orders_delivery_system', 'delivery_system_id');
  await index('orders_changed', 'changed_at');
  await sql`create index orders_owned on orders (owner) where owner is not null`.execute(db);
  await sql`create index orders_owing on orders (asked_at) where asked > answered`.execute(db);
}

async function deliveryLog(db: Kysely<unknown>, id: Dialect['id']): Promise<void> {
  await id(db.schema.createTable('delivery_log'))
    .addColumn('at', 'double precision', (column) => column.notNull())
    .addColumn('gateway_id', 'text', (column) => column.notNull())
    .addColumn('direction', 'text', (column) => column.notNull())
    .addColumn('step', 'text', (column) => column.notNull())
    .addColumn('subject', 'text', (column) => column.notNull())
    .addColumn('arrival_id', 'bigint')
    .addColumn('delivery_system_id', 'text')
    .addColumn('message_id', 'text')
    .addColumn('remote_address', 'text')
    .addColumn('detail', 'text')
    .execute();
  const index = (name: string, columns: string[]) => db.schema.createIndex(name).on('delivery_log').columns(columns);
  await index('delivery_log_at', ['at']).execute();
  await index('delivery_log_gateway', ['gateway_id', 'at']).execute();
  await index('delivery_log_step', ['step', 'at']).execute();
  await sql`create index delivery_log_arrival on delivery_log (arrival_id) where arrival_id is not null`.execute(db);
  await sql`create index delivery_log_subject on delivery_log (subject) where arrival_id is null`.execute(db);
}
