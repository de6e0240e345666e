import { describe, expect, test } from 'vitest';
import { inboundMessage, later, outboundMessage, place } from '../../test/fixtures/journal.js';
import { manualClock } from '../../test/fixtures/manual-clock.js';
import { smallDisk } from '../../test/servers/small-disk.js';
import { silentLog } from '../kit/log.js';
import { diskReserve, type Space, withReserve } from './disk-reserve.js';
import { openJournalThread } from './worker/client.js';

const MB = 1024 * 1024;
const FULL = { code: 'journal/disk-full' };

function reserveOver(space: Space, options: { bytes?: number } = {}) {
  const clock = manualClock();
  const lines: string[] = [];
  const write = (_fields: object, message: string) => void lines.push(message);
  const log = { ...silentLog, error: write, info: write, warn: write };
  const looks = { count: 0 };
  const reserve = diskReserve({
    folders: ['/data'],
    bytes: options.bytes ?? 100 * MB,
    clock,
    log,
    spaceOf: async () => {
      looks.count += 1;
      return space;
    },
  });
  return { clock, lines, looks, reserve };
}

describe('the reserve', () => {
  test.each([
    ['room', { free: 100 * MB, total: 10_000 * MB }, false],
    ['less than the reserve', { free: 100 * MB - 1, total: 10_000 * MB }, true],
    ['a small disk, a tenth of which is reserved', { free: 4 * MB, total: 32 * MB }, false],
    ['a small disk that is nearly full', { free: 3 * MB, total: 32 * MB }, true],
    ['nothing at all', { free: 0, total: 32 * MB }, true],
  ])('%s', async (_, space, full) => {
    expect(await reserveOver(space).reserve.full()).toBe(full);
  });

  test('of 0 is never reached', async () => {
    expect(await reserveOver({ free: 0, total: MB }, { bytes: 0 }).reserve.full()).toBe(false);
  });

  test('is looked at once a second, told once, and left a tenth above it', async () => {
    const space = { free: 99 * MB, total: 10_000 * MB };
    const { clock, lines, looks, reserve } = reserveOver(space);
    await Promise.all(Array.from({ length: 50 }, () => reserve.full()));
    expect(looks.count).toBe(1);
    for (const [free, full] of [
      [50, true],
      [105, true],
      [111, false],
      [100, false],
      [99, true],
    ] as const) {
      await clock.advance(1_000);
      space.free = free * MB;
      expect(await reserve.full(), `${free} MB`).toBe(full);
    }
    expect(lines).toEqual(['disk is nearly full', 'disk has room again', 'disk is nearly full']);
  });

  test('of a disk that cannot be asked does not stop anything', async () => {
    const reserve = diskReserve({
      folders: ['/data'],
      bytes: MB,
      clock: manualClock(),
      log: silentLog,
      spaceOf: () => Promise.reject(new Error('no such call')),
    });
    expect(await reserve.full()).toBe(false);
  });

  test('names no folder: the sentence may come to a counterparty', async () => {
    const { reserve } = reserveOver({ free: MB, total: 10_000 * MB });
    await expect(reserve.assertRoom()).rejects.toThrow(
      /^the disk is nearly full: 1\.0 MB are free, 100 MB are reserved/,
    );
  });
});

describe('a journal with a reserve that is reached', () => {
  async function nearlyFull() {
    const space = { free: 1000 * MB, total: 10_000 * MB };
    const { clock, reserve } = reserveOver(space);
    const journal = withReserve(await place().open(), reserve);
    const known = await journal.open(inboundMessage('known'));
    await journal.accept(outboundMessage('11111111-0000-4000-8000-000000000001'));
    const fill = async (free: number) => {
      space.free = free * MB;
      await clock.advance(1_000);
    };
    await fill(1);
    return { journal, known, fill };
  }

  test('takes nothing new on, and is not healthy', async () => {
    const { journal } = await nearlyFull();
    await expect(journal.open(inboundMessage('new'))).rejects.toMatchObject(FULL);
    await expect(journal.spool(inboundMessage('new'), Buffer.from('raw'))).rejects.toMatchObject(FULL);
    await expect(journal.accept(outboundMessage('11111111-0000-4000-8000-000000000002'))).rejects.toMatchObject(FULL);
    await expect(journal.healthy()).rejects.toMatchObject(FULL);
    expect((await journal.recordsOf(inboundMessage('new').gatewayId, ['new'])).size).toBe(0);
  });

  test('finishes what was taken on before', async () => {
    const { journal, known } = await nearlyFull();
    expect((await journal.open(inboundMessage('known'))).requestId).toBe(known.requestId);
    await journal.acknowledge(known.requestId, { messageId: null, at: 1 });
    expect(await journal.accept(outboundMessage('11111111-0000-4000-8000-000000000001'))).toMatchObject({
      kind: 'retry',
    });
  });

  test('takes new ones on again when there is room', async () => {
    const { journal, fill } = await nearlyFull();
    await fill(500);
    await journal.open(inboundMessage('new'));
    await journal.healthy();
  });
});

const disk = smallDisk(8);
describe.skipIf(!disk)('a disk that is really full', () => {
  if (!disk) return;

  test('rejects everybody who waits for the journal, and its thread writes again when there is room', async () => {
    later(() => disk.remove());
    const journal = await openJournalThread(`sqlite:${disk.path}/journal.db`, {
      clock: manualClock(),
      log: silentLog,
      directory: `${disk.path}/attachments`,
    });
    later(() => journal.close());
    const first = await journal.open(inboundMessage('first'));
    disk.fill();
    const many = Array.from({ length: 200 }, (_, index) =>
      journal.open({ ...inboundMessage(`key ${index}`), subject: 's'.repeat(4_000) }),
    );
    const outcomes = await Promise.allSettled(many);
    const rejected = outcomes.filter(({ status }) => status === 'rejected') as PromiseRejectedResult[];
    expect(rejected.length).toBeGreaterThan(0);
    for (const { reason } of rejected) expect(reason).toMatchObject(FULL);
    await expect(journal.spool(inboundMessage('raw'), Buffer.alloc(100_000))).rejects.toMatchObject(FULL);
    disk.free();
    await journal.healthy();
    // What was told to be stored is, and what was rejected is not.
    const keys = outcomes.map((_, index) => `key ${index}`);
    const stored = await journal.recordsOf(first.gatewayId, keys);
    expect(keys.map((key) => stored.has(key))).toEqual(outcomes.map(({ status }) => status === 'fulfilled'));
    for (const key of keys) await journal.open(inboundMessage(key));
    await journal.spool(inboundMessage('raw'), Buffer.alloc(100_000));
    await journal.acknowledge(first.requestId, { messageId: null, at: 1 });
  });
});
