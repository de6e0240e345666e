// Owns opening the journal for the one process that writes it: from a URL to the verbs, or to one clear sentence why not.
import { randomUUID } from 'node:crypto';
import { mkdirSync, statSync } from 'node:fs';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { DatabaseSync } from '@photostructure/sqlite';
import { type Clock, isoTime } from '../kit/clock.js';
import { type Closers, closers } from '../kit/closers.js';
import { GatepostError } from '../kit/errors.js';
import type { Log } from '../kit/log.js';
import { closeSqlite, openSqlite, type Sqlite } from '../kit/sqlite.js';
import { committer } from './db/group-commit.js';
import { openingFault, pathOf, STORE } from './db/location.js';
import { readMeta, writeMeta } from './db/meta.js';
import { upgrade } from './db/schema.js';
import type { Database } from './db/sql.js';
import { lockBeside, sqliteDatabase } from './db/sqlite.js';
import { memory } from './driver-state/checkpoints.js';
import { keptRecords } from './driver-state/records.js';
import { postponing } from './inbound/deferred.js';
import { inbound } from './inbound/inbound.js';
import { quarantine } from './inbound/quarantine.js';
import { answerTo } from './inbound/threading.js';
import { remarks } from './log/log.js';
import { registry } from './outbound/opt-outs.js';
import { outbound } from './outbound/outbound.js';
import { recover } from './outbound/reclaim.js';
import { readings } from './reader.js';
import { deliveries } from './receipts/receipts.js';
import { attachments } from './storage/attachments.js';
import { files, prepareDirectory } from './storage/blobs.js';
import { retention } from './storage/retention.js';
import type { Journal } from './types/journal.js';

export type { JournalReader } from './reader.js';
export { openJournalReader } from './reader.js';

export interface JournalOptions {
  clock: Clock;
  log: Log;
  /** Where attachments and quarantined messages are kept; `attachments` beside the journal when absent. */
  directory?: string;
  /** Bytes that the journal file may grow to; then verbs fail as on a full disk. No bound but the disk's when absent. */
  maxBytes?: number;
  /** Names this run of this process; made of host, process id and chance when absent. */
  instance?: string;
  /** Makes the requestIds; random GUIDs when absent. */
  guid?: () => string;
}

/** Ms that a read waits: only while another process mends the file after a crash. */
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
    // What closing a broken file says is of no interest beside why it could not be opened.
    await opened.close().catch(() => {});
    throw openingFault(error, path);
  }
}

async function openDatabase(path: string, options: JournalOptions, opened: Closers): Promise<Database> {
  mkdirSync(dirname(path), { recursive: true });
  const unlock = lockBeside(path);
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
  const store = files(directory);
  const deps = { database, commits, files: store, clock, instance, guid: options.guid ?? randomUUID };
  let closing: Promise<void> | undefined;
  const become = (owner: string) => commits.run((sql) => writeMeta(sql, 'owner', owner));
  await become(`process ${process.pid} on ${hostname()}`);
  return {
    ...readings(database.reads),
    ...inbound(deps),
    ...quarantine(deps),
    ...postponing(deps),
    ...outbound(deps),
    ...deliveries(commits, database.reads, clock),
    ...registry(database.reads, commits),
    ...keptRecords(database.reads, commits, clock),
    ...remarks(commits, clock),
    ...memory(database.reads, commits),
    ...attachments(database.reads, store, log),
    ...retention({ ...deps, goOn: () => closing === undefined }),
    reclaimAbandoned: (askedSince) => recover(deps, askedSince),
    threadFor: (address, subject) => answerTo(database.reads, address, subject, clock.now()),
    healthy: () => commits.run((sql) => writeMeta(sql, 'proven', isoTime(clock.now()))),
    close() {
      // Without the word that nobody has it open any more the next start is careful; that is all.
      closing ??= become('')
        .catch(() => {})
        .then(() => commits.close())
        .then(() => opened.close());
      return closing;
    },
  };
}

/** Names who has it open, as far as the journal itself can still be asked. */
async function inUse(path: string): Promise<GatepostError> {
  let holder = 'another process';
  try {
    const reader = new DatabaseSync(path, { readOnly: true, timeout: 0 });
    const { reads } = sqliteDatabase(path, { reader });
    holder = (await readMeta(reads, 'owner').finally(() => reader.close())) || holder;
  } catch {
    // It is being made at this very moment; the sentence does without the name.
  }
  return new GatepostError('journal/busy', `the journal ${path} is in use by ${holder}`, {
    advice: 'Stop that one first, or give this one a journal of its own.',
  });
}

function afterUncleanEnd(path: string, writer: Sqlite, log: Log): void {
  log.warn({ journal: path }, 'the journal was not closed cleanly the last time; everything committed is there');
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
