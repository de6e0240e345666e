import { randomUUID } from 'node:crypto';
import { mkdirSync, statSync } from 'node:fs';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { DatabaseSync } from '@photostructure/sqlite';
import { type Clock, isoTime } from '../kit/clock.js';
import { type Closers, closers } from '../kit/closers.js';
import { GatepostError } from '../kit/errors.js';
import { lockFile } from '../kit/file-lock.js';
import type { Log } from '../kit/log.js';
import { closeSqlite, openSqlite, type Sqlite } from '../kit/sqlite.js';
import { committer } from './db/group-commit.js';
import { openingFault, pathOf, STORE } from './db/location.js';
import { readMeta, writeMeta } from './db/meta.js';
import { upgrade } from './db/schema.js';
import type { Database } from './db/sql.js';
import { sqliteDatabase } from './db/sqlite.js';
import { driverCheckpoints } from './driver-state/checkpoints.js';
import { driverRecords } from './driver-state/records.js';
import { deferral } from './inbound/deferred.js';
import { inbound } from './inbound/inbound.js';
import { quarantine } from './inbound/quarantine.js';
import { threadFor } from './inbound/threading.js';
import { notes } from './log/log.js';
import { optOutRegistry } from './outbound/opt-outs.js';
import { outbound } from './outbound/outbound.js';
import { reclaimAbandoned } from './outbound/reclaim.js';
import { resolution } from './outbound/resolve.js';
import { readings } from './reader.js';
import { receipts } from './receipts/receipts.js';
import { attachments } from './storage/attachments.js';
import { blobs, prepareDirectory } from './storage/blobs.js';
import { retentionSweep } from './storage/retention.js';
import type { Journal } from './types/journal.js';

export type { JournalReader } from './reader.js';
export { openJournalReader } from './reader.js';

export interface JournalOptions {
  clock: Clock;
  log: Log;
  /** Where attachments and raw messages are stored; `attachments` beside the journal when absent. */
  directory?: string;
  /** Bytes that the journal file may grow to; then operations fail as on a full disk. The disk's own size when absent. */
  maxBytes?: number;
  /** Names this run of this process; host, process id and a random part when absent. */
  instance?: string;
  /** Makes the RequestIds of messages without a proposed one; random GUIDs when absent. */
  guid?: () => string;
}

/** Ms that a read waits, which happens only while another process recovers the file after a crash. */
const BUSY_MS = 5_000;
/** Files up to here are checked for damage at every opening (about 1 s), larger ones after an unclean end only. */
const CHECKED_ALWAYS = 200 * 1024 * 1024;
/** What the write-ahead log is cut back to after a burst. */
const WAL_BYTES = 64 * 1024 * 1024;

/**
 * Opens the journal of `sqlite:PATH` for this process alone, making or upgrading it as needed.
 * @throws GatepostError `journal/url`, `/busy`, `/unwritable`, `/disk-full`, `/not-a-database`, `/corrupt`, `/foreign`,
 * `/newer`, `/upgrade`, `/store`
 */
export async function openJournal(url: string, options: JournalOptions): Promise<Journal> {
  const path = pathOf(url);
  const opened = closers();
  try {
    const database = await openDatabase(path, options, opened);
    const directory = options.directory ?? join(dirname(path), 'attachments');
    await prepareDirectory(directory);
    return await assemble(database, directory, options, opened);
  } catch (error) {
    // Closing a broken file fails as well; the first error is the one to report.
    await opened.close().catch(() => {});
    throw openingFault(error, path);
  }
}

async function openDatabase(path: string, options: JournalOptions, opened: Closers): Promise<Database> {
  mkdirSync(dirname(path), { recursive: true });
  // Keeps other processes from writing; readers do not look at it.
  const unlock = lockFile(`${path}.lock`);
  if (!unlock) throw await inUse(path);
  opened.add('lock', unlock);
  const writer = openSqlite(path, STORE);
  opened.add('connection', () => closeSqlite(writer));
  writer.exec(`PRAGMA journal_size_limit = ${WAL_BYTES}`);
  await upgrade(path, writer);
  if (options.maxBytes !== undefined) limitSize(writer, options.maxBytes);
  const reader = new DatabaseSync(path, { readOnly: true, timeout: BUSY_MS });
  opened.add('reading connection', () => reader.close());
  const database = sqliteDatabase(path, { writer, reader });
  if (await readMeta(database.reads, 'owner')) afterUncleanEnd(path, writer, options.log);
  return database;
}

async function assemble(
  database: Database,
  directory: string,
  { clock, log, ...options }: JournalOptions,
  opened: Closers,
): Promise<Journal> {
  const instance = options.instance ?? `${hostname()}-${process.pid}-${randomUUID().slice(0, 8)}`;
  const commits = committer(database, clock);
  const store = blobs(directory);
  const deps = { database, commits, blobs: store, clock, instance, guid: options.guid ?? randomUUID };
  let closing: Promise<void> | undefined;
  const setOwner = (owner: string) => commits.run((sql) => writeMeta(sql, 'owner', owner));
  await setOwner(`process ${process.pid} on ${hostname()}`);
  return {
    ...readings(database.reads),
    ...inbound(deps),
    ...quarantine(deps),
    ...deferral(deps),
    ...outbound(deps),
    ...resolution(commits),
    ...receipts(commits, database.reads, clock),
    ...optOutRegistry(database.reads, commits),
    ...driverRecords(database.reads, commits, clock),
    ...notes(commits, clock),
    ...driverCheckpoints(database.reads, commits),
    ...attachments(database.reads, store, log),
    ...retentionSweep({ ...deps, goOn: () => closing === undefined }),
    reclaimAbandoned: (askedSince) => reclaimAbandoned(deps, askedSince),
    threadFor: (address, subject, until) => threadFor(database.reads, address, subject, until),
    healthy: () => commits.run((sql) => writeMeta(sql, 'proven', isoTime(clock.now()))),
    close() {
      // When the owner cannot be cleared, the next start only checks the file for damage.
      closing ??= setOwner('')
        .catch(() => {})
        .then(() => commits.close())
        .then(() => opened.close());
      return closing;
    },
  };
}

/** Names the process that has the journal open, as the journal itself tells it. */
async function inUse(path: string): Promise<GatepostError> {
  let holder = 'another process';
  try {
    const reader = new DatabaseSync(path, { readOnly: true, timeout: 0 });
    const { reads } = sqliteDatabase(path, { reader });
    holder = (await readMeta(reads, 'owner').finally(() => reader.close())) || holder;
  } catch {
    // The journal is being created at this very moment, so it cannot name its owner yet.
  }
  return new GatepostError('journal/busy', `the journal ${path} is in use by ${holder}`, {
    advice: 'Stop that process first, or give this one a journal of its own.',
  });
}

function afterUncleanEnd(path: string, writer: Sqlite, log: Log): void {
  log.warn({ journal: path }, 'journal was not closed cleanly');
  if (sizeOf(path) <= CHECKED_ALWAYS) return;
  const verdict = Object.values(writer.prepare('PRAGMA quick_check(1)').get() ?? {}).map(String)[0];
  if (verdict === 'ok') return;
  throw new GatepostError('journal/corrupt', `${STORE.what} ${path} is damaged: ${verdict}`);
}

function limitSize(writer: Sqlite, bytes: number): void {
  const pageSize = Object.values(writer.prepare('PRAGMA page_size').get() ?? {}).map(Number)[0] ?? 4096;
  writer.exec(`PRAGMA max_page_count = ${Math.max(1, Math.floor(bytes / pageSize))}`);
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}
