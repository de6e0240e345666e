// Attempts get rows of their own; the state of a message follows from them. An attempt that the old version left in `begun` is
// an attempt of a dead process. Of a message's earlier attempts nothing is known, so only the last one gets a row.
import { type Kysely, sql } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  await createAttempts(db);
  await db.schema
    .alterTable('delivery_parts')
    .addColumn('attempt', 'integer', (column) => column.notNull().defaultTo(1))
    .execute();
  await fillAttempts(db);
  await sql`drop index outbound_messages_owned`.execute(db);
  await db.schema.alterTable('outbound_messages').dropColumn('owner').execute();
}

async function createAttempts(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('attempts')
    .addColumn('message_id', 'text', (column) => column.notNull())
    .addColumn('number', 'integer', (column) => column.notNull())
    .addColumn('gateway_id', 'text', (column) => column.notNull())
    .addColumn('delivery_system_id', 'text')
    .addColumn('state', 'text', (column) => column.notNull())
    .addColumn('accepted_recipients', 'text', (column) => column.notNull())
    .addColumn('detail', 'text')
    .addColumn('outline', 'text')
    .addColumn('started_at', 'double precision', (column) => column.notNull())
    .addColumn('ended_at', 'double precision')
    .addColumn('owner', 'text')
    .addPrimaryKeyConstraint('attempts_key', ['message_id', 'number'])
    .execute();
  await sql`create index attempts_owned on attempts (owner) where owner is not null`.execute(db);
  await sql`create index attempts_unknown on attempts (message_id) where state = 'unknown'`.execute(db);
}

/** `failed` does not tell a deferral from a rejection; either way the message is known not to have gone out. */
async function fillAttempts(db: Kysely<unknown>): Promise<void> {
  // The old version called a message failed before its first attempt when the process died before it could send.
  await sql`update outbound_messages set attempts = 1 where attempts = 0 and state <> 'accepted'`.execute(db);
  await sql`update outbound_messages set state = case accepted_recipients when '[]' then 'failed' else 'partial' end
    where state = 'accepted' and attempts > 0`.execute(db);
  await sql`insert into attempts (message_id, number, gateway_id, delivery_system_id, state, accepted_recipients, detail,
      started_at, ended_at, owner)
    select message_id, attempts, gateway_id, delivery_system_id, case state when 'failed' then 'deferred' else state end,
      accepted_recipients, detail, coalesce(first_attempt_at, changed_at),
      case state when 'sending' then null else changed_at end,
      case state when 'sending' then coalesce(owner, 'an earlier version') else null end
    from outbound_messages where attempts > 0`.execute(db);
  await sql`update delivery_parts set attempt = coalesce((select attempts from outbound_messages
    where outbound_messages.message_id = delivery_parts.message_id), 1)`.execute(db);
}
