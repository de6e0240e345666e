// What is kept of long messages when the process or the journal ends at an unlucky moment, and what is forgotten.
import { describe, expect, it } from 'vitest';
import { createDriverState } from '../../../test/fixtures/driver-state.js';
import { manualClock } from '../../../test/fixtures/manual-clock.js';
import { waitFor } from '../../../test/fixtures/wait-for.js';
import { openGateway } from '../../../test/servers/smpp-gateway.js';
import { startSmsc } from '../../../test/servers/smsc.js';
import { forgetOldest } from '../bounded-map.js';
import { assemblyOf } from './reassembly.js';
import type { Piece } from './segment.js';

const TIMEOUT = 60_000;

describe('a part whose place among the waiting could not be noted', () => {
  it('gets it when it comes again, so that its time will be over', async () => {
    const driverState = createDriverState();
    const part = { base: 'base', number: 1, total: 2 };
    const piece: Piece = { from: '+1', to: '2', bytes: Buffer.from('one '), coding: 0, part, note: null };
    const unlucky = assemblyOf(
      {
        ...driverState,
        putRecords: (collection, records) =>
          collection === 'waiting'
            ? Promise.reject(new Error('disk full'))
            : driverState.putRecords(collection, records),
      },
      TIMEOUT,
    );
    await expect(unlucky.keep(piece, part, 1_000)).rejects.toThrow('disk full');
    const assembly = assemblyOf(driverState, TIMEOUT);
    expect(await assembly.keep(piece, part, 2_000)).toBeUndefined();
    expect(await assembly.nextDue()).toBe(1_000 + TIMEOUT);
    const [group = ''] = await assembly.expire(1_000 + TIMEOUT);
    expect((await assembly.read(group))?.text).toBe('one [part 2 of 2 missing]');
  });
});

describe('a place among the waiting without any part', () => {
  it('is forgotten when its time is over', async () => {
    const smsc = await startSmsc({ systemId: 'desk', password: 'secret12' });
    const driverState = createDriverState();
    await driverState.putRecords('waiting', [{ key: '000000001.base.000000001', value: null }]);
    const settings = { Host: '127.0.0.1', Port: smsc.port, SystemId: 'desk', Password: 'secret12' };
    const gateway = await openGateway(settings, { direction: 'I', driverState, clock: manualClock() });
    try {
      void gateway.next().catch(() => {}); // nothing comes; the loop turns
      const left = async () =>
        (await Promise.all(['waiting', 'ready'].map((name) => driverState.listRecords(name, '', 9)))).flat();
      await waitFor('nothing left', async () => (await left()).length === 0);
    } finally {
      await gateway.close();
      await smsc.close();
    }
  });
});

describe('forgetting the oldest', () => {
  it('keeps as many as were asked for, the newest, and a tenth more at most', () => {
    const map = new Map<number, number>();
    for (let number = 0; number < 1_000; number++) {
      map.set(number, number);
      forgetOldest(map, 100);
      const newest = Array.from({ length: Math.min(100, number + 1) }, (_, back) => number - back);
      expect(newest.filter((key) => !map.has(key))).toEqual([]);
      expect(map.size).toBeLessThanOrEqual(110);
    }
  });
});
