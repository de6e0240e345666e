import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createDriverState } from '../../test/fixtures/driver-state.js';
import { manualClock } from '../../test/fixtures/manual-clock.js';
import { waitFor } from '../../test/fixtures/wait-for.js';
import { type Dovecot, startDovecot, whyNoDovecot } from '../../test/servers/dovecot.js';
import { type ImapHarnessOptions, mailOf, openImapHarness } from '../../test/servers/imap-harness.js';
import { startProxy } from '../../test/servers/proxy.js';
import { imapHost } from './driver.js';

const missing = whyNoDovecot();
const title = missing ? ` (skipped: ${missing})` : '';
const users = Array.from({ length: 20 }, (_, at) => ({ name: `u${at}@example.test`, password: `pw-${at}` }));
const folders = ['Archive', 'Refused'];
const all = { Since: 'All' };

/** What is in a folder: UIDs with their flags. */
async function contents(dovecot: Dovecot, user: string, folder = 'INBOX'): Promise<Record<string, string>> {
  const text = await dovecot.doveadm('-f', 'tab', 'fetch', '-u', user, 'uid flags', 'mailbox', folder);
  const rows = text.trim().split('\n').slice(1);
  return Object.fromEntries(
    rows.map((row) => {
      const [uid = '', flags = ''] = row.split('\t');
      return [uid, flags.replace(/\\Recent ?/, '').trim()];
    }),
  );
}

describe.runIf(!missing)(`confirming to a real Dovecot${title}`, () => {
  let dovecot: Dovecot;
  let used = 0;
  const freshUser = () => users[used++]?.name ?? '';
  const open = (user: string, options: ImapHarnessOptions = {}) => openImapHarness(imapHost, dovecot, user, options);
  const mailbox = async (count: number) => {
    const user = freshUser();
    await dovecot.fill(user, count, (at) => ({ raw: mailOf(`m${at}`), at: Date.UTC(2026, 10, 1) }));
    return user;
  };

  beforeAll(async () => {
    dovecot = await startDovecot({ users, folders });
  });
  afterAll(() => dovecot?.close());

  test('Seen marks as read what was confirmed, and nothing else', async () => {
    const user = await mailbox(3);
    const harness = await open(user, { settings: all });
    const [a, , c] = await harness.take(3);
    if (a && c) await harness.settle(a, c);
    expect(await contents(dovecot, user)).toEqual({ 1: '\\Seen', 2: '', 3: '\\Seen' });
    await harness.close();
  });

  test('Move puts it into MoveTo', async () => {
    const user = await mailbox(2);
    const harness = await open(user, { settings: { ...all, AfterReceive: 'Move', MoveTo: 'Archive' } });
    const [a] = await harness.take(2);
    if (a) await harness.settle(a);
    expect(Object.keys(await contents(dovecot, user))).toEqual(['2']);
    expect(Object.keys(await contents(dovecot, user, 'Archive'))).toHaveLength(1);
    await harness.close();
  });

  test('Delete removes it, and leaves mails alone that another user has marked as deleted', async () => {
    const user = await mailbox(3);
    const harness = await open(user, { settings: { ...all, AfterReceive: 'Delete' } });
    const [a] = await harness.take(3);
    await dovecot.doveadm('flags', 'add', '-u', user, '\\Deleted', 'mailbox', 'INBOX', 'uid', '3');
    if (a) await harness.settle(a);
    expect(await contents(dovecot, user)).toEqual({ 2: '', 3: '\\Deleted' });
    await harness.close();
  });

  test('Keep changes nothing', async () => {
    const user = await mailbox(2);
    const harness = await open(user, { settings: { ...all, AfterReceive: 'Keep' } });
    await harness.settle(...(await harness.take(2)));
    expect(await contents(dovecot, user)).toEqual({ 1: '', 2: '' });
    await harness.close();
  });

  test('Delete never deletes the original of a mail that was not received whole, not even after a restart', async () => {
    const user = freshUser();
    const body = 'x'.repeat(998).concat('\r\n').repeat(600);
    for (const subject of ['one', 'two']) await dovecot.deliver(user, mailOf(subject, { body }));
    const settings = { ...all, AfterReceive: 'Delete', MaxMessageBytes: 300_000 };
    const first = await open(user, { settings });
    const [one, two] = await first.take(2);
    expect(one?.content?.cut?.reason).toContain('is not deleted but flagged');
    if (one) await first.settle(one);
    if (two) first.driverState.acknowledge(two);
    await first.close();
    const second = await open(user, { settings, driverState: first.driverState });
    await second.settle(await second.next());
    expect(await contents(dovecot, user)).toEqual({ 1: '\\Flagged \\Seen', 2: '\\Flagged \\Seen' });
    await second.close();
  });

  test('confirms that come together are one STORE', async () => {
    const user = await mailbox(60);
    const proxy = await startProxy({ port: dovecot.port, record: true });
    const harness = await open(user, { settings: { ...all, Port: proxy.port } });
    await harness.settle(...(await harness.take(60)));
    expect(proxy.sent().match(/UID STORE/g)).toHaveLength(1);
    expect(proxy.sent()).toContain('UID STORE 1:60 +FLAGS.SILENT (\\Seen)');
    await harness.close();
    await proxy.close();
  });

  test('nothing changes in the mailbox before it is requested', async () => {
    const user = await mailbox(3);
    const proxy = await startProxy({ port: dovecot.port, record: true });
    const harness = await open(user, { settings: { ...all, Port: proxy.port, AfterReceive: 'Delete' } });
    await harness.take(3);
    await harness.close();
    expect(proxy.sent()).not.toMatch(/STORE|MOVE|COPY|EXPUNGE/);
    expect(await contents(dovecot, user)).toEqual({ 1: '', 2: '', 3: '' });
    await proxy.close();
  });

  test('a mail that another user has removed counts as confirmed', async () => {
    const user = await mailbox(1);
    const harness = await open(user, { settings: { ...all, AfterReceive: 'Move', MoveTo: 'Archive' } });
    const message = await harness.next();
    await dovecot.doveadm('expunge', '-u', user, 'mailbox', 'INBOX', 'all');
    await harness.settle(message);
    await message.confirm();
    await harness.close();
  });

  test('a confirm that the server rejects fails with its answer, and the mail is offered again at the next poll', async () => {
    const user = await mailbox(1);
    await dovecot.doveadm('mailbox', 'create', '-u', user, 'Elsewhere');
    const proxy = await startProxy({ port: dovecot.port, record: true });
    const clock = manualClock();
    const settings = { ...all, AfterReceive: 'Move', MoveTo: 'Elsewhere', PollSeconds: 30, Port: proxy.port };
    const harness = await open(user, { settings, clock });
    const message = await harness.next();
    harness.driverState.acknowledge(message);
    await dovecot.doveadm('mailbox', 'delete', '-u', user, 'Elsewhere');
    const rejection = { code: 'gateway/refused', message: expect.stringContaining('Elsewhere') };
    const rejected = expect(message.confirm()).rejects.toMatchObject(rejection);
    await clock.advance(50);
    await rejected;
    await dovecot.doveadm('mailbox', 'create', '-u', user, 'Elsewhere');
    const next = harness.next();
    await waitFor('IDLE', () => proxy.sent().includes(' IDLE\r\n'));
    await clock.advance(30_000);
    const again = await next;
    expect(again).toMatchObject({ key: message.key, content: null });
    const settled = harness.settle(again);
    await clock.advance(50);
    await settled;
    expect(Object.keys(await contents(dovecot, user, 'Elsewhere'))).toHaveLength(1);
    await harness.close();
    await proxy.close();
  });

  test('a rejected mail is flagged and stays; one that is acknowledged later is confirmed after a restart', async () => {
    const user = await mailbox(2);
    const first = await open(user, { settings: all });
    const [a, b] = await first.take(2);
    if (a) first.driverState.quarantine(a);
    await a?.reject('the server refused it 8 times');
    if (b) await first.settle(b);
    expect(await contents(dovecot, user)).toEqual({ 1: '\\Flagged', 2: '\\Seen' });
    const idle = first.next().catch(() => {});
    await waitFor('the checkpoint', () =>
      JSON.stringify([...first.driverState.checkpoints.values()]).includes('"aside":[1]'),
    );
    await first.close();
    await idle;
    if (a) first.driverState.acknowledge(a);
    const second = await open(user, { settings: all, driverState: first.driverState });
    const late = await second.next();
    expect(late).toMatchObject({ key: a?.key, content: null });
    await second.settle(late);
    expect(await contents(dovecot, user)).toEqual({ 1: '\\Flagged \\Seen', 2: '\\Seen' });
    await second.close();
  });

  test('a rejected mail goes to RefuseTo; a move that was interrupted is finished at the next start', async () => {
    const user = await mailbox(2);
    const settings = { ...all, RefuseTo: 'Refused' };
    const first = await open(user, { settings });
    const [a, b] = await first.take(2);
    if (a && b) for (const message of [a, b]) first.driverState.quarantine(message);
    await a?.reject('it could not be read');
    expect(Object.keys(await contents(dovecot, user))).toEqual(['2']);
    await first.close();
    const second = await open(user, { settings, driverState: first.driverState });
    const next = second.next().catch(() => {});
    await waitFor('the second move', async () => Object.keys(await contents(dovecot, user, 'Refused')).length === 2);
    await second.close();
    await next;
  });

  test('after the session is closed nothing is confirmed under its numbers', async () => {
    const user = await mailbox(1);
    const harness = await open(user, { settings: all });
    const message = await harness.next();
    await harness.close();
    await expect(message.confirm()).rejects.toMatchObject({ code: 'gateway/closed' });
    expect(await contents(dovecot, user)).toEqual({ 1: '' });
  });
});

describe.runIf(!missing)(`confirming to a server that can less${title}`, () => {
  let dovecot: Dovecot;
  const plain = 'plain@example.test';
  const other = 'other@example.test';

  beforeAll(async () => {
    const own = [plain, other].map((name) => ({ name, password: 'pw-less' }));
    dovecot = await startDovecot({ users: own, folders, capability: 'IMAP4rev1' });
  });
  afterAll(() => dovecot?.close());

  test('without MOVE and UIDPLUS: copied and marked as deleted, never expunged with what others have marked', async () => {
    await dovecot.fill(plain, 2, (at) => ({ raw: mailOf(`m${at}`), at: Date.UTC(2026, 10, 1) }));
    await dovecot.doveadm('flags', 'add', '-u', plain, '\\Deleted', 'mailbox', 'INBOX', 'uid', '2');
    const proxy = await startProxy({ port: dovecot.port, record: true });
    const settings = { ...all, Port: proxy.port, AfterReceive: 'Move', MoveTo: 'Archive' };
    const harness = await openImapHarness(imapHost, dovecot, plain, { settings });
    await harness.settle(await harness.next());
    expect(await contents(dovecot, plain)).toEqual({ 1: '\\Deleted', 2: '\\Deleted' });
    expect(Object.keys(await contents(dovecot, plain, 'Archive'))).toHaveLength(1);
    expect(proxy.sent()).not.toMatch(/EXPUNGE|MOVE|IDLE/);
    await harness.close();
    await proxy.close();
  });

  test('a mail marked as deleted by an earlier confirm is not offered again', async () => {
    await dovecot.deliver(other, mailOf('one'));
    const driverState = createDriverState();
    const first = await openImapHarness(imapHost, dovecot, other, {
      settings: { ...all, AfterReceive: 'Delete' },
      driverState,
    });
    await first.settle(await first.next());
    await first.close();
    await dovecot.deliver(other, mailOf('two'));
    const second = await openImapHarness(imapHost, dovecot, other, {
      settings: { ...all, AfterReceive: 'Delete' },
      driverState,
    });
    expect((await second.next()).key).toMatch(/UID=2$/);
    await second.close();
  });
});
