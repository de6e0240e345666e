// Owns what text messages need beyond mail: how far a sent order has come, who wants no messages, drivers' small records,
// and arrivals whose sender was told to come again later.
import { type Kysely, sql } from 'kysely';
import type { Dialect } from './dialect.js';

export async function up(db: Kysely<unknown>, { id }: Dialect): Promise<void> {
  await db.schema.alterTable('arrivals').addColumn('postponed_at', 'double precision').execute();
  await sql`create index arrivals_postponed on arrivals (postponed_at) where postponed_at is not null`.execute(db);
  await db.schema.alterTable('orders').addColumn('delivery_state', 'text').execute();
  await db.schema.alterTable('orders').addColumn('delivery_detail', 'text').execute();
  await deliveries(db, id);
  await db.schema
    .createTable('opt_outs')
    .addColumn('group_name', 'text', (column) => column.notNull())
    .addColumn('address', 'text', (column) => column.notNull())
    .addColumn('at', 'double precision', (column) => column.notNull())
    .addColumn('source', 'text', (column) => column.notNull())
    .addColumn('detail', 'text')
    .addPrimaryKeyConstraint('opt_outs_key', ['group_name', 'address'])
    .execute();
  await db.schema
    .createTable('kept')
    .addColumn('gateway_id', 'text', (column) => column.notNull())
    .addColumn('collection', 'text', (column) => column.notNull())
    .addColumn('key', 'text', (column) => column.notNull())
    .addColumn('value', 'text', (column) => column.notNull())
    .addColumn('at', 'double precision', (column) => column.notNull())
    .addPrimaryKeyConstraint('kept_key', ['gateway_id', 'collection', 'key'])
    .execute();
}

async function deliveries(db: Kysely<unknown>, id: Dialect['id']): Promise<void> {
  await id(db.schema.createTable('delivery_parts'))
    .addColumn('gateway_id', 'text', (column) => column.notNull())
    .addColumn('provider_id', 'text', (column) => column.notNull())
    .addColumn('message_id', 'text', (column) => column.notNull())
    .addColumn('part', 'integer', (column) => column.notNull())
    .addColumn('parts', 'integer', (column) => column.notNull())
    .addColumn('state', 'text', (column) => column.notNull())
    .addColumn('at', 'double precision', (column) => column.notNull())
    .addColumn('detail', 'text')
    .execute();
  const index = (name: string, columns: string[]) => db.schema.createIndex(name).on('delivery_parts').columns(columns);
  // The provider's id comes first, so that one index serves news of one gateway and people who know only the id.
  await index('delivery_parts_provider', ['provider_id', 'gateway_id']).execute();
  await index('delivery_parts_order', ['message_id']).execute();
  await db.schema
    .createTable('early_news')
    .addColumn('gateway_id', 'text', (column) => column.notNull())
    .addColumn('provider_id', 'text', (column) => column.notNull())
    .addColumn('state', 'text', (column) => column.notNull())
    .addColumn('at', 'double precision', (column) => column.notNull())
    .addColumn('detail', 'text')
    .addColumn('came_at', 'double precision', (column) => column.notNull())
    .addPrimaryKeyConstraint('early_news_key', ['provider_id', 'gateway_id'])
    .execute();
  await db.schema.createIndex('early_news_came').on('early_news').column('came_at').execute();
}
