import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createDriverState } from '../../test/fixtures/driver-state.js';
import { waitFor } from '../../test/fixtures/wait-for.js';
import { type Dovecot, startDovecot, whyNoDovecot } from '../../test/servers/dovecot.js';
import { type ImapHarnessOptions, mailOf, openImapHarness, subjectOf } from '../../test/servers/imap-harness.js';
import type { Checkpoint } from './checkpoint.js';
import { imapHost } from './driver.js';
import { syncStateOf } from './initial-sync.js';
import { isOld } from './rematch.js';

const DAY_MS = 24 * 3600_000;
const OLD = Date.UTC(2020, 1, 1);
const missing = whyNoDovecot();
const users = Array.from({ length: 8 }, (_, at) => ({ name: `u${at}@example.test`, password: `pw-${at}` }));

describe('the state of a mailbox follows from its checkpoint', () => {
  const checkpoint: Checkpoint = {
    uidValidity: '7',
    startedAt: 0,
    boundary: 5,
    sortedTo: 5,
    watermark: 5,
    rejected: [],
    messages: 5,
  };
  test.each([
    ['none', undefined],
    ['unreadable', 'unreadable' as const],
    ['synced', checkpoint],
    ['skipping', { ...checkpoint, sortedTo: 4 }],
    ['renumbered', { ...checkpoint, uidValidity: '6' }],
    ['renumbered', { ...checkpoint, uidValidity: '6', sortedTo: 4 }],
  ])('%s', (state, stored) => expect(syncStateOf(stored, '7')).toBe(state));
});

describe('a mail of a renumbered mailbox counts as old only when its date is certain', () => {
  const startedAt = Date.UTC(2026, 10, 28);
  test.each([
    ['days before the first start', startedAt - 2 * DAY_MS, Number.POSITIVE_INFINITY, true],
    ['within the tolerance for a wrong clock', startedAt - DAY_MS + 1, Number.POSITIVE_INFINITY, false],
    ['after the first start', startedAt + 1, Number.POSITIVE_INFINITY, false],
    ['wanted by Since', startedAt - 2 * DAY_MS, startedAt - 3 * DAY_MS, false],
    ['without a date', 0, Number.POSITIVE_INFINITY, false],
  ])('%s', (_what, at, since, old) => expect(isOld(at, { startedAt }, since)).toBe(old));
});

describe.skipIf(missing)(`the first start on a real Dovecot${missing ? ` (skipped: ${missing})` : ''}`, () => {
  let dovecot: Dovecot;
  let used = 0;
  const mailbox = async (count: number) => {
    const user = users[used++]?.name ?? '';
    await dovecot.fill(user, count, (at) => ({ raw: mailOf(`old${at}`), at: OLD }));
    return user;
  };
  const open = (user: string, options: ImapHarnessOptions = {}) => openImapHarness(imapHost, dovecot, user, options);
  /** A first start that fails once `pages` pages of old mail are recorded. */
  const interruptedStart = async (user: string, pages = 0) => {
    const driverState = createDriverState();
    let recorded = 0;
    const skip = (entries: readonly { key: string; fingerprint: string }[]) =>
      recorded++ < pages ? driverState.skip(entries) : Promise.reject(new Error('the journal is full'));
    const first = await open(user, { driverState: { ...driverState, skip } });
    await expect(first.next()).rejects.toThrow('the journal is full');
    await first.close();
    return driverState;
  };

  beforeAll(async () => {
    dovecot = await startDovecot({ users });
  });
  afterAll(() => dovecot?.close());

  test('a mail that comes after the folder was opened is new, also before the first listing', async () => {
    const user = await mailbox(2);
    const harness = await open(user);
    await dovecot.deliver(user, mailOf('new'));
    expect(subjectOf(await harness.next())).toBe('new');
    expect(harness.driverState.keys('skipped')).toHaveLength(2);
    await harness.close();
  });

  test('a new UIDVALIDITY before the first start has finished: newer mail is received, older mail is skipped', async () => {
    const user = await mailbox(3);
    const driverState = await interruptedStart(user);
    await dovecot.deliver(user, mailOf('new'));
    await dovecot.recreateMailbox(user);
    const second = await open(user, { driverState });
    expect(subjectOf(await second.next())).toBe('new');
    expect(driverState.keys('skipped')).toHaveLength(3);
    await second.close();
  });

  test('the same when a part of the old mail had been recorded', async () => {
    const user = await mailbox(501);
    const driverState = await interruptedStart(user, 1);
    expect(driverState.keys('skipped')).toHaveLength(500);
    await dovecot.deliver(user, mailOf('new'));
    await dovecot.recreateMailbox(user);
    const second = await open(user, { driverState });
    expect(subjectOf(await second.next())).toBe('new');
    expect(driverState.keys('skipped')).toHaveLength(501);
    await second.close();
  });

  test('renumbered twice before the first start has finished: still nothing new is skipped', async () => {
    const user = await mailbox(3);
    const driverState = await interruptedStart(user);
    await dovecot.deliver(user, mailOf('first'));
    await dovecot.recreateMailbox(user);
    const rejecting = { ...driverState, skip: () => Promise.reject(new Error('the journal is full')) };
    const second = await open(user, { driverState: rejecting });
    await expect(second.next()).rejects.toThrow('the journal is full');
    await second.close();
    await dovecot.deliver(user, mailOf('second'));
    await dovecot.recreateMailbox(user);
    const third = await open(user, { driverState });
    expect((await third.take(2)).map(subjectOf).sort()).toEqual(['first', 'second']);
    expect(driverState.keys('skipped')).toHaveLength(3);
    await third.close();
  });

  test('a checkpoint that cannot be read makes no mail count as old', async () => {
    const user = await mailbox(2);
    const first = await open(user);
    const stopped = first.next().catch(() => {});
    await waitFor('the first start', () => first.driverState.keys('skipped').length === 2);
    await first.close();
    await stopped;
    await dovecot.deliver(user, mailOf('new'));
    for (const name of first.driverState.checkpoints.keys())
      await first.driverState.putCheckpoint(name, { of: 'another version' });
    const second = await open(user, { driverState: first.driverState });
    expect(subjectOf(await second.next())).toBe('new');
    await second.close();
  });
});
