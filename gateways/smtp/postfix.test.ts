// SmtpHost with real mail servers.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { attemptOf, certificate, contextOf, outboundMail, tempDir } from '../../test/conformance/context.js';
import { waitFor } from '../../test/fixtures/wait-for.js';
import { type Postfix, startPostfix, whyNoPostfix } from '../../test/servers/postfix.js';
import { type SmtpServer, startSmtp } from '../../test/servers/smtp.js';
import { startSmtpSink, whyNoSmtpSink } from '../../test/servers/smtp-sink.js';
import { smtpHost } from './driver.js';

async function sendAll(written: Record<string, unknown>, mails: readonly ReturnType<typeof outboundMail>[]) {
  const session = await smtpHost.open(contextOf(smtpHost, written, { direction: 'O' }));
  try {
    return await Promise.all(mails.map((mail) => smtpHost.send?.(session, mail, attemptOf())));
  } finally {
    await smtpHost.close(session);
  }
}

const noPostfix = whyNoPostfix();

describe.runIf(!noPostfix)(`a real Postfix${noPostfix ? ` (skipped: ${noPostfix})` : ''}`, () => {
  const { dir, remove } = tempDir();
  let behind: SmtpServer;
  let postfix: Postfix;
  let caFile = '';

  beforeAll(async () => {
    const files = await certificate(dir);
    caFile = files.certFile;
    behind = await startSmtp();
    postfix = await startPostfix({
      relayPort: behind.port,
      tls: files,
      answers: { 'b@x.test': '550 5.1.1 no b here', 'c@x.test': '450 4.2.1 c comes later' },
      config: ['message_size_limit = 100000'],
    });
  });
  afterAll(async () => {
    await postfix?.close();
    await behind?.close();
    remove();
  });

  it('takes our mail over StartTls and relays it unchanged', async () => {
    const secure = { Security: 'StartTls', TlsName: 'localhost', CaFile: caFile };
    const mail = outboundMail('through Postfix');
    const [outcome] = await sendAll({ Host: postfix.host, Port: postfix.port, ...secure }, [mail]);
    expect(outcome).toMatchObject({ kind: 'sent', detail: expect.stringMatching(/^250 2\.0\.0 Ok: queued as/) });
    await waitFor('the mail behind Postfix', () => behind.mails.length === 1);
    expect(behind.mails[0]?.raw.toString()).toContain(mail.raw.toString().split('\r\n\r\n')[1]);
  });

  it('rejects one of three recipients and defers one, with its reply', async () => {
    const mail = outboundMail('three', ['a@x.test', 'b@x.test', 'c@x.test']);
    const [outcome] = await sendAll({ Host: postfix.host, Port: postfix.port, Security: 'None' }, [mail]);
    expect(outcome).toMatchObject({
      kind: 'partial',
      accepted: ['a@x.test'],
      refused: [
        { recipient: 'b@x.test', temporary: false, detail: expect.stringContaining('550 5.1.1 <b@x.test>') },
        { recipient: 'c@x.test', temporary: true, detail: expect.stringContaining('450 4.2.1') },
      ],
    });
  });

  it('gets no content of a mail over its size limit', async () => {
    const mail = outboundMail('large', ['a@x.test'], 'x'.repeat(70).concat('\r\n').repeat(2000));
    const [outcome] = await sendAll({ Host: postfix.host, Port: postfix.port, Security: 'None' }, [mail]);
    expect(outcome).toMatchObject({ kind: 'rejected', detail: expect.stringContaining('100000') });
  });
});

const noSink = whyNoSmtpSink();

describe.runIf(!noSink)(`smtp-sink${noSink ? ` (skipped: ${noSink})` : ''}`, () => {
  it('takes 200 mails over 5 connections, each once', async () => {
    const sink = await startSmtpSink({ keep: true });
    const mails = Array.from({ length: 200 }, (_, i) => outboundMail(`number ${i}`));
    const outcomes = await sendAll({ Host: sink.host, Port: sink.port, Security: 'None' }, mails);
    expect(outcomes.every((outcome) => outcome?.kind === 'sent')).toBe(true);
    const subjects = sink.mails().map((mail) => /^Subject: (.*)\r?$/m.exec(mail)?.[1]?.trim());
    expect(new Set(subjects).size).toBe(200);
    expect(subjects).toHaveLength(200);
    await sink.close();
  });
});
