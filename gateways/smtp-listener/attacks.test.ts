// Attacks on mail servers that were published, against the running listener.
import { afterEach, describe, expect, it } from 'vitest';
import { certificate, mailBytes, tempDir } from '../../test/conformance/context.js';
import { listenerHarness, rawOf } from '../../test/servers/smtp-listener-harness.js';

const { gateway, later, end } = listenerHarness();
afterEach(end);

async function encrypted(written: Record<string, unknown> = {}) {
  const { dir, remove } = tempDir();
  later(remove);
  const { cert, certFile, keyFile } = await certificate(dir);
  const made = await gateway({ Security: 'StartTls', CertFile: certFile, KeyFile: keyFile, ...written });
  return { ...made, trust: { ca: cert, servername: 'mail.test' } };
}

describe('what was injected in front of the TLS handshake', () => {
  const evil = 'EHLO evil.test\r\nMAIL FROM:<evil@x.test>\r\nRCPT TO:<evil@x.test>\r\nDATA';

  it.each([
    ['one command', 'MAIL FROM:<evil@x.test>'],
    ['a whole transaction up to DATA', evil],
    ['half a command', `${evil}\r\nRSET\r\nMAIL FROM:<evil@x.test>\r\nRCPT TO:<evil`],
    ['more commands than are run in one turn', `${'NOOP\r\n'.repeat(250)}${evil}`],
    ['a second STARTTLS', `STARTTLS\r\n${evil}`],
  ])('is never executed: %s', async (_, injected) => {
    const { client, next, trust } = await encrypted();
    const anna = await client();
    await anna.command('EHLO client.test');
    await anna.secure(trust, injected);
    const answer = anna.deliver(mailBytes('mine'), { from: 'anna@example.net', to: ['desk@example.test'] });
    const message = await next();
    expect(message.content?.envelope).toEqual({ from: 'anna@example.net', recipients: ['desk@example.test'] });
    expect(rawOf(message)).not.toMatch(/evil|EHLO|NOOP/);
    await message.confirm();
    expect(await answer).toMatch(/^250/);
  });

  it('is no login, and a transaction begun unencrypted is forgotten', async () => {
    const { client, trust } = await encrypted({ User: 'shop', Password: 'right-one' });
    const anna = await client();
    await anna.command('EHLO client.test');
    const login = `AUTH PLAIN ${Buffer.from('\0shop\0right-one').toString('base64')}`;
    expect(await anna.command(login)).toMatch(/^538/);
    await anna.secure(trust, login);
    await anna.command('EHLO client.test');
    expect(await anna.command('MAIL FROM:<a@x.test>')).toMatch(/^530/);
    const open = await encrypted();
    const bert = await open.client();
    for (const line of ['EHLO c', 'MAIL FROM:<evil@x.test>', 'RCPT TO:<evil@x.test>']) await bert.command(line);
    await bert.secure(open.trust);
    await bert.command('EHLO client.test');
    expect(await bert.command('DATA')).toMatch(/^503/);
  });
});

describe('a dot that only some servers take for the end of a mail', () => {
  const second = 'MAIL FROM:<evil@x.test>\r\nRCPT TO:<evil@x.test>\r\nDATA\r\nSubject: smuggled\r\n\r\nevil';

  it.each(['\n.\n', '\n.\r\n', '\r\n.\n', '\r.\r', '\r.\r\n', '\r\n.\r', '\r\n\0.\r\n', '\r\n.\0\r\n'])(
    'hides no second mail: %j',
    async (dot) => {
      const { client, next } = await gateway();
      const anna = await client();
      for (const line of ['EHLO c', 'MAIL FROM:<a@x.test>', 'RCPT TO:<b@x.test>', 'DATA']) await anna.command(line);
      anna.write(`Subject: first\r\n\r\nhello${dot}${second}\r\n.\r\n`);
      const message = await next();
      expect(message.content?.envelope?.from).toBe('a@x.test');
      expect(rawOf(message)).toContain('smuggled');
      await message.confirm();
      expect(await anna.reply()).toMatch(/^250/);
      expect(await anna.command('NOOP')).toMatch(/^250/);
    },
  );

  it('hides none when it comes byte by byte, as the first line or over two segments', async () => {
    const { client, next } = await gateway();
    const anna = await client();
    for (const pieces of [
      ['.', '.\r\n', 'x\r\n.\r\n'],
      ['..\r', '\n.', '\r\n'],
      ['a\r\n', '..', '\r\n', '.\r\n'],
    ]) {
      for (const line of ['EHLO c', 'MAIL FROM:<a@x.test>', 'RCPT TO:<b@x.test>', 'DATA']) await anna.command(line);
      for (const piece of pieces) {
        anna.write(piece);
        await new Promise((resolve) => setImmediate(resolve));
      }
      const message = await next();
      expect(rawOf(message).split('\r\n').slice(3)).toContain('.');
      await message.confirm();
      expect(await anna.reply()).toMatch(/^250/);
    }
  });
});

describe('the replies', () => {
  it('tell a stranger nothing of this machine', async () => {
    const { client, driverState } = await gateway({ Recipients: ['example.org'] });
    driverState.statesOf = () => Promise.reject(new Error('/var/lib/gatepost/journal.db: disk I/O error'));
    const anna = await client();
    const replies = [await anna.command('EHLO c'), await anna.command('VRFY root'), await anna.command('HELP')];
    for (const line of [
      'EXPN all',
      'WIZ',
      'ETRN x',
      'MAIL FROM:<a@x.test> SIZE=abc',
      'MAIL FROM:<',
      `${'x'.repeat(200)}`,
    ])
      replies.push(await anna.command(line));
    replies.push(await anna.deliver(mailBytes('unlucky'), { to: ['a@example.org'] }));
    expect(replies.join('\n')).not.toMatch(/\/var|\/home|\/usr|node|\.js|error:.*errno|at .*:\d+/i);
  });
});
