// Against an SMSC on another implementation of the protocol.
import { afterEach, describe, expect, it } from 'vitest';
import { gsmEncode } from '../../src/driver/shared/text.js';
import { contextOf, outboundText } from '../../test/conformance/context.js';
import { waitFor } from '../../test/fixtures/wait-for.js';
import { openGateway, type TestGatewayOptions } from '../../test/servers/smpp-gateway.js';
import { type PerlSmsc, type PerlSmscOptions, startPerlSmsc, whyNoPerlSmsc } from '../../test/servers/smsc-perl.js';
import { smpp } from './driver.js';

const missing = whyNoPerlSmsc();
const login = { systemId: 'desk', password: 'secret12' };
const undo: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (let step = undo.pop(); step; step = undo.pop()) await step();
});

async function smscWith(options: Partial<PerlSmscOptions> = {}) {
  const smsc = await startPerlSmsc({ ...login, ...options });
  undo.push(smsc.close);
  const settings = {
    Host: '127.0.0.1',
    Port: smsc.port,
    SystemId: login.systemId,
    Password: login.password,
    SourceAddress: '12345',
  };
  const open = async (
    direction: TestGatewayOptions['direction'],
    extra: Record<string, unknown> = {},
    rest: Omit<TestGatewayOptions, 'direction'> = {},
  ) => {
    const gateway = await openGateway({ ...settings, ...extra }, { direction, ...rest });
    undo.push(gateway.close);
    return gateway;
  };
  return { smsc, settings, open };
}

const gsm = (text: string) => Buffer.from(gsmEncode(text) ?? []);
const ucs2 = (text: string) => Buffer.from(text, 'utf16le').swap16();
/** The events come by a pipe of their own, a moment after the PDUs. */
const events = async (smsc: PerlSmsc, event: string, count: number) =>
  waitFor(`${count} times: ${event}`, () => smsc.events(event).length >= count && smsc.events(event));
const statuses = async (smsc: PerlSmsc, event: string, count: number) =>
  (await events(smsc, event, count)).map(({ status }) => status);
const roles = async (smsc: PerlSmsc, count: number) =>
  (await events(smsc, 'bind', count)).flatMap(({ role, status }) => (status === 0 ? [String(role)] : []));

describe.runIf(!missing)(`an SMSC on Net::SMPP${missing ? ` (skipped: ${missing})` : ''}`, () => {
  it('accepts a text in GSM 7-bit, and its receipt has the id of submit_sm_resp', async () => {
    const { smsc, open } = await smscWith();
    const gateway = await open('O');
    const outcome = await gateway.send(outboundText('Price 5 € [tax {incl}]', '+420777000001'));
    expect(outcome).toMatchObject({ kind: 'sent', state: 'accepted', ids: ['1a01'], deliverySystemId: '1a01' });
    expect(await events(smsc, 'submit', 1)).toMatchObject([
      {
        to: '420777000001',
        dest_ton: 1,
        from: '12345',
        source_ton: 0,
        data_coding: 0,
        bytes: gsm('Price 5 € [tax {incl}]').toString('hex'),
      },
    ]);
    await waitFor('the receipt', () => gateway.receipts.length > 0);
    expect(gateway.receipts).toMatchObject([
      { id: '1a01', state: 'delivered', detail: expect.stringContaining('DELIVRD') },
    ]);
    expect(await statuses(smsc, 'receipt answered', 1)).toEqual([0]);
  });

  it('accepts a long Cyrillic text as parts in UCS-2, each with a receipt', async () => {
    const { smsc, open } = await smscWith();
    const gateway = await open('O');
    const text = 'Привет, это длинное сообщение. '.repeat(5);
    const outcome = await gateway.send(outboundText(text, '+420777000009'));
    expect(outcome).toMatchObject({ kind: 'sent', ids: ['1a01', '1a02', '1a03'] });
    const parts = (await events(smsc, 'submit', 3)).map(({ bytes }) => Buffer.from(String(bytes), 'hex'));
    expect(parts.map((part) => [...part.subarray(0, 3), ...part.subarray(4, 6)])).toEqual([
      [5, 0, 3, 3, 1],
      [5, 0, 3, 3, 2],
      [5, 0, 3, 3, 3],
    ]);
    expect(Buffer.concat(parts.map((part) => part.subarray(6))).equals(ucs2(text))).toBe(true);
    await waitFor('three receipts', () => gateway.receipts.length === 3);
    expect(gateway.receipts.map(({ id, state }) => `${id} ${state}`).sort()).toEqual([
      '1a01 undelivered',
      '1a02 undelivered',
      '1a03 undelivered',
    ]);
  });

  it('writes ids in hexadecimal, and in decimal with leading zeros in receipts: they match, also after a restart', async () => {
    const { open } = await smscWith({ submitIds: '%08X', receiptIds: '%012d' });
    const first = await open('O');
    expect(await first.send(outboundText('one'))).toMatchObject({ deliverySystemId: '00001A01' });
    await waitFor('the receipt', () => first.receipts.length > 0);
    expect(first.receipts).toMatchObject([{ id: '00001A01', state: 'delivered' }]);
    expect(await first.send(outboundText('two', '+420777000005'))).toMatchObject({ deliverySystemId: '00001A02' });
    await first.close();
    const second = await open('O', {}, { driverState: first.driverState });
    await waitFor('the receipt from before the restart', () => second.receipts.length + first.receipts.length > 1);
    expect([...first.receipts, ...second.receipts].at(-1)).toMatchObject({ id: '00001A02', state: 'delivered' });
  });

  it('rejects a recipient: the detail has the status and its meaning', async () => {
    const { open } = await smscWith();
    const outcome = await (await open('O')).send(outboundText('no', '+420777000011'));
    expect(outcome).toEqual({
      kind: 'rejected',
      detail: 'ESME_RINVDSTADR (0x0000000B): the recipient address is wrong',
    });
  });

  it('throttles: the text waits and is sent once', async () => {
    const { smsc, open } = await smscWith();
    const outcome = await (await open('O')).send(outboundText('later', '+420777000088'));
    expect(outcome.kind).toBe('sent');
    expect(await statuses(smsc, 'submit', 2)).toEqual([0x58, 0]);
  });

  it('delivers a text, and gets its positive response only after the confirmation', async () => {
    const { smsc, open } = await smscWith();
    const gateway = await open('I');
    await smsc.offer({ from: '420777123456', to: '12345', bytes: gsm('Dobrý? Ano: 10 €'.replace('ý', 'y')) });
    const inboundMessage = await gateway.next();
    expect(inboundMessage.content).toMatchObject({ from: '+420777123456', to: '12345', text: 'Dobry? Ano: 10 €' });
    expect(smsc.events('answered')).toEqual([]);
    await inboundMessage.confirm();
    expect(await statuses(smsc, 'answered', 1)).toEqual([0]);
  });

  it('gets ESME_RX_T_APPN when the text is deferred, and delivers it again', async () => {
    const { smsc, open } = await smscWith();
    const gateway = await open('I');
    await smsc.offer({ from: '420777123456', to: '12345', bytes: ucs2('žluťoučký 🐎'), coding: 8 });
    await (await gateway.next()).defer?.('the server is away');
    expect(await gateway.take()).toBe('žluťoučký 🐎');
    expect(await statuses(smsc, 'answered', 2)).toEqual([0x64, 0]);
  });

  it('delivers the parts of a long text out of order, one of them twice: one message', async () => {
    const { smsc, open } = await smscWith();
    const gateway = await open('I');
    const part = (number: number, text: string) => Buffer.concat([Buffer.from([5, 0, 3, 7, 3, number]), gsm(text)]);
    const texts = ['Once upon ', 'a time there ', 'was [a] €.'];
    for (const number of [3, 1, 1, 2])
      await smsc.offer({
        from: '420777123456',
        to: '12345',
        bytes: part(number, texts[number - 1] ?? ''),
        esmClass: 0x40,
      });
    expect(await gateway.take()).toBe('Once upon a time there was [a] €.');
    expect(await statuses(smsc, 'answered', 4)).toEqual([0, 0, 0, 0]);
  });

  it('gets one transceiver from an I and an O gateway of one account, and both work', async () => {
    const { smsc, open } = await smscWith();
    const [receiver, sender] = await Promise.all([open('I'), open('O')]);
    expect(await roles(smsc, 1)).toEqual(['transceiver']);
    expect((await sender.send(outboundText('out'))).kind).toBe('sent');
    await smsc.offer({ from: '420777123456', to: '12345', bytes: gsm('in') });
    expect(await receiver.take()).toBe('in');
    await waitFor('the receipt', () => sender.receipts.length > 0);
    await receiver.close();
    expect((await sender.send(outboundText('still out'))).kind).toBe('sent');
    await sender.close();
    await events(smsc, 'unbind', 1);
    expect(await roles(smsc, 1)).toEqual(['transceiver']);
  });

  it('rejects a transceiver: a transmitter and a receiver work, also for an O gateway alone', async () => {
    const { smsc, open } = await smscWith({ split: true });
    const sender = await open('O');
    expect(await roles(smsc, 3)).toEqual(['transmitter', 'receiver']);
    expect((await sender.send(outboundText('out'))).kind).toBe('sent');
    await waitFor('the receipt on the receiver', () => sender.receipts.length > 0);
    await smsc.offer({ from: '420777123456', to: '12345', bytes: gsm('no receiver yet') });
    expect((await statuses(smsc, 'answered', 1))[0]).toBe(0x64);
    const receiver = await open('I');
    expect(await receiver.take()).toBe('no receiver yet');
    expect(await roles(smsc, 3)).toEqual(['transmitter', 'receiver']);
  });

  it('rejects the password: one clear sentence, also in the connection test', async () => {
    const { settings } = await smscWith();
    const wrong = { ...settings, Password: 'mistaken' };
    await expect(openGateway(wrong, { direction: 'I' })).rejects.toThrow(
      /^cannot use the SMSC 127\.0\.0\.1:\d+ as desk: the SMSC rejected bind_transceiver: ESME_RINVPASWD/,
    );
    const steps = [];
    for await (const step of smpp.check(contextOf(smpp, wrong), new AbortController().signal)) steps.push(step);
    expect(steps.map(({ ok }) => ok)).toEqual([true, false]);
    expect(steps[1]?.detail).toContain('check SystemId and Password');
  });

  it('is tested step by step: connection, bind, enquire_link', async () => {
    const { settings, smsc } = await smscWith();
    const steps = [];
    for await (const step of smpp.check(contextOf(smpp, settings), new AbortController().signal)) steps.push(step);
    expect(steps).toMatchObject([
      { ok: true },
      { ok: true, detail: 'bound, the SMSC calls itself PERL' },
      { ok: true, name: 'enquire_link' },
    ]);
    await events(smsc, 'unbind', 1);
  });
});
