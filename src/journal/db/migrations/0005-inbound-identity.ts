// What the server is told about an inbound message is fixed at its first opening, and the journal knows whether the
// counterparty still waits for a confirmation.
import { type Kysely, sql } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  const inbound = () => db.schema.alterTable('inbound_messages');
  await inbound().addColumn('server_fields', 'text').execute();
  await inbound()
    .addColumn('spooled', 'integer', (column) => column.notNull().defaultTo(0))
    .execute();
  // Older versions kept the raw message of a pending row for two reasons: it was spooled, or it came out of quarantine.
  await sql`update inbound_messages set spooled = 1 where raw_sha256 is not null and quarantined_at is null`.execute(
    db,
  );
  // `gatepost trace` finds the answers to a customer by address, whatever its case.
  await sql`create index outbound_messages_address on outbound_messages (lower(remote_address), asked_at)`.execute(db);
}
