import { closeSync, copyFileSync, mkdirSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from '@photostructure/sqlite';
import { expect, test } from 'vitest';
import { later, tempFolder } from '../../test/fixtures/embedded-server.js';
import { openStore } from './store.js';

const make = async (create: boolean, prepare: (path: string) => void) => {
  const path = join(await tempFolder(), 'deep', 'store.db');
  mkdirSync(join(path, '..'));
  prepare(path);
  const store = openStore(path, { create });
  later(() => store.close());
  return store;
};

test('the store and its folder are made when they are missing', async () => {
  const path = join(await tempFolder(), 'a', 'b', 'store.db');
  const store = openStore(path, { create: true });
  later(() => store.close());
  expect(store.reading.list('I', 10)).toEqual([]);
});

test('a file that is no database is an error with advice, and is not changed', async () => {
  await expect(make(true, (path) => writeFileSync(path, 'x'.repeat(5_000)))).rejects.toMatchObject({
    code: 'embedded-server/not-a-database',
    message: expect.stringMatching(/store\.db is not an SQLite database/),
    advice: expect.stringMatching(/Move the file/),
  });
});

test('a damaged store is reported as such', async () => {
  const damaged = make(true, (path) => {
    const store = openStore(path, { create: true });
    store.write(({ events }) => {
      for (let n = 0; n < 900; n++) events.add(null, n, `line ${n} ${'x'.repeat(500)}`);
    });
    store.close();
    for (const beside of ['-wal', '-shm']) rmSync(path + beside, { force: true });
    // The first page stays: what is behind it is what a failing disk would leave.
    const file = openSync(path, 'r+');
    writeSync(file, Buffer.alloc(4_096 * 20, 0xff), 0, 4_096 * 20, 4_096);
    closeSync(file);
  });
  await expect(damaged).rejects.toMatchObject({ code: 'embedded-server/corrupt' });
});

test('a store made by a newer version is not touched', async () => {
  const newer = make(true, (path) => {
    const database = new DatabaseSync(path);
    database.exec('PRAGMA user_version = 999');
    database.close();
  });
  await expect(newer).rejects.toMatchObject({
    code: 'embedded-server/newer-store',
    advice: expect.stringMatching(/Update/),
  });
});

test('a folder that cannot be written to is reported as such', async () => {
  const blocked = make(true, (path) => mkdirSync(path));
  await expect(blocked).rejects.toMatchObject({ code: 'embedded-server/unwritable' });
});

test('after close the file itself holds everything', async () => {
  const path = join(await tempFolder(), 'store.db');
  const store = openStore(path, { create: true });
  store.write(({ events }) => events.add(null, 1, 'stored'));
  store.close();
  store.close();
  const copy = join(await tempFolder(), 'copy.db');
  copyFileSync(path, copy);
  const copied = openStore(copy, { create: false });
  later(() => copied.close());
  expect(copied.events.general(0, 10)).toMatchObject([{ text: 'stored' }]);
});

test('a write either happens whole or not at all', async () => {
  const store = await make(true, () => {});
  const broken = () =>
    store.write(({ events }) => {
      events.add(null, 1, 'half');
      throw new Error('in the middle');
    });
  expect(broken).toThrow('in the middle');
  expect(store.events.general(0, 10)).toEqual([]);
  store.write(({ events }) => events.add(null, 2, 'whole'));
  expect(store.events.general(0, 10)).toMatchObject([{ text: 'whole' }]);
});

test('general events are bounded: the oldest go', async () => {
  const store = await make(true, () => {});
  store.write(({ events }) => {
    for (let n = 1; n <= 1_100; n++) events.add(null, n, `line ${n}`);
  });
  const general = store.events.general(0, 5_000);
  expect([general.length, general[0]?.text, general.at(-1)?.text]).toEqual([1_000, 'line 1100', 'line 101']);
});
