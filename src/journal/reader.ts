// Owns reading a journal: the questions that change nothing, for the process that writes it and for any other.
import { dirname, join } from 'node:path';
import { closeSqlite, openSqlite } from '../kit/sqlite.js';
import { known } from './arrivals.js';
import { files } from './files.js';
import type { Journal } from './journal.js';
import { ledger, waiting } from './ledger.js';
import { entries } from './log.js';
import { gatewayNames, optOutGroups } from './memory.js';
import { optOuts } from './optouts.js';
import { orderOf } from './orders.js';
import { openingFault, pathOf, STORE } from './place.js';
import { quarantined, quarantinedRaw } from './quarantine.js';
import { requireCurrent } from './schema.js';
import type { Sql } from './sql.js';
import { sqliteDatabase } from './sqlite.js';
import { stories } from './stories.js';

export type Readings = Pick<
  Journal,
  'entries' | 'stories' | 'order' | 'known' | 'quarantined' | 'waiting' | 'ledger' | 'optOuts'
>;

export interface JournalReader extends Readings {
  /** What the gateways are called, by id. */
  names(): Promise<ReadonlyMap<string, string>>;
  /** The opt-out groups of the text gateways that are in one, by id. */
  optOutGroups(): Promise<ReadonlyMap<string, string>>;
  /** A message in quarantine, whole; null when nothing is kept under this id. */
  quarantinedRaw(arrivalId: number): Promise<Buffer | null>;
  close(): Promise<void>;
}

export function readings(reads: Sql): Readings {
  return {
    entries: (filter) => entries(reads, filter),
    stories: (id) => stories(reads, id),
    order: (messageId) => orderOf(reads, messageId),
    known: (gatewayId, keys) => known(reads, gatewayId, keys),
    quarantined: (gatewayId) => quarantined(reads, gatewayId),
    waiting: () => waiting(reads),
    ledger: (since) => ledger(reads, since),
    optOuts: (group) => optOuts(reads, group),
  };
}

/**
 * Opens a journal for reading only, also while another process writes it. `directory` is where it keeps its files.
 * @throws GatepostError `journal/missing`, `/older`, `/newer`, `/url`, `/not-a-database`, `/corrupt`, `/foreign`, `/unwritable`
 */
export async function openJournalReader(url: string, directory = ''): Promise<JournalReader> {
  const path = pathOf(url);
  try {
    const connection = openSqlite(path, { ...STORE, readOnly: true, check: false });
    try {
      await requireCurrent(path, connection);
    } catch (error) {
      connection.close();
      throw error;
    }
    const { reads } = sqliteDatabase(path, { reader: connection });
    return {
      ...readings(reads),
      names: () => gatewayNames(reads),
      optOutGroups: () => optOutGroups(reads),
      quarantinedRaw: (id) => quarantinedRaw(reads, files(directory || join(dirname(path), 'attachments')), id),
      close: async () => closeSqlite(connection),
    };
  } catch (error) {
    throw openingFault(error, path);
  }
}
