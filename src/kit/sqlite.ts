import { mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from '@photostructure/sqlite';
import { codeOf, GatepostError, messageOf } from './errors.js';

export type Sqlite = InstanceType<typeof DatabaseSync>;

export interface SqliteOptions {
  /** What the file is, for messages: `the journal`, `the embedded server's store`. */
  what: string;
  /** Code area of its errors: `journal`, `frontdesk`. */
  area: string;
  /** Opens an existing file only, and for reading only. */
  readOnly?: boolean;
  /** Makes the file and its folder when they are missing; true unless read only. */
  create?: boolean;
  /** False opens without looking for damage, for short commands beside a process that has looked. */
  check?: boolean;
}

/** Ms that a statement waits for another process's transaction: ours take a few ms, so this only ends a hang. */
const BUSY_MS = 5_000;
/** Checking reads the whole file, about 1 s per 200 MB: larger ones are opened unchecked. */
const CHECK_UP_TO = 200 * 1024 * 1024;

/**
 * Opens with WAL, synchronous=FULL (a commit that returned survives a power cut) and foreign keys.
 * @throws GatepostError `<area>/missing`, `/not-a-database`, `/corrupt`, `/unwritable`, `/busy`, `/disk-full`, `/store`
 */
export function openSqlite(path: string, options: SqliteOptions): Sqlite {
  const { readOnly = false, create = !readOnly } = options;
  let database: Sqlite | undefined;
  try {
    const size = statSync(path, { throwIfNoEntry: false })?.size ?? null;
    if (size === null && !create) {
      throw new GatepostError(`${options.area}/missing`, `${options.what} ${path} does not exist`);
    }
    if (create) mkdirSync(dirname(path), { recursive: true });
    database = new DatabaseSync(path, { readOnly, timeout: BUSY_MS, enableForeignKeyConstraints: true });
    if (!readOnly) database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL');
    if (options.check ?? true) check(database, path, options, size ?? 0);
    return database;
  } catch (error) {
    database?.close();
    throw sqliteError(error, path, options);
  }
}

/**
 * Closes, everything written being in the file itself then and not only in its -wal. The library keeps prepared
 * statements, and with them the file handles, until they are garbage collected; the data does not need that.
 */
export function closeSqlite(database: Sqlite): void {
  if (!database.isOpen) return;
  try {
    // Passive: never waits for a reader. What it leaves is replayed at the next opening.
    database.exec('PRAGMA wal_checkpoint(PASSIVE)');
  } catch {
    // A full disk, or a file opened for reading only: the -wal keeps what was written.
  }
  database.close();
}

/** Turns what SQLite or the file system threw into a sentence with advice; a GatepostError passes unchanged. */
export function sqliteError(error: unknown, path: string, { what, area }: SqliteOptions): GatepostError {
  if (error instanceof GatepostError) return error;
  const kind = KINDS.find(({ codes }) => codes.includes(sqliteCodeOf(error)));
  if (!kind) return new GatepostError(`${area}/store`, `${what} ${path}: ${messageOf(error)}`, { cause: error });
  return new GatepostError(`${area}/${kind.code}`, `${what} ${path} ${kind.says}`, {
    advice: kind.advice,
    cause: error,
  });
}

/** `SQLITE_FULL`, `SQLITE_BUSY`, ...; the system's code (`EACCES`) when it was not SQLite that failed; else ''. */
export function sqliteCodeOf(error: unknown): string {
  if (typeof error === 'object' && error !== null && 'sqliteCodeName' in error) return String(error.sqliteCodeName);
  return codeOf(error);
}

const MOVE_AWAY = 'Move the file (and those beside it ending in -wal and -shm) to a safe place, or put back a backup';
const KINDS: readonly { codes: readonly string[]; code: string; says: string; advice: string }[] = [
  {
    codes: ['SQLITE_NOTADB'],
    code: 'not-a-database',
    says: 'is not an SQLite database',
    advice: `${MOVE_AWAY}; or name another file.`,
  },
  { codes: ['SQLITE_CORRUPT'], code: 'corrupt', says: 'is damaged', advice: `${MOVE_AWAY}; check the disk.` },
  {
    codes: [
      'SQLITE_CANTOPEN',
      'SQLITE_READONLY',
      'SQLITE_PERM',
      'EACCES',
      'EPERM',
      'EROFS',
      'ENOTDIR',
      'EISDIR',
      'EEXIST',
    ],
    code: 'unwritable',
    says: 'cannot be opened for writing',
    advice: 'Let the user that runs this command write to the file and to its folder, or name another one.',
  },
  {
    codes: ['SQLITE_BUSY', 'SQLITE_LOCKED'],
    code: 'busy',
    says: 'is held by another process',
    advice: 'Stop the other process that has it open, then try again.',
  },
  {
    codes: ['SQLITE_FULL', 'ENOSPC', 'EDQUOT'],
    code: 'disk-full',
    says: 'cannot be written: the disk is full',
    advice: 'Free some space on that disk; nothing that was confirmed is lost.',
  },
];

function check(database: Sqlite, path: string, { what, area }: SqliteOptions, size: number): void {
  if (size > CHECK_UP_TO) return;
  const row: unknown = database.prepare('PRAGMA quick_check(1)').get();
  const verdict = typeof row === 'object' && row !== null ? String(Object.values(row)[0]) : 'no answer';
  if (verdict === 'ok') return;
  throw new GatepostError(`${area}/corrupt`, `${what} ${path} is damaged: ${verdict}`, {
    advice: `${MOVE_AWAY}; check the disk.`,
  });
}

/** Runs `work` in one transaction that is a writer from its first statement on: all of it has happened, or nothing. */
export function transaction<T>(database: Sqlite, work: () => T): T {
  database.exec('BEGIN IMMEDIATE');
  try {
    const result = work();
    database.exec('COMMIT');
    return result;
  } catch (error) {
    if (database.isTransaction) database.exec('ROLLBACK');
    throw error;
  }
}
