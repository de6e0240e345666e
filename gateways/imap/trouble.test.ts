import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Log } from '../../src/driver/contract.js';
import { silentLog } from '../../src/kit/log.js';
import { manualClock } from '../../test/fixtures/manual-clock.js';
import { waitFor } from '../../test/fixtures/wait-for.js';
import { type Dovecot, startDovecot, whyNoDovecot } from '../../test/servers/dovecot.js';
import {
  type ImapHarnessOptions,
  imapContext,
  mailOf,
  openImapHarness,
  subjectOf,
} from '../../test/servers/imap-harness.js';
import { freePort } from '../../test/servers/process.js';
import { startProxy } from '../../test/servers/proxy.js';
import { imapHost } from './driver.js';

const missing = whyNoDovecot();
const users = Array.from({ length: 10 }, (_, at) => ({ name: `u${at}@example.test`, password: `pw-${at}` }));

describe.runIf(!missing)(`trouble with a real Dovecot${missing ? ` (skipped: ${missing})` : ''}`, () => {
  let dovecot: Dovecot;
  let used = 0;
  const freshUser = () => users[used++]?.name ?? '';
  const open = (user: string, options: ImapHarnessOptions = {}) => openImapHarness(imapHost, dovecot, user, options);
  /** What opening fails with. */
  const failure = async (settings: Record<string, unknown>, user = users[0]?.name ?? ''): Promise<unknown> => {
    const { context } = imapContext(imapHost, dovecot, user, { settings });
    return imapHost.open(context).then(
      (session) => imapHost.close(session).then(() => 'it opened'),
      (error) => error,
    );
  };
  const sentence = (code: string, ...parts: string[]) =>
    expect.objectContaining({
      code,
      message: expect.stringMatching(new RegExp(parts.join('.*'))),
      advice: expect.stringMatching(/\w/),
    });

  beforeAll(async () => {
    dovecot = await startDovecot({ users, folders: ['Work.Support'] });
  });
  afterAll(() => dovecot?.close());

  test('no program listens: one sentence with address and advice', async () => {
    const Port = await freePort();
    expect(await failure({ Port })).toEqual(
      sentence('gateway/unreachable', `127.0.0.1:${Port}`, 'refused the connection'),
    );
  });

  test('no such host', async () => {
    const found = await failure({ Host: 'no-such-host.invalid' });
    expect(found).toMatchObject({
      code: 'gateway/unreachable',
      message: expect.stringContaining('no-such-host.invalid'),
    });
  });

  test('a rejected login names the user, never the password', async () => {
    const found = await failure({ Password: 'wrong-secret' });
    expect(found).toEqual(sentence('gateway/login-refused', 'u0@example.test'));
    expect(JSON.stringify([String(found), found])).not.toContain('wrong-secret');
  });

  test('a certificate for another name is rejected with the reason', async () => {
    const tls = { Port: dovecot.tlsPort, Security: 'Tls', CaFile: dovecot.cert };
    expect(await failure({ ...tls, TlsName: 'mail.example.com' })).toEqual(
      sentence('gateway/tls-name', 'mail.example.com'),
    );
    expect(await failure(tls)).toBe('it opened');
    expect(await failure({ ...tls, TlsName: 'localhost' })).toBe('it opened');
  });

  test('an untrusted certificate is rejected; with AllowUntrustedCertificate it is accepted with a warning', async () => {
    const tls = { Port: dovecot.tlsPort, Security: 'Tls' };
    expect(await failure(tls)).toEqual(sentence('gateway/tls-untrusted', 'self-signed'));
    const warnings: string[] = [];
    const log: Log = { ...silentLog, warn: (_fields, message) => void warnings.push(message), child: () => log };
    const harness = await open(users[0]?.name ?? '', { settings: { ...tls, AllowUntrustedCertificate: true }, log });
    await harness.close();
    expect(warnings).toEqual(['certificate of the server is not checked']);
  });

  test('STARTTLS is checked as strictly as TLS', async () => {
    const tls = { Security: 'StartTls', CaFile: dovecot.cert };
    expect(await failure({ ...tls, TlsName: 'mail.example.com' })).toEqual(
      sentence('gateway/tls-name', 'mail.example.com'),
    );
    expect(await failure({ Security: 'StartTls' })).toEqual(sentence('gateway/tls-untrusted'));
    expect(await failure(tls)).toBe('it opened');
  });

  test('TLS on a port without it', async () => {
    expect(await failure({ Security: 'Tls' })).toEqual(sentence('gateway/tls', 'does not speak TLS'));
  });

  test('a missing folder names the ones that are there, the likely one first', async () => {
    const found = await failure({ Folder: 'support' });
    expect(found).toEqual(sentence('gateway/folder-missing', '"support" \\(Folder\\)'));
    expect(found).toMatchObject({ advice: expect.stringContaining('existing one: "Work.Support", "INBOX"') });
    const move = await failure({ AfterReceive: 'Move', MoveTo: 'Archive' });
    expect(move).toEqual(sentence('gateway/folder-missing', '"Archive" \\(MoveTo\\)'));
  });

  test('a password changed while running: rejected at the next login, and the gateway recovers by itself', async () => {
    const user = freshUser();
    const harness = await open(user);
    const waiting = expect(harness.next()).rejects.toMatchObject({ code: 'gateway/connection-lost' });
    await waitFor('the first start', () => harness.driverState.checkpoints.size > 0);
    const password = users.find(({ name }) => name === user)?.password ?? '';
    await dovecot.setPassword(user, 'changed');
    await dovecot.kick(user);
    await waiting;
    await harness.close();
    const settings = { Password: password };
    expect(await failure(settings, user)).toEqual(sentence('gateway/login-refused', user));
    await dovecot.setPassword(user, password);
    await dovecot.deliver(user, mailOf('meanwhile'));
    const again = await open(user, { driverState: harness.driverState });
    expect(subjectOf(await again.next())).toBe('meanwhile');
    await again.close();
  });

  test('a connection that is alive but silent is found by the next poll and closed', async () => {
    const user = freshUser();
    const proxy = await startProxy({ port: dovecot.port, record: true });
    const clock = manualClock();
    const harness = await open(user, { settings: { Port: proxy.port, PollSeconds: 60 }, clock });
    const next = harness.next();
    const broken = expect(next).rejects.toEqual(sentence('gateway/silent', '30 s'));
    await waitFor('IDLE', () => proxy.sent().includes(' IDLE\r\n'));
    proxy.hold();
    await clock.advance(60_000);
    await clock.advance(29_999);
    expect(proxy.open).toBe(1);
    await clock.advance(1);
    await broken;
    await harness.close();
    expect(clock.armed).toBe(0);
    await proxy.close();
  });

  test('IDLE starts again at every poll, and the folder is selected again every 10 minutes', async () => {
    const user = freshUser();
    const proxy = await startProxy({ port: dovecot.port, record: true });
    const clock = manualClock();
    const harness = await open(user, { settings: { Port: proxy.port, PollSeconds: 300 }, clock });
    const next = harness.next().catch(() => {});
    const count = (word: RegExp) => proxy.sent().match(word)?.length ?? 0;
    await waitFor('IDLE', () => count(/ IDLE\r\n/g) === 1);
    await clock.advance(300_000);
    await waitFor('the second IDLE', () => count(/ IDLE\r\n/g) === 2);
    expect([count(/ NOOP\r\n/g), count(/ SELECT /g)]).toEqual([1, 1]);
    await clock.advance(300_000);
    await waitFor('the third IDLE', () => count(/ IDLE\r\n/g) === 3);
    expect([count(/ NOOP\r\n/g), count(/ SELECT /g)]).toEqual([1, 2]);
    await harness.close();
    await next;
    expect(clock.armed).toBe(0);
    await proxy.close();
  });

  test('a connection that is cut ends the session with one sentence and leaves nothing open', async () => {
    const user = freshUser();
    const proxy = await startProxy({ port: dovecot.port, record: true });
    const clock = manualClock();
    const harness = await open(user, { settings: { Port: proxy.port }, clock });
    const broken = expect(harness.next()).rejects.toEqual(sentence('gateway/connection-lost', 'closed the connection'));
    await waitFor('IDLE', () => proxy.sent().includes(' IDLE\r\n'));
    proxy.cut();
    await broken;
    await harness.close();
    await harness.close();
    expect(clock.armed).toBe(0);
    await proxy.close();
  });

  test('a server that never finishes the login is given up after 30 s', async () => {
    const proxy = await startProxy({ port: dovecot.port });
    proxy.hold();
    const clock = manualClock();
    const { context } = imapContext(imapHost, dovecot, freshUser(), { settings: { Port: proxy.port }, clock });
    const opening = expect(imapHost.open(context)).rejects.toEqual(sentence('gateway/unreachable', 'within 30 s'));
    await waitFor('the connection', () => proxy.accepted === 1);
    await clock.advance(30_000);
    await opening;
    expect(clock.armed).toBe(0);
    await proxy.close();
  });
});
