import {
  type Cut,
  conform,
  type InboundCounterparty,
  type OutboundCounterparty,
} from '../../test/conformance/suite.js';
import { type GraphServer, startGraph, type Trouble } from '../../test/servers/graph-server.js';
import { startOAuthServer } from '../../test/servers/oauth-server.js';
import { freePort } from '../../test/servers/process.js';
import { graphMail } from './driver.js';

interface Server extends OutboundCounterparty {
  readonly graph: GraphServer;
}

async function start() {
  const graph = await startGraph();
  const oauth = await startOAuthServer({ user: graph.address });
  const settings = {
    ...{ TenantId: 'contoso.test', ClientId: 'app-1', ClientSecret: 'app-secret' },
    ...{ Mailbox: graph.address, BaseUrl: graph.url, TokenUrl: oauth.tokenUrl },
  };
  const unreachable = { ...settings, BaseUrl: `http://127.0.0.1:${await freePort()}/v1.0` };
  const close = async () => {
    await graph.close();
    await oauth.close();
  };
  return { graph, settings, unreachable, close };
}

async function inbound(): Promise<InboundCounterparty> {
  const { graph, close, ...given } = await start();
  const own = { Since: 'All', PollSeconds: 1 };
  const inFolder = () => graph.mailbox.in('F-inbox=');
  return {
    settings: { ...given.settings, ...own },
    unreachable: { ...given.unreachable, ...own },
    offer: async (raw) => void graph.mailbox.add(raw),
    unconfirmed: () => inFolder().filter(({ isRead, flagged }) => !isRead && !flagged).length,
    rejected: () => inFolder().filter(({ flagged }) => flagged).length,
    close,
  };
}

async function outbound(): Promise<Server> {
  const server = await start();
  return { ...server, delivered: () => server.graph.sent };
}

const isSend = ({ path }: { path: string }) => path === '/sendMail';

function cut(name: string, trouble: Trouble, outcomes: Cut<Server>['outcomes']): Cut<Server> {
  return {
    name,
    outcomes,
    arm: ({ graph }) => {
      graph.trouble = (request) => (isSend(request) ? trouble : undefined);
    },
    ...(trouble.is === 'hang' && { silent: ({ graph }: Server) => graph.until(isSend) }),
  };
}

const refused = (status: number, code: string): Trouble => ({ is: 'refuse', status, code });

conform(graphMail, {
  inbound,
  outbound,
  cuts: [
    cut('the connection breaks before Graph has accepted the mail', { is: 'cut', when: 'before' }, ['unknown']),
    cut('the connection breaks after Graph has accepted the mail', { is: 'cut', when: 'after' }, ['unknown']),
    cut('silence, not accepted', { is: 'hang', accepted: false }, ['unknown']),
    cut('silence, accepted', { is: 'hang', accepted: true }, ['unknown']),
    cut('504 after acceptance', { is: 'late', status: 504 }, ['unknown']),
    cut('500 after acceptance', { is: 'late', status: 500 }, ['unknown']),
    cut('too many requests', { is: 'refuse', status: 429, code: 'ApplicationThrottled', retryAfter: 7 }, ['deferred']),
    cut('the service is busy', refused(503, 'ErrorServerBusy'), ['deferred']),
    cut('a token that is not accepted', refused(401, 'InvalidAuthenticationToken'), ['deferred']),
    cut('no right to send', refused(403, 'ErrorAccessDenied'), ['deferred']),
    cut('no right to send as the sender', refused(403, 'ErrorSendAsDenied'), ['rejected']),
    cut('an invalid recipient', refused(400, 'ErrorInvalidRecipients'), ['rejected']),
  ],
});
