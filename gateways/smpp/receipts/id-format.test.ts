// What Smpp has learned about an SMSC's way of writing ids holds for receipts that come after a restart.
import { afterEach, expect, it } from 'vitest';
import { outboundText } from '../../../test/conformance/context.js';
import { waitFor } from '../../../test/fixtures/wait-for.js';
import { openGateway } from '../../../test/servers/smpp-gateway.js';
import { deliverFields, startSmsc } from '../../../test/servers/smsc.js';

const undo: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (let step = undo.pop(); step; step = undo.pop()) await step();
});

it('ids given in hexadecimal and receipted in decimal are known again, also by the next process', async () => {
  const smsc = await startSmsc({ systemId: 'desk', password: 'secret12' });
  undo.push(smsc.close);
  const settings = { Host: '127.0.0.1', Port: smsc.port, SystemId: 'desk', Password: 'secret12' };
  const first = await openGateway(settings, { direction: 'O' });
  undo.push(first.close);
  const idOf = async (text: string) => {
    const outcome = await first.send(outboundText(text));
    return outcome.kind === 'sent' ? outcome.deliverySystemId : '';
  };
  const [one, two] = [await idOf('one'), await idOf('two')];
  const receipt = (id: string) => {
    const words = `id:${Number.parseInt(id, 16)} stat:DELIVRD err:000`;
    return smsc.deliver(deliverFields('+420777123456', '12345', { short_message: words, esm_class: 4 }));
  };
  await receipt(one);
  expect(first.receipts).toMatchObject([{ id: one, state: 'delivered' }]);
  await first.close();
  const second = await openGateway(settings, { direction: 'O', driverState: first.driverState });
  undo.push(second.close);
  await receipt(two);
  await waitFor('the news', () => second.receipts.length === 1);
  expect(second.receipts).toMatchObject([{ id: two, state: 'delivered' }]);
});
