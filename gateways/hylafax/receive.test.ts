import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { messageOf } from '../../src/driver/contract.js';
import { faxWords } from '../../test/conformance/fax-words.js';
import { manualClock } from '../../test/fixtures/manual-clock.js';
import { waitFor } from '../../test/fixtures/wait-for.js';
import { type HylafaxBed, hylafaxBed } from '../../test/servers/hylafax-fixture.js';
import type { ScriptFile } from '../../test/servers/hylafax-script.js';
import { readTiff } from './tiff.js';

let bed: HylafaxBed;
beforeEach(async () => {
  bed = await hylafaxBed();
});
afterEach(() => bed.close());

const NAME = 'fax000000001.tif';
const TIFF = faxWords.offered('page').raw;
const now = () => Math.floor(Date.now() / 1000);
const put = (file: Partial<ScriptFile> = {}, name = NAME) =>
  void bed.server.files.set(name, { bytes: TIFF, at: now(), ...file });
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
  const before = bed.server.texts.get('log/xferfaxlog') ?? '';
  bed.server.texts.set('log/xferfaxlog', `${before}${[...columns, `"${reason}"`].join('\t')}\n`);
};
const looks = () => bed.server.commands.filter((command) => command === 'LIST recvq').length;

describe('what a received fax is', () => {
  it('the file, who called, and how the call went', async () => {
    put({ number: '5551001', station: '+420 222 333', name: 'Somebody | else', at: 1_795_356_846 });
    called('ttyS1');
    const { content, key, bytes } = await (await bed.receiver()).next();
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

  it("nobody's number and name are not known, and neither is the called one", async () => {
    put({ number: '<NONE>', station: '<UNSPECIFIED>', name: '' });
    const { content } = await (await bed.receiver()).next();
    expect(content).toMatchObject({ from: null, to: null, station: null, callerName: null });
  });

  it("a reception that broke off says so in HylaFAX's own words", async () => {
    put();
    called('ttyS1', 'COMREC received DCN (sender abort) {E106}');
    const { content } = await (await bed.receiver()).next();
    expect(content?.problem).toBe('COMREC received DCN (sender abort) {E106}');
  });

  it('a name that comes round again is another fax', async () => {
    put();
    const receiver = await bed.receiver();
    const first = await receiver.next();
    bed.driverState.acknowledge(first);
    await first.confirm();
    put({ bytes: faxWords.offered('another page').raw, at: now() + 60 });
    const second = await receiver.next();
    expect(second.key).not.toBe(first.key);
    expect(Buffer.from(second.content?.raw ?? []).includes('another page')).toBe(true);
  });

  it('comes at once over the live channel, however seldom anybody looks', async () => {
    const receiver = await bed.receiver({ PollSeconds: 600 });
    const arriving = receiver.next();
    await waitFor('the live channel and a look', () => bed.server.channels === 1 && looks() > 1);
    put();
    bed.server.tell('141408 136 RECV FAX: Call ended');
    expect((await arriving).content).not.toBeNull();
  });
});

describe('what is not ready yet', () => {
  it('a fax that is being received, or is empty, is left until it is whole', async () => {
    put({ arriving: true });
    put({ bytes: Buffer.alloc(0) }, 'fax000000002.tif');
    const receiver = await bed.receiver();
    const arriving = receiver.next();
    await waitFor('a look after the first one is over', () => looks() > 3);
    expect(bed.server.commands.filter((command) => command.startsWith('RETR recvq'))).toEqual([]);
    put();
    expect((await arriving).content?.raw).toEqual(TIFF);
  });

  it('a file that is cut short is waited for, and comes whole when it is', async () => {
    put({ bytes: TIFF.subarray(0, 200) });
    const arriving = (await bed.receiver()).next();
    await bed.server.until('the file to be looked at', /^RETR recvq/);
    put();
    const { content } = await arriving;
    expect(content?.raw).toEqual(TIFF);
    expect(content?.notes).toEqual([]);
  });

  it.each([{}, { unreadable: true }])('a file that stays cut short comes as it is, with a note (%o)', async (also) => {
    await bed.close();
    const clock = manualClock(Date.now());
    bed = await hylafaxBed({ clock });
    put({ bytes: TIFF.subarray(0, 200), ...also });
    const receiver = await bed.receiver();
    let done = false;
    const arriving = receiver.next().finally(() => {
      done = true;
    });
    for (let second = 0; second < 59; second++) await advance(clock, 1_000);
    expect(done).toBe(false);
    while (!done) await advance(clock, 1_000);
    expect((await arriving).content).toMatchObject({
      raw: TIFF.subarray(0, 200),
      notes: [`The file ${NAME} that HylaFAX received is incomplete or damaged.`],
    });
    await receiver.close();
    expect(clock.armed).toBe(0);
  });

  it('a call that is not in the log yet is waited for, because the log tells why it broke off', async () => {
    called('ttyS1', '', 'fax000000009.tif');
    put();
    const arriving = (await bed.receiver()).next();
    // The log is read before the file.
    await bed.server.until('the file to be looked at', /^RETR recvq/);
    called('ttyS1', 'Failed to receive page');
    expect((await arriving).content?.problem).toBe('Failed to receive page');
  });
});

describe('what is wanted', () => {
  it('only the faxes of the given modem', async () => {
    put({}, 'fax000000001.tif');
    called('ttyS0', '', 'fax000000001.tif');
    put({}, 'fax000000002.tif');
    called('ttyS1', '', 'fax000000002.tif');
    const { content } = await (await bed.receiver({ Modem: '/dev/ttyS1' })).next();
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
    const arriving = (await bed.receiver({ Since: since })).next();
    await waitFor('a look', () => looks() > 1);
    put({ at: Date.UTC(2026, 10, 3) / 1000 }, 'fax000000003.tif');
    expect((await arriving).content?.providerId).toContain(first);
  });

  it('what came while it was down, at every later start', async () => {
    const first = await bed.receiver({ Since: 'Now' });
    const arriving = first.next().catch(() => undefined);
    await waitFor('a look', () => looks() > 1);
    await first.close();
    await arriving;
    put();
    expect((await (await bed.receiver({ Since: 'Now' })).next()).content?.providerId).toContain(NAME);
  });

  it('no file that is too large to be a fax: it stays on the server, and the log says so', async () => {
    put({ size: 101 * 1024 * 1024 });
    put({}, 'fax000000002.tif');
    expect((await (await bed.receiver()).next()).content?.providerId).toContain('fax000000002.tif');
    expect(bed.inputRejected).toEqual(['too_large']);
    expect(bed.said()).toContain('too large to be a fax');
  });
});

describe('after it was taken', () => {
  it('Keep leaves it on the server, and it does not come again', async () => {
    put();
    const receiver = await bed.receiver();
    const inboundMessage = await receiver.next();
    bed.driverState.acknowledge(inboundMessage);
    await inboundMessage.confirm();
    bed.driverState.confirmed(inboundMessage);
    expect(bed.server.files.size).toBe(1);
    await receiver.close();
    const again = (await bed.receiver()).next();
    put({}, 'fax000000002.tif');
    expect((await again).content?.providerId).toContain('fax000000002.tif');
  });

  it('Delete never deletes another fax that has come under the same name', async () => {
    put();
    const inboundMessage = await (
      await bed.receiver({ AfterReceive: 'Delete', AdminPassword: bed.server.adminPassword })
    ).next();
    put({ at: now() + 3_600 });
    await inboundMessage.confirm();
    expect(bed.server.files.size).toBe(1);
  });

  it('Delete without the right to is one clear sentence, and the fax is confirmed again later', async () => {
    put();
    const receiver = await bed.receiver({ AfterReceive: 'Delete' });
    const inboundMessage = await receiver.next();
    bed.driverState.acknowledge(inboundMessage);
    expect(await inboundMessage.confirm().catch(messageOf)).toMatch(/^HylaFAX does not delete fax000000001.tif: 550 /);
    expect(await receiver.next()).toMatchObject({ key: inboundMessage.key, content: null });
  });
});

describe('what HylaFAX shows to administrators only', () => {
  it('is received with AdminPassword', async () => {
    put({ secret: true });
    const { content } = await (await bed.receiver({ AdminPassword: bed.server.adminPassword })).next();
    expect(content?.raw).toEqual(TIFF);
  });

  it('does not stay unseen because AdminPassword is wrong: the gateway says so and does not open', async () => {
    const failure = await bed.receiver({ AdminPassword: 'wrong' }).catch(messageOf);
    expect(failure).toMatch(/^HylaFAX at .* gives gatepost no administrator rights: 530 Password incorrect/);
  });

  it('is hinted at by the test of the connection, which cannot know of it without AdminPassword', async () => {
    put({ secret: true });
    const [last] = (await bed.check('I')).slice(-1);
    expect(last).toMatchObject({
      ok: true,
      detail: expect.stringMatching(/^0 faxes in recvq, as far as they are shown without AdminPassword/),
    });
    const [all] = (await bed.check('I', { AdminPassword: bed.server.adminPassword })).slice(-1);
    expect(all?.detail).toMatch(/^1 fax in recvq;/);
  });
});

it('a file that HylaFAX does not hand over is said once, keeps nobody waiting, and comes when it is handed over', async () => {
  put();
  put({}, 'fax000000002.tif');
  bed.server.trouble = (command) =>
    command === `RETR recvq/${NAME}` ? { is: 'says', reply: `550 recvq/${NAME}: Operation not permitted.` } : undefined;
  const receiver = await bed.receiver();
  expect((await receiver.next()).content?.providerId).toContain('fax000000002.tif');
  const next = receiver.next();
  await waitFor('more looks', () => looks() > 3);
  expect(bed.said().split('does not hand a received fax over')).toHaveLength(2);
  bed.server.trouble = undefined;
  expect((await next).content?.providerId).toContain(NAME);
});

it('a name that is none of a received fax is never asked for', async () => {
  for (const name of ['../etc/hosts.hfaxd', 'fax/../../etc/hosts.hfaxd', 'fax1.tif DELE', 'seqf'])
    for (const unreadable of [true, false]) put({ unreadable }, name + (unreadable ? '' : ' '));
  put();
  expect((await (await bed.receiver()).next()).content?.providerId).toContain(NAME);
  expect(bed.server.commands.filter((command) => /hosts|seqf|DELE/.test(command))).toEqual([]);
});

it('a lost server ends the receiving, so that the gateway is opened anew', async () => {
  const receiver = await bed.receiver();
  bed.server.trouble = () => ({ is: 'lost', when: 'before' });
  await expect(receiver.next()).rejects.toThrow();
});

it('a TIFF is whole only with all its pages, and nothing in it leads astray', () => {
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

/** Turns the clock once something waits for it: the driver may be talking to the server. */
async function advance(clock: ReturnType<typeof manualClock>, ms: number): Promise<void> {
  await clock.waitForTimers(1);
  await clock.advance(ms);
}
