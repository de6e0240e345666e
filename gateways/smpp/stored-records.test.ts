// Records and checkpoints as the previous version wrote them at 2026-11-22T10:00:00Z, letter by letter.
import { afterEach, expect, it } from 'vitest';
import { outboundText } from '../../test/conformance/context.js';
import { createDriverState } from '../../test/fixtures/driver-state.js';
import { manualClock } from '../../test/fixtures/manual-clock.js';
import { openGateway, type TestGatewayOptions } from '../../test/servers/smpp-gateway.js';
import { deliverFields, startSmsc } from '../../test/servers/smsc.js';

const undo: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (let step = undo.pop(); step; step = undo.pop()) await step();
});

async function set() {
  const smsc = await startSmsc({ systemId: 'desk', password: 'secret12' });
  undo.push(smsc.close);
  const settings = { Host: '127.0.0.1', Port: smsc.port, SystemId: 'desk', Password: 'secret12' };
  const open = async (options: TestGatewayOptions) => {
    const gateway = await openGateway(settings, { clock: manualClock(), ...options });
    undo.push(gateway.close);
    return gateway;
  };
  const receipt = (text: string) =>
    smsc.deliver(deliverFields('+420777123456', '12345', { short_message: text, esm_class: 4 }));
  return { open, receipt };
}

it('the learned format of ids in receipts', async () => {
  const { open, receipt } = await set();
  const driverState = createDriverState();
  await driverState.putCheckpoint('receiptIds', { manner: 'toHex', width: 0, upper: false });
  const gateway = await open({ direction: 'O', driverState });
  await receipt('id:8193 stat:DELIVRD');
  expect(gateway.receipts).toMatchObject([{ id: '2001' }]);
});

it('the number of gateways on the account, and the ids of their messages', async () => {
  const { open, receipt } = await set();
  const driverState = createDriverState();
  await driverState.putCheckpoint('company.O', 2);
  await driverState.putRecords('given', [
    { key: '00002968.32303031.', value: { id: '2001', recipient: '420777123456' } },
  ]);
  const gateway = await open({ direction: 'O', id: '2', driverState });
  // Another gateway may be about to open, so only what surely belongs to this one is accepted.
  expect([await receipt('id:dead stat:DELIVRD'), await receipt('id:2001 stat:DELIVRD')]).toEqual([0x64, 0]);
  expect(gateway.receipts).toMatchObject([{ id: '2001' }]);
});

it('the id of a late response', async () => {
  const { open } = await set();
  const driverState = createDriverState();
  await driverState.putRecords('answered', [{ key: '00002968.726566206c617465.000001.1', value: '2002' }]);
  const gateway = await open({ direction: 'O', driverState });
  expect(await gateway.lookup(outboundText('late'))).toMatchObject({ kind: 'sent', ids: ['2002'] });
});

it('a part of a long message that waits for the others', async () => {
  const { open } = await set();
  const clock = manualClock();
  const driverState = createDriverState();
  await driverState.putRecords('parts', [
    {
      key: '20a726475e3548de263415156c0d5a0f.0mwro18g0.001',
      value: { from: '+420777123456', to: '12345', total: 2, coding: 0, bytes: 'b25lIA==' },
    },
  ]);
  await driverState.putRecords('waiting', [
    { key: '0mwro18g0.20a726475e3548de263415156c0d5a0f.0mwro18g0', value: null },
  ]);
  const gateway = await open({ direction: 'I', driverState, clock });
  const taken = gateway.take();
  await clock.advance(3_600_001);
  expect(await taken).toBe('one [part 2 of 2 missing]');
});
