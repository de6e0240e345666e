import { readFile } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { messageOf } from '../../src/driver/contract.js';
import { faxSamples } from '../../test/conformance/fax-samples.js';
import { manualClock } from '../../test/fixtures/manual-clock.js';
import { waitFor } from '../../test/fixtures/wait-for.js';
import { type HylafaxFixture, hylafaxFixture } from '../../test/servers/hylafax-fixture.js';
import type { ScriptFile } from '../../test/servers/hylafax-script.js';
import { readTiff } from './tiff.js';

let fixture: HylafaxFixture;
beforeEach(async () => {
  fixture = await hylafaxFixture();
});
afterEach(() => fixture.close());

const NAME = 'fax000000001.tif';
const TIFF = faxSamples.offered('page').raw;
const now = () => Math.floor(Date.now() / 1000);
const put = (file: Partial<ScriptFile> = {}, name = NAME) =>
  void fixture.server.files.set(name, { bytes: TIFF, at: now(), ...file });
const called = (modem: string, reason = '', file = NAME) => {
  const columns = [
    'date',
    'RECV',
    '1',
    modem,
    `recvq/${file}`,
    '""',
    'fax',
    '"5551002"',
    '"tsi"',
    '0',
    '3',
    '0:10',
    '0:10',
  ];
  const before = fixture.server.texts.get('log/xferfaxlog') ?? '';
  fixture.server.texts.set('log/xferfaxlog', `${before}${[...columns, `"${reason}"`].join('\t')}\n`);
};
const listings = () => fixture.server.commands.filter((command) => command === 'LIST recvq').length;

describe('a received fax', () => {
  it('holds the file, the caller and the quality of the call', async () => {
    put({ number: '5551001', station: '+420 222 333', name: 'Somebody | else', at: 1_795_356_846 });
    called('ttyS1');
    const { content, key, bytes } = await (await fixture.receiver()).next();
    expect(content).toEqual({
      kind: 'fax',
      raw: TIFF,
      from: '5551001',
      to: '5551002',
      station: '+420 222 333',
      callerName: 'Somebody | else',
      providerId: expect.stringContaining(NAME),
      receivedAt: 1_795_356_846_000,
      pages: 1,
      expectedPages: null,
      problem: null,
      facts: [
        { name: 'Speed', value: '14400 bit/s' },
        { name: 'Duration', value: '0:42' },
        { name: 'Resolution', value: '196 lines per inch' },
        { name: 'Coding', value: '2-D MMR' },
        { name: 'Modem', value: 'ttyS1' },
      ],
      notes: [],
    });
    expect(key).toBe(`${NAME} 2026-11-22T14:14:06Z ${TIFF.length}`);
    expect(bytes).toBe(TIFF.length);
  });

  it('has no number and name where the caller gives none', async () => {
    put({ number: '<NONE>', station: '<UNSPECIFIED>', name: '' });
    const { content } = await (await fixture.receiver()).next();
    expect(content).toMatchObject({ from: null, to: null, station: null, callerName: null });
  });

  it("gives the reason of an interrupted reception in HylaFAX's own words", async () => {
    put();
    called('ttyS1', 'COMREC received DCN (sender abort) {E106}');
    const { content } = await (await fixture.receiver()).next();
    expect(content?.problem).toBe('COMREC received DCN (sender abort) {E106}');
  });

  it('a reused file name is another fax', async () => {
    put();
    const receiver = await fixture.receiver();
    const first = await receiver.next();
    fixture.driverState.acknowledge(first);
    await first.confirm();
    put({ bytes: faxSamples.offered('another page').raw, at: now() + 60 });
    const second = await receiver.next();
    expect(second.key).not.toBe(first.key);
    expect(Buffer.from(second.content?.raw ?? []).includes('another page')).toBe(true);
  });

  it('comes at once over the event channel, even with a long PollSeconds', async () => {
    const receiver = await fixture.receiver({ PollSeconds: 600 });
    const nextFax = receiver.next();
    await waitFor('the event channel and a listing', () => fixture.server.channels === 1 && listings() > 1);
    put();
    fixture.server.tell('141408 136 RECV FAX: Call ended');
    expect((await nextFax).content).not.toBeNull();
  });
});

/** A TIFF with this description, as far as the driver reads it: HylaFAX writes the station and the caller identification there. */
function described(description: Buffer): Buffer {
  const fields = [
    [270, 2, description.length, 8],
    [273, 4, 1, 8],
    [279, 4, 1, description.length],
  ];
  const at = 8 + description.length;
  const tiff = Buffer.alloc(at + 2 + fields.length * 12 + 4);
  tiff.write('II*\0', 'latin1');
  tiff.writeUInt32LE(at, 4);
  description.copy(tiff, 8);
  tiff.writeUInt16LE(fields.length, at);
  for (const [index, [tag = 0, type = 0, count = 0, value = 0]] of fields.entries()) {
    const entry = at + 2 + index * 12;
    tiff.writeUInt16LE(tag, entry);
    tiff.writeUInt16LE(type, entry + 2);
    tiff.writeUInt32LE(count, entry + 4);
    tiff.writeUInt32LE(value, entry + 8);
  }
  return tiff;
}

describe('the caller of a received fax, whose names HylaFAX writes into the file', () => {
  it.each([
    [
      'a name in Latin-1',
      '+420 222\n420222333444\nNov\xe1 Prodejna\n',
      {},
      ['420222333444', '+420 222', 'Nová Prodejna'],
    ],
    ['a station with a bar', 'Prodejna M\xfcller | CZ\nanonymous\n\n', {}, ['anonymous', 'Prodejna Müller | CZ', null]],
    ['a name in UTF-8', 'ACME\n5551001\nP\xc5\x99\xc3\xadbram\n', {}, ['5551001', 'ACME', 'Příbram']],
    ['a number with a bar', 'ACME\n555|1001\nAnn | Bob\n', {}, ['555|1001', 'ACME', 'Ann | Bob']],
    ['a name in the character set of the region', 'A\n21\n\xd8ez\xe1\xe8\0', { Region: 'CZ' }, ['21', 'A', 'Řezáč']],
    ['a station only', '\x8akoda\n', { Region: 'CZ' }, [null, 'Škoda', null]],
    ['no description', '', {}, ['5551001', 'listed', 'Listed']],
  ])('%s', async (_, description, settings, caller) => {
    const bytes = described(Buffer.from(description, 'latin1'));
    put({ bytes, number: '5551001', station: 'listed', name: 'Listed' });
    const { content } = await (await fixture.receiver(settings)).next();
    expect([content?.from, content?.station, content?.callerName]).toEqual(caller);
  });
});

describe('a file that HylaFAX 6 received', () => {
  it.each([
    ['name-latin-1.tif', '420222333444', '+420 222 333 444', 'Nová Prodejna'],
    ['station-with-bar.tif', 'anonymous', 'Prodejna Müller | CZ', null],
  ])('%s has its caller', async (file, from, station, callerName) => {
    const bytes = await readFile(new URL(`../../test/fixtures/fax/${file}`, import.meta.url));
    put({ bytes, number: '?', station: '?', name: '?' });
    const { content } = await (await fixture.receiver()).next();
    expect(content).toMatchObject({ from, station, callerName });
  });
});

describe('a fax that is not ready yet', () => {
  it('is left while a modem writes it or while it is empty', async () => {
    put({ arriving: true });
    put({ bytes: Buffer.alloc(0) }, 'fax000000002.tif');
    const receiver = await fixture.receiver();
    const nextFax = receiver.next();
    await waitFor('a listing after the first one', () => listings() > 3);
    expect(fixture.server.commands.filter((command) => command.startsWith('RETR recvq'))).toEqual([]);
    put();
    expect((await nextFax).content?.raw).toEqual(TIFF);
  });

  it('is awaited while it is cut short, and comes whole', async () => {
    put({ bytes: TIFF.subarray(0, 200) });
    const nextFax = (await fixture.receiver()).next();
    await fixture.server.until('the download', /^RETR recvq/);
    put();
    const { content } = await nextFax;
    expect(content?.raw).toEqual(TIFF);
    expect(content?.notes).toEqual([]);
  });

  it.each([{}, { unreadable: true }])('comes as it is, with a note, when it stays cut short (%o)', async (also) => {
    await fixture.close();
    const clock = manualClock(Date.now());
    fixture = await hylafaxFixture({ clock });
    put({ bytes: TIFF.subarray(0, 200), ...also });
    const receiver = await fixture.receiver();
    let done = false;
    const nextFax = receiver.next().finally(() => {
      done = true;
    });
    for (let second = 0; second < 59; second++) await advance(clock, 1_000);
    expect(done).toBe(false);
    while (!done) await advance(clock, 1_000);
    expect((await nextFax).content).toMatchObject({
      raw: TIFF.subarray(0, 200),
      notes: [`The file ${NAME} that HylaFAX received is incomplete or damaged.`],
    });
    await receiver.close();
    expect(clock.armed).toBe(0);
  });

  it('is awaited until its call is in the log, which holds the reason of an interruption', async () => {
    called('ttyS1', '', 'fax000000009.tif');
    put();
    const nextFax = (await fixture.receiver()).next();
    // The log is read before the file.
    await fixture.server.until('the download', /^RETR recvq/);
    called('ttyS1', 'Failed to receive page');
    expect((await nextFax).content?.problem).toBe('Failed to receive page');
  });
});

describe('which faxes are received', () => {
  it('only those of the given modem', async () => {
    put({}, 'fax000000001.tif');
    called('ttyS0', '', 'fax000000001.tif');
    put({}, 'fax000000002.tif');
    called('ttyS1', '', 'fax000000002.tif');
    const { content } = await (await fixture.receiver({ Modem: '/dev/ttyS1' })).next();
    expect(content?.providerId).toContain('fax000000002.tif');
  });

  it.each([
    ['Now', 'fax000000003.tif'],
    ['2026-11-01', 'fax000000002.tif'],
    ['All', 'fax000000001.tif'],
  ])('at the very first start with Since %s: %s is the first one', async (since, first) => {
    put({ at: Date.UTC(2026, 9, 31) / 1000 }, 'fax000000001.tif');
    put({ at: Date.UTC(2026, 10, 2) / 1000 }, 'fax000000002.tif');
    put({ at: Date.UTC(2026, 10, 3) / 1000, arriving: true }, 'fax000000003.tif');
    const nextFax = (await fixture.receiver({ Since: since })).next();
    await waitFor('a listing', () => listings() > 1);
    put({ at: Date.UTC(2026, 10, 3) / 1000 }, 'fax000000003.tif');
    expect((await nextFax).content?.providerId).toContain(first);
  });

  it('at every later start: those that came while the gateway was down', async () => {
    const first = await fixture.receiver({ Since: 'Now' });
    const nextFax = first.next().catch(() => undefined);
    await waitFor('a listing', () => listings() > 1);
    await first.close();
    await nextFax;
    put();
    expect((await (await fixture.receiver({ Since: 'Now' })).next()).content?.providerId).toContain(NAME);
  });

  it('no file that is too large to be a fax: it stays on the server, with an error in the log', async () => {
    put({ size: 101 * 1024 * 1024 });
    put({}, 'fax000000002.tif');
    expect((await (await fixture.receiver()).next()).content?.providerId).toContain('fax000000002.tif');
    expect(fixture.inputRejected).toEqual(['too_large']);
    expect(fixture.logged()).toContain('received file too large');
  });
});

describe('after the acknowledgement', () => {
  it('Keep leaves the fax on the server, and it does not come again', async () => {
    put();
    const receiver = await fixture.receiver();
    const message = await receiver.next();
    fixture.driverState.acknowledge(message);
    await message.confirm();
    fixture.driverState.confirmed(message);
    expect(fixture.server.files.size).toBe(1);
    await receiver.close();
    const again = (await fixture.receiver()).next();
    put({}, 'fax000000002.tif');
    expect((await again).content?.providerId).toContain('fax000000002.tif');
  });

  it('Delete never deletes another fax that has taken the same name', async () => {
    put();
    const message = await (
      await fixture.receiver({ AfterReceive: 'Delete', AdminPassword: fixture.server.adminPassword })
    ).next();
    put({ at: now() + 3_600 });
    await message.confirm();
    expect(fixture.server.files.size).toBe(1);
  });

  it('Delete without the right to fails with one sentence, and the fax is confirmed again later', async () => {
    put();
    const receiver = await fixture.receiver({ AfterReceive: 'Delete' });
    const message = await receiver.next();
    fixture.driverState.acknowledge(message);
    expect(await message.confirm().catch(messageOf)).toMatch(/^HylaFAX does not delete fax000000001.tif: 550 /);
    expect(await receiver.next()).toMatchObject({ key: message.key, content: null });
  });
});

describe('a fax that HylaFAX shows to administrators only', () => {
  it('is received with AdminPassword', async () => {
    put({ secret: true });
    const { content } = await (await fixture.receiver({ AdminPassword: fixture.server.adminPassword })).next();
    expect(content?.raw).toEqual(TIFF);
  });

  it('does not stay unseen with a wrong AdminPassword: the gateway fails to open with the reason', async () => {
    const failure = await fixture.receiver({ AdminPassword: 'wrong' }).catch(messageOf);
    expect(failure).toMatch(/^HylaFAX at .* denies gatepost administrator rights: 530 Password incorrect/);
  });

  it('is mentioned by the connection test without AdminPassword', async () => {
    put({ secret: true });
    const [last] = (await fixture.check('I')).slice(-1);
    expect(last).toMatchObject({
      ok: true,
      detail: expect.stringMatching(/^0 faxes in recvq that are visible without AdminPassword/),
    });
    const [all] = (await fixture.check('I', { AdminPassword: fixture.server.adminPassword })).slice(-1);
    expect(all?.detail).toMatch(/^1 fax in recvq;/);
  });
});

it('a withheld fax is logged once, blocks no other fax, and comes when HylaFAX releases it', async () => {
  put();
  put({}, 'fax000000002.tif');
  fixture.server.trouble = (command) =>
    command === `RETR recvq/${NAME}` ? { is: 'says', reply: `550 recvq/${NAME}: Operation not permitted.` } : undefined;
  const receiver = await fixture.receiver();
  expect((await receiver.next()).content?.providerId).toContain('fax000000002.tif');
  const next = receiver.next();
  await waitFor('more listings', () => listings() > 3);
  expect(fixture.logged().split('HylaFAX withholds a received fax')).toHaveLength(2);
  fixture.server.trouble = undefined;
  expect((await next).content?.providerId).toContain(NAME);
});

it('a name that no received fax has is never used in a command', async () => {
  for (const name of ['../etc/hosts.hfaxd', 'fax/../../etc/hosts.hfaxd', 'fax1.tif DELE', 'seqf'])
    for (const unreadable of [true, false]) put({ unreadable }, name + (unreadable ? '' : ' '));
  put();
  expect((await (await fixture.receiver()).next()).content?.providerId).toContain(NAME);
  expect(fixture.server.commands.filter((command) => /hosts|seqf|DELE/.test(command))).toEqual([]);
});

it('a lost server ends the receiving, so that the pipeline opens the gateway again', async () => {
  const receiver = await fixture.receiver();
  fixture.server.trouble = () => ({ is: 'lost', when: 'before' });
  await expect(receiver.next()).rejects.toThrow();
});

it('a TIFF is whole only with all its pages, and damaged offsets do no harm', () => {
  expect(readTiff(TIFF)).toMatchObject({ whole: true });
  expect(readTiff(TIFF.subarray(0, 300))).toMatchObject({ whole: false });
  expect(readTiff(Buffer.alloc(0))).toEqual({ whole: false, description: [''] });
  expect(readTiff(Buffer.from('%PDF-1.4 no tiff'))).toMatchObject({ whole: false });
  const endless = Buffer.from(TIFF);
  const directory = endless.readUInt32LE(4);
  endless.writeUInt32LE(directory, directory + 2 + endless.readUInt16LE(directory) * 12);
  expect(readTiff(endless)).toMatchObject({ whole: true });
  for (let at = 0; at < TIFF.length; at += 7) {
    const broken = Buffer.from(TIFF);
    broken.fill(0xff, at, Math.min(at + 4, TIFF.length));
    expect(readTiff(broken).description).toBeInstanceOf(Array);
  }
});

/** Advances the clock once a timer is armed: before that the driver talks to the server. */
async function advance(clock: ReturnType<typeof manualClock>, ms: number): Promise<void> {
  await clock.waitForTimers(1);
  await clock.advance(ms);
}
