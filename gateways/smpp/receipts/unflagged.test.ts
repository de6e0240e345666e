// Receipts that come without their flag, as texts; and texts of customers that merely look like them.
import { afterEach, describe, expect, it } from 'vitest';
import type { Outcome } from '../../../src/driver/contract.js';
import { outboundText } from '../../../test/conformance/context.js';
import { openGateway, type TestGatewayOptions } from '../../../test/servers/smpp-gateway.js';
import { deliverFields, startSmsc } from '../../../test/servers/smsc.js';

const RECIPIENT = '+420777123456';
const DATES = 'submit date:2611221000 done date:2611221001';
const undo: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (let step = undo.pop(); step; step = undo.pop()) await step();
});

async function account(extra: Record<string, unknown> = {}) {
  const smsc = await startSmsc({ systemId: 'desk', password: 'secret12' });
  undo.push(smsc.close);
  const settings = { Host: '127.0.0.1', Port: smsc.port, SystemId: 'desk', Password: 'secret12', ...extra };
  const open = async (direction: 'I' | 'O', rest: Partial<TestGatewayOptions> = {}) => {
    const gateway = await openGateway(settings, { direction, ...rest });
    undo.push(gateway.close);
    return gateway;
  };
  const deliver = (short_message: string, from = RECIPIENT) =>
    smsc.deliver(deliverFields(from, '12345', { short_message, data_coding: 3 }));
  return { smsc, open, deliver, inbox: await open('I'), outbox: await open('O') };
}

const idOf = (outcome: Outcome) => (outcome.kind === 'sent' ? outcome.deliverySystemId : '');
const decimal = (id: string) => String(Number.parseInt(id, 16)).padStart(10, '0');

describe('a text in the form of a receipt', () => {
  it.each([
    ['whole', (id: string) => `id:${id} sub:001 dlvrd:001 ${DATES} stat:DELIVRD err:000 text:Hello`],
    ['short', (id: string) => `id:${id};stat:DELIVRD`],
    ['with a decimal id', (id: string) => `ID:${decimal(id)} STAT:DELIVRD`],
    ['with blanks', (id: string) => `id ${id} stat DELIVRD err 000`],
  ])('(%s) that names a message to its sender is a receipt', async (_name, text) => {
    const { outbox, deliver } = await account();
    const id = idOf(await outbox.send(outboundText('Hello')));
    expect(await deliver(text(id))).toBe(0);
    expect(outbox.receipts).toMatchObject([{ id, state: 'delivered' }]);
  });

  it.each([
    ['an id that was never given', () => 'id:77 stat:DELIVRD'],
    [
      'an id that was never given, in the whole form',
      () => `id:77 sub:001 dlvrd:001 ${DATES} stat:DELIVRD err:000 text:`,
    ],
    ['a sentence', (id: string) => `My message id:${id} has stat:DELIVRD, why?`],
    ['a state that is none', (id: string) => `id:${id} stat:nobody called me`],
    ['no state', (id: string) => `id:${id}`],
    ['the message only behind "text:"', (id: string) => `id:9 stat:DELIVRD text:id:${id}`],
  ])('with %s is a text of the customer', async (_name, write) => {
    const { outbox, inbox, deliver } = await account();
    const text = write(idOf(await outbox.send(outboundText('Hello'))));
    const answer = deliver(text);
    expect(await inbox.take()).toBe(text);
    expect([await answer, outbox.receipts]).toEqual([0, []]);
  });

  it('that names a message to somebody else is a text of the customer', async () => {
    const { outbox, inbox, deliver } = await account();
    const text = `id:${idOf(await outbox.send(outboundText('Hello')))} stat:DELIVRD`;
    void deliver(text, '+420602999999');
    expect(await inbox.take()).toBe(text);
  });

  it('is a receipt after a restart only in the whole form, and with an id that the journal knows', async () => {
    const { outbox, inbox, open, deliver } = await account();
    const id = idOf(await outbox.send(outboundText('Hello')));
    await outbox.close();
    const again = await open('O', { driverState: outbox.driverState });
    void deliver(`id:${id} stat:DELIVRD`);
    expect(await inbox.take()).toBe(`id:${id} stat:DELIVRD`);
    expect(await deliver(`id:${id} sub:001 dlvrd:001 ${DATES} stat:UNDELIV err:001 text:`)).toBe(0);
    expect(again.receipts).toMatchObject([{ id, state: 'undelivered' }]);
  });

  it('waits while a message to its sender is being sent', async () => {
    const { smsc, outbox, deliver } = await account();
    let respond = () => {};
    const after = new Promise<void>((resolve) => {
      respond = resolve;
    });
    smsc.script = () => ({ after });
    const sent = outbox.send(outboundText('Hello'));
    await expect.poll(() => smsc.submits.length).toBe(1);
    const text = `id:${smsc.submits[0]?.id} stat:DELIVRD`;
    expect(await deliver(text)).toBe(0x64);
    respond();
    const id = idOf(await sent);
    expect(await deliver(text)).toBe(0);
    expect(outbox.receipts).toMatchObject([{ id, state: 'delivered' }]);
  });

  it('is a text where ReceiptsWithoutFlag is false', async () => {
    const { outbox, inbox, deliver } = await account({ ReceiptsWithoutFlag: false });
    const text = `id:${idOf(await outbox.send(outboundText('Hello')))} sub:001 dlvrd:001 ${DATES} stat:DELIVRD err:000 text:`;
    void deliver(text);
    expect(await inbox.take()).toBe(text);
  });
});

it('a receipt whose text names the message is found where its optional parameter names another', async () => {
  const { smsc, outbox } = await account();
  const id = idOf(await outbox.send(outboundText('Hello')));
  const fields = { esm_class: 4, short_message: `id:${id} stat:DELIVRD`, receipted_message_id: 'internal-77' };
  expect(await smsc.deliver(deliverFields(RECIPIENT, '12345', fields))).toBe(0);
  expect(outbox.receipts).toMatchObject([{ id, state: 'delivered' }]);
});
