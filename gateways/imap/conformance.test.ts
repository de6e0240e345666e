import { afterAll } from 'vitest';
import { conform, type InboundCounterparty } from '../../test/conformance/suite.js';
import { type Dovecot, startDovecot, whyNoDovecot } from '../../test/servers/dovecot.js';
import { freePort } from '../../test/servers/process.js';
import { imapHost } from './driver.js';

const missing = whyNoDovecot();

/** One Dovecot for the file, a mailbox of its own for every test. */
let dovecot: Promise<Dovecot> | undefined;
let used = 0;
const users = Array.from({ length: 30 }, (_, at) => ({
  name: `u${at}@example.test`,
  password: `conformance-pw-${at}`,
}));
afterAll(async () => (await dovecot)?.close());

async function inbound(): Promise<InboundCounterparty> {
  dovecot ??= startDovecot({ users });
  const server = await dovecot;
  const user = users[used++];
  if (!user) throw new Error('more tests than mailboxes');
  const count = async (...query: string[]) => {
    const found = await server.doveadm('search', '-u', user.name, 'mailbox', 'INBOX', ...query);
    return found.split('\n').filter(Boolean).length;
  };
  const settings = {
    Host: '127.0.0.1',
    Port: server.port,
    Security: 'None',
    User: user.name,
    Password: user.password,
    Since: 'All',
  };
  return {
    settings,
    unreachable: { ...settings, Port: await freePort() },
    offer: (raw) => server.deliver(user.name, raw),
    unconfirmed: () => count('unseen', 'unflagged'),
    rejected: () => count('flagged'),
    close: async () => {},
  };
}

conform(imapHost, { missing, inbound });
