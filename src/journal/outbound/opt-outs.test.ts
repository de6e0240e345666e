// The registry of who does not want messages, and the small records of drivers.
import { describe, expect, test } from 'vitest';
import { later, place } from '../../../test/fixtures/journal.js';
import { openJournalReader } from '../open.js';

const ANN = { group: 'shop', address: '+420601234567', at: 5, source: 'keyword', detail: 'STOP\r\nplease' } as const;

describe('opt-outs', () => {
  test('hold until they are taken back, also over a restart, and say whether anything changed', async () => {
    const { open } = place();
    const journal = await open();
    expect(await journal.optedOut('shop', ANN.address)).toBeNull();
    expect(await journal.optOut(ANN)).toBe(true);
    expect(await journal.optOut({ ...ANN, at: 9, source: 'operator' })).toBe(false);
    await journal.close();
    const next = await open();
    expect(await next.optedOut('shop', ANN.address)).toEqual({ ...ANN, detail: 'STOP please' });
    expect(await next.optIn('shop', ANN.address)).toBe(true);
    expect(await next.optIn('shop', ANN.address)).toBe(false);
    expect(await next.optedOut('shop', ANN.address)).toBeNull();
  });

  test('concern one group only and addresses exactly as they are', async () => {
    const journal = await place().open();
    await journal.optOut(ANN);
    expect(await journal.optedOut('other', ANN.address)).toBeNull();
    expect(await journal.optedOut('shop', '420601234567')).toBeNull();
    expect(await journal.optIn('other', ANN.address)).toBe(false);
  });

  test('are listed by group and address, by any process', async () => {
    const { open, url } = place();
    const journal = await open();
    for (const [group, address] of [
      ['b', '+2'],
      ['a', '+3'],
      ['b', '+1'],
    ] as const)
      await journal.optOut({ ...ANN, group, address });
    const reader = await openJournalReader(url);
    later(() => reader.close());
    const listed = async (group?: string) => (await reader.optOuts(group)).map((entry) => entry.group + entry.address);
    expect(await listed()).toEqual(['a+3', 'b+1', 'b+2']);
    expect(await listed('b')).toEqual(['b+1', 'b+2']);
    expect(await listed('c')).toEqual([]);
    expect(await journal.optOuts()).toEqual(await reader.optOuts());
  });
});

describe('drivers’ small records', () => {
  test('are given back by key, those with the prefix, at most as many as asked for, also after a restart', async () => {
    const { open, clock } = place();
    const journal = await open();
    const keys = ['a/2', 'a/1', 'b/1', 'a/10', 'a', 'ä/1'];
    await journal.putRecords(
      'in',
      'parts',
      keys.map((key) => ({ key, value: { text: `${key} 😀` } })),
    );
    await journal.close();
    const next = await open();
    const stored = async (prefix: string, limit = 99) =>
      (await next.listRecords('in', 'parts', prefix, limit)).map(({ key }) => key);
    expect(await stored('a/')).toEqual(['a/1', 'a/10', 'a/2']);
    expect(await stored('a/', 2)).toEqual(['a/1', 'a/10']);
    expect(await stored('')).toEqual(['a', 'a/1', 'a/10', 'a/2', 'b/1', 'ä/1']);
    expect(await stored('a/', 0)).toEqual([]);
    expect(await next.listRecords('in', 'parts', 'b', 1)).toEqual([
      { key: 'b/1', value: { text: 'b/1 😀' }, at: clock.now() },
    ]);
  });

  test('stay as they are when they are stored again, apart by gateway and collection', async () => {
    const { open, clock } = place();
    const journal = await open();
    const at = clock.now();
    await journal.putRecords('in', 'parts', [{ key: 'k', value: 1 }]);
    await clock.advance(1_000);
    await journal.putRecords('in', 'parts', [{ key: 'k', value: 2 }]);
    await journal.putRecords('in', 'other', [{ key: 'k', value: 3 }]);
    await journal.putRecords('in-2', 'parts', [{ key: 'k', value: undefined }]);
    expect(await journal.listRecords('in', 'parts', 'k', 9)).toEqual([{ key: 'k', value: 1, at }]);
    expect(await journal.listRecords('in-2', 'parts', 'k', 9)).toMatchObject([{ value: null }]);
    await journal.deleteRecords('in', 'parts', ['k', 'nobody']);
    expect(await journal.listRecords('in', 'parts', 'k', 9)).toEqual([]);
    expect(await journal.listRecords('in', 'other', 'k', 9)).toMatchObject([{ value: 3 }]);
    await journal.deleteRecords('in', 'parts', []);
  });

  test('have a bound, and one that is too large keeps none of its call', async () => {
    const journal = await place().open();
    const large = { key: 'large', value: 'x'.repeat(256 * 1024) };
    await expect(journal.putRecords('in', 'parts', [{ key: 'small', value: 1 }, large])).rejects.toMatchObject({
      code: 'journal/too-large',
      message: expect.stringContaining('"large"'),
    });
    expect(await journal.listRecords('in', 'parts', '', 9)).toEqual([]);
  });

  test('survive every sweep', async () => {
    const { open, clock } = place();
    const journal = await open();
    await journal.putRecords('in', 'parts', [{ key: 'k', value: 1 }]);
    await journal.optOut(ANN);
    await clock.advance(5_000 * 24 * 3_600_000);
    await journal.sweep({ logDays: 1, orderDays: 1, attachmentDays: 1 });
    expect(await journal.listRecords('in', 'parts', '', 9)).toHaveLength(1);
    expect(await journal.optOuts()).toHaveLength(1);
  });
});
