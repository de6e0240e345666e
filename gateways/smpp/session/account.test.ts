// Gateways share an account within one service, and not between two services of one process.
import { afterEach, expect, it } from 'vitest';
import { sharedByDevice } from '../../../src/driver/shared-state.js';
import { outboundText } from '../../../test/conformance/context.js';
import { waitFor } from '../../../test/fixtures/wait-for.js';
import { openGateway, type TestGatewayOptions } from '../../../test/servers/smpp-gateway.js';
import { deliverFields, startSmsc } from '../../../test/servers/smsc.js';

const undo: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (let step = undo.pop(); step; step = undo.pop()) await step();
});

async function set() {
  const smsc = await startSmsc({ systemId: 'desk', password: 'secret12' });
  undo.push(smsc.close);
  const settings = { Host: '127.0.0.1', Port: smsc.port, SystemId: 'desk', Password: 'secret12' };
  const open = async (options: TestGatewayOptions) => {
    const gateway = await openGateway(settings, options);
    undo.push(gateway.close);
    return gateway;
  };
  return { smsc, open };
}

const service = () => sharedByDevice()('Smpp');

it('two gateways of one service share a bind', async () => {
  const { smsc, open } = await set();
  const shared = service();
  await open({ direction: 'O', shared });
  await open({ direction: 'I', shared });
  expect(smsc.binds()).toEqual(['transceiver']);
});

it('the same gateways in two services have a bind each, and closing one leaves the other', async () => {
  const { smsc, open } = await set();
  const one = await open({ direction: 'O', shared: service() });
  const two = await open({ direction: 'O', shared: service() });
  expect(smsc.binds()).toEqual(['transceiver', 'transceiver']);
  await one.close();
  await waitFor('the unbind', () => smsc.binds().length === 1);
  expect((await two.send(outboundText('still here'))).kind).toBe('sent');
});

it('a text that one service has accepted is a new one for another service', async () => {
  const { smsc, open } = await set();
  const text = deliverFields('+420777123456', '12345', { short_message: 'Ok' });
  const one = await open({ direction: 'I', shared: service() });
  const taken = one.take();
  expect([await smsc.deliver(text), await taken]).toEqual([0, 'Ok']);
  smsc.dropAll();
  await one.close();
  const two = await open({ direction: 'I', shared: service() });
  const again = two.take();
  expect([await smsc.deliver(text), await again]).toEqual([0, 'Ok']);
});
