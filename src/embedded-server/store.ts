// The store: one SQLite file that the running embedded server and the desk commands share. A commit that
// returned survives a power cut, so an acknowledgement sent after it is true.
import { closeSqlite, openSqlite, type Sqlite, type SqliteOptions, sqliteError, transaction } from '../kit/sqlite.js';
import { type Events, events } from './events.js';
import { type Inbox, inbox } from './inbox.js';
import { type Reading, reading } from './reading.js';
import { migrate } from './schema.js';
import { type RetryRules, type SendRequests, sendRequests } from './send-requests.js';

export const DEFAULT_RETRY: RetryRules = { limitMs: 90_000, repeats: 3, pauseMs: 60_000 };

export interface Store {
  readonly events: Pick<Events, 'of' | 'general'>;
  readonly reading: Reading;
  /** Runs `work` in one durable transaction. @throws GatepostError `embedded-server/...`; then nothing of it happened. */
  write<T>(work: (tables: Tables) => T): T;
  close(): void;
}

/** What a transaction may do. */
export interface Tables {
  inbox: Inbox;
  sendRequests: SendRequests;
  events: Events;
  reading: Reading;
}

export interface StoreOptions {
  /** Makes the file when it is missing, and looks for damage when it is there: for the embedded server, not for the desk commands. */
  create: boolean;
  retry?: RetryRules;
}

/** @throws GatepostError `embedded-server/missing`, `/not-a-database`, `/corrupt`, `/unwritable`, `/newer-store`, ... */
export function openStore(path: string, { create, retry = DEFAULT_RETRY }: StoreOptions): Store {
  const options: SqliteOptions = {
    what: "the embedded server's store",
    area: 'embedded-server',
    create,
    check: create,
  };
  const database = openSqlite(path, options);
  try {
    migrate(database, path);
    return storeOf(database, path, options, retry);
  } catch (error) {
    database.close();
    throw sqliteError(error, path, options);
  }
}

function storeOf(database: Sqlite, path: string, options: SqliteOptions, retry: RetryRules): Store {
  const log = events(database);
  const tables = {
    inbox: inbox(database, log),
    sendRequests: sendRequests(database, log, retry),
    events: log,
    reading: reading(database),
  };
  return {
    events: log,
    reading: tables.reading,
    write(work) {
      try {
        return transaction(database, () => work(tables));
      } catch (error) {
        throw sqliteError(error, path, options);
      }
    },
    close: () => closeSqlite(database),
  };
}
