import {
  conformFax,
  type FaxCut,
  type FaxInboundCounterparty,
  type FaxOutboundCounterparty,
} from '../../test/conformance/suite.js';
import { type FakeHylafax, startFakeHylafax, type Trouble } from '../../test/servers/hylafax-script.js';
import { freePort } from '../../test/servers/process.js';
import { hylaFax } from './driver.js';

interface Server extends FaxOutboundCounterparty {
  readonly server: FakeHylafax;
}

async function start() {
  const server = await startFakeHylafax();
  const settings = {
    Host: '127.0.0.1',
    Port: server.port,
    User: server.user,
    Password: server.password,
    AdminPassword: server.adminPassword,
    PollSeconds: 1,
    AfterReceive: 'Delete',
    Since: 'All',
  };
  const unreachable = { ...settings, Port: await freePort() };
  return { server, settings, unreachable, close: () => server.close() };
}

async function inbound(): Promise<FaxInboundCounterparty> {
  const { server, ...rest } = await start();
  let count = 0;
  return {
    ...rest,
    async offer({ raw, from }) {
      const name = `fax${String(++count).padStart(9, '0')}.tif`;
      server.files.set(name, { bytes: raw, at: Math.floor(Date.now() / 1000), number: from, secret: true });
      server.tell('100000 136 RECV FAX: Call ended');
    },
    unconfirmed: () => server.files.size,
  };
}

async function outbound(): Promise<Server> {
  const { server, ...rest } = await start();
  const out = () => server.jobs.filter(({ state }) => state !== 'T');
  return { server, ...rest, delivered: () => out().map(({ number, document }) => ({ to: number, document })) };
}

function cut(name: string, command: RegExp, trouble: Trouble, outcomes: FaxCut<Server>['outcomes']): FaxCut<Server> {
  return {
    name,
    outcomes,
    arm({ server }) {
      server.trouble = (sent) => (command.test(sent) ? trouble : undefined);
    },
    ...(trouble.is === 'silent' && { silent: ({ server }: Server) => server.until(name, command) }),
  };
}

const lost = (when: 'before' | 'after'): Trouble => ({ is: 'lost', when });
const silent = (when: 'before' | 'after'): Trouble => ({ is: 'silent', when });
const says = (reply: string): Trouble => ({ is: 'says', reply });

conformFax(hylaFax, {
  inbound,
  outbound,
  cuts: [
    cut('the connection breaks at the login', /^USER/, lost('before'), ['deferred']),
    cut('the connection breaks in the upload', /^STOT/, lost('before'), ['deferred']),
    cut('the connection breaks after the upload', /^STOT/, lost('after'), ['deferred']),
    cut('the connection breaks while the job is described', /^JPARM VRES/, lost('after'), ['deferred']),
    cut('the connection breaks before the job is submitted', /^JSUBM/, lost('before'), ['unknown']),
    cut('the connection breaks after the job was submitted', /^JSUBM/, lost('after'), ['unknown']),
    cut('silence at the login', /^PASS/, silent('before'), ['deferred']),
    cut('silence before the job is submitted', /^JSUBM/, silent('before'), ['unknown']),
    cut('silence after the job was submitted', /^JSUBM/, silent('after'), ['unknown']),
    cut('too many clients', /^USER/, says('421 Too many clients.'), ['deferred']),
    cut('a rejected login', /^PASS/, says('530 Login incorrect.'), ['deferred']),
    cut('a rejected number', /^JPARM DIALSTRING/, says('504 Bad dialstring.'), ['rejected']),
    cut('a rejected document', /^JPARM DOCUMENT/, says('550 Document type not recognized.'), ['rejected']),
    cut('a scheduler that does not answer', /^JSUBM/, says('460 Failed to submit job 1: no response.'), ['deferred']),
    cut('a rejected job', /^JSUBM/, says('504 Cannot submit job 1.'), ['rejected']),
  ],
});
