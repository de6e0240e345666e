import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Log } from '../../src/driver/contract.js';
import { silentLog } from '../../src/kit/log.js';
import { createDriverState } from '../../test/fixtures/driver-state.js';
import { waitFor } from '../../test/fixtures/wait-for.js';
import { type Dovecot, startDovecot, whyNoDovecot } from '../../test/servers/dovecot.js';
import {
  type ImapHarness,
  type ImapHarnessOptions,
  mailOf,
  openImapHarness,
  subjectOf,
} from '../../test/servers/imap-harness.js';
import { imapHost } from './driver.js';

const missing = whyNoDovecot();
const users = Array.from({ length: 10 }, (_, at) => ({ name: `u${at}@example.test`, password: `pw-${at}` }));
const all = { Since: 'All' };

/** A log that keeps the lines that speak of UIDVALIDITY. */
function listening(): { log: Log; lines: object[] } {
  const lines: object[] = [];
  const log: Log = {
    ...silentLog,
    info: (fields, message) => void (message.includes('UIDVALIDITY changed') && lines.push(fields)),
    child: () => log,
  };
  return { log, lines };
}

describe.runIf(!missing)(`a mailbox that was recreated${missing ? ` (skipped: ${missing})` : ''}`, () => {
  let dovecot: Dovecot;
  let used = 0;
  const freshUser = () => users[used++]?.name ?? '';
  const open = (user: string, options: ImapHarnessOptions = {}) => openImapHarness(imapHost, dovecot, user, options);
  /** Everything that is offered until the mailbox is quiet. */
  const drain = async (harness: ImapHarness) => {
    const received: string[] = [];
    const rest = (async () => {
      for (;;) received.push(subjectOf(await harness.next()) || 'no content');
    })().catch(() => {});
    await waitFor('the rematch', () =>
      JSON.stringify([...harness.driverState.checkpoints.values()]).includes('"watermark":'),
    );
    return { received, rest };
  };

  beforeAll(async () => {
    dovecot = await startDovecot({ users });
  });
  afterAll(() => dovecot?.close());

  test('nothing is replayed and nothing is skipped; the numbers are logged', async () => {
    const user = freshUser();
    await dovecot.fill(user, 5, (at) => ({ raw: mailOf(`old${at}`), at: Date.UTC(2020, 1, 1 + at) }));
    const first = await open(user);
    const next = first.next().catch(() => {});
    await waitFor('the first start', () => first.driverState.keys('skipped').length === 5);
    await first.close();
    await next;
    for (const subject of ['done', 'gone', 'acked', 'open', 'rejected']) await dovecot.deliver(user, mailOf(subject));
    const second = await open(user, { driverState: first.driverState });
    const [done, gone, acked, , aside] = await second.take(5);
    if (done && gone) await second.settle(done, gone);
    if (acked) second.driverState.acknowledge(acked);
    if (aside) second.driverState.quarantine(aside);
    await second.close();
    await dovecot.doveadm('expunge', '-u', user, 'mailbox', 'INBOX', 'header', 'subject', 'gone');
    await dovecot.recreateMailbox(user);
    await dovecot.deliver(user, mailOf('fresh'));

    const { log, lines } = listening();
    const third = await open(user, { driverState: first.driverState, log });
    const offered = await third.take(3);
    expect(offered.map(subjectOf).sort()).toEqual(['', 'fresh', 'open']);
    const { received, rest } = await drain(third);
    expect(lines).toMatchObject([{ matched: 9, new: 1 }]);
    await third.settle(...offered);
    await third.close();
    await rest;
    expect(received).toEqual([]);
    expect(third.driverState.keys('skipped').every((key) => !key.includes(acked?.key.split(';')[1] ?? ''))).toBe(true);
  });

  test('two mails alike in everything are both accounted for, one settled, one not', async () => {
    const user = freshUser();
    await dovecot.fill(user, 2, () => ({ raw: mailOf('twin'), at: Date.UTC(2026, 10, 1) }));
    const first = await open(user, { settings: all });
    const [one, two] = await first.take(2);
    expect(one?.fingerprint).toBe(two?.fingerprint);
    if (one) await first.settle(one);
    await first.close();
    await dovecot.recreateMailbox(user);
    const second = await open(user, { settings: all, driverState: first.driverState });
    const again = await second.next();
    expect(second.driverState.state(again.key)).toBe('pending');
    await second.settle(again);
    expect([...second.driverState.records.values()].map(({ state }) => state)).toEqual(['confirmed', 'confirmed']);
    const { received, rest } = await drain(second);
    await second.close();
    await rest;
    expect(received).toEqual([]);
  });

  test('of three alike where the journal knows two, the third is new', async () => {
    const user = freshUser();
    await dovecot.fill(user, 2, () => ({ raw: mailOf('twin'), at: Date.UTC(2026, 10, 1) }));
    const first = await open(user, { settings: all });
    await first.settle(...(await first.take(2)));
    await first.close();
    await dovecot.fill(user, 1, () => ({ raw: mailOf('twin'), at: Date.UTC(2026, 10, 1) }));
    await dovecot.recreateMailbox(user);
    const { log, lines } = listening();
    const second = await open(user, { settings: all, driverState: first.driverState, log });
    expect(subjectOf(await second.next())).toBe('twin');
    expect(lines).toMatchObject([{ matched: 2, new: 1, gone: 0 }]);
    await second.close();
  });

  test('a new mail never takes the record of one that has its new key already', async () => {
    const user = freshUser();
    const at = Date.UTC(2026, 10, 1);
    await dovecot.fill(user, 501, (index) => ({ raw: mailOf(index === 0 ? 'twin' : `m${index}`), at }));
    const first = await open(user, { settings: all });
    await first.settle(...(await first.take(501)));
    await first.close();
    await dovecot.fill(user, 1, () => ({ raw: mailOf('twin'), at }));
    await dovecot.recreateMailbox(user);
    const second = await open(user, { settings: all, driverState: first.driverState });
    const fresh = await second.next();
    expect([subjectOf(fresh), fresh.key.endsWith('UID=502')]).toEqual(['twin', true]);
    expect(second.driverState.keys('confirmed')).toHaveLength(501);
    await second.close();
  });

  test('where one of two alike was deleted after its confirmation, the one that is left is received', async () => {
    const user = freshUser();
    await dovecot.fill(user, 2, () => ({ raw: mailOf('twin'), at: Date.UTC(2026, 10, 1) }));
    const settings = { ...all, AfterReceive: 'Delete' };
    const first = await open(user, { settings });
    const [one] = await first.take(2);
    if (one) await first.settle(one);
    await first.close();
    await dovecot.recreateMailbox(user);
    const second = await open(user, { settings, driverState: first.driverState });
    expect(subjectOf(await second.next())).toBe('twin');
    await second.close();
  });

  test('mails without a Message-ID are distinguished by their content', async () => {
    const user = freshUser();
    const at = Date.UTC(2026, 10, 1);
    await dovecot.fill(user, 2, (index) => ({ raw: mailOf('no id', { id: '', body: `Hello ${index}.` }), at }));
    const first = await open(user, { settings: all });
    const [one, two] = await first.take(2);
    expect(one?.fingerprint).not.toBe(two?.fingerprint);
    if (two) await first.settle(two);
    await first.close();
    await dovecot.recreateMailbox(user);
    const second = await open(user, { settings: all, driverState: first.driverState });
    const again = await second.next();
    expect(Buffer.from(again.content?.raw ?? []).toString()).toContain('Hello 0.');
    expect(second.driverState.keys('confirmed')).toHaveLength(1);
    await second.close();
  });

  test('while running: the session breaks, nothing is confirmed under old numbers, and the next one matches', async () => {
    const user = freshUser();
    for (const subject of ['a', 'b']) await dovecot.deliver(user, mailOf(subject));
    const first = await open(user, { settings: all });
    const [a, b] = await first.take(2);
    if (a) await first.settle(a);
    const waiting = expect(first.next()).rejects.toMatchObject({ code: 'gateway/connection-lost' });
    await dovecot.recreateMailbox(user);
    await waiting;
    if (b) first.driverState.acknowledge(b);
    await expect(b?.confirm()).rejects.toMatchObject({ code: 'gateway/connection-lost' });
    await first.close();
    const second = await open(user, { settings: all, driverState: first.driverState });
    const late = await second.next();
    expect(late.content).toBeNull();
    expect(late.key).not.toBe(b?.key);
    await second.settle(late);
    expect(second.driverState.keys('confirmed')).toHaveLength(2);
    await second.close();
  });

  test('a rematch that was interrupted is finished by the next session', async () => {
    const user = freshUser();
    await dovecot.fill(user, 600, (at) => ({ raw: mailOf(`m${at}`), at: Date.UTC(2026, 10, 1) }));
    const driverState = createDriverState();
    const first = await open(user, { settings: all, driverState });
    await first.settle(...(await first.take(600)));
    await first.close();
    await dovecot.recreateMailbox(user);
    let pages = 0;
    const rekey = (changes: readonly { from: string; to: string }[]) =>
      ++pages === 2 ? Promise.reject(new Error('the journal is full')) : driverState.rekey(changes);
    const second = await open(user, { settings: all, driverState: { ...driverState, rekey } });
    await expect(second.next()).rejects.toThrow('the journal is full');
    await second.close();
    const { log, lines } = listening();
    const third = await open(user, { settings: all, driverState, log });
    const { received, rest } = await drain(third);
    await waitFor('the numbers', () => lines.length > 0);
    expect(lines).toMatchObject([{ matched: 600, new: 0, gone: 0 }]);
    await third.close();
    await rest;
    expect(received).toEqual([]);
  });
});
