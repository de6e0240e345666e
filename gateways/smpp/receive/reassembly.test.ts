// Long messages when the process or the journal fails between two writes.
import { describe, expect, it } from 'vitest';
import { createDriverState } from '../../../test/fixtures/driver-state.js';
import { manualClock } from '../../../test/fixtures/manual-clock.js';
import { waitFor } from '../../../test/fixtures/wait-for.js';
import { openGateway } from '../../../test/servers/smpp-gateway.js';
import { startSmsc } from '../../../test/servers/smsc.js';
import { Reassembly } from './reassembly.js';
import type { Segment } from './segment.js';

const TIMEOUT = 60_000;

describe('a part whose group got no entry in waiting', () => {
  it('gets the entry when it comes again, so that the group expires', async () => {
    const driverState = createDriverState();
    const place = { base: 'base', number: 1, total: 2 };
    const segment: Segment = { from: '+1', to: '2', bytes: Buffer.from('one '), coding: 0, place, note: null };
    const failing = new Reassembly(
      {
        ...driverState,
        putRecords: (collection, records) =>
          collection === 'waiting'
            ? Promise.reject(new Error('disk full'))
            : driverState.putRecords(collection, records),
      },
      TIMEOUT,
    );
    await expect(failing.add(segment, place, 1_000)).rejects.toThrow('disk full');
    const reassembly = new Reassembly(driverState, TIMEOUT);
    expect(await reassembly.add(segment, place, 2_000)).toBeUndefined();
    expect(await reassembly.nextExpiry()).toBe(1_000 + TIMEOUT);
    const [group = ''] = await reassembly.expire(1_000 + TIMEOUT);
    expect((await reassembly.read(group))?.text).toBe('one [part 2 of 2 missing]');
  });
});

describe('an entry in waiting without any part', () => {
  it('is deleted when the group expires', async () => {
    const smsc = await startSmsc({ systemId: 'desk', password: 'secret12' });
    const driverState = createDriverState();
    await driverState.putRecords('waiting', [{ key: '000000001.base.000000001', value: null }]);
    const settings = { Host: '127.0.0.1', Port: smsc.port, SystemId: 'desk', Password: 'secret12' };
    const gateway = await openGateway(settings, { direction: 'I', driverState, clock: manualClock() });
    try {
      void gateway.next().catch(() => {}); // nothing comes; the loop runs
      const left = async () =>
        (await Promise.all(['waiting', 'ready'].map((name) => driverState.listRecords(name, '', 9)))).flat();
      await waitFor('nothing left', async () => (await left()).length === 0);
    } finally {
      await gateway.close();
      await smsc.close();
    }
  });
});
