// Attachments and quarantined messages as files: durable before a row refers to them, gone only when none does.
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { acknowledged, DAY, inboundMessage, only, place } from '../../../test/fixtures/journal.js';
import { blobs } from '../storage/blobs.js';

const KEEP = { logDays: 1_000, orderDays: 1_000, attachmentDays: 1_000 };
const nothing = async () => new Set<string>();

function stored(dir: string): string[] {
  return readdirSync(join(dir, 'attachments'), { recursive: true })
    .map(String)
    .filter((name) => name.length === 67);
}

function attachment(id: string, content: string) {
  return { id, name: `${id}.txt`, type: 'text/plain', bytes: Buffer.from(content) };
}

test('an attachment is read back as it was, also after a restart', async () => {
  const { open } = place();
  const journal = await open();
  await journal.open(inboundMessage('1', { attachments: [attachment('link-1', 'hello'), attachment('link-2', '')] }));
  await journal.close();
  const restarted = await open();
  const found = await restarted.attachment('link-1');
  expect(found).toMatchObject({ name: 'link-1.txt', type: 'text/plain', size: 5 });
  expect(found && readFileSync(found.path, 'utf8')).toBe('hello');
  expect((await restarted.attachment('link-2'))?.size).toBe(0);
  expect(await restarted.attachment('link-3')).toBeNull();
});

test('the same bytes are stored once', async () => {
  const { open, dir } = place();
  const journal = await open();
  await journal.open(inboundMessage('1', { attachments: [attachment('a', 'logo'), attachment('b', 'logo')] }));
  await journal.open(inboundMessage('2', { attachments: [attachment('c', 'logo')] }));
  expect(stored(dir).length).toBe(1);
});

test('a second reading of a pending message adds the attachments that the journal lacks, and keeps those it has', async () => {
  const { open, dir } = place();
  const journal = await open();
  const { requestId } = await journal.open(inboundMessage('1', { attachments: [attachment('a', 'first')] }));
  await journal.open(inboundMessage('1', { attachments: [attachment('a', 'other'), attachment('b', 'more')] }));
  expect(await journal.attachment('a')).toMatchObject({ size: 5 });
  expect(await journal.attachment('b')).toMatchObject({ size: 4 });

  await journal.acknowledge(requestId, { messageId: 'm', at: 1 });
  const before = stored(dir);
  await journal.open(inboundMessage('1', { attachments: [attachment('c', 'late')] }));
  expect(await journal.attachment('c')).toBeNull();
  expect(stored(dir)).toEqual(before);
});

test('attachments under another identity than the row has are not stored', async () => {
  const journal = await place().open();
  const proposed = (requestId: string) => ({ proposed: { requestId, receivedAt: 1 } });
  const first = await journal.open(inboundMessage('1', proposed('r-1')));
  const late = { ...proposed('r-2'), attachments: [attachment('x', 'lost race')] };
  expect(await journal.open(inboundMessage('1', late))).toEqual(first);
  expect(await journal.attachment('x')).toBeNull();
});

test('a file goes with the last row that refers to it, and not before', async () => {
  const { open, dir, clock } = place();
  const journal = await open();
  const first = await acknowledged(journal, '1', { attachments: [attachment('a', 'shared'), attachment('b', 'own')] });
  await journal.confirmed([first.id]);
  await clock.advance(5 * DAY);
  await acknowledged(journal, '2', { attachments: [attachment('c', 'shared')] });
  await journal.sweep({ ...KEEP, attachmentDays: 3 });
  expect(await journal.attachment('a')).toBeNull();
  expect(await journal.attachment('c')).not.toBeNull();
  expect(stored(dir).length).toBe(1);
});

test('files that no row refers to are removed, those of an interrupted writing at the next start', async () => {
  const { open, dir } = place();
  const journal = await open();
  await journal.open(inboundMessage('1', { attachments: [attachment('a', 'driver_records')] }));
  // The id exists, so the row goes on pointing to the first file, and the second file has no row.
  await journal.open(inboundMessage('2', { attachments: [attachment('a', 'orphan')] }));
  expect(stored(dir).length).toBe(2);
  expect(await journal.sweep(KEEP)).toEqual({ removed: 1 });
  expect(stored(dir).length).toBe(1);
  await journal.close();
  writeFileSync(join(dir, 'attachments', 'new-half'), 'half a fi');
  await open();
  expect(readdirSync(join(dir, 'attachments'))).not.toContain('new-half');
});

test('a file that is being stored is safe from the sweep until its row is there', async () => {
  const { dir } = place();
  const store = blobs(join(dir, 'attachments'));
  await store.store([Buffer.from('x')], async ([sha256 = '']) => {
    expect(await store.sweep(nothing, () => true)).toBe(0);
    expect(await store.exists(sha256)).toBe(true);
  });
  expect(await store.sweep(nothing, () => true)).toBe(1);
});

test('storing what is just being removed waits, and then writes it anew', async () => {
  const { dir } = place();
  const store = blobs(join(dir, 'attachments'));
  const put = () => store.store([Buffer.from('x')], async ([sha256 = '']) => sha256);
  await put();
  let storing: Promise<string> | undefined;
  const referred = async () => {
    storing = put();
    // Time enough to find the old file in its place and be content with it.
    for (let count = 0; count < 30; count++) await stat(dir);
    return new Set<string>();
  };
  expect(await store.sweep(referred, () => true)).toBe(1);
  expect(await store.exists((await storing) ?? '')).toBe(true);
});

test('a half written or damaged file is written anew', async () => {
  const { dir } = place();
  const store = blobs(join(dir, 'attachments'));
  const sha256 = await store.store([Buffer.from('whole')], async ([hash = '']) => hash);
  writeFileSync(join(dir, 'attachments', sha256.slice(0, 2), sha256), 'who');
  await store.store([Buffer.from('whole')], async () => {});
  expect(String(await store.read(sha256))).toBe('whole');
});

test('25 MB are stored while the event loop keeps turning', async () => {
  const { dir } = place();
  const store = blobs(join(dir, 'attachments'));
  let turns = 0;
  let storing = true;
  const count = () => {
    turns += 1;
    if (storing) setImmediate(count);
  };
  setImmediate(count);
  await store.store([Buffer.alloc(25 * 1024 * 1024, 'abc')], async () => {});
  storing = false;
  expect(turns).toBeGreaterThan(24);
});

test('an attachment whose file somebody removed is gone, not an error', async () => {
  const { open, dir } = place();
  const journal = await open();
  await journal.open(inboundMessage('1', { attachments: [attachment('a', 'hello')] }));
  rmSync(join(dir, 'attachments', only(stored(dir))));
  expect(await journal.attachment('a')).toBeNull();
});

test('a folder that cannot be written is one clear sentence, and the inbound message is not recorded', async () => {
  const { open, dir } = place();
  const journal = await open();
  rmSync(join(dir, 'attachments'), { recursive: true });
  writeFileSync(join(dir, 'attachments'), 'a file in the way');
  await expect(journal.open(inboundMessage('1', { attachments: [attachment('a', 'x')] }))).rejects.toMatchObject({
    code: 'journal/unwritable',
    message: expect.stringContaining('cannot be written'),
  });
  expect(await journal.recordsOf('in', ['1'])).toEqual(new Map());
});
