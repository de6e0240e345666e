// What leaves: the mail to the provider, whom it is addressed to, and what its end means; against a real mail server.
import { simpleParser } from 'mailparser';
import { afterEach, describe, expect, it } from 'vitest';
import { attemptOf, contextOf } from '../../test/conformance/context.js';
import { outboundFax } from '../../test/conformance/fax-samples.js';
import { type SmtpServer, startSmtp } from '../../test/servers/smtp.js';
import { drivers } from '../index.js';
import { writeNumber } from './address.js';
import { faxMail } from './driver.js';

const relay = await drivers.smtphost?.();
const mailbox = await drivers.imaphost?.();
const driver = faxMail({ mailbox, relay });

const undo: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (let step = undo.pop(); step; step = undo.pop()) await step();
});

async function serve(): Promise<SmtpServer> {
  const server = await startSmtp();
  undo.push(() => server.close());
  return server;
}

const box = { Mailbox: { Host: 'imap.example.com', User: 'fax', Password: 'box-password' } };

async function gateway(server: SmtpServer, written: Record<string, unknown> = {}) {
  const Relay = { Host: '127.0.0.1', Port: server.port, Security: 'None', From: 'desk@example.test', FromName: 'Desk' };
  const settings = { Relay, AddressTemplate: '{number}@fax.example.test', ...written };
  const context = contextOf(driver, settings, { direction: 'O' });
  const session = await driver.open(context);
  undo.push(() => driver.close(session));
  return (fax = outboundFax('hello'), attempt = attemptOf()) =>
    driver.send?.(session, fax, attempt) ?? Promise.reject(new Error('no send'));
}

describe.runIf(relay)('the mail to the provider', () => {
  it('goes from the registered sender to the number at the provider, with the pages as PDF', async () => {
    const server = await serve();
    const send = await gateway(server);
    const fax = outboundFax('Invoice');
    expect(await send(fax)).toMatchObject({
      kind: 'sent',
      state: 'accepted',
      detail: expect.stringContaining('accepted for transmission by the provider'),
    });
    const [mail] = server.mails;
    expect(mail).toMatchObject({ from: 'desk@example.test', recipients: ['+420777123456@fax.example.test'] });
    const { from, subject, attachments } = await simpleParser(mail?.raw ?? '');
    expect([from?.text, subject]).toEqual(['"Desk" <desk@example.test>', 'Invoice']);
    expect(attachments.map(({ filename, contentType }) => [filename, contentType])).toEqual([
      ['fax.pdf', 'application/pdf'],
    ]);
    expect(attachments[0]?.content.equals(Buffer.from(fax.pdf))).toBe(true);
  });

  it('has the TIFF where that is wanted, and says so when this machine could make none', async () => {
    const server = await serve();
    const send = await gateway(server, { Document: 'Tiff' });
    await send(outboundFax('with tiff'));
    const without = await send({ ...outboundFax('without'), tiff: null });
    expect(without).toMatchObject({ kind: 'sent', detail: expect.stringContaining('sent as PDF') });
    const types = server.mails.map(async ({ raw }) => (await simpleParser(raw)).attachments[0]?.contentType);
    expect(await Promise.all(types)).toEqual(['image/tiff', 'application/pdf']);
  });

  it('has the same Message-ID on every attempt, and another for another fax', async () => {
    const server = await serve();
    const send = await gateway(server);
    const outcomes = [await send(), await send(), await send(outboundFax('other'))];
    const ids = await Promise.all(server.mails.map(async ({ raw }) => (await simpleParser(raw)).messageId));
    expect(ids[0]).toBe(ids[1]);
    expect(ids[2]).not.toBe(ids[0]);
    expect(outcomes[0]).toMatchObject({
      deliverySystemId: ids[0]?.slice(1, -1),
      ids: [ids[0]?.slice(1).split('@')[0]],
    });
  });

  it('is as the provider wants it', async () => {
    const server = await serve();
    const send = await gateway(server, { Provider: 'eFax', AddressTemplate: undefined });
    await send();
    const mail = await simpleParser(server.mails[0]?.raw ?? '');
    expect(server.mails[0]?.recipients).toEqual(['420777123456@efaxsend.com']);
    expect(mail.text?.trim()).toBe('{nocoverpage}');
  });

  it('holds password, number and reference where the settings want them', async () => {
    const server = await serve();
    const Subject = '{number} {pages}p {subject} [{reference}]';
    const written = { Subject, Body: 'PASSWORD:{password}\n{unknown}', Password: 'pin-4711', NumberFormat: '00' };
    const send = await gateway(server, written);
    await send(outboundFax('A {password} B'));
    const { subject, text } = await simpleParser(server.mails[0]?.raw ?? '');
    expect(subject).toMatch(/^00420777123456 1p A password B \[fax\.[0-9a-f]{32}\]$/);
    expect(text?.trim()).toBe('PASSWORD:pin-4711\n{unknown}');
  });
});

describe.runIf(relay)('a subject that is too long', () => {
  it('is cut, and what the provider needs in it is not', async () => {
    const server = await serve();
    const send = await gateway(server, { Subject: '{subject} [{reference}]' });
    await send({ ...outboundFax('x'), subject: `${'x'.repeat(260)}${'\u{1f4e0}'.repeat(100)}` });
    const { subject = '' } = await simpleParser(server.mails[0]?.raw ?? '');
    expect(subject).toMatch(/^x{260} \[fax\.[0-9a-f]{32}\]$/);
    expect(subject.length).toBeLessThanOrEqual(300);
  });
});

describe.runIf(relay)('values cannot break out of their place', () => {
  const attacks = [
    '+420777@evil.test',
    '1234,evil@evil.test',
    '12>\r\nRCPT TO:<evil@evil.test',
    '12"x',
    '',
    '+',
    '1,,2',
    '１２３４',
  ];
  it.each(attacks)('the number %j is rejected, and no mail is sent', async (to) => {
    const server = await serve();
    const send = await gateway(server);
    const before = server.connections.flatMap(({ commands }) => commands).length;
    expect(await send({ ...outboundFax('x'), to })).toMatchObject({
      kind: 'rejected',
      detail: expect.stringContaining('cannot be part of an address'),
    });
    expect(server.connections.flatMap(({ commands }) => commands)).toHaveLength(before);
  });

  it('a number that is too long is rejected', () => {
    expect(writeNumber('1'.repeat(33), 'E164')).toMatchObject({
      ok: false,
      problem: expect.stringContaining('longer than'),
    });
  });

  it.each([
    ['+420 777-123', 'Digits', '420777123'],
    ['+420777123', '011', '011420777123'],
    ['*31#0777123', '00', '*31#0777123'],
    ['0777123', 'Digits', '0777123'],
  ] as const)('the number %s as %s is %s', (number, format, text) => {
    expect(writeNumber(number, format)).toEqual({ ok: true, text });
  });

  it('a subject with line ends makes no header of its own', async () => {
    const server = await serve();
    const send = await gateway(server);
    await send({ ...outboundFax('x'), subject: 'Hi\r\nBcc: evil@evil.test\r\n\r\nbody' });
    const { subject, headers } = await simpleParser(server.mails[0]?.raw ?? '');
    expect(subject).toBe('Hi Bcc: evil@evil.test body');
    expect(headers.has('bcc')).toBe(false);
    expect(server.mails[0]?.recipients).toEqual(['+420777123456@fax.example.test']);
  });
});

describe.runIf(relay && mailbox)('the outcome of the mail and of the fax', () => {
  it('with AnswerWhen Done the outcome is unknown until the result comes, under the id that the result will name', async () => {
    const server = await serve();
    const send = await gateway(server, { AnswerWhen: 'Done', ...box });
    const outcome = await send();
    const { messageId = '' } = await simpleParser(server.mails[0]?.raw ?? '');
    expect(outcome).toMatchObject({ kind: 'unknown', ids: [messageId.slice(1).split('@')[0]] });
  });

  it('the result also resolves a mail whose connection broke after the final dot, and the mail is never sent again by itself', async () => {
    const server = await serve();
    server.script = ({ point }) => (point === 'dot' ? 'close' : undefined);
    const send = await gateway(server);
    expect(await send()).toMatchObject({ kind: 'unknown', ids: [expect.stringMatching(/^fax\.[0-9a-f]{32}$/)] });
    expect(driver.whenUncertain?.(contextOf(driver, box).settings)).toBe('Hold');
  });
});
