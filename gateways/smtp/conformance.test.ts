import { outboundMail } from '../../test/conformance/context.js';
import { type Cut, conform, type OutboundCounterparty } from '../../test/conformance/suite.js';
import { freePort } from '../../test/servers/process.js';
import { type SmtpAction, type SmtpPoint, type SmtpServer, startSmtp } from '../../test/servers/smtp.js';
import { smtpHost } from './driver.js';

interface Server extends OutboundCounterparty {
  readonly smtp: SmtpServer;
}

const login = { user: 'desk@example.test', password: 'conformance-password' };
const MEGABYTES = 'x'.repeat(70).concat('\r\n').repeat(400_000);

async function outbound(): Promise<Server> {
  const smtp = await startSmtp({ login });
  const settings = { Host: '127.0.0.1', Port: smtp.port, Security: 'None', User: login.user, Password: login.password };
  return {
    smtp,
    settings,
    unreachable: { ...settings, Port: await freePort() },
    delivered: () => smtp.mails,
    close: () => smtp.close(),
  };
}

function cut(name: string, point: SmtpPoint, action: SmtpAction, outcomes: Cut<Server>['outcomes']): Cut<Server> {
  return {
    name,
    outcomes,
    arm: ({ smtp }) => {
      smtp.script = (step) => (step.point === point ? action : undefined);
    },
    ...(point === 'content' && { mail: outboundMail('large', undefined, MEGABYTES) }),
    ...(action === 'hang' && { silent: ({ smtp }: Server) => smtp.reached(point) }),
  };
}

const BEFORE = ['MAIL', 'RCPT', 'DATA', 'content'] as const;

conform(smtpHost, {
  outbound,
  cuts: [
    ...BEFORE.map((point) => cut(`the connection breaks at ${point}`, point, 'close', ['deferred'])),
    ...BEFORE.map((point) => cut(`silence at ${point}`, point, 'hang', ['deferred'])),
    cut('the connection breaks after the final dot', 'dot', 'close', ['unknown']),
    cut('silence after the final dot', 'dot', 'hang', ['unknown']),
    cut('the connection breaks with the positive reply', 'dot', { reply: '250 2.0.0 ok', close: true }, ['sent']),
    cut('the connection breaks with the negative reply', 'dot', { reply: '554 5.6.0 no', close: true }, ['rejected']),
    cut('a temporary rejection', 'RCPT', '451 4.7.1 greylisted', ['deferred']),
    cut('a permanent rejection', 'RCPT', '550 5.1.1 no such mailbox', ['rejected']),
    cut('shutting down', 'MAIL', '421 4.3.2 shutting down', ['deferred']),
  ],
});
