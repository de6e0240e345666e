// Sending through Graph: recipients, large mails, and what becomes of a mail whose outcome is unknown.
import { createTransport } from 'nodemailer';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ComposedMail } from '../../src/driver/contract.js';
import { attemptOf, contextOf, outboundMail } from '../../test/conformance/context.js';
import { type GraphServer, startGraph } from '../../test/servers/graph-server.js';
import { type OAuthServer, startOAuthServer } from '../../test/servers/oauth-server.js';
import { graphMail } from './driver.js';
import type { Session } from './session.js';

let graph: GraphServer;
let oauth: OAuthServer;
let session: Session;
let problems: Map<string, string>;
beforeEach(async () => {
  graph = await startGraph();
  oauth = await startOAuthServer({ user: graph.address });
  problems = new Map();
  const account = { TenantId: 'contoso.test', ClientId: 'app-1', ClientSecret: 'app-secret', TokenUrl: oauth.tokenUrl };
  const written = { ...account, Mailbox: graph.address, BaseUrl: graph.url };
  session = await graphMail.open(contextOf(graphMail, written, { direction: 'O', problems }));
});
afterEach(async () => {
  await graphMail.close(session);
  await graph.close();
  await oauth.close();
});

const send = (mail: ComposedMail) => graphMail.send?.(session, mail, attemptOf());
const lookup = (mail: ComposedMail) => graphMail.lookup?.(session, mail, attemptOf());
const drafts = () => graph.mailbox.in('F-drafts=');
const MIB = 1024 * 1024;

describe('recipients', () => {
  it('who are in no header go into Bcc', async () => {
    const mail = outboundMail('hidden');
    await send({ ...mail, recipients: ['anna@example.net', 'hidden@example.net'] });
    expect(graph.sent[0]?.raw.toString()).toMatch(/^Bcc: hidden@example\.net\r\nFrom: /);
  });

  it('who are in the header and must not get the mail again keep it from going out', async () => {
    const mail = outboundMail('again', ['anna@example.net', 'ben@example.net']);
    expect(await send({ ...mail, recipients: ['ben@example.net'] })).toMatchObject({ kind: 'rejected' });
    expect(graph.sent).toEqual([]);
  });
});

describe('an unknown outcome', () => {
  it.each([
    ['504 after acceptance', { is: 'late', status: 504 }],
    ['a lost connection after acceptance', { is: 'cut', when: 'after' }],
  ] as const)('%s is found in Sent Items', async (_, trouble) => {
    const mail = outboundMail("it's unknown");
    expect(await lookup(mail)).toBe('not found');
    graph.trouble = ({ path }) => (path === '/sendMail' ? trouble : undefined);
    expect(await send(mail)).toMatchObject({ kind: 'unknown' });
    expect([...problems.keys()]).toEqual(['sending']);
    expect(await lookup(mail)).toMatchObject({ kind: 'sent', deliverySystemId: mail.messageId.slice(1, -1) });
  });
});

/** With attachments as the content rules make them. */
async function withAttachments(attachments: { filename: string; content: Buffer }[]): Promise<ComposedMail> {
  const transport = createTransport({ streamTransport: true, buffer: true, newline: 'windows' });
  const base = outboundMail('large');
  const { message } = await transport.sendMail({
    ...{ from: base.from, to: 'anna@example.net', subject: 'large', text: 'Hello.', html: '<p>Hello.</p>' },
    ...{ messageId: base.messageId, attachments },
  });
  return { ...base, raw: message as Buffer };
}

describe('a mail over 3 MB', () => {
  const large = Buffer.alloc(7 * MIB, 'large ');
  const medium = Buffer.alloc(2 * MIB, 'medium ');
  const small = Buffer.from('small');

  it('goes out under its own Message-ID with every attachment whole', async () => {
    const mail = await withAttachments([
      { filename: 'příloha č. 1.pdf', content: large },
      { filename: 'medium.bin', content: medium },
      { filename: 'medium too.bin', content: medium },
      { filename: 'small.txt', content: small },
    ]);
    expect(await send(mail)).toMatchObject({ kind: 'sent' });
    const [sent] = graph.sent;
    expect(sent?.messageId).toBe(mail.messageId);
    expect(sent?.raw.toString()).toContain(small.toString('base64'));
    expect(sent?.raw.toString()).toContain('<p>Hello.</p>');
    // One of the two of 2 MB stays in the mail.
    expect(sent?.attachments.map(({ name }) => name)).toEqual(['příloha č. 1.pdf', expect.stringContaining('medium')]);
    expect(sent?.attachments[0]?.content.equals(large)).toBe(true);
    expect(sent?.attachments[1]?.content.equals(medium)).toBe(true);
    expect(await lookup(mail)).toMatchObject({ kind: 'sent' });
  });

  it.each([
    ['the upload breaks off', 'PUT', '/upload/'],
    ['the attachment is not taken', 'POST', '/attachments'],
    ['the draft is throttled', 'POST', '/send'],
  ])('%s: deferred, and no draft remains', async (_, method, part) => {
    const mail = await withAttachments([
      { filename: 'large.bin', content: large },
      { filename: 'medium.bin', content: medium },
      { filename: 'medium too.bin', content: medium },
    ]);
    graph.trouble = (request) =>
      request.method === method && request.path.includes(part)
        ? part === '/send'
          ? { is: 'refuse', status: 429, retryAfter: 1 }
          : { is: 'cut', when: 'before' }
        : undefined;
    expect(await send(mail)).toMatchObject({ kind: 'deferred' });
    expect(graph.sent).toEqual([]);
    expect(drafts()).toEqual([]);
  });

  it('504 after "send" is unknown, and the mail is not removed', async () => {
    const mail = await withAttachments([{ filename: 'large.bin', content: large }]);
    graph.trouble = ({ path }) => (path.endsWith('/send') ? { is: 'late', status: 504 } : undefined);
    expect(await send(mail)).toMatchObject({ kind: 'unknown' });
    expect(await lookup(mail)).toMatchObject({ kind: 'sent' });
  });

  it('that is text alone cannot be divided', async () => {
    const mail = outboundMail('text', undefined, 'x'.repeat(70).concat('\r\n').repeat(60_000));
    expect(await send(mail)).toMatchObject({ kind: 'rejected', detail: expect.stringContaining('too large') });
  });
});
