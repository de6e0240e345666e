// Opening: the one process that writes, the many that read, and one clear sentence for everything that can be wrong.
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from '@photostructure/sqlite';
import { Migrator } from 'kysely';
import { describe, expect, test } from 'vitest';
import { acknowledged, inboundMessage, later, only, outboundMessage, place } from '../../test/fixtures/journal.js';
import { manualClock } from '../../test/fixtures/manual-clock.js';
import { silentLog } from '../kit/log.js';
import { migrations, sqliteDialect } from './db/migrations/index.js';
import { kyselyOver, sqliteDatabase } from './db/sqlite.js';
import { openJournal, openJournalReader } from './open.js';

const options = () => ({ clock: manualClock(), log: silentLog });

async function sweptJournal() {
  const where = place();
  const journal = await where.open();
  await Promise.all(Array.from({ length: 300 }, (_, index) => journal.open(inboundMessage(`${index}`))));
  await journal.close();
  return where;
}

describe('the schema', () => {
  test('is what the golden file says', async () => {
    const { open, rows } = place();
    await open();
    const dump = rows(
      "select sql from sqlite_master where sql is not null and name not like 'sqlite_%' order by type desc, name",
    );
    const text = `${dump.map(({ sql }) => `${String(sql)};`).join('\n')}\n`;
    await expect(text).toMatchFileSnapshot('../../test/golden/schema.sql');
  });

  test('of the first version is brought up to date, with every row', async () => {
    const { open, path, rows, url } = place();
    const database = new DatabaseSync(path);
    const first = Object.fromEntries(Object.entries(migrations(sqliteDialect)).slice(0, 1));
    await new Migrator({
      db: kyselyOver(database),
      provider: { getMigrations: async () => first },
    }).migrateToLatest();
    database.exec(
      `insert into arrivals (gateway_id, key, fingerprint, state, request_id, delivery_system_id, remote_address, sender,
         subject, thread, bytes, notes, refusals, seen_at, day)
       values ('in', '1', '', 'open', 'r-1', 'd-1', 'a', 'a', '', '', 1, '[]', 0, 5, '2026-11-22');
       insert into ledger values ('in', '2026-11-22', 1, 0);
       insert into orders (message_id, gateway_id, state, attempts, delivery_system_id, taken, remote_address, subject,
         bytes, asked, answered, asked_at, changed_at)
       values ('a', 'out', 'sent', 1, 'd-2', '[]', 'a', '', 1, 1, 1, 5, 5)`,
    );
    database.close();
    await expect(openJournalReader(url)).rejects.toMatchObject({ code: 'journal/older' });
    const journal = await open();
    expect(await journal.open(inboundMessage('1'))).toMatchObject({ requestId: 'r-1', state: 'pending' });
    expect(only(await journal.reconciliation(0))).toMatchObject({ received: 1, waiting: 1 });
    expect(only(await journal.traces('d-2')).ids.map(({ label }) => label)).not.toContain('Delivery');
    expect(rows('select name from kysely_migration')).toHaveLength(Object.keys(migrations(sqliteDialect)).length);
  });

  test('is made with write-ahead log and full synchronisation', async () => {
    const { open, path } = place();
    await open();
    const database = new DatabaseSync(path);
    later(() => database.close());
    expect(database.prepare('pragma journal_mode').get()).toMatchObject({ journal_mode: 'wal' });
  });
});

describe('refusing', () => {
  test.each([
    ['postgres://me:secret@db/gatepost', 'PostgreSQL'],
    ['data/journal.db', 'sqlite:PATH'],
    ['sqlite:', 'sqlite:PATH'],
  ])('the address %s, without showing a password', async (url, says) => {
    const failure = await openJournal(url, options()).catch((error: unknown) => error);
    expect(failure).toMatchObject({
      code: 'journal/url',
      message: expect.stringContaining(says),
      advice: expect.any(String),
    });
    expect(String(failure)).not.toContain('secret');
  });

  test('a file that is no database', async () => {
    const { path, open } = place();
    writeFileSync(path, 'Dear diary, '.repeat(1_000));
    await expect(open()).rejects.toMatchObject({
      code: 'journal/not-a-database',
      message: expect.stringContaining(path),
      advice: expect.stringContaining(`${path}.damaged`),
    });
    expect(readFileSync(path, 'utf8')).toContain('Dear diary');
  });

  test('a damaged journal, which it leaves where it is', async () => {
    const { path, open } = await sweptJournal();
    const size = readFileSync(path).length;
    const file = openSync(path, 'r+');
    writeSync(file, Buffer.alloc(size - 8_192, 0x5a), 0, size - 8_192, 8_192);
    await expect(open()).rejects.toMatchObject({
      code: 'journal/corrupt',
      advice: expect.stringContaining('handed over once more'),
    });
    expect(readFileSync(path).length).toBe(size);
  });

  test('a journal that was cut short', async () => {
    const { path, open } = await sweptJournal();
    truncateSync(path, 20_000);
    await expect(open()).rejects.toMatchObject({ code: 'journal/corrupt' });
  });

  test('a journal of a newer gatepost', async () => {
    const { path, open, url } = await sweptJournal();
    const database = new DatabaseSync(path);
    database.exec("insert into kysely_migration values ('9999-later', '2030-01-01T00:00:00Z')");
    database.close();
    await expect(open()).rejects.toMatchObject({
      code: 'journal/newer',
      message: expect.stringContaining('9999-later'),
    });
    await expect(openJournalReader(url)).rejects.toMatchObject({ code: 'journal/newer' });
  });

  test("somebody else's database", async () => {
    const { path, open } = place();
    const database = new DatabaseSync(path);
    database.exec('create table recipes (id integer)');
    database.close();
    await expect(open()).rejects.toMatchObject({
      code: 'journal/foreign',
      message: expect.stringContaining('recipes'),
    });
  });

  test('a folder that cannot be', async () => {
    const { dir } = place();
    writeFileSync(join(dir, 'file'), '');
    await expect(openJournal(`sqlite:${join(dir, 'file', 'journal.db')}`, options())).rejects.toMatchObject({
      code: 'journal/unwritable',
      message: expect.stringContaining('journal.db'),
      advice: expect.any(String),
    });
    mkdirSync(join(dir, 'journal.db'));
    await expect(openJournal(`sqlite:${join(dir, 'journal.db')}`, options())).rejects.toMatchObject({
      code: 'journal/unwritable',
    });
  });

  test('a folder in which nothing can be made, not even by root', async () => {
    await expect(openJournal('sqlite:/proc/journal.db', options())).rejects.toMatchObject({
      code: 'journal/unwritable',
      message: expect.stringContaining('/proc/journal.db'),
    });
  });

  test('to write a journal that is being written already, naming that process', async () => {
    const { open, url } = place();
    const journal = await open();
    await expect(openJournal(url, options())).rejects.toMatchObject({
      code: 'journal/busy',
      message: expect.stringContaining(`process ${process.pid}`),
    });
    await journal.open(inboundMessage('1'));
    await journal.close();
    const next = await open();
    expect((await next.recordsOf('in', ['1'])).size).toBe(1);
  });

  test('leaves nothing open: the next try works', async () => {
    const { path, open } = place();
    writeFileSync(path, 'x'.repeat(5_000));
    await expect(open()).rejects.toThrow();
    writeFileSync(path, '');
    await (await open()).healthy();
  });
});

describe('an unclean end', () => {
  test('loses nothing that was committed', async () => {
    const { open, path, dir } = place();
    const journal = await open();
    await acknowledged(journal, '1');
    // What a crash leaves: the file and its log as they are at this moment.
    for (const end of ['', '-wal']) copyFileSync(`${path}${end}`, join(dir, `crashed.db${end}`));
    const warnings: string[] = [];
    const log = { ...silentLog, warn: (_fields: object, message: string) => void warnings.push(message) };
    const after = await openJournal(`sqlite:${join(dir, 'crashed.db')}`, { ...options(), log });
    later(() => after.close());
    expect((await after.recordsOf('in', ['1'])).get('1')?.state).toBe('acknowledged');
    expect(only(warnings)).toContain('not closed cleanly');
  });
});

describe('health', () => {
  test('a journal that can be written is healthy, a closed or full one is not', async () => {
    const journal = await place().open();
    await journal.healthy();
    await journal.close();
    await journal.close();
    await expect(journal.healthy()).rejects.toMatchObject({ code: 'journal/closed' });
  });

  test('a file that was taken away from under it is not healthy for ever after a full disk', async () => {
    const journal = await place().open({ maxBytes: 300 * 1024 });
    const big = (index: number) => journal.putCheckpoint('in', 'I', `note-${index}`, 'x'.repeat(50_000));
    const results = await Promise.allSettled(Array.from({ length: 12 }, (_, index) => big(index)));
    expect(results.at(-1)).toMatchObject({ status: 'rejected', reason: { code: 'journal/disk-full' } });
    await journal.healthy();
  });
});

describe('reading from outside', () => {
  test('works while another process writes, and sees what is committed', async () => {
    const { open, url, clock } = place();
    const journal = await open();
    await journal.open(inboundMessage('1'));
    const reader = await openJournalReader(url);
    later(() => reader.close());
    await acknowledged(journal, '2');
    await journal.accept(outboundMessage('A'));
    expect((await reader.entries({ limit: 9 })).map(({ event }) => event)).toEqual([
      'received',
      'received',
      'acknowledged',
      'requested',
    ]);
    expect(only(await reader.traces('2')).state).toBe('acknowledged');
    expect((await reader.recordsOf('in', ['1', '2'])).size).toBe(2);
    expect(await reader.outboundMessage('A')).toMatchObject({ state: 'accepted' });
    expect(await reader.backlog()).toEqual(await journal.backlog());
    expect(await reader.reconciliation(clock.now())).toEqual(await journal.reconciliation(clock.now()));
    expect(await reader.quarantined()).toEqual([]);
    await journal.confirmed([2]);
  });

  test('works when no process writes', async () => {
    const { url } = await sweptJournal();
    const reader = await openJournalReader(url);
    later(() => reader.close());
    expect((await reader.entries({ limit: 5 })).length).toBe(5);
  });

  test('does not make what is not there', async () => {
    const { url, path } = place();
    await expect(openJournalReader(url)).rejects.toMatchObject({
      code: 'journal/missing',
      message: expect.stringContaining(path),
    });
    expect(existsSync(path)).toBe(false);
    writeFileSync(path, '');
    await expect(openJournalReader(url)).rejects.toMatchObject({ code: 'journal/older' });
  });
});

test('when the database gives up the transaction, the pieces done before are reported as not done and the later ones never run', async () => {
  const { path, open, rows } = place();
  await (await open()).close();
  const writer = new DatabaseSync(path);
  const reader = new DatabaseSync(path, { readOnly: true });
  const database = sqliteDatabase(path, { writer, reader });
  later(() => {
    reader.close();
    writer.close();
  });
  const put = (name: string) => async () => writer.exec(`insert into journal_meta values ('${name}', '')`);
  const giveUp = async () => {
    writer.exec('rollback');
    throw new Error('disk I/O error');
  };
  await expect(database.transaction([put('before'), giveUp, put('after')])).rejects.toMatchObject({
    code: 'journal/store',
  });
  expect(rows("select name from journal_meta where name <> 'owner'")).toEqual([]);
  expect(await database.transaction([put('next')])).toEqual([{ is: 'done' }]);
  expect(rows("select name from journal_meta where name <> 'owner'")).toEqual([{ name: 'next' }]);
});
