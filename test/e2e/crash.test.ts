// The two promises against kill -9: a real mailbox, a real process, a server that plays the contact center.
import { join } from 'node:path';
import { ImapFlow } from 'imapflow';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { waitFor } from '../fixtures/wait-for.js';
import { type Dovecot, startDovecot, whyNoDovecot } from '../servers/dovecot.js';
import { type FakeServer, startFakeServer } from '../servers/fake-server.js';
import type { Running } from '../servers/process.js';
import { startProxy, type Proxy as TcpProxy } from '../servers/proxy.js';
import { type SmtpServer, startSmtp } from '../servers/smtp.js';
import { type Folder, folder, gatepost, gateway, IN, kill, OUT, remote, untilStep } from './connector.js';

const USERS = [1, 2, 3].map((n) => ({ name: `user${n}@example.test`, password: `password-${n}` }));
const mail = (subject: string) =>
  `From: Ann <ann@example.com>\r\nTo: support@example.test\r\nSubject: ${subject}\r\nMessage-ID: <${subject}@example.com>\r\n\r\nHello\r\n`;

let fakeServer: FakeServer;
let place: Folder;
let connector: Running | undefined;

beforeEach(async () => {
  fakeServer = await startFakeServer();
  place = folder();
});
afterEach(async () => {
  await connector?.stop();
  connector = undefined;
  expect(fakeServer.violations).toEqual([]);
  await fakeServer.close();
  place.remove();
});

function start(): Running {
  connector = gatepost(['start', '--config', place.configure(remote(fakeServer.port))]);
  return connector;
}

describe.runIf(whyNoDovecot() === undefined)('a mail in a real mailbox', () => {
  let dovecot: Dovecot;
  let proxy: TcpProxy;
  // Each test has a mailbox of its own.
  let user = { name: '', password: '' };
  let next = 0;

  beforeAll(async () => {
    dovecot = await startDovecot({ users: USERS });
  });
  afterAll(() => dovecot.close());
  beforeEach(async () => {
    user = USERS[next++ % USERS.length] ?? user;
    proxy = await startProxy({ port: dovecot.port, record: true });
    fakeServer.gateways = [
      gateway(IN, 'I', 'ImapHost', {
        Host: '127.0.0.1',
        Port: proxy.port,
        Security: 'None',
        User: user.name,
        Password: user.password,
        Since: 'All',
      }),
    ];
  });
  afterEach(() => proxy.close());

  async function flags(): Promise<string[][]> {
    const client = new ImapFlow({
      host: '127.0.0.1',
      port: dovecot.port,
      secure: false,
      doSTARTTLS: false,
      auth: { user: user.name, pass: user.password },
      logger: false,
    });
    await client.connect();
    await client.mailboxOpen('INBOX', { readOnly: true });
    const found: string[][] = [];
    for await (const message of client.fetch('1:*', { flags: true })) found.push([...(message.flags ?? [])]);
    await client.logout();
    return found;
  }

  it('whose connector is killed between ack and confirm is not sent twice, and is confirmed after the restart', async () => {
    // The mailbox gets no command any more from the moment the server answers, so the confirm cannot have happened.
    fakeServer.onReceiving = async () => {
      proxy.hold();
      return true;
    };
    await dovecot.deliver(user.name, mail('one'));
    await kill(await started(async () => untilStep(join(place.path, 'data'), 'acknowledged')));
    expect((await flags())[0]).not.toContain('\\Seen');
    proxy.cut();
    proxy.release();
    fakeServer.onReceiving = () => true;
    start();
    await waitFor('the mail to be flagged', async () => (await flags())[0]?.includes('\\Seen'));
    expect(fakeServer.received).toHaveLength(1);
  });

  it('whose connector is killed between receive and ack is handed over again under the same ids', async () => {
    fakeServer.onReceiving = () => 'silent';
    await dovecot.deliver(user.name, mail('one'));
    await kill(await started(async () => void (await fakeServer.waitForFrame('ES_MESSAGE_RECEIVING'))));
    expect((await flags())[0]).not.toContain('\\Seen');
    fakeServer.onReceiving = () => true;
    start();
    const [first, second] = await fakeServer.waitForFrames('ES_MESSAGE_RECEIVING', 2);
    expect(second?.content.RequestId).toBe(first?.content.RequestId);
    expect(second?.content.DeliverySystemId).toBe(first?.content.DeliverySystemId);
    await waitFor('the mail to be flagged', async () => (await flags())[0]?.includes('\\Seen'));
    expect(fakeServer.received).toHaveLength(2);
  });

  it('survives being killed again and again: every mail accepted, each under one RequestId, all confirmed', async () => {
    for (let n = 0; n < 60; n++) await dovecot.deliver(user.name, mail(`mail-${n}`));
    for (const some of [5, 20, 40]) {
      start();
      await waitFor(`${some} mails received`, () => fakeServer.received.length >= some);
      if (connector) await kill(connector);
    }
    start();
    await waitFor('all mails flagged', async () => (await flags()).every((set) => set.includes('\\Seen')));
    const ids = new Map<string, Set<string>>();
    for (const { SubjectField, RequestId } of fakeServer.received) {
      const subject = SubjectField ?? '';
      ids.set(subject, (ids.get(subject) ?? new Set()).add(RequestId ?? ''));
    }
    expect(ids.size).toBe(60);
    for (const requests of ids.values()) expect(requests.size).toBe(1);
  });

  /** Starts the connector and waits until `reached` resolves. */
  async function started(reached: () => Promise<void>): Promise<Running> {
    const running = start();
    await reached();
    return running;
  }
});

describe('a send request', () => {
  let smtp: SmtpServer;
  const ID = 'aaaaaaaa-0000-4000-8000-000000000001';
  const sendRequest = {
    MessageId: ID,
    GatewayId: OUT,
    DeliverySystemId: `${ID}@frontstage.example`,
    RemoteAddress: 'ann@example.com',
    SubjectField: 'Re: one',
    BodyText: 'answer',
    Direction: 'O',
  };

  beforeEach(async () => {
    smtp = await startSmtp();
    fakeServer.gateways = [
      gateway(OUT, 'O', 'SmtpHost', {
        Host: '127.0.0.1',
        Port: smtp.port,
        Security: 'None',
        From: 'support@example.com',
      }),
    ];
  });
  afterEach(() => smtp.close());

  const listed = async () =>
    void (await waitFor('the gateway to run', () => connector?.output().includes('gateway is running')));

  it('whose connector is killed after the final dot is answered as unknown by the next one, and the repeat carries the same Message-ID', async () => {
    smtp.script = ({ point, connection }) => (point === 'dot' && connection === 1 ? 'hang' : undefined);
    start();
    await listed();
    fakeServer.sendRequest(sendRequest);
    await smtp.reached('dot');
    if (connector) await kill(connector);
    start();
    const { content } = await fakeServer.waitForFrame('ES_MESSAGE_SENT');
    expect(content).toMatchObject({ Id: ID, RefId: OUT });
    expect(content.Data).toContain('delivery uncertain');
    await listed();
    fakeServer.sendRequest(sendRequest);
    const [, second] = await fakeServer.waitForFrames('ES_MESSAGE_SENT', 2);
    expect(second?.content.Data).toBeNull();
    const last = smtp.mails.at(-1)?.raw.toString();
    expect(last).toMatch(new RegExp(`^Message-ID: <${ID}@frontstage.example>`, 'im'));
  });

  it('that was sent and answered is answered again by the next process, and not sent again', async () => {
    start();
    await listed();
    fakeServer.sendRequest(sendRequest);
    await fakeServer.waitForFrames('ES_MESSAGE_SENT', 1);
    await untilStep(join(place.path, 'data'), 'answered');
    if (connector) await kill(connector);
    start();
    await listed();
    fakeServer.sendRequest(sendRequest);
    const [first, second] = await fakeServer.waitForFrames('ES_MESSAGE_SENT', 2);
    expect(second?.content).toMatchObject({ Id: ID, Data: null, Reference: first?.content.Reference });
    expect(smtp.mails).toHaveLength(1);
  });
});
