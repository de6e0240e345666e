// Messages come by push, which webhook.test.ts is about; here the sending side is held to the laws.
import { conformText, type TextCut, type TextOutboundCounterparty } from '../../test/conformance/suite.js';
import { freePort } from '../../test/servers/process.js';
import { type GatewayAction, type SmsGateway, startSmsGateway } from '../../test/servers/sms-gateway.js';
import { httpSms } from './driver.js';

interface Service extends TextOutboundCounterparty {
  readonly gateway: SmsGateway;
}

async function outbound(): Promise<Service> {
  const gateway = await startSmsGateway();
  gateway.answer = () => ({
    status: 202,
    body: JSON.stringify({ id: `m-${gateway.accepted.length}`, status: 'queued' }),
  });
  const settings = {
    SendUrl: `${gateway.url}/send`,
    BodyTemplate: { to: '{to}', from: '{from}', text: '{text}' },
    Token: 'conformance-token',
    SuccessWhen: { Json: { status: 'queued' } },
    IdFrom: 'json:id',
  };
  return {
    gateway,
    settings,
    unreachable: { ...settings, SendUrl: `http://127.0.0.1:${await freePort()}/send` },
    delivered: () => gateway.accepted.map(({ body }) => JSON.parse(body)),
    close: () => gateway.close(),
  };
}

function cut(name: string, action: GatewayAction, outcomes: TextCut<Service>['outcomes']): TextCut<Service> {
  return {
    name,
    outcomes,
    arm: ({ gateway }) => {
      gateway.script = () => action;
    },
    ...(action === 'hang' && { silent: ({ gateway }: Service) => gateway.reached(1) }),
  };
}

const { receive: _pushedInstead, ...sendingSide } = httpSms;

conformText(sendingSide, {
  outbound,
  cuts: [
    { name: 'the gateway is gone', arm: ({ gateway }) => gateway.close(), outcomes: ['deferred'] },
    cut('the connection breaks after the request', 'close', ['unknown']),
    cut('silence after the request', 'hang', ['unknown']),
    cut('the answer breaks off', { status: 202, body: '{"id":"1","sta', broken: true }, ['unknown']),
    cut('the answer never ends', { status: 200, body: 'x'.repeat(65_536), endless: true }, ['unknown']),
    cut('a page instead of the answer', { status: 200, body: '<html>Welcome</html>' }, ['unknown']),
    cut('a proxy in front gave up waiting', { status: 504 }, ['unknown']),
    cut('a negative answer', { status: 200, body: '{"status":"blocked"}' }, ['rejected']),
    cut('a permanent rejection', { status: 400, body: 'bad number' }, ['rejected']),
    cut('a redirect', { status: 302, headers: { location: 'http://127.0.0.1:1/' } }, ['rejected']),
    cut('too many requests', { status: 429, headers: { 'retry-after': '7' } }, ['deferred']),
    cut('a broken gateway', { status: 500, body: 'oops' }, ['deferred']),
    cut('a broken gateway whose answer breaks off', { status: 503, body: 'oo', broken: true }, ['deferred']),
  ],
});
