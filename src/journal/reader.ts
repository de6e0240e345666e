// Owns reading a journal: the questions that change nothing, for the process that writes it and for any other.
import { dirname, join } from 'node:path';
import { closeSqlite, openSqlite } from '../kit/sqlite.js';
import { known } from './inbound/rows.js';
import { files } from './storage/blobs.js';
import type { Journal } from './types/journal.js';
import { ledger, waiting } from './inbound/reconciliation.js';
import { entries } from './log/log.js';
import { gatewayNames, optOutGroups } from './driver-state/checkpoints.js';
import { optOuts } from './outbound/opt-outs.js';
import { orderOf } from './outbound/rows.js';
import { openingFault, pathOf, STORE } from './db/location.js';
import { quarantined, quarantinedRaw } from './inbound/quarantine.js';
import { requireCurrent } from './db/schema.js';
import type { Sql } from './db/sql.js';
import { sqliteDatabase } from './db/sqlite.js';
import { stories } from './log/trace.js';

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
    traces: (id) => stories(reads, id),
    outboundMessage: (messageId) => orderOf(reads, messageId),
    recordsOf: (gatewayId, keys) => known(reads, gatewayId, keys),
    quarantined: (gatewayId) => quarantined(reads, gatewayId),
    backlog: () => waiting(reads),
    reconciliation: (since) => ledger(reads, since),
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
