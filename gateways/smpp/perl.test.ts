// Texts both ways through an SMSC whose codec is by other people.
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
/** What it says comes by a pipe of its own, a moment after its PDUs. */
const said = async (smsc: PerlSmsc, event: string, count: number) =>
  waitFor(`${count} times: ${event}`, () => smsc.events(event).length >= count && smsc.events(event));
const statuses = async (smsc: PerlSmsc, event: string, count: number) =>
  (await said(smsc, event, count)).map(({ status }) => status);
const roles = async (smsc: PerlSmsc, count: number) =>
  (await said(smsc, 'bind', count)).flatMap(({ role, status }) => (status === 0 ? [String(role)] : []));

describe.runIf(!missing)(`an SMSC on Net::SMPP${missing ? ` (skipped: ${missing})` : ''}`, () => {
  it('takes a text in its alphabet, and its receipt comes back under the id that it gave', async () => {
    const { smsc, open } = await smscWith();
    const gateway = await open('O');
    const outcome = await gateway.send(outboundText('Price 5 € [tax {incl}]', '+420777000001'));
    expect(outcome).toMatchObject({ kind: 'sent', state: 'accepted', ids: ['1a01'], deliverySystemId: '1a01' });
    expect(await said(smsc, 'submit', 1)).toMatchObject([
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

  it('takes a long Cyrillic text as parts in UCS-2, every part with its receipt', async () => {
    const { smsc, open } = await smscWith();
    const gateway = await open('O');
    const text = 'Привет, это длинное сообщение. '.repeat(5);
    const outcome = await gateway.send(outboundText(text, '+420777000009'));
    expect(outcome).toMatchObject({ kind: 'sent', ids: ['1a01', '1a02', '1a03'] });
    const parts = (await said(smsc, 'submit', 3)).map(({ bytes }) => Buffer.from(String(bytes), 'hex'));
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

  it('writes ids in hexadecimal, and in decimal with zeros in receipts: they are matched, also after a restart', async () => {
    const { open } = await smscWith({ submitIds: '%08X', receiptIds: '%012d' });
    const first = await open('O');
    expect(await first.send(outboundText('one'))).toMatchObject({ deliverySystemId: '00001A01' });
    await waitFor('the receipt', () => first.receipts.length > 0);
    expect(first.receipts).toMatchObject([{ id: '00001A01', state: 'delivered' }]);
    expect(await first.send(outboundText('two', '+420777000005'))).toMatchObject({ deliverySystemId: '00001A02' });
    await first.close();
    const second = await open('O', {}, { driverState: first.driverState });
    await waitFor('the receipt of before the restart', () => second.receipts.length + first.receipts.length > 1);
    expect([...first.receipts, ...second.receipts].at(-1)).toMatchObject({ id: '00001A02', state: 'delivered' });
  });

  it('refuses a recipient: rejected with the code and what it means', async () => {
    const { open } = await smscWith();
    const outcome = await (await open('O')).send(outboundText('no', '+420777000011'));
    expect(outcome).toEqual({
      kind: 'rejected',
      detail: 'ESME_RINVDSTADR (0x0000000B): the recipient address is wrong',
    });
  });

  it('throttles: the text waits and goes out once', async () => {
    const { smsc, open } = await smscWith();
    const outcome = await (await open('O')).send(outboundText('later', '+420777000088'));
    expect(outcome.kind).toBe('sent');
    expect(await statuses(smsc, 'submit', 2)).toEqual([0x58, 0]);
  });

  it('hands over a text, and hears yes only after the confirm', async () => {
    const { smsc, open } = await smscWith();
    const gateway = await open('I');
    await smsc.offer({ from: '420777123456', to: '12345', bytes: gsm('Dobrý? Ano: 10 €'.replace('ý', 'y')) });
    const inboundMessage = await gateway.next();
    expect(inboundMessage.content).toMatchObject({ from: '+420777123456', to: '12345', text: 'Dobry? Ano: 10 €' });
    expect(smsc.events('answered')).toEqual([]);
    await inboundMessage.confirm();
    expect(await statuses(smsc, 'answered', 1)).toEqual([0]);
  });

  it('hears "not now" when the text is put off, and sends it again', async () => {
    const { smsc, open } = await smscWith();
    const gateway = await open('I');
    await smsc.offer({ from: '420777123456', to: '12345', bytes: ucs2('žluťoučký 🐎'), coding: 8 });
    await (await gateway.next()).defer?.('the server is away');
    expect(await gateway.take()).toBe('žluťoučký 🐎');
    expect(await statuses(smsc, 'answered', 2)).toEqual([0x64, 0]);
  });

  it('sends the parts of a long text out of order, one of them twice: one message', async () => {
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

  it('binds an I and an O gateway of the same account once, as a transceiver, and both work', async () => {
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
    await said(smsc, 'unbind', 1);
    expect(await roles(smsc, 1)).toEqual(['transceiver']);
  });

  it('takes no transceiver: a transmitter and a receiver do the same, for an O gateway alone, too', async () => {
    const { smsc, open } = await smscWith({ split: true });
    const sender = await open('O');
    expect(await roles(smsc, 3)).toEqual(['transmitter', 'receiver']);
    expect((await sender.send(outboundText('out'))).kind).toBe('sent');
    await waitFor('the receipt on the receiver', () => sender.receipts.length > 0);
    await smsc.offer({ from: '420777123456', to: '12345', bytes: gsm('nobody yet') });
    expect((await statuses(smsc, 'answered', 1))[0]).toBe(0x64);
    const receiver = await open('I');
    expect(await receiver.take()).toBe('nobody yet');
    expect(await roles(smsc, 3)).toEqual(['transmitter', 'receiver']);
  });

  it('refuses the password: one clear sentence, and the test of the connection says it, too', async () => {
    const { settings } = await smscWith();
    const wrong = { ...settings, Password: 'mistaken' };
    await expect(openGateway(wrong, { direction: 'I' })).rejects.toThrow(
      /^cannot use the SMSC 127\.0\.0\.1:\d+ as desk: bind_transceiver was refused: ESME_RINVPASWD/,
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
    await said(smsc, 'unbind', 1);
  });
});
