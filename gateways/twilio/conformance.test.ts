import {
  conformText,
  type TextCut,
  type TextInboundCounterparty,
  type TextOutboundCounterparty,
} from '../../test/conformance/suite.js';
import { freePort } from '../../test/servers/process.js';
import { startTwilio, type Trouble, type TwilioServer } from '../../test/servers/twilio.js';
import { twilio } from './driver.js';

interface Server extends TextOutboundCounterparty {
  readonly server: TwilioServer;
}

/** The number that the suite's texts are sent to and from. */
const NUMBER = '12345';
/** The gateway only wants what comes after its first start, and the suite puts messages on offer before that. */
const LATER_MS = 30_000;

async function start() {
  const server = await startTwilio({ number: NUMBER });
  const settings = {
    AccountSid: server.accountSid,
    AuthToken: server.authToken,
    Number: NUMBER,
    PollSeconds: 1,
    AwaitDeliverySeconds: 0,
    BaseUrl: server.url,
  };
  const unreachable = { ...settings, BaseUrl: `http://127.0.0.1:${await freePort()}` };
  return { server, settings, unreachable, close: () => server.close() };
}

async function inbound(): Promise<TextInboundCounterparty> {
  const { server, ...rest } = await start();
  return { ...rest, offer: async (offered) => void server.receive({ ...offered, at: Date.now() + LATER_MS }) };
}

async function outbound(): Promise<Server> {
  const { server, ...rest } = await start();
  const outbound = () => server.account.messages.filter(({ direction }) => direction === 'outbound-api');
  return { server, ...rest, delivered: () => outbound().map(({ to, body }) => ({ to, text: body })) };
}

const isCreate = ({ method }: { method: string }) => method === 'POST';

function cut(name: string, trouble: Trouble, outcomes: TextCut<Server>['outcomes']): TextCut<Server> {
  return {
    name,
    outcomes,
    arm: ({ server }) => {
      server.trouble = (request) => (isCreate(request) ? trouble : undefined);
    },
    ...(trouble.is === 'hang' && { silent: ({ server }: Server) => server.until(isCreate) }),
  };
}

const refused = (status: number, code: number): Trouble => ({ is: 'refuse', status, code });

conformText(twilio, {
  inbound,
  outbound,
  cuts: [
    cut('the connection breaks before Twilio has accepted it', { is: 'cut', when: 'before' }, ['unknown']),
    cut('the connection breaks after Twilio has accepted it', { is: 'cut', when: 'after' }, ['unknown']),
    cut('the connection breaks in the middle of the answer', { is: 'cut', when: 'answering' }, ['unknown']),
    cut('silence, not accepted', { is: 'hang', accepted: false }, ['unknown']),
    cut('silence, accepted', { is: 'hang', accepted: true }, ['unknown']),
    cut('an answer that is not from Twilio', { is: 'babble', status: 201, body: '<html>', accepted: true }, [
      'unknown',
    ]),
    cut('too many requests', refused(429, 20429), ['deferred']),
    cut('a server error', refused(503, 0), ['deferred']),
    cut('rejected credentials', refused(401, 20003), ['deferred']),
    cut('an invalid number', refused(400, 21211), ['rejected']),
    cut('a recipient who has opted out', refused(400, 21610), ['rejected']),
  ],
});
