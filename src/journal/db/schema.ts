import { Migrator, sql } from 'kysely';
import { GatepostError } from '../../kit/errors.js';
import type { Sqlite } from '../../kit/sqlite.js';
import { migrationNames, migrations, sqliteDialect } from './migrations/index.js';
import { kyselyOver } from './sqlite.js';

/** @throws GatepostError `journal/newer`, `journal/upgrade` */
export async function upgrade(path: string, database: Sqlite): Promise<void> {
  const db = kyselyOver(database);
  refuseNewer(path, await appliedTo(path, database));
  const migrator = new Migrator({ db, provider: { getMigrations: async () => migrations(sqliteDialect) } });
  const { error } = await migrator.migrateToLatest();
  if (error === undefined) return;
  throw new GatepostError('journal/upgrade', `the journal ${path} cannot be upgraded to this version`, {
    advice: 'The journal is unchanged: the version of gatepost that wrote it can still open it.',
    cause: error,
  });
}

/** For a reader, which must not change anything. @throws GatepostError `journal/newer`, `journal/older` */
export async function requireCurrent(path: string, database: Sqlite): Promise<void> {
  const applied = await appliedTo(path, database);
  refuseNewer(path, applied);
  if (migrationNames.every((name) => applied.includes(name))) return;
  throw new GatepostError('journal/older', `the journal ${path} was written by an older version`, {
    advice: 'Start gatepost once with this journal: that upgrades it.',
  });
}

function refuseNewer(path: string, applied: readonly string[]): void {
  const unknown = applied.find((name) => !migrationNames.includes(name));
  if (unknown === undefined) return;
  throw new GatepostError(
    'journal/newer',
    `the journal ${path} was written by a newer gatepost (it has "${unknown}")`,
    {
      advice: 'Use that newer version, or give this one a journal of its own.',
    },
  );
}

async function appliedTo(path: string, database: Sqlite): Promise<string[]> {
  const db = kyselyOver(database);
  const tables = await sql<{ name: string }>`select name from sqlite_master where type = 'table'`.execute(db);
  if (!tables.rows.some(({ name }) => name === 'kysely_migration')) return refuseForeign(path, tables.rows);
  const { rows } = await sql<{ name: string }>`select name from kysely_migration order by name`.execute(db);
  return rows.map(({ name }) => name);
}

/** A database that holds tables but no migrations of ours belongs to another program. */
function refuseForeign(path: string, tables: readonly { name: string }[]): string[] {
  const foreign = tables.find(({ name }) => !name.startsWith('sqlite_') && !name.startsWith('kysely_'));
  if (!foreign) return [];
  throw new GatepostError(
    'journal/foreign',
    `${path} is not a journal but a database of another program: it holds a table "${foreign.name}"`,
    {
      advice: 'Name a file that does not exist yet; gatepost creates its journal itself.',
    },
  );
}
