import { afterEach, describe, expect, it } from 'vitest';
import { mailBytes } from '../../test/conformance/context.js';
import { listenerHarness } from '../../test/servers/smtp-listener-harness.js';

const { gateway, end } = listenerHarness();
afterEach(end);

/** What devices, old networks and mail servers write behind MAIL FROM. */
const SENDERS = [
  '<jana@example.net>',
  '<"a..b"@docomo.example>',
  '<a..b@docomo.example>',
  '<ab.@docomo.example>',
  '<"jana nova"@example.net>',
  '<scanner>',
  '<@a.example:jana@example.net>',
  '<>',
  '<root>',
  '<MAILER-DAEMON>',
  '<scanner@printer>',
  '<user@[192.168.1.5]>',
  '<scan@floor_2.example>',
  '<scan@example.net.>',
  ' <jana@example.net>',
  'jana@example.net',
  '<žluťoučký@příklad.example> SMTPUTF8',
  `<${'v'.repeat(260)}@example.net>`,
];

describe('the sender', () => {
  it.each(SENDERS)('%s is accepted', async (sender) => {
    const { client } = await gateway();
    const anna = await client();
    await anna.command('EHLO client.test');
    expect(await anna.command(`MAIL FROM:${sender}`)).toMatch(/^250/);
  });

  it('is the one of the envelope, as it was written', async () => {
    const { client, next } = await gateway();
    const anna = await client();
    for (const from of ['scanner', '"jana@home"@example.net', 'ab.@docomo.example']) {
      const answer = anna.deliver(mailBytes(`from ${from}`), { from });
      const message = await next();
      expect(message.content?.envelope?.from).toBe(from);
      await message.confirm();
      expect(await answer).toMatch(/^250/);
    }
  });

  it('that could write a header line is refused', async () => {
    const { client } = await gateway();
    const anna = await client();
    await anna.command('EHLO client.test');
    for (const sender of ['<ja\u0000na@example.net>', '<ja\u2028na@example.net>', '<jana', '<a@x.test><b@x.test>'])
      expect(await anna.command(`MAIL FROM:${sender}`)).toMatch(/^501/);
  });
});

describe('the recipient', () => {
  it.each([
    '<postmaster>',
    '<Postmaster>',
    '<POSTMASTER@example.com>',
    '<postmaster@example.org>',
    '<postmaster@mail.test>',
    '<support@example.com>',
    '<support@EXAMPLE.COM.>',
    '<"support"@example.com>',
    ' <support@example.com>',
    'support@example.com',
    '<@relay.example:support@example.com>',
    '<any.one@example.org>',
  ])('%s is accepted', async (recipient) => {
    const { client } = await gateway({ Recipients: ['Support@example.com', 'example.org'] });
    const anna = await client();
    await anna.command('EHLO client.test');
    await anna.command('MAIL FROM:<scanner>');
    expect(await anna.command(`RCPT TO:${recipient}`)).toMatch(/^250/);
  });

  it.each([
    ['<postmaster@elsewhere.test>', 550],
    ['<sales@example.com>', 550],
    ['<support>', 550],
    ['<example.org>', 550],
    ['<support@example.com@elsewhere.test>', 550],
    ['<"support@example.com"@elsewhere.test>', 550],
    ['<support@example.com%elsewhere.test>', 550],
    ['<>', 501],
    ['', 501],
  ])('%s is refused with %i', async (recipient, code) => {
    const { client } = await gateway({ Recipients: ['Support@example.com', 'example.org'] });
    const anna = await client();
    await anna.command('EHLO client.test');
    await anna.command('MAIL FROM:<scanner>');
    expect(await anna.command(`RCPT TO:${recipient}`)).toMatch(new RegExp(`^${code}`));
  });
});
