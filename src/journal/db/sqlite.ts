import type { StatementSyncInstance } from '@photostructure/sqlite';
import { Kysely, type SqliteDatabase, SqliteDialect } from 'kysely';
import { GatepostError, messageOf } from '../../kit/errors.js';
import { type Sqlite, sqliteCodeOf, sqliteError } from '../../kit/sqlite.js';
import { STORE } from './location.js';
import type { Work } from './sql.js';
import {
  type Compiled,
  type Compiler,
  compiler,
  type Database,
  LONGEST_LIST,
  type Sql,
  type Value,
  type Verdict,
} from './sql.js';
import type { Tables } from './tables.js';

/** Reads through one connection and writes through the other, which is absent in a process that only reads. */
export interface Connections {
  reader: Sqlite;
  writer?: Sqlite;
}

/** Both connections lead to the file `path`; the caller closes them. */
export function sqliteDatabase(path: string, { reader, writer }: Connections): Database {
  const compile = compiler(kyselyOver(reader));
  const writes = writer && sqliteSql(writer, compile, path);
  return {
    reads: sqliteSql(reader, compile, path),
    async transaction(batch) {
      if (!writer || !writes)
        throw new GatepostError('journal/read-only', `the journal ${path} is open for reading only`);
      try {
        return (await runPlain(writer, writes, batch)) ?? (await runCarefully(writer, writes, batch));
      } catch (error) {
        if (writer.isTransaction) writer.exec('rollback');
        throw translated(error, path);
      }
    },
  };
}

/**
 * Without savepoints, which cost as much as a small operation: nearly always nothing fails. Undefined when something did; the
 * transaction is then rolled back.
 */
async function runPlain(database: Sqlite, sql: Sql, batch: readonly Work[]): Promise<Verdict[] | undefined> {
  database.exec('begin immediate');
  try {
    for (const work of batch) await work(sql);
  } catch (error) {
    if (!database.isTransaction) throw error;
    database.exec('rollback');
    return undefined;
  }
  database.exec('commit');
  return batch.map(() => ({ is: 'done' }));
}

/** Once more, each piece of work in a savepoint of its own, so that the one that fails fails alone. */
async function runCarefully(database: Sqlite, sql: Sql, batch: readonly Work[]): Promise<Verdict[]> {
  database.exec('begin immediate');
  const verdicts: Verdict[] = [];
  for (const work of batch) {
    database.exec('savepoint piece');
    try {
      await work(sql);
      verdicts.push({ is: 'done' });
    } catch (error) {
      // A full disk or an I/O error makes SQLite give up the whole transaction. What follows would then be committed
      // statement by statement, so the batch ends here.
      if (!database.isTransaction) throw error;
      database.exec('rollback to piece');
      verdicts.push({ is: 'failed', error });
    }
    database.exec('release piece');
  }
  database.exec('commit');
  return verdicts;
}

function sqliteSql(database: Sqlite, compile: Compiler, path: string): Sql {
  const prepared = new Map<string, StatementSyncInstance>();
  const prepare = ({ text }: Compiled) => {
    let statement = prepared.get(text);
    if (!statement) {
      statement = database.prepare(text);
      prepared.set(text, statement);
    }
    return statement;
  };
  // Rows were written with the same table types: they are trusted, not parsed.
  const all = (compiled: Compiled, params: object, items: readonly Value[] = []) => {
    try {
      return prepare(compiled).all(...compiled.bind(params, items));
    } catch (error) {
      throw translated(error, path);
    }
  };
  return {
    async all(statement, params) {
      return all(compile.statement(statement), params);
    },
    async first(statement, params) {
      return all(compile.statement(statement), params)[0];
    },
    async run(statement, params) {
      const compiled = compile.statement(statement);
      try {
        return prepare(compiled).run(...compiled.bind(params, [])).changes;
      } catch (error) {
        throw translated(error, path);
      }
    },
    async allOf(statement, params, items) {
      const pieces = Array.from({ length: Math.ceil(items.length / LONGEST_LIST) }, (_, index) =>
        items.slice(index * LONGEST_LIST, (index + 1) * LONGEST_LIST),
      );
      return pieces.flatMap((piece) => all(compile.list(statement, piece.length), params, piece));
    },
  };
}

/** Faults of the file become a sentence for operators; broken constraints and programming errors stay as they are. */
function translated(error: unknown, path: string): unknown {
  const code = sqliteCodeOf(error);
  if (code === 'SQLITE_CONSTRAINT') return error;
  if (code.startsWith('SQLITE_')) return sqliteError(error, path, STORE);
  // The binding's `all` loses the result code; what is left of it is SQLite's own text for it (sqlite3_errstr).
  const sqliteCodeName = CODE_OF[messageOf(error)];
  if (sqliteCodeName === undefined) return error;
  return sqliteError(Object.assign(new Error(messageOf(error), { cause: error }), { sqliteCodeName }), path, STORE);
}

const CODE_OF: Readonly<Record<string, string>> = {
  'database or disk is full': 'SQLITE_FULL',
  'database is locked': 'SQLITE_BUSY',
  'database disk image is malformed': 'SQLITE_CORRUPT',
  'file is not a database': 'SQLITE_NOTADB',
  'attempt to write a readonly database': 'SQLITE_READONLY',
  'unable to open database file': 'SQLITE_CANTOPEN',
  'disk I/O error': 'SQLITE_IOERR',
};

/** kysely over an open connection: for compiling statements and running migrations. It does not own the connection. */
export function kyselyOver(database: Sqlite): Kysely<Tables> {
  const shaped: SqliteDatabase = {
    close() {},
    prepare(text) {
      const statement = database.prepare(text);
      return {
        reader: statement.columns().length > 0,
        all: (parameters) => statement.all(...parameters),
        run: (parameters) => statement.run(...parameters),
        iterate: (parameters) => statement.iterate(...parameters),
      };
    },
  };
  return new Kysely<Tables>({ dialect: new SqliteDialect({ database: shaped }) });
}
