// Sending, against an SMSC that misbehaves.
import { afterEach, describe, expect, it } from 'vitest';
import type { DeliveryReceipt } from '../../../src/driver/contract.js';
import { attemptOf, certificate, outboundText, tempDir } from '../../../test/conformance/context.js';
import { manualClock } from '../../../test/fixtures/manual-clock.js';
import { waitFor } from '../../../test/fixtures/wait-for.js';
import { openGateway, type TestGatewayOptions } from '../../../test/servers/smpp-gateway.js';
import { deliverFields, type SmscOptions, startSmsc } from '../../../test/servers/smsc.js';

const login = { systemId: 'desk', password: 'secret12' };
const undo: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (let step = undo.pop(); step; step = undo.pop()) await step();
});

async function smscWith(options: Partial<SmscOptions> = {}) {
  const smsc = await startSmsc({ ...login, ...options });
  undo.push(smsc.close);
  const open = async (extra: Record<string, unknown> = {}, rest: Partial<TestGatewayOptions> = {}) => {
    const settings = { Host: '127.0.0.1', Port: smsc.port, SystemId: login.systemId, Password: login.password };
    const gateway = await openGateway({ ...settings, ...extra }, { direction: 'O', ...rest });
    undo.push(gateway.close);
    return gateway;
  };
  return { smsc, open };
}

const LONG = 'Exactly this long text, in several parts. '.repeat(10).trim();

describe('a long text', () => {
  it.each([
    ['Udh', 'esm_class', 0x40],
    ['Sar', 'sar_total_segments', 3],
    ['Payload', 'esm_class', 0],
  ])('is sent whole by %s', async (LongMessages, field, value) => {
    const { smsc, open } = await smscWith();
    const outcome = await (await open({ LongMessages })).send(outboundText(LONG));
    expect(outcome.kind).toBe('sent');
    expect(smsc.texts()).toEqual([{ to: '420777123456', text: LONG }]);
    expect(smsc.submits[0]?.fields[field]).toBe(value);
    expect(smsc.submits).toHaveLength(LongMessages === 'Payload' ? 1 : 3);
  });

  it('of Latin-1 letters is sent in Latin-1 only with that setting', async () => {
    const { smsc, open } = await smscWith();
    const text = 'Ação é útil';
    const gateway = await open({ Latin1: true });
    await gateway.send(outboundText(text));
    await gateway.close();
    await (await open()).send(outboundText(text));
    expect(smsc.submits.map(({ fields, text }) => [fields.data_coding, text])).toEqual([
      [3, text],
      [8, text],
    ]);
  });

  it('with a rejected part is rejected, with the number of accepted parts and the reason', async () => {
    const { smsc, open } = await smscWith();
    smsc.script = (_, count) => (count === 2 ? { status: 0x45 } : undefined);
    const outcome = await (await open({ WindowSize: 1 })).send(outboundText(LONG));
    expect(outcome).toMatchObject({
      kind: 'rejected',
      detail: expect.stringMatching(/^1 of 3 parts were accepted, part 2 was not: ESME_RSUBMITFAIL \(0x00000045\)/),
    });
    expect(smsc.asked).toBe(2);
  });
});

describe('the sender and the recipient', () => {
  it.each([
    ['+420123456789', [1, 1, '420123456789']],
    ['12345', [0, 1, '12345']],
    ['MyShop', [5, 0, 'MyShop']],
  ])('from %s has its type of number', async (from, [ton, npi, address]) => {
    const { smsc, open } = await smscWith();
    await (await open()).send(outboundText('hello', '+420777123456', from));
    const { fields } = smsc.submits[0] ?? {};
    expect([fields?.source_addr_ton, fields?.source_addr_npi, fields?.source_addr]).toEqual([ton, npi, address]);
    expect([fields?.dest_addr_ton, fields?.dest_addr_npi]).toEqual([1, 1]);
  });

  it('have the type of number and the numbering plan of the settings', async () => {
    const { smsc, open } = await smscWith();
    const gateway = await open({ SourceTon: 3, SourceNpi: 8, DestTon: 2, DestNpi: 9 });
    for (const from of ['12345', 'MyShop']) await gateway.send(outboundText('hello', '+420777123456', from));
    for (const { fields } of smsc.submits)
      expect([
        fields.source_addr_ton,
        fields.source_addr_npi,
        fields.dest_addr_ton,
        fields.dest_addr_npi,
        fields.destination_addr,
      ]).toEqual([3, 8, 2, 9, '420777123456']);
    expect(smsc.submits).toHaveLength(2);
  });

  it('is rejected as opted out on a status that the settings list', async () => {
    const { smsc, open } = await smscWith();
    const gateway = await open({ OptedOutStatus: [0x411, 0x14] });
    const statuses = [0x411, 0x14, 0x0b];
    smsc.script = (_, count) => ({ status: statuses[count - 1] ?? 0 });
    const outcomes = [];
    for (const text of ['one', 'two', 'three']) outcomes.push(await gateway.send(outboundText(text)));
    expect(outcomes).toEqual([
      { kind: 'rejected', detail: expect.stringContaining('0x00000411'), optedOut: true },
      { kind: 'rejected', detail: expect.stringContaining('ESME_RMSGQFUL'), optedOut: true },
      { kind: 'rejected', detail: expect.stringContaining('ESME_RINVDSTADR') },
    ]);
    expect(smsc.asked).toBe(3);
  });

  it('that no SMSC accepts are rejected before anything is sent', async () => {
    const { smsc, open } = await smscWith();
    const gateway = await open();
    for (const to of ['řeka', '+1234567890123456789012'])
      expect(await gateway.send(outboundText('hello', to))).toMatchObject({ kind: 'rejected' });
    expect(smsc.asked).toBe(0);
  });
});

describe('the pace', () => {
  it('counts parts: three parts need three seconds at one a second', async () => {
    const clock = manualClock();
    const { smsc, open } = await smscWith();
    const gateway = await open({ MaxPerSecond: 1 }, { clock });
    const sending = gateway.send(outboundText(LONG));
    await waitFor('the first part', () => smsc.submits.length === 1);
    await clock.waitForTimers(2);
    await clock.advance(999);
    expect(smsc.submits).toHaveLength(1);
    await clock.advance(1);
    await waitFor('the second part', () => smsc.submits.length === 2);
    await clock.waitForTimers(2);
    await clock.advance(1_000);
    expect((await sending).kind).toBe('sent');
  });

  it('keeps no more parts without a response than the window allows', async () => {
    const { smsc, open } = await smscWith();
    let answer = () => {};
    const after = new Promise<void>((resolve) => {
      answer = resolve;
    });
    smsc.script = () => ({ after });
    const gateway = await open({ WindowSize: 2 });
    const sends = ['1', '2', '3', '4', '5'].map((end) => gateway.send(outboundText('hello', `+42077700000${end}`)));
    await waitFor('two parts', () => smsc.asked === 2);
    // A whole exchange later a third one would have come.
    await smsc.deliver({ ...deliverFields('1', '2', { short_message: 'x' }) });
    expect(smsc.asked).toBe(2);
    answer();
    expect((await Promise.all(sends)).map(({ kind }) => kind)).toEqual(['sent', 'sent', 'sent', 'sent', 'sent']);
  });

  it('slows down when throttled, and messages to one recipient keep their order', async () => {
    const { smsc, open } = await smscWith();
    smsc.script = (_, count) => (count === 1 ? { status: 0x58 } : undefined);
    const gateway = await open();
    const outcomes = await Promise.all(
      ['first', 'second', 'third'].map((text) => gateway.send(outboundText(text, '+420777123456'))),
    );
    expect(outcomes.map(({ kind }) => kind)).toEqual(['sent', 'sent', 'sent']);
    expect(smsc.submits.map(({ text }) => text)).toEqual(['first', 'second', 'third']);
    expect(smsc.asked).toBe(4);
  });

  it.each([0x58, 0x14])(
    'waits longer each time while the SMSC answers %i, then the message is deferred',
    async (status) => {
      const clock = manualClock();
      const { smsc, open } = await smscWith();
      const tries: number[] = [];
      smsc.script = () => {
        tries.push(clock.monotonic());
        return { status };
      };
      const gateway = await open({}, { clock });
      const attempt = attemptOf();
      const sending = gateway.send(outboundText('hello'), attempt);
      while (tries.length < 4) {
        // A whole exchange between two steps of the clock, so that everything due by then has come.
        await smsc.deliver(deliverFields('1', '2', { short_message: 'x' }));
        await clock.advance(100);
      }
      const pauses = tries.slice(1).map((at, before) => at - (tries[before] ?? 0));
      for (const [at, longest] of [1_000, 2_000, 4_000].entries()) {
        expect(pauses[at]).toBeGreaterThanOrEqual(longest / 2);
        expect(pauses[at]).toBeLessThanOrEqual(longest + 200);
      }
      attempt.abort();
      expect(await sending).toMatchObject({ kind: 'deferred', detail: expect.stringContaining('ESME_R') });
      expect(smsc.submits).toHaveLength(0);
    },
  );
});

describe('a lost connection', () => {
  it('before submit_sm defers the message with the reason; the gateway binds again by itself', async () => {
    const { smsc, open } = await smscWith();
    const gateway = await open();
    smsc.bindStatus = 0x0d;
    smsc.dropAll();
    await waitFor('the connection to be gone', () => smsc.binds().length === 0);
    expect(await gateway.send(outboundText('now'))).toMatchObject({
      kind: 'deferred',
      detail: expect.stringContaining('ESME_RBINDFAIL'),
    });
    smsc.bindStatus = 0;
    await waitFor('the connection to be back', () => smsc.binds().length === 1);
    expect((await gateway.send(outboundText('again'))).kind).toBe('sent');
    expect(smsc.submits.map(({ text }) => text)).toEqual(['again']);
  });

  it('without a reset is found by enquire_link', async () => {
    const clock = manualClock();
    const { smsc, open } = await smscWith();
    const gateway = await open({ EnquireLinkSeconds: 20 }, { clock });
    await clock.advance(20_000);
    await waitFor('an enquire_link', () => smsc.enquired === 1);
    smsc.deaf = true;
    await clock.advance(20_000);
    await waitFor('another one', () => smsc.enquired === 2);
    await clock.advance(10_000);
    await waitFor('the connection to be closed', () => smsc.binds().length === 0);
    smsc.deaf = false;
    await clock.advance(2_000);
    await waitFor('a new one', () => smsc.binds().length === 1);
    expect((await gateway.send(outboundText('alive'))).kind).toBe('sent');
  });

  it('of an O gateway alone is opened again, and its receipts come', async () => {
    const { smsc, open } = await smscWith({ transceiverStatus: 0x0d });
    const gateway = await open();
    expect(smsc.binds()).toEqual(['receiver', 'transmitter']);
    await gateway.send(outboundText('one'));
    smsc.dropAll();
    await waitFor('both to be gone', () => smsc.binds().length === 0);
    await waitFor('both to be back', () => smsc.binds().length === 2);
    const text = 'id:2001 sub:001 dlvrd:001 submit date:2611221000 done date:2611221001 stat:UNDELIV err:034 text:one';
    const receipt = deliverFields('+420777123456', '12345', { esm_class: 4, short_message: text });
    expect(await smsc.deliver(receipt, 'receiver')).toBe(0);
    expect(gateway.receipts).toMatchObject([
      { id: '2001', state: 'undelivered', detail: 'UNDELIV err:034 done date:2611221001' },
    ]);
  });
});

describe('a late response', () => {
  it('leaves the outcome unknown, and a lookup finds the message by the id of the late response', async () => {
    const { smsc, open } = await smscWith();
    let answer = () => {};
    const after = new Promise<void>((resolve) => {
      answer = resolve;
    });
    smsc.script = (_, count) => (count === 2 ? { after } : undefined);
    const gateway = await open();
    const attempt = attemptOf();
    const message = outboundText(LONG);
    const sending = gateway.send(message, attempt);
    await waitFor('all parts', () => smsc.submits.length === 3);
    attempt.abort();
    expect(await sending).toMatchObject({ kind: 'unknown' });
    await waitFor('the early responses to be stored', async () => {
      const outcome = await gateway.lookup(message);
      return outcome !== 'not found' && outcome.kind === 'unknown' && outcome.detail.includes('for 2 of 3 parts');
    });
    answer();
    const found = await waitFor('the late response to be stored', async () => {
      const outcome = await gateway.lookup(message);
      return outcome !== 'not found' && outcome.kind === 'sent' && outcome;
    });
    expect(found).toMatchObject({
      ids: ['2001', '2002', '2003'],
      detail: 'settled after the attempt; query_sm: DELIVRD',
    });
  });
});

describe('receipts', () => {
  it('are answered and reported as often as they come: the journal sorts them out', async () => {
    const { smsc, open } = await smscWith();
    const gateway = await open();
    await gateway.send(outboundText('one'));
    const text = 'id:2001 sub:001 dlvrd:001 submit date:2611221000 done date:2611221001 stat:DELIVRD err:000 text:';
    const receipt = deliverFields('+420777123456', '12345', { esm_class: 4, short_message: text });
    expect(await Promise.all([smsc.deliver(receipt), smsc.deliver(receipt)])).toEqual([0, 0]);
    expect(gateway.receipts.map(({ id, state }) => [id, state])).toEqual([
      ['2001', 'delivered'],
      ['2001', 'delivered'],
    ]);
  });

  it('that the journal cannot store stay at the SMSC', async () => {
    const { smsc, open } = await smscWith();
    const receipts: DeliveryReceipt[] = [];
    receipts.push = () => {
      throw new Error('disk full');
    };
    await open({}, { receipts });
    const text = 'id:2001 sub:001 dlvrd:001 submit date:2611221000 done date:2611221001 stat:DELIVRD err:000 text:';
    expect(await smsc.deliver(deliverFields('1', '2', { esm_class: 4, short_message: text }))).toBe(0x64);
  });

  it('stay at the SMSC while only an I gateway runs, but not for ever', async () => {
    const clock = manualClock();
    const { smsc, open } = await smscWith();
    await open({}, { direction: 'I', clock });
    const receipt = deliverFields('1', '2', { esm_class: 4, short_message: 'id:1 stat:DELIVRD' });
    expect(await smsc.deliver(receipt)).toBe(0x64);
    await clock.advance(301_000);
    expect(await smsc.deliver(receipt)).toBe(0);
  });

  it('are not requested without that setting', async () => {
    const { smsc, open } = await smscWith();
    const gateway = await open({ Receipts: false });
    await gateway.send(outboundText('one'));
    expect(smsc.submits[0]?.fields.registered_delivery).toBe(0);
  });
});

it('uses TLS, and rejects a certificate that it cannot verify', async () => {
  const { dir, remove } = tempDir();
  undo.push(remove);
  const tls = await certificate(dir);
  const { smsc, open } = await smscWith({ tls });
  await expect(open({ Tls: true })).rejects.toThrow(/has a certificate that is not trusted: it is self-signed/);
  const gateway = await open({ Tls: true, AllowUntrustedCertificate: true });
  expect((await gateway.send(outboundText('private'))).kind).toBe('sent');
  expect(smsc.submits).toHaveLength(1);
});
