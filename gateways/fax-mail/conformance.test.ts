import { simpleParser } from 'mailparser';
import { afterAll } from 'vitest';
import {
  type Cut,
  conformFax,
  type FaxCut,
  type FaxInboundCounterparty,
  type FaxOutboundCounterparty,
} from '../../test/conformance/suite.js';
import { providerMail } from '../../test/fixtures/provider-mail.js';
import { type Dovecot, startDovecot, whyNoDovecot } from '../../test/servers/dovecot.js';
import { freePort } from '../../test/servers/process.js';
import { type SmtpAction, type SmtpPoint, type SmtpServer, startSmtp } from '../../test/servers/smtp.js';
import { drivers } from '../index.js';
import { faxMail } from './driver.js';

const mailbox = await drivers.imaphost?.();
const relay = await drivers.smtphost?.();
const uninstalled = mailbox && relay ? undefined : 'a mail driver that it is built on has been removed';

/** One Dovecot for the file, a mailbox of its own for every test. */
let dovecot: Promise<Dovecot> | undefined;
let used = 0;
const users = Array.from({ length: 30 }, (_, at) => ({ name: `f${at}@example.test`, password: `fax-mail-pw-${at}` }));
afterAll(async () => (await dovecot)?.close());

async function inbound(): Promise<FaxInboundCounterparty> {
  dovecot ??= startDovecot({ users });
  const server = await dovecot;
  const user = users[used++];
  if (!user) throw new Error('more tests than mailboxes');
  const count = async (...query: string[]) => {
    const found = await server.doveadm('search', '-u', user.name, 'mailbox', 'INBOX', ...query);
    return found.split('\n').filter(Boolean).length;
  };
  const place = { Host: '127.0.0.1', Port: server.port, Security: 'None', Since: 'All' };
  const Mailbox = { ...place, User: user.name, Password: user.password };
  const Rules = { Subject: ['Fax from {from} to {to}'] };
  return {
    settings: { Mailbox, Rules },
    unreachable: { Mailbox: { ...Mailbox, Port: await freePort() }, Rules },
    offer: ({ raw, from, to }) => {
      const subject = `Fax from ${from} to ${to}`;
      const files = [{ name: 'pages', type: 'application/octet-stream', bytes: raw }];
      return server.deliver(user.name, providerMail({ subject, text: 'See the pages.', files }));
    },
    unconfirmed: () => count('unseen', 'unflagged'),
    rejected: () => count('flagged'),
    close: async () => {},
  };
}

interface Provider extends FaxOutboundCounterparty {
  readonly smtp: SmtpServer;
}

async function outbound(): Promise<Provider> {
  const login = { user: 'desk@example.test', password: 'fax-mail-relay-pw' };
  const smtp = await startSmtp({ login });
  const place = { Host: '127.0.0.1', Port: smtp.port, Security: 'None', From: 'desk@example.test' };
  const Relay = { ...place, User: login.user, Password: login.password };
  const settings = { Relay, AddressTemplate: '{number}@fax.example.test' };
  return {
    smtp,
    settings,
    unreachable: { ...settings, Relay: { ...Relay, Port: await freePort() } },
    async delivered() {
      return Promise.all(
        smtp.mails.map(async ({ raw, recipients }) => {
          const { attachments } = await simpleParser(raw);
          const document = attachments[0]?.content ?? Buffer.alloc(0);
          return { to: recipients.join().replace('@fax.example.test', ''), document };
        }),
      );
    },
    close: () => smtp.close(),
  };
}

function cut(
  name: string,
  point: SmtpPoint,
  action: SmtpAction,
  outcomes: Cut<Provider>['outcomes'],
): FaxCut<Provider> {
  return {
    name,
    outcomes,
    arm: ({ smtp }) => {
      smtp.script = (step) => (step.point === point ? action : undefined);
    },
    ...(action === 'hang' && { silent: ({ smtp }: Provider) => smtp.reached(point) }),
  };
}

conformFax(faxMail({ mailbox, relay }), {
  missing: uninstalled ?? whyNoDovecot(),
  inbound,
  outbound,
  cuts: [
    cut('the connection breaks before the mail', 'MAIL', 'close', ['deferred']),
    cut('silence before the document', 'DATA', 'hang', ['deferred']),
    cut('the connection breaks after the final dot', 'dot', 'close', ['unknown']),
    cut('silence after the final dot', 'dot', 'hang', ['unknown']),
    cut('the connection breaks with the positive reply', 'dot', { reply: '250 2.0.0 ok', close: true }, ['sent']),
    cut('the provider knows no such number', 'RCPT', '550 5.1.1 no such number', ['rejected']),
    cut('the provider is busy', 'RCPT', '451 4.7.1 later', ['deferred']),
  ],
});
