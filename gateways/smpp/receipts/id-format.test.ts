import { afterEach, describe, expect, it } from 'vitest';
import { outboundText } from '../../../test/conformance/context.js';
import { waitFor } from '../../../test/fixtures/wait-for.js';
import { openGateway } from '../../../test/servers/smpp-gateway.js';
import { deliverFields, startSmsc } from '../../../test/servers/smsc.js';
import { IdMatcher, storedIdFormat } from './id-format.js';

const undo: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (let step = undo.pop(); step; step = undo.pop()) await step();
});

it('ids in hexadecimal at submit and decimal in receipts are matched, also after a restart', async () => {
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
  await waitFor('the receipt', () => second.receipts.length === 1);
  expect(second.receipts).toMatchObject([{ id: two, state: 'delivered' }]);
});

describe('the stored format', () => {
  it('is read as earlier versions wrote it, and written so that they can read it', () => {
    const stored = { manner: 'toHex', width: 8, upper: true };
    const format = storedIdFormat.parse(stored);
    expect(format).toEqual({ conversion: 'toHex', width: 8, upper: true });
    expect(format && storedIdFormat.format(format)).toEqual(stored);
    expect(new IdMatcher('Auto', format).resolve('6657', '1')).toEqual({ id: '00001A01', isKnown: false });
  });

  it('that cannot be read is learned again', () => {
    expect(storedIdFormat.parse({ manner: 'nonsense' })).toBeUndefined();
    expect(storedIdFormat.parse(undefined)).toBeUndefined();
  });
});
