// SmtpHost against a mail server whose faults are scripted.
import { afterEach, describe, expect, it } from 'vitest';
import type { Outcome } from '../../src/driver/contract.js';
import type { Clock } from '../../src/kit/clock.js';
import { attemptOf, certificate, contextOf, outboundMail, tempDir } from '../../test/conformance/context.js';
import { manualClock } from '../../test/fixtures/manual-clock.js';
import { waitFor } from '../../test/fixtures/wait-for.js';
import { type SmtpOptions, type SmtpServer, startSmtp } from '../../test/servers/smtp.js';
import { smtpHost } from './driver.js';

const undo: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (let step = undo.pop(); step; step = undo.pop()) await step();
});

async function serve(options: SmtpOptions = {}): Promise<SmtpServer> {
  const server = await startSmtp(options);
  undo.push(() => server.close());
  return server;
}

async function gateway(server: SmtpServer, written: Record<string, unknown> = {}, clock?: Clock) {
  const settings = { Host: '127.0.0.1', Port: server.port, Security: 'None', ...written };
  const context = contextOf(smtpHost, settings, { direction: 'O', ...(clock ? { clock } : {}) });
  const session = await smtpHost.open(context);
  undo.push(() => smtpHost.close(session));
  const send = (mail = outboundMail('hello'), attempt = attemptOf()) =>
    smtpHost.send?.(session, mail, attempt) ?? Promise.reject(new Error('no send'));
  return { session, context, send };
}

/** Every point at which the line can break before the final dot; a mail of 3 MB, so that its content comes in pieces. */
const BEFORE_THE_DOT = ['MAIL', 'RCPT', 'DATA', 'content'] as const;

describe('a process that stood still over the deadline', () => {
  it('reads the reply that is in the socket before it calls the outcome unknown', async () => {
    const attempt = attemptOf();
    const server = await serve({
      script({ point }) {
        if (point !== 'dot') return undefined;
        setTimeout(() => attempt.abort(), 20);
        // After the reply has been written, and before the client reads it.
        setImmediate(() => {
          for (const end = performance.now() + 60; performance.now() < end; );
        });
        return '250 2.0.0 queued';
      },
    });
    const { send } = await gateway(server);
    expect(await send(outboundMail('hello'), attempt)).toMatchObject({ kind: 'sent', detail: '250 2.0.0 queued' });
  });
});

describe('the point of no return', () => {
  for (const point of BEFORE_THE_DOT) {
    it(`a connection that breaks at ${point} is surely not sent`, async () => {
      const server = await serve({ script: (step) => (step.point === point ? 'close' : undefined) });
      const { send } = await gateway(server);
      const outcome = await send(outboundMail('big', undefined, 'x'.repeat(70).concat('\r\n').repeat(40_000)));
      expect(outcome.kind).toBe('deferred');
      expect(server.mails).toHaveLength(0);
    });
  }

  it('a connection that breaks after the final dot is unknown, and the mail is not sent again', async () => {
    const server = await serve({ script: ({ point }) => (point === 'dot' ? 'close' : undefined) });
    const { send } = await gateway(server);
    const outcome = await send();
    expect(outcome).toMatchObject({ kind: 'unknown', detail: expect.stringContaining('transferred') });
    expect(server.mails).toHaveLength(1);
  });

  it('a connection that breaks after the positive reply is sent', async () => {
    const server = await serve({
      script: ({ point }) => (point === 'dot' ? { reply: '250 2.0.0 queued', close: true } : undefined),
    });
    const { send } = await gateway(server);
    expect(await send()).toEqual({
      kind: 'sent',
      deliverySystemId: 'hello@conformance.test',
      detail: '250 2.0.0 queued',
    });
  });

  it('a negative reply counts when the connection breaks behind it', async () => {
    const server = await serve({
      script: ({ point }) => (point === 'dot' ? { reply: '554 5.7.1 spam', close: true } : undefined),
    });
    const { send } = await gateway(server);
    expect(await send()).toEqual({ kind: 'rejected', detail: 'DATA: 554 5.7.1 spam' });
  });

  it('a server silent after the final dot is unknown at the deadline', async () => {
    const server = await serve({ script: ({ point }) => (point === 'dot' ? 'hang' : undefined) });
    const { send } = await gateway(server);
    const attempt = attemptOf();
    const sending = send(outboundMail('hello'), attempt);
    await server.reached('dot');
    attempt.abort();
    expect((await sending).kind).toBe('unknown');
    await waitFor('the end of all connections', () => server.connections.every(({ open }) => !open));
  });

  for (const point of BEFORE_THE_DOT) {
    it(`a server silent at ${point} is surely not sent at the deadline`, async () => {
      const server = await serve({ script: (step) => (step.point === point ? 'hang' : undefined) });
      const { send } = await gateway(server);
      const attempt = attemptOf();
      const sending = send(outboundMail('hello', undefined, 'x'.repeat(70).concat('\r\n').repeat(400_000)), attempt);
      await server.reached(point);
      attempt.abort();
      expect((await sending).kind).toBe('deferred');
      expect(server.mails).toHaveLength(0);
    });
  }
});

describe("outcomes from the reply code, with the server's reply", () => {
  const table: [at: string, reply: string, outcome: Outcome][] = [
    ['MAIL', '451 4.3.0 try later', { kind: 'deferred', detail: 'MAIL FROM: 451 4.3.0 try later' }],
    ['MAIL', '552 5.3.4 too big', { kind: 'rejected', detail: 'MAIL FROM: 552 5.3.4 too big' }],
    ['MAIL', '530 5.7.0 log in first', { kind: 'deferred', detail: 'MAIL FROM: 530 5.7.0 log in first' }],
    ['RCPT', '451 4.7.1 greylisted', { kind: 'deferred', detail: 'anna@example.net: 451 4.7.1 greylisted' }],
    ['RCPT', '550 5.1.1 no such mailbox', { kind: 'rejected', detail: 'anna@example.net: 550 5.1.1 no such mailbox' }],
    ['DATA', '451 4.3.0 busy', { kind: 'deferred', detail: 'DATA: 451 4.3.0 busy' }],
    ['DATA', '554 5.5.1 no', { kind: 'rejected', detail: 'DATA: 554 5.5.1 no' }],
    ['dot', '452 4.3.1 disk full', { kind: 'deferred', detail: 'DATA: 452 4.3.1 disk full' }],
    ['dot', '552 5.3.4 too big', { kind: 'rejected', detail: 'DATA: 552 5.3.4 too big' }],
    ['dot', '550-5.7.1 two\r\n550 5.7.1 lines', { kind: 'rejected', detail: 'DATA: 550 5.7.1 two lines' }],
  ];
  for (const [at, reply, outcome] of table) {
    it(`${at} answered ${reply.slice(0, 3)} is ${outcome.kind}`, async () => {
      const server = await serve({ script: ({ point }) => (point === at ? reply : undefined) });
      const { send } = await gateway(server);
      expect(await send()).toEqual(outcome);
      expect(server.mails).toHaveLength(0);
    });
  }

  it('a server that accepts DATA without an accepted recipient gets no byte of the mail, and the outcome stays rejected', async () => {
    const replies: Record<string, string> = { RCPT: '550 5.1.1 no such mailbox', DATA: '354 go on' };
    const server = await serve({ script: ({ point }) => replies[point] });
    const { send } = await gateway(server);
    expect(await send()).toEqual({ kind: 'rejected', detail: 'anna@example.net: 550 5.1.1 no such mailbox' });
    expect(server.mails.map(({ recipients, raw }) => [recipients, raw.toString()])).toEqual([[[], '\r\n']]);
  });

  it('greylisted the first time, the same mail goes out the second time on the same connection', async () => {
    const server = await serve({
      script: ({ point, count }) => (point === 'RCPT' && count === 1 ? '451 4.7.1 greylisted' : undefined),
    });
    const { send } = await gateway(server);
    expect((await send()).kind).toBe('deferred');
    expect((await send()).kind).toBe('sent');
    expect(server.connections).toHaveLength(1);
    expect(server.mails).toHaveLength(1);
  });

  it('one of three rejected recipients is partial, with the recipient and the reason', async () => {
    const server = await serve({
      script: ({ point, argument }) =>
        point === 'RCPT' && argument.startsWith('b@') ? '550 5.1.1 no b here' : undefined,
    });
    const { send } = await gateway(server);
    const outcome = await send(outboundMail('three', ['a@x.test', 'b@x.test', 'c@x.test']));
    expect(outcome).toMatchObject({
      kind: 'partial',
      accepted: ['a@x.test', 'c@x.test'],
      refused: [{ recipient: 'b@x.test', temporary: false, detail: '550 5.1.1 no b here' }],
    });
    expect(server.mails[0]?.recipients).toEqual(['a@x.test', 'c@x.test']);
  });

  it('all recipients rejected, one of them temporarily: deferred', async () => {
    const server = await serve({
      script: ({ point, argument }) => {
        if (point !== 'RCPT') return undefined;
        return argument.startsWith('a@') ? '450 4.2.1 later' : '550 5.1.1 never';
      },
    });
    const { send } = await gateway(server);
    const outcome = await send(outboundMail('two', ['a@x.test', 'b@x.test']));
    expect(outcome).toEqual({ kind: 'deferred', detail: 'a@x.test: 450 4.2.1 later; b@x.test: 550 5.1.1 never' });
  });

  it('a mail over the announced SIZE is rejected before it is transferred', async () => {
    const server = await serve({ extensions: ['SIZE 100'] });
    const { send } = await gateway(server);
    const outcome = await send();
    expect(outcome).toMatchObject({ kind: 'rejected', detail: expect.stringContaining('100') });
    expect(server.connections[0]?.commands.some((line) => line.startsWith('MAIL'))).toBe(false);
  });

  it('an address that would break out of its command is rejected without a command', async () => {
    const server = await serve();
    const { send } = await gateway(server);
    const outcome = await send(outboundMail('inject', ['a@x.test>\r\nRCPT TO:<evil@x.test']));
    expect(outcome.kind).toBe('rejected');
    expect(server.connections[0]?.commands.some((line) => line.startsWith('RCPT'))).toBe(false);
  });

  it('421 defers, at every point of the dialogue', async () => {
    const server = await serve({ script: ({ point }) => (point === 'RCPT' ? '421 4.3.2 shutting down' : undefined) });
    const { send } = await gateway(server);
    expect(await send()).toMatchObject({
      kind: 'deferred',
      detail: expect.stringContaining('421 4.3.2 shutting down'),
    });
  });
});

describe('connections', () => {
  it('the bytes of the mail arrive as they are, lines beginning with a dot included', async () => {
    const server = await serve();
    const { send } = await gateway(server);
    const mail = outboundMail('bytes', ['anna@example.net'], '.\r\n..\r\n.a\r\nend');
    expect((await send(mail)).kind).toBe('sent');
    expect(server.mails[0]?.raw.equals(Buffer.from(mail.raw))).toBe(true);
    expect(server.mails[0]?.from).toBe('desk@example.test');
  });

  it('one connection serves mail after mail', async () => {
    const server = await serve();
    const { send } = await gateway(server);
    for (const name of ['one', 'two', 'three']) expect((await send(outboundMail(name))).kind).toBe('sent');
    expect(server.connections).toHaveLength(1);
  });

  it('no more than MaxConnections are open at once, and every mail still goes out', async () => {
    let most = 0;
    const server = await serve({
      script: () => {
        most = Math.max(most, server.connections.filter(({ open }) => open).length);
        return undefined;
      },
    });
    const { send } = await gateway(server, { MaxConnections: 3 });
    const outcomes = await Promise.all(Array.from({ length: 20 }, (_, i) => send(outboundMail(`n ${i}`))));
    expect(outcomes.every(({ kind }) => kind === 'sent')).toBe(true);
    expect(new Set(server.mails.map(({ raw }) => raw.toString())).size).toBe(20);
    expect(most).toBe(3);
  });

  it('an idle connection that the server closed meanwhile is replaced within the same attempt', async () => {
    const server = await serve();
    const { send } = await gateway(server);
    await send(outboundMail('first'));
    server.connections[0]?.cut();
    expect((await send(outboundMail('second'))).kind).toBe('sent');
    expect(server.mails).toHaveLength(2);
  });

  it('an idle connection that answers MAIL with 421 is replaced within the same attempt', async () => {
    const server = await serve({
      script: ({ point, connection, count }) =>
        point === 'MAIL' && connection === 1 && count > 1
          ? { reply: '421 4.4.2 idle too long', close: true }
          : undefined,
    });
    const { send } = await gateway(server);
    await send(outboundMail('first'));
    expect((await send(outboundMail('second'))).kind).toBe('sent');
    expect(server.mails).toHaveLength(2);
  });

  it('a server that closes with 421 between two mails costs no mail', async () => {
    const server = await serve();
    const { send } = await gateway(server);
    await send(outboundMail('first'));
    server.connections[0]?.send('421 4.3.2 going down');
    await waitFor('the end of the connection', () => server.connections[0]?.open === false);
    expect((await send(outboundMail('second'))).kind).toBe('sent');
  });

  it('an unused connection is closed with QUIT after 20 seconds', async () => {
    const clock = manualClock();
    const server = await serve();
    await gateway(server, {}, clock);
    await clock.advance(20_000);
    await waitFor('the end of the connection', () => server.connections[0]?.open === false);
    expect(server.connections[0]?.commands).toContain('QUIT');
    expect(clock.armed).toBe(0);
  });

  it('MaxPerSecond spaces the sends evenly', async () => {
    const clock = manualClock();
    const server = await serve();
    const { send } = await gateway(server, { MaxPerSecond: 2 }, clock);
    const all = ['one', 'two', 'three'].map((name) => send(outboundMail(name)));
    await waitFor('the first mail', () => server.mails.length === 1);
    await clock.advance(499);
    expect(server.mails).toHaveLength(1);
    await clock.advance(1);
    await waitFor('the second mail', () => server.mails.length === 2);
    await clock.advance(500);
    expect((await Promise.all(all)).every(({ kind }) => kind === 'sent')).toBe(true);
  });

  it('a mail whose turn comes too late is deferred at once, with the time to wait', async () => {
    const server = await serve();
    const { send } = await gateway(server, { MaxPerSecond: 0.01 });
    await send(outboundMail('first'));
    expect(await send(outboundMail('second'))).toMatchObject({ kind: 'deferred', retryAfterMs: expect.any(Number) });
    expect(server.mails).toHaveLength(1);
  });

  it('a server that is away defers, and the mail is sent when the server is back', async () => {
    const server = await serve();
    const { send } = await gateway(server);
    await server.close();
    const outcome = await send();
    expect(outcome).toMatchObject({ kind: 'deferred', detail: expect.stringContaining('refused the connection') });
    const back = await serve({ port: server.port });
    expect((await send()).kind).toBe('sent');
    expect(back.mails).toHaveLength(1);
  });

  it('an internationalized domain travels in its ASCII form', async () => {
    const server = await serve();
    const { send } = await gateway(server);
    expect((await send(outboundMail('idn', ['eva@příklad.test']))).kind).toBe('sent');
    expect(server.mails[0]?.recipients).toEqual(['eva@xn--pklad-zsa96e.test']);
  });
});

describe('login and encryption', () => {
  it('a rejected login defers, because the mail is not at fault', async () => {
    const login = { user: 'desk', password: 'right-password' };
    const server = await serve({ login });
    const { send, session } = await gateway(server, { User: 'desk', Password: 'right-password' });
    login.password = 'changed-password';
    server.connections[0]?.cut();
    const outcome = await send();
    expect(outcome).toMatchObject({ kind: 'deferred', detail: expect.stringContaining('535 5.7.8') });
    expect(JSON.stringify(outcome)).not.toContain('right-password');
    await smtpHost.close(session);
  });

  it('StartTls sends nothing about the mail before the connection is encrypted', async () => {
    const { dir, remove } = tempDir();
    undo.push(remove);
    const { key, cert, certFile } = await certificate(dir);
    const server = await serve({ tls: { key, cert, from: 'STARTTLS' }, login: { user: 'desk', password: 'secret-1' } });
    const tls = { Security: 'StartTls', TlsName: 'localhost', CaFile: certFile, User: 'desk', Password: 'secret-1' };
    const { send } = await gateway(server, tls);
    expect((await send()).kind).toBe('sent');
    const [first] = server.connections;
    expect(first?.secure).toBe(true);
    expect(first?.commands.slice(0, 2).map((line) => line.split(' ')[0])).toEqual(['EHLO', 'STARTTLS']);
  });

  it('StartTls with a server that cannot do it opens no connection', async () => {
    const server = await serve({ script: ({ point }) => (point === 'STARTTLS' ? '502 5.5.1 no' : undefined) });
    await expect(gateway(server, { Security: 'StartTls' })).rejects.toThrow(
      /cannot use the mail server .*502 5\.5\.1 no/,
    );
    expect(server.connections[0]?.commands.some((line) => line.startsWith('MAIL'))).toBe(false);
  });

  it('Tls accepts only a certificate for the right name from a trusted authority', async () => {
    const { dir, remove } = tempDir();
    undo.push(remove);
    const { key, cert, certFile } = await certificate(dir);
    const server = await serve({ tls: { key, cert, from: 'start' } });
    await expect(gateway(server, { Security: 'Tls' })).rejects.toThrow(/self-signed certificate/);
    const wrong = { Security: 'Tls', CaFile: certFile, TlsName: 'other.test' };
    await expect(gateway(server, wrong)).rejects.toThrow(/other\.test/);
    const { send } = await gateway(server, { Security: 'Tls', CaFile: certFile, TlsName: 'mail.test' });
    expect((await send()).kind).toBe('sent');
  });
});

describe('test connection', () => {
  const steps = async (server: SmtpServer, written: Record<string, unknown> = {}) => {
    const settings = { Host: '127.0.0.1', Port: server.port, Security: 'None', ...written };
    const context = contextOf(smtpHost, settings, { direction: 'O' });
    const all = [];
    for await (const step of smtpHost.check(context, new AbortController().signal)) all.push(step);
    return all;
  };

  it("shows the server's replies step by step and starts no mail", async () => {
    const server = await serve({ login: { user: 'desk', password: 'secret-1' } });
    const all = await steps(server, { User: 'desk', Password: 'secret-1' });
    expect(all.map(({ ok }) => ok)).toEqual([true, true, true, true]);
    expect(all[3]?.detail).toBe('235 2.7.0 welcome');
    expect(server.connections[0]?.commands.some((line) => line.startsWith('MAIL'))).toBe(false);
  });

  it('ends with the rejected login and its advice', async () => {
    const server = await serve({ login: { user: 'desk', password: 'secret-1' } });
    const all = await steps(server, { User: 'desk', Password: 'secret-2' });
    expect(all.at(-1)).toMatchObject({
      ok: false,
      name: 'Login as desk',
      detail: expect.stringContaining('535 5.7.8'),
    });
  });

  it('ends with a negative greeting', async () => {
    const server = await serve({ script: ({ point }) => (point === 'connect' ? '554 5.3.2 not you' : undefined) });
    const all = await steps(server);
    expect(all.at(-1)).toMatchObject({ ok: false, detail: expect.stringContaining('554 5.3.2 not you') });
  });
});
