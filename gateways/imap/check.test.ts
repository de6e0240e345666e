import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { CheckStep } from '../../src/driver/contract.js';
import { waitFor } from '../../test/fixtures/wait-for.js';
import { type Dovecot, startDovecot, whyNoDovecot } from '../../test/servers/dovecot.js';
import { imapContext, mailOf } from '../../test/servers/imap-harness.js';
import { freePort } from '../../test/servers/process.js';
import { startProxy } from '../../test/servers/proxy.js';
import { imapHost } from './driver.js';

const missing = whyNoDovecot();
const user = 'desk@example.test';

describe.runIf(!missing)(`test connection${missing ? ` (skipped: ${missing})` : ''}`, () => {
  let dovecot: Dovecot;
  const steps = async (
    settings: Record<string, unknown>,
    signal = new AbortController().signal,
  ): Promise<CheckStep[]> => {
    const { context, driverState } = imapContext(imapHost, dovecot, user, { settings });
    const found: CheckStep[] = [];
    for await (const step of imapHost.check(context, signal)) found.push(step);
    expect([driverState.checkpoints.size, driverState.records.size]).toEqual([0, 0]);
    return found;
  };

  beforeAll(async () => {
    const config = 'mail_plugins = acl\nplugin {\n  acl = vfile\n}\nprotocol imap {\n  mail_plugins = acl imap_acl\n}';
    dovecot = await startDovecot({ folders: ['Archive'], config });
    await dovecot.deliver(user, mailOf('one'));
  });
  afterAll(() => dovecot?.close());

  test('gives the evidence step by step', async () => {
    const tls = { Host: 'localhost', Port: dovecot.tlsPort, Security: 'Tls', CaFile: dovecot.cert };
    const found = await steps({ ...tls, AfterReceive: 'Move', MoveTo: 'Archive' });
    expect(found.filter(({ ok }) => !ok)).toEqual([]);
    expect(found.map(({ name }) => name)).toEqual([
      'Name localhost',
      `TCP connection to localhost:${dovecot.tlsPort}`,
      'TLS (Tls)',
      'Greeting',
      `Login as ${user}`,
      'Folder "INBOX"',
      'Rights',
      'MoveTo "Archive"',
      'Capabilities',
    ]);
    const details = Object.fromEntries(found.map(({ name, detail }) => [name, detail]));
    expect(details['TLS (Tls)']).toMatch(/^TLSv1\.[23] .*certificate for localhost by localhost, valid until 20\d\d-/);
    expect(details['Folder "INBOX"']).toMatch(/^1 mails, UIDVALIDITY \d+$/);
    expect(details.Rights).toMatch(/^\w+: enough for AfterReceive "Move"$/);
    expect(details.Capabilities).toMatch(/IDLE: .*MOVE; UIDPLUS/);
  });

  test('gives the evidence of STARTTLS, too', async () => {
    const found = await steps({ Security: 'StartTls', CaFile: dovecot.cert });
    const tls = {
      name: 'TLS (StartTls)',
      ok: true,
      detail: expect.stringMatching(/^TLSv1.*certificate for 127\.0\.0\.1/),
    };
    expect(found).toContainEqual(tls);
    expect(found.every(({ ok }) => ok)).toBe(true);
  });

  test('changes nothing: the folder is only examined', async () => {
    const proxy = await startProxy({ port: dovecot.port, record: true });
    await steps({ Port: proxy.port });
    expect(proxy.sent()).toContain('EXAMINE INBOX');
    expect(proxy.sent()).not.toMatch(/SELECT|STORE|MOVE|COPY|EXPUNGE|BODY\[/);
    await proxy.close();
  });

  test.each([
    ['no program listens', async () => ({ Port: await freePort() }), 'TCP connection', 'refused the connection'],
    [
      'another name in the certificate',
      async () => ({ Port: dovecot.tlsPort, Security: 'Tls', CaFile: dovecot.cert, TlsName: 'mail.example.com' }),
      'TLS (Tls)',
      'mail.example.com',
    ],
    [
      'the same over STARTTLS',
      async () => ({ Security: 'StartTls', CaFile: dovecot.cert, TlsName: 'mail.example.com' }),
      'TLS (StartTls)',
      'mail.example.com',
    ],
    ['a wrong password', async () => ({ Password: 'wrong' }), 'Login as', 'refused the login'],
    ['a missing folder', async () => ({ Folder: 'Nowhere' }), 'Folder "Nowhere"', 'there is no folder'],
    [
      'a missing MoveTo',
      async () => ({ AfterReceive: 'Move', MoveTo: 'Nowhere' }),
      'MoveTo "Nowhere"',
      'there is no folder',
    ],
  ])('ends with the first failed step: %s', async (_case, settings, name, detail) => {
    const found = await steps(await settings());
    expect(found.slice(0, -1).every(({ ok }) => ok)).toBe(true);
    expect(found.at(-1)).toMatchObject({
      ok: false,
      name: expect.stringContaining(name),
      detail: expect.stringContaining(detail),
    });
  });

  test('names the missing right where the server shows the rights', async () => {
    await dovecot.doveadm('acl', 'set', '-u', user, 'Archive', 'owner', 'lookup', 'read');
    const found = await steps({ Folder: 'Archive', AfterReceive: 'Delete' });
    expect(found.at(-1)).toMatchObject({
      name: 'Rights',
      ok: false,
      detail: expect.stringContaining('lacks deleting (t)'),
    });
  });

  test('ends with its signal, also with a silent server', async () => {
    const proxy = await startProxy({ port: dovecot.port });
    proxy.hold();
    const stop = new AbortController();
    const going = steps({ Port: proxy.port }, stop.signal);
    await waitFor('the login connection', () => proxy.accepted === 2);
    stop.abort(new Error('no more interest'));
    expect((await going).at(-1)).toMatchObject({ ok: false });
    await proxy.close();
  });
});
