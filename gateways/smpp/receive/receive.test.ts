// Receiving, against an SMSC that misbehaves.
import { afterEach, describe, expect, it } from 'vitest';
import { createDriverState } from '../../../test/fixtures/driver-state.js';
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
    const gateway = await openGateway({ ...settings, ...extra }, { direction: 'I', ...rest });
    undo.push(gateway.close);
    return gateway;
  };
  return { smsc, open };
}

const text = (words: string, extra: Record<string, unknown> = {}) =>
  deliverFields('+420777123456', '12345', { short_message: words, ...extra });
const bytes = (data: Buffer, extra: Record<string, unknown> = {}) =>
  deliverFields('+420777123456', '12345', { short_message: data, ...extra });

function part(number: number, total: number, words: string, reference = 7) {
  const header = Buffer.from([5, 0, 3, reference, total, number]);
  return bytes(Buffer.concat([header, Buffer.from(words)]), { esm_class: 0x40, data_coding: 0 });
}

describe('the text of a message', () => {
  it.each([
    ['the 7-bit alphabet with its extension', 0, Buffer.from([0x1b, 0x65, 0x00, 0x1b, 0x28, 0x02, 0x41]), '€@{$A'],
    ['Latin-1', 3, Buffer.from('déjà çà', 'latin1'), 'déjà çà'],
    ['UCS-2 with a surrogate pair', 8, Buffer.from('žába 🐸', 'utf16le').swap16(), 'žába 🐸'],
    ['ISO-8859-5', 6, Buffer.from([0xbf, 0xe0, 0xd8]), 'При'],
    ['a message waiting note in UCS-2', 0xe0, Buffer.from('Ž', 'utf16le').swap16(), 'Ž'],
    ['a flash message in UCS-2', 0x18, Buffer.from('Ž', 'utf16le').swap16(), 'Ž'],
  ])('in %s is read', async (_name, data_coding, data, words) => {
    const { smsc, open } = await smscWith();
    const gateway = await open();
    const answer = smsc.deliver(bytes(data, { data_coding }));
    expect(await gateway.take()).toBe(words);
    expect(await answer).toBe(0);
  });

  it.each([
    ['a locking shift table', [0x03, 0x25, 0x01, 0x03], [0x6e, 0x7b, 0x6f], 'não'],
    ['a single shift table', [0x03, 0x24, 0x01, 0x01], [0x1b, 0x53, 0x61], 'Şa'],
    ['both', [0x06, 0x24, 0x01, 0x03, 0x25, 0x01, 0x03], [0x7b, 0x1b, 0x05], 'ãê'],
  ])('behind a header that names %s is read by it', async (_name, header, octets, words) => {
    const { smsc, open } = await smscWith();
    const gateway = await open();
    void smsc.deliver(bytes(Buffer.from([...header, ...octets]), { esm_class: 0x40, data_coding: 0 }));
    expect(await gateway.take()).toBe(words);
  });

  it('in parts with a shift table is read when the other parts come after a restart', async () => {
    const { smsc, open } = await smscWith();
    const driverState = createDriverState();
    const shifted = (number: number, octets: number[]) =>
      bytes(Buffer.from([8, 0, 3, 9, 2, number, 0x25, 1, 3, ...octets]), { esm_class: 0x40, data_coding: 0 });
    const first = await open({}, { driverState });
    const waiting = first.next().catch(() => undefined);
    expect(await smsc.deliver(shifted(1, [0x6e, 0x7b]))).toBe(0);
    await first.close();
    await waiting;
    const second = await open({}, { driverState });
    void smsc.deliver(shifted(2, [0x6f, 0x5b]));
    expect(await second.take()).toBe('nãoÃ');
  });

  it('under data_coding 0 is in the alphabet that DefaultAlphabet names', async () => {
    const { smsc, open } = await smscWith();
    const gateway = await open({ DefaultAlphabet: 'Latin1' });
    void smsc.deliver(bytes(Buffer.from('Gr\xfcn a@b.cz', 'latin1'), { data_coding: 0 }));
    expect(await gateway.take()).toBe('Grün a@b.cz');
  });

  it('in message_payload is read', async () => {
    const { smsc, open } = await smscWith();
    const gateway = await open();
    const words = 'a long one, uncut. '.repeat(40);
    const answer = smsc.deliver(bytes(Buffer.alloc(0), { data_coding: 3, message_payload: Buffer.from(words) }));
    expect(await gateway.take()).toBe(words);
    expect(await answer).toBe(0);
  });

  it('that is binary is rejected for good', async () => {
    const { smsc, open } = await smscWith();
    const gateway = await open();
    const behind = gateway.next();
    expect(await smsc.deliver(bytes(Buffer.from([1, 2, 3]), { data_coding: 4 }))).toBe(0x66);
    void smsc.deliver(text('behind'));
    expect((await behind).content?.text).toBe('behind');
  });

  it.each([
    ['longer than the message', Buffer.from([200, 0, 3, 1, 2]), 'its header is longer'],
    ['with part 7 of 5', Buffer.from([5, 0, 3, 1, 5, 7, 0x41]), 'says part 7 of 5'],
    ['with part 0 of 2', Buffer.from([5, 0, 3, 1, 2, 0, 0x41]), 'says part 0 of 2'],
    ['with part 1 of 0', Buffer.from([5, 0, 3, 1, 0, 1, 0x41]), 'says part 1 of 0'],
  ])('behind a header %s arrives with a note', async (_name, data, note) => {
    const { smsc, open } = await smscWith();
    const gateway = await open();
    void smsc.deliver(bytes(data, { esm_class: 0x40 }));
    expect((await gateway.next()).content?.notes).toEqual([expect.stringContaining(note)]);
  });

  it('is accepted on every kind of bind', async () => {
    const { smsc, open } = await smscWith({ transceiverStatus: 0x0d });
    const gateway = await open();
    await open({}, { direction: 'O' });
    expect(smsc.binds()).toEqual(['receiver', 'transmitter']);
    const answer = smsc.deliver(text('on the wrong one'), 'transmitter');
    expect(await gateway.take()).toBe('on the wrong one');
    expect(await answer).toBe(0);
  });
});

describe('two messages with the same text', () => {
  it('directly after each other are two', async () => {
    const { smsc, open } = await smscWith();
    const gateway = await open();
    const answers = [smsc.deliver(text('Ok')), smsc.deliver(text('Ok'))];
    const [first, second] = [await gateway.next(), await gateway.next()];
    expect(second.key).not.toBe(first.key);
    await first.confirm();
    await second.confirm();
    expect(await Promise.all(answers)).toEqual([0, 0]);
  });

  it('are two when the first was answered', async () => {
    const { smsc, open } = await smscWith();
    const gateway = await open();
    for (let time = 0; time < 2; time++) {
      const answer = smsc.deliver(text('Ok'));
      expect(await gateway.take()).toBe('Ok');
      expect(await answer).toBe(0);
    }
    expect(gateway.driverState.keys('confirmed')).toHaveLength(2);
  });

  it('are one, answered twice, when the SMSC had waited long enough', async () => {
    const clock = manualClock();
    const { smsc, open } = await smscWith();
    const gateway = await open({}, { clock });
    const answers = [smsc.deliver(text('Ok'))];
    const first = await gateway.next();
    const asked = gateway.next();
    await clock.advance(6_000);
    answers.push(smsc.deliver(text('Ok')));
    expect((await asked).key).toBe(first.key);
    await first.confirm();
    expect(await Promise.all(answers)).toEqual([0, 0]);
  });

  it('are one when the connection of the first was lost, also on another bind', async () => {
    const { smsc, open } = await smscWith({ transceiverStatus: 0x0d });
    const gateway = await open();
    await open({}, { direction: 'O' });
    void smsc.deliver(text('Ok'), 'transmitter');
    const first = await gateway.next();
    smsc.dropAll('transmitter');
    await waitFor('the transmitter to be gone', () => smsc.binds().length === 1);
    const answer = smsc.deliver(text('Ok'), 'receiver');
    expect((await gateway.next()).key).toBe(first.key);
    await first.confirm();
    expect(await answer).toBe(0);
  });

  it('on two open connections are two', async () => {
    const { smsc, open } = await smscWith({ transceiverStatus: 0x0d });
    const gateway = await open();
    await open({}, { direction: 'O' });
    const answers = [smsc.deliver(text('Ok'), 'receiver'), smsc.deliver(text('Ok'), 'transmitter')];
    const [first, second] = [await gateway.next(), await gateway.next()];
    expect(second.key).not.toBe(first.key);
    await Promise.all([first.confirm(), second.confirm()]);
    expect(await Promise.all(answers)).toEqual([0, 0]);
  });

  it('are one after a lost connection: confirming fails until the SMSC delivers it again', async () => {
    const { smsc, open } = await smscWith();
    const gateway = await open();
    void smsc.deliver(text('Ok'));
    const first = await gateway.next();
    smsc.dropAll();
    await expect(gateway.next()).rejects.toThrow('the connection to the SMSC is lost');
    gateway.driverState.acknowledge(first);
    await expect(first.confirm()).rejects.toThrow('the SMSC has to deliver the message again');
    await gateway.close();
    const again = await open({}, { driverState: gateway.driverState });
    const answer = smsc.deliver(text('Ok'));
    const second = await again.next();
    expect(second).toMatchObject({ key: first.key, content: null });
    expect(await answer).toBe(0);
    await second.confirm();
  });
});

describe('a response that the SMSC may not have read', () => {
  it('after a lost connection: the repeated message is accepted and dropped, the next equal one is new', async () => {
    const { smsc, open } = await smscWith();
    const gateway = await open();
    void smsc.deliver(text('Ok'));
    expect(await gateway.take()).toBe('Ok');
    const asked = gateway.next();
    smsc.dropAll();
    await expect(asked).rejects.toThrow('the connection to the SMSC is lost');
    await gateway.close();
    const again = await open({}, { driverState: gateway.driverState });
    const taken = again.take();
    expect(await smsc.deliver(text('Ok'))).toBe(0);
    expect(again.driverState.records.size).toBe(1);
    expect(await smsc.deliver(text('Ok'))).toBe(0);
    expect(await taken).toBe('Ok');
    expect(again.driverState.records.size).toBe(2);
  });

  it('but has read, as a later enquire_link shows: an equal message is a new one', async () => {
    const clock = manualClock();
    const { smsc, open } = await smscWith();
    const gateway = await open({ EnquireLinkSeconds: 5 }, { clock });
    const answer = smsc.deliver(text('Ok'));
    await gateway.take();
    await answer;
    const asked = gateway.next();
    await clock.advance(5_000);
    await waitFor('an enquire_link', () => smsc.enquired === 1);
    // The response to enquire_link comes before this message on the same connection.
    const other = smsc.deliver(text('other'));
    await (await asked).confirm();
    await other;
    const lost = gateway.next();
    smsc.dropAll();
    await expect(lost).rejects.toThrow('the connection to the SMSC is lost');
    await gateway.close();
    const again = await open({}, { driverState: gateway.driverState, clock });
    void smsc.deliver(text('Ok'));
    expect(await again.take()).toBe('Ok');
    expect(again.driverState.keys('confirmed')).toHaveLength(2);
  });
});

describe('a message that cannot be accepted now', () => {
  it('stays at the SMSC while only an O gateway runs', async () => {
    const { smsc, open } = await smscWith();
    await open({}, { direction: 'O' });
    expect(await smsc.deliver(text('for no gateway'))).toBe(0x64);
  });

  it('stays at the SMSC while the journal cannot be read', async () => {
    const { smsc, open } = await smscWith();
    const driverState = { ...createDriverState(), byFingerprint: () => Promise.reject(new Error('disk full')) };
    const gateway = await open({}, { driverState });
    const asked = gateway.next();
    const answer = smsc.deliver(text('lost?'));
    await expect(asked).rejects.toThrow('disk full');
    expect(await answer).toBe(0x64);
  });

  it('stays at the SMSC when the gateway closes', async () => {
    const { smsc, open } = await smscWith();
    const gateway = await open();
    const answer = smsc.deliver(text('too late'));
    await gateway.next();
    await gateway.close();
    expect(await answer).toBe(0x64);
  });

  it('goes to the gateway with its number among several', async () => {
    const { smsc, open } = await smscWith();
    const [one, two] = [await open({ SourceAddress: '11111' }), await open({ SourceAddress: '12345' })];
    const asked = one.next();
    const answer = smsc.deliver(text('for the second'));
    expect(await two.take()).toBe('for the second');
    expect(await answer).toBe(0);
    void smsc.deliver(deliverFields('+420777123456', '11111', { short_message: 'for the first' }));
    expect((await asked).content?.text).toBe('for the first');
  });
});

describe('bytes that are no PDU', () => {
  it('with a possible length are rejected, and the next PDU is read', async () => {
    const { smsc, open } = await smscWith();
    const gateway = await open();
    const broken = Buffer.alloc(24);
    broken.writeUInt32BE(24, 0);
    broken.writeUInt32BE(5, 4);
    broken.writeUInt32BE(77, 12);
    smsc.raw(broken);
    await waitFor('the rejection', () => smsc.nacks.length === 1);
    expect(smsc.nacks).toEqual([2]);
    const answer = smsc.deliver(text('fine'));
    expect(await gateway.take()).toBe('fine');
    expect(await answer).toBe(0);
  });

  it.each([0, 15, 0x7fffffff])('with a length of %i end the connection, and a new one is opened', async (length) => {
    const { smsc, open } = await smscWith();
    const gateway = await open();
    const asked = gateway.next();
    const broken = Buffer.alloc(16);
    broken.writeUInt32BE(length, 0);
    smsc.raw(broken);
    await expect(asked).rejects.toThrow(`a PDU of ${length} octets was announced`);
    await gateway.close();
    expect((await (await open()).driverState.statesOf([])).size).toBe(0);
    expect(smsc.binds()).toHaveLength(1);
  });
});

describe('a long message', () => {
  it('is answered part by part when the part is stored, and outlives a restart', async () => {
    const { smsc, open } = await smscWith();
    const gateway = await open();
    const asked = gateway.next().catch(() => undefined);
    expect(await smsc.deliver(part(2, 3, 'two '))).toBe(0);
    expect(await smsc.deliver(part(3, 3, 'three'))).toBe(0);
    await gateway.close();
    await asked;
    const second = await open({}, { driverState: gateway.driverState });
    const answer = smsc.deliver(part(1, 3, 'one '));
    const inboundMessage = await second.next();
    expect(inboundMessage.content?.text).toBe('one two three');
    expect(await answer).toBe(0);
    await second.close();
    const third = await open({}, { driverState: gateway.driverState });
    const again = await third.next();
    expect([again.key, again.content?.text]).toEqual([inboundMessage.key, 'one two three']);
    await again.confirm();
    for (const collection of ['parts', 'waiting', 'ready'])
      expect(await gateway.driverState.listRecords(collection, '', 10)).toEqual([]);
  });

  it('stays at the SMSC when its part cannot be stored', async () => {
    const { smsc, open } = await smscWith();
    const driverState = createDriverState();
    const full = { ...driverState, putRecords: () => Promise.reject(new Error('disk full')) };
    const gateway = await open({}, { driverState: full });
    const asked = gateway.next();
    const answer = smsc.deliver(part(1, 2, 'one '));
    await expect(asked).rejects.toThrow('disk full');
    expect(await answer).toBe(0x64);
  });

  it('with missing parts is handed over after the timeout, with the gaps marked', async () => {
    const clock = manualClock();
    const { smsc, open } = await smscWith();
    const gateway = await open({ PartsTimeoutSeconds: 60 }, { clock });
    const asked = gateway.next();
    expect(await smsc.deliver(part(1, 5, 'one '))).toBe(0);
    expect(await smsc.deliver(part(2, 5, 'two '))).toBe(0);
    expect(await smsc.deliver(part(5, 5, ' five'))).toBe(0);
    await clock.advance(59_000);
    expect(await gateway.driverState.listRecords('waiting', '', 10)).toHaveLength(1);
    await clock.advance(1_001);
    const inboundMessage = await asked;
    expect(inboundMessage.content?.text).toBe('one two [parts 3 to 4 of 5 missing] five');
    expect(inboundMessage.content?.notes).toEqual(['parts 3 to 4 of 5 did not arrive in time']);
    await inboundMessage.confirm();
    expect(await gateway.driverState.listRecords('parts', '', 10)).toEqual([]);
  });

  it('that was complete does not start again with a repeated part', async () => {
    const clock = manualClock();
    const { smsc, open } = await smscWith();
    const gateway = await open({ PartsTimeoutSeconds: 60 }, { clock });
    const taken = gateway.take();
    await smsc.deliver(part(1, 2, 'one '));
    await smsc.deliver(part(2, 2, 'two'));
    expect(await taken).toBe('one two');
    const asked = gateway.next();
    expect(await smsc.deliver(part(2, 2, 'two'))).toBe(0);
    await clock.advance(120_000);
    expect(await gateway.driverState.listRecords('parts', '', 10)).toEqual([]);
    void smsc.deliver(text('the next one'));
    expect((await asked).content?.text).toBe('the next one');
  });

  it('with the reference of a message that lost a part is a message of its own', async () => {
    const { smsc, open } = await smscWith();
    const gateway = await open({}, { clock: manualClock() });
    const taken = gateway.take();
    await smsc.deliver(part(1, 2, 'old, its end is lost'));
    await smsc.deliver(part(1, 2, 'new '));
    await smsc.deliver(part(2, 2, 'and whole'));
    expect(await taken).toBe('new and whole');
  });

  it.each([
    ['a 16-bit reference', (n: number) => ({ udh: Buffer.from([6, 8, 4, 1, 2, 2, n]), extra: {} })],
    [
      'sar_ parameters',
      (n: number) => ({
        udh: undefined,
        extra: { sar_msg_ref_num: 300, sar_total_segments: 2, sar_segment_seqnum: n },
      }),
    ],
  ])('by %s is joined', async (_name, headers) => {
    const { smsc, open } = await smscWith();
    const gateway = await open();
    const taken = gateway.take();
    for (const number of [2, 1]) {
      const { udh, extra } = headers(number);
      const words = Buffer.from(number === 1 ? 'begin ' : 'end');
      const fields = udh ? { short_message: Buffer.concat([udh, words]), esm_class: 0x40 } : { short_message: words };
      expect(await smsc.deliver(bytes(words, { ...fields, ...extra }))).toBe(0);
    }
    expect(await taken).toBe('begin end');
  });
});
