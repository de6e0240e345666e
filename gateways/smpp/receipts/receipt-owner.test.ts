// Which gateway gets what arrives on an account that several gateways share.
import { afterEach, describe, expect, it } from 'vitest';
import type { Outcome } from '../../../src/driver/contract.js';
import { outboundText } from '../../../test/conformance/context.js';
import { createDriverState } from '../../../test/fixtures/driver-state.js';
import { manualClock } from '../../../test/fixtures/manual-clock.js';
import { waitFor } from '../../../test/fixtures/wait-for.js';
import { openGateway, type TestGatewayOptions } from '../../../test/servers/smpp-gateway.js';
import { deliverFields, startSmsc } from '../../../test/servers/smsc.js';

const login = { systemId: 'desk', password: 'secret12' };
const undo: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (let step = undo.pop(); step; step = undo.pop()) await step();
});

const RECIPIENT = '+420777123456';

async function account(direction: 'I' | 'O') {
  const smsc = await startSmsc(login);
  undo.push(smsc.close);
  const settings = { Host: '127.0.0.1', Port: smsc.port, SystemId: login.systemId, Password: login.password };
  const open = async (id: string, rest: Partial<TestGatewayOptions> = {}, extra: Record<string, unknown> = {}) => {
    const gateway = await openGateway({ ...settings, ...extra }, { direction, id, ...rest });
    undo.push(gateway.close);
    return gateway;
  };
  const receipt = (id: string, to = RECIPIENT, from = '12345') =>
    smsc.deliver(deliverFields(to, from, { short_message: `id:${id} stat:DELIVRD err:000`, esm_class: 4 }));
  return { smsc, open, receipt };
}

const idOf = (outcome: Outcome) => (outcome.kind === 'sent' ? outcome.deliverySystemId : '');
const decimal = (id: string) => String(Number.parseInt(id, 16)).padStart(10, '0');

describe('a receipt', () => {
  it.each([
    ['written as at submit', (id: string) => id],
    ['written in decimal with leading zeros', decimal],
  ])('%s goes to the gateway that sent the message, also among several to one recipient', async (_name, write) => {
    const { open, receipt } = await account('O');
    const [one, two] = [await open('1'), await open('2')];
    const first = idOf(await one.send(outboundText('of the first')));
    const second = idOf(await two.send(outboundText('of the second')));
    expect([await receipt(write(second)), await receipt(write(first))]).toEqual([0, 0]);
    expect([one.receipts, two.receipts]).toMatchObject([[{ id: first }], [{ id: second }]]);
  });

  it('goes to the gateway that sent the message also after a restart and in another format of its id', async () => {
    const { open, receipt } = await account('O');
    const [one, two] = [await open('1'), await open('2')];
    const first = idOf(await one.send(outboundText('of the first')));
    const ids = [idOf(await two.send(outboundText('one'))), idOf(await two.send(outboundText('two')))];
    await Promise.all([one.close(), two.close()]);
    const again = [
      await open('1', { driverState: one.driverState }),
      await open('2', { driverState: two.driverState }),
    ];
    for (const id of [decimal(ids[0] ?? ''), ids[1] ?? '', first]) expect(await receipt(id)).toBe(0);
    expect(again.map(({ receipts }) => receipts.map(({ id }) => id))).toEqual([[first], ids]);
  });

  it('of a message from before the second gateway stays with the first, also after a restart', async () => {
    const { open, receipt } = await account('O');
    const old = await open('2');
    const id = idOf(await old.send(outboundText('alone')));
    const young = await open('1');
    await Promise.all([old.close(), young.close()]);
    const again = [
      await open('1', { driverState: young.driverState }),
      await open('2', { driverState: old.driverState }),
    ];
    expect(await receipt(id)).toBe(0);
    expect(again.map(({ receipts }) => receipts.length)).toEqual([0, 1]);
  });

  it('that comes before the response to its submit_sm goes to the gateway that waits for that response', async () => {
    const { smsc, open, receipt } = await account('O');
    const [one, two] = [await open('1'), await open('2')];
    let answer = () => {};
    const after = new Promise<void>((resolve) => {
      answer = resolve;
    });
    smsc.script = () => ({ after });
    const sending = two.send(outboundText('quick'));
    const behind = one.send(outboundText('queued behind it'));
    await waitFor('the first', () => smsc.submits.length === 1);
    expect(await receipt(smsc.submits[0]?.id ?? '')).toBe(0);
    answer();
    expect([one.receipts, two.receipts]).toMatchObject([[], [{ id: idOf(await sending) }]]);
    expect((await behind).kind).toBe('sent');
  });

  it('with an unknown id goes to the gateway with its number, else to the first', async () => {
    const { open, receipt } = await account('O');
    const two = await open('2', {}, { SourceAddress: '+42012345' });
    const one = await open('1', {}, { SourceAddress: '11111' });
    for (const from of ['+42012345', '11111', '99999']) expect(await receipt('dead', RECIPIENT, from)).toBe(0);
    expect([one.receipts.length, two.receipts.length]).toEqual([2, 1]);
  });

  it('stays at the SMSC while the journal cannot be read', async () => {
    const { open, receipt } = await account('O');
    let broken = false;
    const driverState = createDriverState();
    const listRecords: typeof driverState.listRecords = (...asked) =>
      broken ? Promise.reject(new Error('disk full')) : driverState.listRecords(...asked);
    await open('1');
    await open('2', { driverState: { ...driverState, listRecords } });
    broken = true;
    expect(await receipt('dead')).toBe(0x64);
    broken = false;
    expect(await receipt('dead')).toBe(0);
  });
});

describe('while one of several gateways is not open', () => {
  it('its receipts stay at the SMSC, and those of the others are accepted, also after a restart', async () => {
    const { open, receipt } = await account('O');
    const [one, two] = [await open('1'), await open('2')];
    const first = idOf(await one.send(outboundText('of the first')));
    const second = idOf(await two.send(outboundText('of the second')));
    await two.close();
    expect([await receipt(second), await receipt(first)]).toEqual([0x64, 0]);
    await one.close();
    const again = await open('1', { driverState: one.driverState });
    expect([await receipt(second), await receipt(first)]).toEqual([0x64, 0]);
    const other = await open('2', { driverState: two.driverState });
    expect(await receipt(second)).toBe(0);
    expect([one.receipts.length, again.receipts.length, other.receipts.length]).toEqual([1, 1, 1]);
  });

  it('the others accept everything after a minute, and do not expect it any more', async () => {
    const clock = manualClock();
    const { open, receipt } = await account('O');
    const [one, two] = [await open('1', { clock }), await open('2', { clock })];
    await two.close();
    await clock.advance(59_000);
    expect(await receipt('dead')).toBe(0x64);
    await clock.advance(1_000);
    expect(await receipt('dead')).toBe(0);
    await one.close();
    await open('1', { clock, driverState: one.driverState });
    expect(await receipt('dead')).toBe(0);
  });

  it('texts to its number stay at the SMSC after a restart, and those to the others are accepted', async () => {
    const { smsc, open } = await account('I');
    const text = (to: string) => smsc.deliver(deliverFields(RECIPIENT, to, { short_message: `for ${to}` }));
    const one = await open('1', {}, { SourceAddress: '11111' });
    const two = await open('2', {}, { SourceAddress: '22222' });
    await Promise.all([one.close(), two.close()]);
    const again = await open('1', { driverState: one.driverState }, { SourceAddress: '11111' });
    expect(await text('22222')).toBe(0x64);
    const own = text('11111');
    expect([await again.take(), await own]).toEqual(['for 11111', 0]);
    const other = await open('2', { driverState: two.driverState }, { SourceAddress: '22222' });
    const its = text('22222');
    expect([await other.take(), await its]).toEqual(['for 22222', 0]);
  });
});

describe('a gateway alone on its account', () => {
  it('stores no ids: its receipts cannot belong to another one', async () => {
    const { open, receipt } = await account('O');
    const gateway = await open('1');
    const id = idOf(await gateway.send(outboundText('alone')));
    expect(await receipt(id)).toBe(0);
    expect(await gateway.driverState.listRecords('given', '', 9)).toEqual([]);
    expect(gateway.receipts).toMatchObject([{ id }]);
  });
});

describe('a text to a number that no gateway has', () => {
  const push = async (addresses: readonly (string | undefined)[]) => {
    const { smsc, open } = await account('I');
    const gateways = [];
    for (const [at, SourceAddress] of addresses.entries())
      gateways.push(await open(String(9 - at), {}, SourceAddress === undefined ? {} : { SourceAddress }));
    const takes = gateways.map((gateway, at) => gateway.take().then(() => at));
    for (const take of takes) take.catch(() => undefined); // gateways that get nothing are closed
    expect(await smsc.deliver(deliverFields(RECIPIENT, '33333', { short_message: 'hello' }))).toBe(0);
    return Promise.race(takes);
  };

  it('goes to the gateway that accepts every number', async () => {
    expect(await push(['11111', undefined, '22222'])).toBe(1);
  });

  it('goes to the first by id when each gateway has a number of its own', async () => {
    expect(await push(['11111', '22222', '44444'])).toBe(2);
  });
});
