import { chmod, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createDriverState } from '../../test/fixtures/driver-state.js';
import { manualClock } from '../../test/fixtures/manual-clock.js';
import { waitFor } from '../../test/fixtures/wait-for.js';
import { type Dovecot, startDovecot, whyNoDovecot } from '../../test/servers/dovecot.js';
import {
  type ImapHarness,
  type ImapHarnessOptions,
  mailOf,
  openImapHarness,
  subjectOf,
} from '../../test/servers/imap-harness.js';
import { startProxy } from '../../test/servers/proxy.js';
import { imapHost } from './driver.js';

const missing = whyNoDovecot();
const DAY = 24 * 3600_000;
const hasCheckpoint = ({ driverState }: ImapHarness, part: string) =>
  JSON.stringify([...driverState.checkpoints.values()]).includes(part);

describe.runIf(!missing)(`receiving from a real Dovecot${missing ? ` (skipped: ${missing})` : ''}`, () => {
  let dovecot: Dovecot;
  let used = 0;
  const users = Array.from({ length: 20 }, (_, at) => ({ name: `u${at}@example.test`, password: `pw-${at}` }));
  const freshUser = () => users[used++]?.name ?? '';
  const open = (user: string, options: ImapHarnessOptions = {}) => openImapHarness(imapHost, dovecot, user, options);
  const all = { Since: 'All' };

  beforeAll(async () => {
    dovecot = await startDovecot({ users });
  });
  afterAll(() => dovecot?.close());

  test('a mail that comes while the mailbox is idle arrives by IDLE, without a poll', async () => {
    const user = freshUser();
    const proxy = await startProxy({ port: dovecot.port, record: true });
    const harness = await open(user, { settings: { Port: proxy.port } });
    const next = harness.next();
    await waitFor('IDLE', () => proxy.sent().includes(' IDLE\r\n'));
    await dovecot.deliver(user, mailOf('first'));
    expect(subjectOf(await next)).toBe('first');
    const second = harness.next();
    // Entered again at once: nothing was asked of the clock in between.
    await waitFor('IDLE again', () => proxy.sent().match(/ IDLE\r\n/g)?.length === 2);
    await dovecot.deliver(user, mailOf('second'));
    expect(subjectOf(await second)).toBe('second');
    expect(proxy.sent()).not.toContain('NOOP');
    await harness.close();
    await proxy.close();
  });

  test('500 waiting mails come whole, once each, in order, in few FETCHes', async () => {
    const user = freshUser();
    await dovecot.fill(user, 500, (at) => ({ raw: mailOf(`m${at}`), at: Date.UTC(2026, 10, 1) + at * 1000 }));
    const proxy = await startProxy({ port: dovecot.port, record: true });
    const harness = await open(user, { settings: { ...all, Port: proxy.port } });
    const messages = await harness.take(500);
    expect(messages.map(subjectOf)).toEqual(Array.from({ length: 500 }, (_, at) => `m${at}`));
    expect(new Set(messages.map(({ key }) => key)).size).toBe(500);
    expect(Buffer.from(messages[7]?.content?.raw ?? []).toString()).toContain('Hello.\r\n');
    expect(messages[7]?.content?.receivedAt).toBe(Date.UTC(2026, 10, 1) + 7000);
    expect(proxy.sent().match(/UID FETCH .*BODY\.PEEK/g)).toHaveLength(10);
    await harness.settle(...messages);
    await harness.close();
    await proxy.close();
  });

  test('at most one chunk is downloaded ahead of a pipeline that does not ask', async () => {
    const user = freshUser();
    await dovecot.fill(user, 200, (at) => ({ raw: mailOf(`m${at}`), at: Date.UTC(2026, 10, 1) }));
    const proxy = await startProxy({ port: dovecot.port, record: true });
    const harness = await open(user, { settings: { ...all, Port: proxy.port } });
    await harness.next();
    const downloads = () => proxy.sent().match(/BODY\.PEEK\[\]/g)?.length;
    await waitFor('the chunk ahead', () => downloads() === 2);
    await harness.take(49);
    expect(downloads()).toBe(2);
    await harness.next();
    await waitFor('the next chunk ahead', () => downloads() === 3);
    await harness.close();
    await proxy.close();
  });

  test('Since Now leaves what is there alone, without downloading it, and records it as skipped', async () => {
    const user = freshUser();
    await dovecot.fill(user, 30, (at) => ({ raw: mailOf(`old${at}`), at: Date.UTC(2020, 1, 1) }));
    const proxy = await startProxy({ port: dovecot.port, record: true });
    const harness = await open(user, { settings: { Port: proxy.port } });
    const next = harness.next();
    await waitFor('IDLE', () => proxy.sent().includes(' IDLE\r\n'));
    expect(proxy.sent()).not.toContain('BODY.PEEK[]');
    await dovecot.deliver(user, mailOf('new'));
    expect(subjectOf(await next)).toBe('new');
    expect(harness.driverState.keys('skipped')).toHaveLength(30);
    await harness.close();
    await proxy.close();
  });

  test('Since a date takes what came at that date or later, by internal date', async () => {
    const user = freshUser();
    const day = Date.UTC(2026, 10, 10);
    await dovecot.fill(user, 6, (at) => ({ raw: mailOf(`d${at}`), at: day + (at - 3) * DAY }));
    const harness = await open(user, { settings: { Since: '2026-11-10' } });
    expect((await harness.take(3)).map(subjectOf)).toEqual(['d3', 'd4', 'd5']);
    expect(harness.driverState.keys('skipped')).toHaveLength(3);
    await harness.close();
  });

  test('Since counts at the first start only: mail that came while the gateway was away is received', async () => {
    const user = freshUser();
    const first = await open(user);
    const stopped = first.next().catch(() => {});
    await waitFor('the checkpoint', () => first.driverState.checkpoints.size === 1);
    await first.close();
    await stopped;
    await dovecot.deliver(user, mailOf('while away'));
    const second = await open(user, { driverState: first.driverState });
    expect(subjectOf(await second.next())).toBe('while away');
    await second.close();
  });

  test('a first start that was interrupted does not make newer mail count as old', async () => {
    const user = freshUser();
    await dovecot.fill(user, 3, (at) => ({ raw: mailOf(`old${at}`), at: Date.UTC(2020, 1, 1) }));
    const driverState = createDriverState();
    const broken = { ...driverState, skip: () => Promise.reject(new Error('the journal is full')) };
    const first = await open(user, { driverState: broken });
    await expect(first.next()).rejects.toThrow('the journal is full');
    await first.close();
    await dovecot.deliver(user, mailOf('new'));
    const second = await open(user, { driverState });
    expect(subjectOf(await second.next())).toBe('new');
    expect(driverState.keys('skipped')).toHaveLength(3);
    await second.close();
  });

  test('a key that is acknowledged already is only confirmed, not downloaded again', async () => {
    const user = freshUser();
    await dovecot.deliver(user, mailOf('acknowledged'));
    const first = await open(user, { settings: all });
    const message = await first.next();
    first.driverState.acknowledge(message);
    await first.close();
    const proxy = await startProxy({ port: dovecot.port, record: true });
    const second = await open(user, { settings: { ...all, Port: proxy.port }, driverState: first.driverState });
    const again = await second.next();
    expect(again).toMatchObject({ key: message.key, content: null, bytes: 0 });
    await second.settle(again);
    expect(proxy.sent()).not.toContain('BODY.PEEK[]');
    expect(proxy.sent()).toContain('STORE 1 +FLAGS.SILENT (\\Seen)');
    await second.close();
    await proxy.close();
  });

  test('an open key is downloaded again, a confirmed one is not fetched', async () => {
    const user = freshUser();
    for (const subject of ['a', 'b']) await dovecot.deliver(user, mailOf(subject));
    const first = await open(user, { settings: all });
    const [a, b] = await first.take(2);
    if (a) await first.settle(a);
    await first.close();
    const second = await open(user, { settings: all, driverState: first.driverState });
    const again = await second.next();
    expect([again.key, subjectOf(again), again.fingerprint]).toEqual([b?.key, 'b', b?.fingerprint]);
    await second.close();
  });

  test('a restart asks only about mails above the watermark', async () => {
    const user = freshUser();
    await dovecot.fill(user, 120, (at) => ({ raw: mailOf(`m${at}`), at: Date.UTC(2026, 10, 1) }));
    const first = await open(user, { settings: all });
    const messages = await first.take(120);
    await first.settle(...messages);
    const idle = first.next().catch(() => {});
    await waitFor('the watermark', () => hasCheckpoint(first, '"watermark":120'));
    await first.close();
    await idle;
    await dovecot.deliver(user, mailOf('later'));
    const asked = first.driverState.asked;
    const second = await open(user, { settings: all, driverState: first.driverState });
    expect(subjectOf(await second.next())).toBe('later');
    expect(second.driverState.asked - asked).toBe(1);
    await second.close();
  });

  test('the watermark stays below a mail that is not settled', async () => {
    const user = freshUser();
    for (const subject of ['a', 'b', 'c']) await dovecot.deliver(user, mailOf(subject));
    const first = await open(user, { settings: all });
    const [a, b, c] = await first.take(3);
    if (a && c) await first.settle(a, c);
    const idle = first.next().catch(() => {});
    await waitFor('the watermark', () => hasCheckpoint(first, '"watermark":1,'));
    await first.close();
    await idle;
    const second = await open(user, { settings: all, driverState: first.driverState });
    expect((await second.next()).key).toBe(b?.key);
    await second.close();
  });

  test('a mail over the limit arrives cut, with its size and the reason', async () => {
    const user = freshUser();
    const body = 'x'.repeat(998).concat('\r\n').repeat(600);
    await dovecot.deliver(user, mailOf('large', { body }));
    await dovecot.deliver(user, mailOf('small'));
    const harness = await open(user, { settings: { ...all, MaxMessageBytes: 300_000 } });
    const [large, small] = await harness.take(2);
    expect(large?.content?.raw.byteLength).toBe(256 * 1024);
    expect(large?.content?.cut?.size).toBeGreaterThan(600_000);
    expect(large?.content?.cut?.reason).toMatch(/more than the limit of 300000 \(MaxMessageBytes\)/);
    expect(small?.content?.cut).toBeUndefined();
    await harness.close();
  });

  test('mails removed by another user while they are being fetched are passed over', async () => {
    const user = freshUser();
    await dovecot.fill(user, 120, (at) => ({ raw: mailOf(`m${at}`), at: Date.UTC(2026, 10, 1) }));
    const harness = await open(user, { settings: all });
    const first = await harness.next();
    // Two chunks are here already; these are in the third.
    await dovecot.doveadm('expunge', '-u', user, 'mailbox', 'INBOX', 'uid', '110:115');
    const rest = await harness.take(113);
    expect(rest.map(subjectOf)).toEqual(
      [...Array(120).keys()].filter((at) => at > 0 && (at < 109 || at > 114)).map((at) => `m${at}`),
    );
    await harness.settle(first, ...rest);
    const idle = harness.next().catch(() => {});
    await waitFor('the watermark over the gap', () => hasCheckpoint(harness, '"watermark":120'));
    await harness.close();
    await idle;
  });

  test('a mail over which the server ends the connection does not hold up the others, and is tried again', async () => {
    const user = freshUser();
    await dovecot.fill(user, 3, (at) => ({ raw: mailOf(`m${at}`), at: Date.UTC(2026, 10, 1) }));
    const folder = (sub: string) => join(dovecot.dir, 'mail', user, sub);
    const [, damaged = ''] = (await readdir(folder('new'))).sort();
    await chmod(join(folder('new'), damaged), 0);
    const driverState = createDriverState();
    const clock = manualClock();
    const subjects: string[] = [];
    // Together, alone, alone once more: then it is known.
    for (const _session of [1, 2, 3]) {
      const harness = await open(user, { settings: all, driverState, clock });
      const broken = (async () => {
        for (;;) subjects.push(subjectOf(await harness.next()));
      })();
      await expect(broken).rejects.toMatchObject({ code: 'gateway/connection-lost' });
      await harness.close();
    }
    const proxy = await startProxy({ port: dovecot.port, record: true });
    const settings = { ...all, Port: proxy.port };
    const harness = await open(user, { settings, driverState, clock });
    expect((await harness.take(2)).map(subjectOf)).toEqual(['m0', 'm2']);
    const next = harness.next();
    const idles = (count: number) => waitFor('IDLE', () => proxy.sent().match(/ IDLE\r\n/g)?.length === count);
    await idles(1);
    for (const sub of ['new', 'cur'])
      for (const file of await readdir(folder(sub))) await chmod(join(folder(sub), file), 0o600);
    for (let poll = 1; poll < 60; poll++) {
      await clock.advance(60_000);
      await idles(poll + 1);
    }
    await clock.advance(60_000);
    expect(subjectOf(await next)).toBe('m1');
    await harness.close();
    await proxy.close();
  });

  test('a mail that is still being handed over is not offered again by a poll that finds nothing new', async () => {
    const user = freshUser();
    await dovecot.deliver(user, mailOf('first'));
    const proxy = await startProxy({ port: dovecot.port, record: true });
    const clock = manualClock();
    const harness = await open(user, { settings: { ...all, PollSeconds: 30, Port: proxy.port }, clock });
    await harness.next();
    const next = harness.next();
    const idles = (count: number) => waitFor('IDLE', () => proxy.sent().match(/ IDLE\r\n/g)?.length === count);
    await idles(1);
    await clock.advance(30_000);
    await idles(2);
    await dovecot.deliver(user, mailOf('second'));
    expect(subjectOf(await next)).toBe('second');
    await harness.close();
    await proxy.close();
  });

  test('without IDLE new mail is found by polling', async () => {
    const user = freshUser();
    const proxy = await startProxy({ port: dovecot.port, record: true });
    const clock = manualClock();
    const harness = await open(user, { settings: { Port: proxy.port, Idle: false, PollSeconds: 30 }, clock });
    const next = harness.next();
    await waitFor('the pause between two polls', () => proxy.sent().includes('UID SEARCH UID 1:*'));
    await dovecot.deliver(user, mailOf('polled'));
    await clock.advance(29_000);
    expect(proxy.sent()).not.toContain('NOOP');
    await clock.advance(1_000);
    expect(subjectOf(await next)).toBe('polled');
    expect(proxy.sent()).toContain('NOOP');
    expect(proxy.sent()).not.toContain(' IDLE\r\n');
    await harness.close();
    await proxy.close();
  });

  test('ends at once with its signal, while it waits and while it offers', async () => {
    const user = freshUser();
    const harness = await open(user);
    const next = harness.next();
    await waitFor('the checkpoint', () => harness.driverState.checkpoints.size === 1);
    await Promise.all([harness.stop(), expect(next).rejects.toThrow('receiving has ended')]);
    await harness.close();
  });
});
