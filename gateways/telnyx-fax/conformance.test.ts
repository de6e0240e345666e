import {
  conformFax,
  type FaxCut,
  type FaxInboundCounterparty,
  type FaxOutboundCounterparty,
} from '../../test/conformance/suite.js';
import { freePort } from '../../test/servers/process.js';
import { type ApiRequest, startTelnyx, type TelnyxServer, type Trouble } from '../../test/servers/telnyx.js';
import { telnyxFax } from './driver.js';

interface Server extends FaxOutboundCounterparty {
  readonly server: TelnyxServer;
}

/** The gateway only wants what comes after its first start, and the suite puts faxes on offer before that. */
const LATER_MS = 30_000;

async function start() {
  const server = await startTelnyx({ number: '+420555666777' });
  const settings = {
    ApiKey: server.apiKey,
    ConnectionId: server.connectionId,
    Number: server.number,
    PollSeconds: 1,
    BaseUrl: server.url,
  };
  const unreachable = { ...settings, BaseUrl: `http://127.0.0.1:${await freePort()}/v2` };
  return { server, settings, unreachable, close: () => server.close() };
}

async function inbound(): Promise<FaxInboundCounterparty> {
  const { server, ...rest } = await start();
  const offer: FaxInboundCounterparty['offer'] = async ({ raw, from, to }) =>
    void server.receive({ document: raw, from, to, at: Date.now() + LATER_MS });
  return { ...rest, offer };
}

async function outbound(): Promise<Server> {
  const { server, ...rest } = await start();
  const outbound = () => server.account.faxes.filter(({ direction }) => direction === 'outbound');
  const delivered = () => outbound().map(({ to, document }) => ({ to, document: document ?? Buffer.alloc(0) }));
  return { server, ...rest, delivered };
}

const isSendRequest = ({ method, path }: ApiRequest) => method === 'POST' && path === '/faxes';

function cut(name: string, trouble: Trouble, outcomes: FaxCut<Server>['outcomes'], at = isSendRequest): FaxCut<Server> {
  return {
    name,
    outcomes,
    arm: ({ server }) => {
      server.trouble = (request) => (at(request) ? trouble : undefined);
    },
    ...(trouble.is === 'hang' && { silent: ({ server }: Server) => server.until(at) }),
  };
}

const isUpload = ({ method, path }: ApiRequest) => method === 'POST' && path === '/media';
const refused = (status: number, code: string, accepted = false): Trouble => ({ is: 'refuse', status, code, accepted });

conformFax(telnyxFax, {
  inbound,
  outbound,
  cuts: [
    cut('the connection breaks in the upload', { is: 'cut', when: 'before' }, ['deferred'], isUpload),
    cut('silence in the upload', { is: 'hang', accepted: false }, ['deferred'], isUpload),
    cut('a server error in the upload', refused(500, '10007'), ['deferred'], isUpload),
    cut('a document that is too large for the store', refused(413, '10027'), ['rejected'], isUpload),
    cut('the connection breaks before Telnyx has accepted it', { is: 'cut', when: 'before' }, ['unknown']),
    cut('the connection breaks after Telnyx has accepted it', { is: 'cut', when: 'after' }, ['unknown']),
    cut('the connection breaks in the middle of the answer', { is: 'cut', when: 'answering' }, ['unknown']),
    cut('silence, not accepted', { is: 'hang', accepted: false }, ['unknown']),
    cut('silence, accepted', { is: 'hang', accepted: true }, ['unknown']),
    cut('an answer that is not from Telnyx', { is: 'babble', status: 202, body: '<html>', accepted: true }, [
      'unknown',
    ]),
    cut('an answer without an id', { is: 'babble', status: 202, body: '{"data":{}}', accepted: true }, ['unknown']),
    cut('a server error, not accepted', refused(500, '10007'), ['unknown']),
    cut('a server error, accepted all the same', refused(500, '10007', true), ['sent']),
    cut('no service', refused(503, '10007'), ['deferred']),
    cut('too many requests', refused(429, '10011'), ['deferred']),
    cut('a rejected key', refused(401, '10009'), ['deferred']),
    cut('an invalid number', refused(422, '10016'), ['rejected']),
    cut(
      'a redirect to elsewhere',
      { is: 'babble', status: 302, body: '', headers: { location: 'http://example.com' } },
      ['deferred'],
    ),
  ],
});
