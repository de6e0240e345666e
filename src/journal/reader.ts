import { dirname, join } from 'node:path';
import { closeSqlite, openSqlite } from '../kit/sqlite.js';
import { openingFault, pathOf, STORE } from './db/location.js';
import { requireCurrent } from './db/schema.js';
import type { Sql } from './db/sql.js';
import { sqliteDatabase } from './db/sqlite.js';
import { gatewayNames, optOutGroups } from './driver-state/checkpoints.js';
import { quarantined, quarantinedRaw } from './inbound/quarantine.js';
import { backlog, reconciliation } from './inbound/reconciliation.js';
import { recordsOf } from './inbound/rows.js';
import { entries, lastEntryId } from './log/log.js';
import { traces } from './log/trace.js';
import { optOuts } from './outbound/opt-outs.js';
import { unresolved } from './outbound/resolve.js';
import { outboundMessageOf } from './outbound/rows.js';
import { blobs } from './storage/blobs.js';
import type { Journal } from './types/journal.js';

export type Readings = Pick<
  Journal,
  | 'entries'
  | 'traces'
  | 'outboundMessage'
  | 'unresolved'
  | 'recordsOf'
  | 'quarantined'
  | 'backlog'
  | 'reconciliation'
  | 'optOuts'
>;

export interface JournalReader extends Readings {
  /** Display names of the gateways, by id. */
  names(): Promise<ReadonlyMap<string, string>>;
  /** The opt-out groups of the text gateways that are in one, by id. */
  optOutGroups(): Promise<ReadonlyMap<string, string>>;
  /** The raw message of a quarantined message; null when none is stored under this id. */
  quarantinedRaw(inboundId: number): Promise<Buffer | null>;
  /** The highest id in the delivery log; 0 when the log is empty. */
  lastEntryId(): Promise<number>;
  close(): Promise<void>;
}

export function readings(reads: Sql): Readings {
  return {
    entries: entries(reads),
    traces: (id) => traces(reads, id),
    outboundMessage: (messageId) => outboundMessageOf(reads, messageId),
    unresolved: () => unresolved(reads),
    recordsOf: (gatewayId, keys) => recordsOf(reads, gatewayId, keys),
    quarantined: (gatewayId) => quarantined(reads, gatewayId),
    backlog: () => backlog(reads),
    reconciliation: (since) => reconciliation(reads, since),
    optOuts: (group) => optOuts(reads, group),
  };
}

/**
 * Opens a journal for reading only, also while another process writes it. `directory`: where its attachments are stored.
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
      quarantinedRaw: (id) => quarantinedRaw(reads, blobs(directory || join(dirname(path), 'attachments')), id),
      lastEntryId: () => lastEntryId(reads),
      close: async () => closeSqlite(connection),
    };
  } catch (error) {
    throw openingFault(error, path);
  }
}
