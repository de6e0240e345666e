// Both halves of a fax service in the running connector: a send request becomes a mail to the provider, the provider's mail about
// it becomes its receipt, and the provider's mails with faxes become inbound messages.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { simpleParser } from 'mailparser';
import { afterEach, expect, it } from 'vitest';
import { loadConfig } from '../../src/config.js';
import { openJournal } from '../../src/journal/open.js';
import { systemClock, systemRandom } from '../../src/kit/clock.js';
import { silentLog } from '../../src/kit/log.js';
import { redactor } from '../../src/kit/redact.js';
import { startService } from '../../src/service.js';
import { faxSamples } from '../../test/conformance/fax-samples.js';
import { providerMail } from '../../test/fixtures/provider-mail.js';
import { waitFor } from '../../test/fixtures/wait-for.js';
import { startDovecot, whyNoDovecot } from '../../test/servers/dovecot.js';
import { startFakeServer } from '../../test/servers/fake-server.js';
import { startSmtp } from '../../test/servers/smtp.js';
import { drivers } from '../index.js';

const ID = '44444444-1111-4111-8111-444444444444';
const SEND_REQUEST = 'aaaaaaaa-0000-4000-8000-00000000000f';
const user = { name: 'fax@example.test', password: 'fax-box-password' };
const missing = drivers.imaphost && drivers.smtphost ? whyNoDovecot() : 'a mail driver has been removed';

const undo: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (let step = undo.pop(); step; step = undo.pop()) await step();
});

function closing<T extends { close(): Promise<unknown> }>(part: T): T {
  undo.push(async () => void (await part.close()));
  return part;
}

async function startHarness(written: Record<string, unknown>) {
  const dovecot = closing(await startDovecot({ users: [user] }));
  const smtp = closing(await startSmtp());
  const Mailbox = { Host: '127.0.0.1', Port: dovecot.port, Security: 'None', User: user.name, Password: user.password };
  const Relay = { Host: '127.0.0.1', Port: smtp.port, Security: 'None', From: 'fax@example.test' };
  const settings = { Mailbox: { ...Mailbox, Since: 'All' }, Relay, AddressTemplate: '{number}@fax.test', Region: 'CZ' };
  const Device = `FaxMail ${JSON.stringify({ ...settings, ...written })}`;
  const both = { Id: ID, DisplayName: 'Fax', PeerAddress: '@gatepost', Channel: 'Fax' as const, Device };
  const directions = [
    { ...both, Direction: 'I' as const },
    { ...both, Direction: 'O' as const },
  ];
  const fakeServer = closing(await startFakeServer({ gateways: directions }));
  const folder = mkdtempSync(join(tmpdir(), 'gatepost-fax-mail-'));
  undo.push(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, 'gatepost.yaml');
  const server = `server: { mode: remote, host: 127.0.0.1, port: ${fakeServer.port}, password: server-password }`;
  // Nothing here depends on recognized text, which takes seconds.
  writeFileSync(file, [server, 'dataDir: data', 'http: { port: 0 }', 'fax: { ocr: false }'].join('\n'));
  const config = loadConfig(file, {});
  const platform = { clock: systemClock, random: systemRandom, log: silentLog, redactor: redactor(), env: {} };
  const service = await startService(config, { ...platform, drivers });
  undo.push(() => service.stop());
  await waitFor('both halves to run', () => {
    const views = service.views();
    return views.length === 2 && views.every(({ state }) => state === 'running');
  });
  const traces = async () => {
    await service.stop();
    const journal = await openJournal(config.journal, { ...platform, directory: join(folder, 'reader') });
    undo.push(() => journal.close());
    return journal.traces(SEND_REQUEST);
  };
  return { dovecot, smtp, fakeServer, traces };
}

it.runIf(!missing)("a send request goes to the provider, and the provider's result is in its trace", async () => {
  const Results = { Delivered: ['was sent'], Failed: ['could not be sent'] };
  const { dovecot, smtp, fakeServer, traces } = await startHarness({ Results, ReportTo: ID });
  fakeServer.sendRequest({
    MessageId: SEND_REQUEST,
    GatewayId: ID,
    RemoteAddress: '222 333 444',
    Direction: 'O',
    BodyText: 'Hello by fax',
  });
  await fakeServer.waitForFrames('ES_MESSAGE_SENT', 1);
  expect(fakeServer.sent[0]).toMatchObject({ Id: SEND_REQUEST });
  expect(fakeServer.sent[0]?.Data ?? null).toBeNull();
  expect(smtp.mails.map(({ recipients }) => recipients)).toEqual([['+420222333444@fax.test']]);
  const { messageId = '', attachments } = await simpleParser(smtp.mails[0]?.raw ?? '');
  expect(attachments[0]?.content.subarray(0, 5).toString()).toBe('%PDF-');
  const headers = { 'In-Reply-To': messageId };
  const result = { subject: 'Your fax', text: 'It could not be sent: line busy.', headers };
  await dovecot.deliver(user.name, providerMail(result));
  const read = async () => dovecot.doveadm('search', '-u', user.name, 'mailbox', 'INBOX', 'seen');
  await waitFor('the result to be read', async () => (await read()).trim() !== '');
  const [notice] = (await fakeServer.waitForFrames('ES_MESSAGE_RECEIVING', 1)).map(({ content }) => content);
  expect(JSON.stringify(notice)).toContain('line busy');
  const [trace] = await traces();
  const details = trace?.entries.map(({ event, detail }) => `${event} ${detail}`).join('\n');
  expect(details).toContain('It could not be sent: line busy.');
});

it.runIf(!missing)(
  'mails of the provider become faxes: the pages of a TIFF, and a page with the text of a mail without one',
  async () => {
    const { dovecot, fakeServer } = await startHarness({
      Rules: { Subject: ['Fax from {from}'], Text: ['Pages: {pages} of {expected}'] },
    });
    const { raw } = faxSamples.offered('a page');
    const files = [{ name: 'fax.tif', type: 'image/tiff', bytes: raw }];
    const pages = { subject: 'Fax from +420 777 123 456', text: 'Pages: 1 of 3', files };
    await dovecot.deliver(user.name, providerMail(pages));
    const [fax] = (await fakeServer.waitForFrames('ES_MESSAGE_RECEIVING', 1)).map(({ content }) => content);
    expect(fax).toMatchObject({
      GatewayId: ID,
      RemoteAddress: '+420777123456',
      SubjectField: 'Fax from +420 777 123 456, 1 of 3 pages',
      BodyHtml: expect.stringMatching(/<img[^>]+src="data:image/),
      BodyText: expect.stringContaining('The fax is not complete'),
    });
    await dovecot.deliver(user.name, providerMail({ subject: 'Your account', text: 'It is nearly full.' }));
    const [, receipts] = (await fakeServer.waitForFrames('ES_MESSAGE_RECEIVING', 2)).map(({ content }) => content);
    expect(receipts).toMatchObject({
      BodyHtml: expect.stringMatching(/<img[^>]+src="data:image/),
      BodyText: expect.stringContaining('The mail held no fax'),
    });
  },
);
