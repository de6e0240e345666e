// The migrations are listed in code, so that nothing is searched for on disk.
import type { Kysely, Migration } from 'kysely';
import { up as initial } from './0001-initial.js';
import { up as textMessages } from './0002-text-messages.js';
import { up as vocabulary } from './0003-vocabulary.js';
import { up as attempts } from './0004-attempts.js';
import { up as inboundIdentity } from './0005-inbound-identity.js';
import type { Dialect } from './dialect.js';

export const sqliteDialect: Dialect = {
  id: (table) => table.addColumn('id', 'integer', (column) => column.primaryKey().autoIncrement()),
};

const ALL: Readonly<Record<string, (db: Kysely<unknown>, dialect: Dialect) => Promise<void>>> = {
  '0001-initial': initial,
  '0002-text-messages': textMessages,
  '0003-vocabulary': vocabulary,
  '0004-attempts': attempts,
  '0005-inbound-identity': inboundIdentity,
};

/** All migrations of this version, oldest first. */
export const migrationNames: readonly string[] = Object.keys(ALL);

export function migrations(dialect: Dialect): Record<string, Migration> {
  return Object.fromEntries(Object.entries(ALL).map(([name, up]) => [name, { up: (db) => up(db, dialect) }]));
}
