import { connect, createServer, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { certificate, contextOf, mailBytes, tempDir } from '../../test/conformance/context.js';
import { manualClock } from '../../test/fixtures/manual-clock.js';
import { waitFor } from '../../test/fixtures/wait-for.js';
import { freePort } from '../../test/servers/process.js';
import { smtpClient } from '../../test/servers/smtp-client.js';
import { listenerHarness, rawOf } from '../../test/servers/smtp-listener-harness.js';
import { smtpListener } from './driver.js';

const { gateway, later, end } = listenerHarness();
afterEach(end);

describe('the answer to a mail', () => {
  it('is 250 only after the confirm', async () => {
    const { next, client } = await gateway();
    const anna = await client();
    const answer = anna.deliver(mailBytes('hello'));
    const message = await next();
    let answered = false;
    void answer.then(() => {
      answered = true;
    });
    // A whole exchange on another connection, after which an early answer would have come.
    await (await client()).command('NOOP');
    expect(answered).toBe(false);
    await message.confirm();
    expect(await answer).toMatch(/^250 /);
  });

  it('is 554 when the mail was rejected, 451 when it was deferred, and tells no stranger why', async () => {
    const { next, client } = await gateway();
    const anna = await client();
    const rejected = anna.deliver(mailBytes('bad'));
    await (await next()).reject('/var/lib/gatepost/journal.db is damaged');
    expect(await rejected).toBe('554 rejected: the mail was not accepted');
    const deferred = anna.deliver(mailBytes('later'));
    await (await next()).defer?.('Error: /var/lib/gatepost/journal.db: disk I/O error');
    expect(await deferred).toBe('451 try again later: it cannot be accepted now');
  });

  it('is 451 when the acknowledgement does not come within AckSeconds, and the retry finds the late acknowledgement', async () => {
    const clock = manualClock();
    const { next, client, driverState } = await gateway({ AckSeconds: 30 }, { clock });
    const anna = await client();
    const answer = anna.deliver(mailBytes('slow'));
    const message = await next();
    await clock.advance(30_000);
    expect(await answer).toMatch(/^451 /);
    expect(clock.armed).toBe(0);
    driverState.set(message.key, 'confirmed');
    await message.confirm();
    expect(await anna.deliver(mailBytes('slow'))).toMatch(/^250 /);
  });

  it('is 451 when the pipeline does not ask for it, and its memory is released', async () => {
    const clock = manualClock();
    const { client, session } = await gateway({ AckSeconds: 30 }, { clock });
    const anna = await client();
    const answer = anna.deliver(mailBytes('unasked'));
    await waitFor('the mail to be queued', () => session.submissions.waiting === 1);
    expect(session.spool.bytes).toBeGreaterThan(0);
    await clock.advance(30_000);
    expect(await answer).toMatch(/^451 /);
    expect(session.spool.bytes).toBe(0);
  });

  it('goes to the retry when the first connection broke while waiting: one inbound message, one 250', async () => {
    const clock = manualClock();
    const { next, client, session } = await gateway({}, { clock });
    const first = await client();
    const lost = first.deliver(mailBytes('twice')).catch(() => 'lost');
    const message = await next();
    first.cut();
    expect(await lost).toBe('lost');
    await waitFor('the disconnect of the first client to be noticed', () => clock.armed === 0);
    const answer = (await client()).deliver(mailBytes('twice'));
    await waitFor('the retry to join', () => session.submissions.waiting === 1);
    await message.confirm();
    expect(await Promise.race([answer, next().then(({ key }) => key)])).toMatch(/^250 /);
  });

  it('of a mail that the journal knows as acknowledged comes after a confirm without any content', async () => {
    const { next, client, driverState } = await gateway();
    const anna = await client();
    const late = anna.deliver(mailBytes('known'));
    const message = await next();
    driverState.set(message.key, 'acknowledged');
    await message.defer?.('restart');
    await late;
    const answer = anna.deliver(mailBytes('known'));
    const again = await next();
    expect(again).toMatchObject({ key: message.key, content: null, bytes: 0 });
    await again.confirm();
    expect(await answer).toMatch(/^250 /);
  });

  it('of two equal mails without Message-ID and Date is an inbound message each: nothing is lost', async () => {
    const { next, client } = await gateway();
    const anna = await client();
    const keys = new Set<string>();
    for (let i = 0; i < 2; i++) {
      const answer = anna.deliver('Subject: form\r\n\r\nthe same\r\n');
      const message = await next();
      keys.add(message.key);
      await message.confirm();
      expect(await answer).toMatch(/^250 /);
    }
    expect(keys.size).toBe(2);
  });

  it('to a retry of a mail without Message-ID and Date belongs to the same inbound message', async () => {
    const { next, client, driverState } = await gateway();
    const anna = await client();
    const plain = 'Subject: form\r\n\r\nthe same\r\n';
    const late = anna.deliver(plain);
    const message = await next();
    await message.defer?.('slow');
    expect(await late).toMatch(/^451 /);
    driverState.set(message.key, 'confirmed');
    expect(await anna.deliver(plain)).toMatch(/^250 /);
  });
});

describe('the inbound message', () => {
  it('has the same key and fingerprint whenever it is read: the Received line is no part of them', async () => {
    const clock = manualClock();
    const { next, client } = await gateway({}, { clock });
    const anna = await client();
    const identities = new Set<string>();
    const raws = new Set<string>();
    for (let round = 0; round < 2; round++) {
      const answer = anna.deliver(mailBytes('again'));
      const message = await next();
      identities.add(`${message.key} ${message.fingerprint}`);
      raws.add(rawOf(message));
      await message.defer?.('busy');
      await answer;
      await clock.advance(60_000);
    }
    expect([identities.size, raws.size]).toEqual([1, 2]);
    expect([...identities]).not.toContainEqual(expect.stringMatching(/ $/));
  });

  it('is the mail untouched under a Received line, with its envelope', async () => {
    const clock = manualClock();
    const { next, client } = await gateway({}, { clock });
    const raw = mailBytes('whole', { body: '.\r\n..two\r\n\xe4' });
    const anna = await client();
    const answer = anna.deliver(raw, { from: 'anna@example.net', to: ['desk@example.test'] });
    const message = await next();
    const text = rawOf(message);
    const line = 'Received: from client.test ([127.0.0.1])\r\n\tby mail.test with ESMTP id ';
    expect(text.startsWith(line)).toBe(true);
    expect(text).toContain('for <desk@example.test>;\r\n\tSun, 22 Nov 2026 10:00:00 +0000\r\n');
    expect(text.endsWith(raw.toString('latin1'))).toBe(true);
    expect(message.content).toMatchObject({
      receivedAt: clock.now(),
      envelope: { from: 'anna@example.net', recipients: ['desk@example.test'] },
    });
    await message.confirm();
    await answer;
  });

  it('does not name the recipients in the Received line when there are several, nor let a HELO write headers', async () => {
    const { next, client } = await gateway();
    const anna = await client();
    await anna.command('EHLO evil(x);y');
    const answer = anna.deliver(mailBytes('two'), { from: '', to: ['a@x.test', 'b@x.test'] });
    const message = await next();
    const head = rawOf(message).split('From:')[0];
    expect(head).not.toContain('for <');
    expect(message.content?.envelope).toEqual({ from: '', recipients: ['a@x.test', 'b@x.test'] });
    await message.confirm();
    await answer;
  });

  it('never includes a mail whose connection broke before the final dot', async () => {
    const { next, client } = await gateway();
    const broken = await client();
    for (const line of ['EHLO c', 'MAIL FROM:<a@x.test>', 'RCPT TO:<b@x.test>', 'DATA']) await broken.command(line);
    broken.write('Subject: half\r\n\r\nhalf a mail\r\n');
    broken.cut();
    const anna = await client();
    const answer = anna.deliver(mailBytes('whole'));
    const message = await next();
    expect(rawOf(message)).toContain('Subject: whole');
    await message.confirm();
    await answer;
  });

  it('is only for the configured recipients', async () => {
    const { client } = await gateway({ Recipients: ['Desk@Example.test', 'example.org'] });
    const anna = await client();
    for (const line of ['EHLO c', 'MAIL FROM:<a@x.test>']) await anna.command(line);
    expect(await anna.command('RCPT TO:<desk@example.test>')).toMatch(/^250/);
    expect(await anna.command('RCPT TO:<anyone@EXAMPLE.ORG>')).toMatch(/^250/);
    expect(await anna.command('RCPT TO:<other@example.test>')).toMatch(/^550/);
    expect(await anna.command('RCPT TO:<desk@sub.example.org>')).toMatch(/^550/);
  });
});

describe('bounds', () => {
  it('SIZE is announced, and a larger mail is rejected before it is sent', async () => {
    const { client } = await gateway({ MaxMessageBytes: 2000 });
    const anna = await client();
    expect(await anna.command('EHLO c')).toMatch(/SIZE 2000/);
    expect(await anna.command('MAIL FROM:<a@x.test> SIZE=2001')).toMatch(/^552/);
  });

  it('a mail that grows over the limit is 552 and stored nowhere', async () => {
    const { client, session } = await gateway({ MaxMessageBytes: 2000 });
    const anna = await client();
    expect(await anna.deliver(mailBytes('large', { body: 'x'.repeat(2500) }))).toMatch(/^552 /);
    expect(session.spool.bytes).toBe(0);
  });

  it('a client that does not stop sending is cut off', async () => {
    const { client } = await gateway({ MaxMessageBytes: 2000 });
    const endless = await client();
    for (const line of ['EHLO c', 'MAIL FROM:<a@x.test>', 'RCPT TO:<b@x.test>', 'DATA']) await endless.command(line);
    endless.write('x'.repeat(5000));
    expect(await endless.reply()).toMatch(/^552 /);
    await endless.closed;
  });

  it('a client over MaxConnections gets 421', async () => {
    const { client } = await gateway({ MaxConnections: 1 });
    await client();
    expect((await client()).greeting).toMatch(/^421 /);
  });

  it('the 101st recipient is for another mail', async () => {
    const { client } = await gateway();
    const anna = await client();
    for (const line of ['EHLO c', 'MAIL FROM:<a@x.test>']) await anna.command(line);
    for (let i = 0; i < 100; i++) expect(await anna.command(`RCPT TO:<r${i}@x.test>`)).toMatch(/^250/);
    expect(await anna.command('RCPT TO:<one-more@x.test>')).toMatch(/^452/);
  });

  it('mails beyond MaxQueuedBytes are 451 and come again when there is room', async () => {
    const { client, next, session } = await gateway({ MaxMessageBytes: 2_000_000, MaxQueuedBytes: 1024 });
    const body = 'x'.repeat(998).concat('\r\n').repeat(1_750);
    const clients = await Promise.all([client(), client(), client()]);
    const answers = clients.map((one, i) => one.deliver(mailBytes(`big ${i}`, { body })));
    expect(await Promise.race(answers)).toMatch(/^451 busy/);
    for (let i = 0; i < 2; i++) await (await next()).confirm();
    const replies = (await Promise.all(answers)).map((reply) => reply.slice(0, 3)).sort();
    expect(replies).toEqual(['250', '250', '451']);
    expect(session.spool.bytes).toBe(0);
  });
});

describe('login and encryption', () => {
  it('with User no MAIL is accepted without the right password, and guessing is cut off', async () => {
    const { client } = await gateway({ User: 'shop', Password: 'right-one' });
    const anna = await client();
    await anna.command('EHLO c');
    expect(await anna.command('MAIL FROM:<a@x.test>')).toMatch(/^530/);
    const plain = (password: string) => `AUTH PLAIN ${Buffer.from(`\0shop\0${password}`).toString('base64')}`;
    expect(await anna.command(plain('wrong'))).toMatch(/^535/);
    expect(await anna.command(plain('right-one'))).toMatch(/^235/);
    expect(await anna.command('MAIL FROM:<a@x.test>')).toMatch(/^250/);
    const guesser = await client();
    await guesser.command('EHLO c');
    for (let i = 0; i < 2; i++) expect(await guesser.command(plain(`guess ${i}`))).toMatch(/^535/);
    expect(await guesser.command(plain('guess 3'))).toMatch(/^421/);
  });

  it('StartTls and Tls accept mail over the encrypted connection', async () => {
    const { dir, remove } = tempDir();
    later(remove);
    const { cert, certFile, keyFile } = await certificate(dir);
    const trust = { ca: cert, servername: 'mail.test' };
    for (const Security of ['StartTls', 'Tls']) {
      const { client, next } = await gateway({ Security, CertFile: certFile, KeyFile: keyFile });
      const anna = await client(Security === 'Tls' ? trust : undefined);
      expect(await anna.command('EHLO c')).toMatch(Security === 'Tls' ? /SIZE/ : /STARTTLS/);
      if (Security === 'StartTls') await anna.secure(trust);
      const answer = anna.deliver(mailBytes('secret'));
      const message = await next();
      expect(rawOf(message)).toContain('with ESMTPS id');
      await message.confirm();
      expect(await answer).toMatch(/^250/);
    }
  });

  it('a certificate that cannot be read is one sentence', async () => {
    const written = { Security: 'Tls', CertFile: '/nonexistent/a.pem', KeyFile: '/nonexistent/b.pem' };
    await expect(gateway(written)).rejects.toThrow(/^CertFile: cannot read \/nonexistent\/a\.pem: ENOENT/);
  });

  it('a password over an unencrypted connection is a wrong setting', () => {
    const parsed = smtpListener.settings.parse({ Host: '0.0.0.0', User: 'shop', Password: 'secret-1' });
    expect(parsed).toMatchObject({ ok: false, problems: [{ setting: 'Security' }] });
  });
});

describe('closing', () => {
  it('answers waiting clients 451 and idle ones 421, and frees the port', async () => {
    const { client, close, next, Port } = await gateway();
    const [waiting, idle, silent] = [await client(), await client(), connect(Port, '127.0.0.1')];
    silent.on('error', () => {});
    const answer = waiting.deliver(mailBytes('late'));
    const message = await next();
    await close();
    expect(await answer).toBe('451 try again later: shutting down');
    expect(await idle.reply()).toMatch(/^421/);
    await Promise.all([waiting.closed, idle.closed]);
    await message.confirm();
    await expect(smtpClient(Port)).rejects.toThrow();
  });

  it('a port in use is one sentence with advice', async () => {
    const { Port } = await gateway();
    await expect(gateway({ Port })).rejects.toMatchObject({
      message: `cannot listen on 127.0.0.1:${Port}: the port is in use`,
      advice: expect.stringContaining('choose another Port'),
    });
  });
});

describe('test connection', () => {
  it('says that the port is free, in use by this gateway, or in use by another program', async () => {
    const steps = async (written: Record<string, unknown>) => {
      const all = [];
      const context = contextOf(smtpListener, written);
      for await (const step of smtpListener.check(context, new AbortController().signal)) all.push(step);
      return all;
    };
    const { Port } = await gateway();
    expect(await steps({ Port: await freePort() })).toMatchObject([{ ok: true, detail: 'the port is free' }]);
    expect(await steps({ Port, Name: 'mail.test' })).toMatchObject([{ ok: true }]);
    expect(await steps({ Port, Name: 'other.test' })).toMatchObject([{ ok: false }]);
  });

  it('does not wait for ever for the greeting of another program', async () => {
    const clock = manualClock();
    const silent = createServer((socket) => sockets.add(socket.on('error', () => {})));
    const sockets = new Set<Socket>();
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const address = silent.address();
    const Port = address !== null && typeof address === 'object' ? address.port : 0;
    const steps = smtpListener.check(contextOf(smtpListener, { Port }, { clock }), new AbortController().signal);
    const first = steps[Symbol.asyncIterator]().next();
    await waitFor('the connection to it', () => sockets.size === 1);
    await clock.advance(3000);
    expect((await first).value).toMatchObject({ ok: false, detail: expect.stringContaining('another program') });
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => silent.close(resolve));
  });
});

describe('a journal that fails', () => {
  it('is 451 for the client, without the details', async () => {
    const { client, driverState } = await gateway();
    driverState.statesOf = () => Promise.reject(new Error('/var/lib/secret/journal.db: disk I/O error'));
    expect(await (await client()).deliver(mailBytes('unlucky'))).toBe('451 try again later: local error in processing');
  });
});
