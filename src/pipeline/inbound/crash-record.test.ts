// No message ends the service twice: what was being read when the process died is read in a process of its own when it comes again,
// and goes to quarantine unread when that was not enough.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type InboundFixture, startInboundFixture } from '../../../test/fixtures/inbound-gateway.js';
import { context, mailOf, octets, ownText, PLAIN } from '../../../test/fixtures/mail.js';
import { waitFor } from '../../../test/fixtures/wait-for.js';
import { createReader } from '../../content/create-reader.js';
import { systemClock } from '../../kit/clock.js';
import { silentLog } from '../../kit/log.js';
import {
  afterDeath,
  type CrashRecord,
  type HowToRead,
  howToReadAfter,
  noCrashRecord,
  openCrashRecord,
} from './crash-record.js';

describe('the decision', () => {
  test.each([
    ['a message nobody knows', undefined, 'whole'],
    ['one death', { deaths: 1, quarantined: false }, 'isolated'],
    ['two deaths', { deaths: 2, quarantined: false }, 'unread'],
    ['many deaths', { deaths: 9, quarantined: false }, 'unread'],
    ['requeued by an operator', { deaths: 2, quarantined: true }, 'requeued'],
    ['a text in quarantine after one death', { deaths: 1, quarantined: true }, 'requeued'],
  ] as const)('%s', (_name, known, how) => {
    expect(howToReadAfter(known)).toBe(how);
  });

  test('a death after the quarantine counts again', () => {
    expect(afterDeath(undefined)).toEqual({ deaths: 1, quarantined: false });
    expect(afterDeath({ deaths: 2, quarantined: true })).toEqual({ deaths: 3, quarantined: false });
  });
});

describe('the record', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'gatepost-crash-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const noted = { gatewayId: 'in', key: 'message 1' };
  const open = () => openCrashRecord(folder, silentLog);
  /** Opens the record as the next process does: the one before has not closed anything. */
  const died = (record: CrashRecord) => {
    record.close();
    return open();
  };

  test('deaths that cannot be stored are counted at the next start', () => {
    let record = open();
    record.begin(noted);
    // A folder in place of the file: it cannot be replaced.
    mkdirSync(join(folder, 'crashes.json'));
    record = died(record);
    expect(record.howToRead(noted)).toBe('isolated');
    record.begin(noted);
    rmSync(join(folder, 'crashes.json'), { recursive: true });
    record = died(record);
    expect(record.howToRead(noted)).toBe('unread');
    record = died(record);
    expect(record.howToRead(noted)).toBe('unread');
  });

  test('a death that could not be stored is forgotten once the message was read', () => {
    let record = open();
    record.begin(noted);
    mkdirSync(join(folder, 'crashes.json'));
    record = died(record);
    record.begin(noted)();
    rmSync(join(folder, 'crashes.json'), { recursive: true });
    record = died(record);
    expect([record.howToRead(noted), record.suspects()]).toEqual(['whole', []]);
  });

  test('a folder that cannot be written stops nothing', () => {
    mkdirSync(join(folder, 'reading'));
    const record = open();
    record.begin(noted)();
    expect(record.howToRead(noted)).toBe('whole');
    record.close();
  });

  test('isolated at the second sight, unread at the third, isolated after an operator requeued it', () => {
    let record = open();
    expect(record.howToRead(noted)).toBe('whole');
    record.begin(noted);
    record = died(record);
    expect([record.howToRead(noted), record.suspects()]).toEqual(['isolated', [noted]]);
    record.begin(noted);
    record = died(record);
    expect(record.howToRead(noted)).toBe('unread');
    record.quarantined(noted);
    expect([record.howToRead(noted), record.suspects()]).toEqual(['requeued', []]);
    record = died(record);
    expect(record.howToRead(noted)).toBe('requeued');
    record.begin(noted);
    record = died(record);
    expect(record.howToRead(noted)).toBe('unread');
  });

  test.runIf(existsSync('/dev/full'))('a full disk costs no file handle and leaves the record of before', () => {
    let record = open();
    record.begin(noted);
    record = died(record);
    symlinkSync('/dev/full', join(folder, 'crashes.json.new'));
    const handles = () => readdirSync('/proc/self/fd').length;
    const before = handles();
    for (let time = 0; time < 20; time++) record.quarantined(noted);
    expect(handles()).toBe(before);
    record.close();
    expect(open().howToRead(noted)).toBe('isolated');
  });

  test('a message that was read leaves no trace, and one that was isolated stays so', () => {
    let record = open();
    record.begin(noted)();
    record = died(record);
    expect([record.howToRead(noted), record.suspects()]).toEqual(['whole', []]);
    record.begin(noted);
    record = died(record);
    record.begin(noted)();
    expect(record.suspects()).toEqual([]);
    record = died(record);
    expect(record.howToRead(noted)).toBe('isolated');
  });

  test('many messages at once, long keys, keys of any characters, gateways whose ids differ in case only', () => {
    const keys = Array.from({ length: 300 }, (_, at) => ({
      gatewayId: 'IN',
      key: `${'\u{1f4e7}\n\u0000 "'.repeat(90)}${at}`,
    }));
    let record = open();
    const ends = keys.map((one) => record.begin(one));
    for (const end of ends.slice(100)) end();
    record = died(record);
    const ways = keys.map(({ key }) => record.howToRead({ gatewayId: 'in', key }));
    expect(ways.slice(0, 100).every((how) => how === 'isolated')).toBe(true);
    expect(ways.slice(100).every((how) => how === 'whole')).toBe(true);
    expect(record.suspects()).toHaveLength(100);
  });

  test('the newest thousand messages are remembered', () => {
    let record = open();
    for (let at = 0; at < 1_100; at++) record.begin({ gatewayId: 'in', key: String(at) });
    record = died(record);
    expect(record.howToRead({ gatewayId: 'in', key: '99' })).toBe('whole');
    expect(record.howToRead({ gatewayId: 'in', key: '1099' })).toBe('isolated');
  });

  test('damaged files stop nothing', () => {
    writeFileSync(join(folder, 'reading'), Buffer.alloc(3_000, 'x'));
    writeFileSync(join(folder, 'crashes.json'), '[["');
    const record = open();
    expect([record.howToRead(noted), record.suspects()]).toEqual(['whole', []]);
  });

  test('survives a process that is killed in the middle of reading', () => {
    const module = fileURLToPath(new URL('../../../dist/src/pipeline/inbound/crash-record.js', import.meta.url));
    const program = `const { openCrashRecord } = await import(process.argv[1]);
      openCrashRecord(process.argv[2], console).begin({ gatewayId: 'in', key: 'message 1' });
      process.kill(process.pid, 'SIGKILL');`;
    expect(() => execFileSync(process.execPath, ['--input-type=module', '-e', program, module, folder])).toThrow();
    expect(open().howToRead(noted)).toBe('isolated');
  });

  test('a note costs microseconds', () => {
    const record = open();
    const from = process.cpuUsage();
    for (let at = 0; at < 5_000; at++) record.begin({ gatewayId: 'in', key: String(at) })();
    const { user, system } = process.cpuUsage(from);
    expect((user + system) / 5_000).toBeLessThan(500);
  });
});

describe('the gateway', () => {
  let fixture: InboundFixture;
  afterEach(() => fixture.close());

  const recordThatSays = (how: 'isolated' | 'unread') => {
    const seen: string[] = [];
    let answer: HowToRead = how;
    const record: CrashRecord = {
      ...noCrashRecord,
      howToRead: () => answer,
      begin({ key }) {
        seen.push(`begin ${key}`);
        return () => void seen.push(`end ${key}`);
      },
      quarantined({ key }) {
        seen.push(`quarantined ${key}`);
        answer = 'requeued';
      },
    };
    return { record, seen };
  };

  test('notes each mail while it is read', async () => {
    const { record, seen } = recordThatSays('isolated');
    fixture = await startInboundFixture({ crashes: { ...record, howToRead: () => 'whole' } });
    fixture.show('m1');
    await fixture.turnUntil('the mail is delivered', () => fixture.received.length === 1);
    expect(seen).toEqual(['begin m1', 'end m1']);
  });

  test('reads a suspect in a process of its own: a mail that is innocent arrives whole', async () => {
    const { record, seen } = recordThatSays('isolated');
    fixture = await startInboundFixture({ crashes: record });
    const told = fixture.show('m1');
    await waitFor('the mail is delivered', () => fixture.received.length === 1);
    await fixture.turnUntil('the mail is confirmed', () => told.length === 1);
    expect([told, seen]).toEqual([['confirmed'], ['begin m1', 'end m1']]);
    expect(fixture.received[0]?.BodyText).not.toContain('could not be read');
  });

  test('quarantines unread what killed it twice; requeued by an operator it is read in a process of its own', async () => {
    const { record, seen } = recordThatSays('unread');
    fixture = await startInboundFixture({ crashes: record });
    const told = fixture.show('m1');
    await fixture.turnUntil('the mail is rejected', () => told.length === 1);
    expect([told, seen, fixture.received]).toEqual([['rejected'], ['quarantined m1'], []]);
    const [held] = await fixture.journal.quarantined();
    expect(held?.reason).toContain('died twice');
    const raw = await fixture.journal.quarantinedRaw(held?.inboundMessage.id ?? 0);
    expect(raw?.length).toBe(held?.bytes);
    await fixture.journal.requeue(held?.inboundMessage.id ?? 0);
    fixture.gateway.dispatchRequeued();
    await waitFor('the mail is delivered', () => fixture.received.length === 1);
    expect(fixture.received[0]?.SubjectField).not.toBe('');
  });

  test.each(['isolated', 'unread'] as const)(
    'a pushed text that ended the process is stored whole (%s)',
    async (how) => {
      const { record, seen } = recordThatSays(how);
      fixture = await startInboundFixture({ channel: 'SMS', crashes: record });
      expect(await fixture.push(['t1'])).toMatchObject({ reply: { status: 200 } });
      expect(seen).toEqual(['quarantined t1']);
      const [held] = await fixture.journal.quarantined();
      expect(fixture.received).toEqual([]);
      await fixture.journal.requeue(held?.inboundMessage.id ?? 0);
      fixture.gateway.dispatchRequeued();
      await fixture.turnUntil('the text is delivered', () => fixture.received.length === 1);
    },
  );
});

test('a mail that ends the process of its own arrives reduced, and the next one is read', async () => {
  const reader = createReader({ clock: systemClock, log: silentLog, budgets: { workerHeapMb: 20 } });
  const seen: string[] = [];
  const isolated = () => void seen.push('here');
  const heavy = octets(...PLAIN, 'Content-Type: text/html; charset=utf-8', '', '<i>x</i>'.repeat(400_000));
  const message = await reader.readMail(mailOf(heavy), { ...context, isolated });
  expect(message.notes.join()).toMatch(/could not be read in full.*its process ended/);
  expect(message.attachments.map(({ name }) => name)).toEqual(['original.eml']);
  const next = await reader.readMail(mailOf(octets(...PLAIN, '', 'hello')), { ...context, isolated });
  expect([ownText(next), seen]).toEqual(['hello', ['here', 'here']]);
  await reader.close();
});
