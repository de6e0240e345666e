// Twilio gateways in the running service: journal, HTTP port behind a proxy, and a contact center over real TCP.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { loadConfig } from '../../src/config.js';
import { openJournal } from '../../src/journal/open.js';
import { systemClock, systemRandom } from '../../src/kit/clock.js';
import { silentLog } from '../../src/kit/log.js';
import { redactor } from '../../src/kit/redact.js';
import { startService } from '../../src/service.js';
import { waitFor } from '../../test/fixtures/wait-for.js';
import { startFakeServer } from '../../test/servers/fake-server.js';
import { startTwilio } from '../../test/servers/twilio.js';
import { twilio } from './driver.js';

/** One gateway, both ways: the server lists it twice under one id. */
const ID = '33333333-1111-4111-8111-333333333333';
const PROXY = 'https://gatepost.example.com';
const WEBHOOK = `${PROXY}/webhooks/${ID}`;

const undo: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (let step = undo.pop(); step; step = undo.pop()) await step();
});

async function startHarness(written: Record<string, unknown>) {
  const server = await startTwilio();
  undo.push(() => server.close());
  const folder = mkdtempSync(join(tmpdir(), 'gatepost-twilio-'));
  undo.push(() => rmSync(folder, { recursive: true, force: true }));
  const settings = { AccountSid: server.accountSid, AuthToken: server.authToken, Number: server.number, ...written };
  const Device = `Twilio ${JSON.stringify({ ...settings, BaseUrl: server.url })}`;
  const usual = { Id: ID, DisplayName: 'Texts', PeerAddress: '@gatepost', Channel: 'SMS' as const, Device };
  const fakeServer = await startFakeServer({
    gateways: [
      { ...usual, Direction: 'I' },
      { ...usual, Direction: 'O' },
    ],
  });
  undo.push(() => fakeServer.close());
  const file = join(folder, 'gatepost.yaml');
  const lines = [
    `server: { mode: remote, host: 127.0.0.1, port: ${fakeServer.port}, password: server-password }`,
    'policy: { hosts: [127.0.0.1, localhost] }',
    'dataDir: data',
  ];
  writeFileSync(file, [...lines, `http: { port: 0, publicUrl: "${PROXY}" }`].join('\n'));
  const config = loadConfig(file, {});
  const platform = { clock: systemClock, random: systemRandom, log: silentLog, redactor: redactor(), env: {} };
  const start = async () => {
    const service = await startService(config, { ...platform, drivers: { twilio: async () => twilio } });
    undo.push(() => service.stop());
    server.reach = (url) => url.replace(PROXY, service.http.url);
    await waitFor('the gateways to run', () => {
      const views = service.views();
      return views.length === 2 && views.every(({ state }) => state === 'running');
    });
    return service;
  };
  const journal = async () => {
    const open = await openJournal(config.journal, { ...platform, directory: join(folder, 'reader') });
    undo.push(() => open.close());
    return open;
  };
  return { server, fakeServer, service: await start(), journal };
}

it('a message that is pushed twice and found in the list as well reaches the contact center once', async () => {
  const { server, fakeServer } = await startHarness({ Webhook: true, PollSeconds: 1, AwaitDeliverySeconds: 0 });
  const later = Date.now() + 5_000;
  const message = server.receive({ text: 'pushed and listed', at: later });
  const form = server.pushed(message);
  const replies = await Promise.all([server.post(WEBHOOK, form), server.post(WEBHOOK, form)]);
  expect(replies.map(({ status }) => status)).toEqual([200, 200]);
  server.receive({ text: 'only listed', at: later });
  await fakeServer.waitForFrames('ES_MESSAGE_RECEIVING', 2);
  expect(await server.post(WEBHOOK, form)).toMatchObject({ status: 200 });
  const requests = server.requests.length;
  await waitFor('two more polls', () => server.requests.length >= requests + 2);
  const received = fakeServer.received.map(({ BodyText, DeliverySystemId }) => [BodyText, DeliverySystemId]);
  expect(received.map(([text]) => text).sort()).toEqual(['only listed', 'pushed and listed']);
  expect(received).toContainEqual(['pushed and listed', message.sid]);
});

it('a push that is forged on its way is rejected with 403 and is not delivered', async () => {
  const { server, fakeServer } = await startHarness({ Webhook: true, PollSeconds: 0, AwaitDeliverySeconds: 0 });
  const form = server.pushed(server.receive({ text: 'forged' }));
  const { headers } = server.signed(`${PROXY}/webhooks/other`, form);
  const body = new URLSearchParams(form).toString();
  const forged = await fetch(server.reach(WEBHOOK), { method: 'POST', headers, body });
  expect(forged.status).toBe(403);
  expect((await server.post(WEBHOOK, server.pushed(server.receive({ text: 'genuine' })))).status).toBe(200);
  await fakeServer.waitForFrames('ES_MESSAGE_RECEIVING', 1);
  expect(fakeServer.received.map(({ BodyText }) => BodyText)).toEqual(['genuine']);
});

it('the answer is the delivery state of the carrier when it comes in time, and a later state is in the trace', async () => {
  const { server, fakeServer, service, journal } = await startHarness({
    Webhook: true,
    PollSeconds: 1,
    AwaitDeliverySeconds: 3,
  });
  server.fate = ({ to }) => (to === '+420777000001' ? [{ status: 'undelivered', code: 30003 }] : ['sent']);
  const sendRequest = (MessageId: string, RemoteAddress: string) =>
    fakeServer.sendRequest({
      MessageId,
      GatewayId: ID,
      RemoteAddress,
      Direction: 'O',
      BodyText: 'Hello',
      DeliverySystemId: `${MessageId}@x`,
    });
  sendRequest('aaaaaaaa-0000-4000-8000-000000000001', '+420777000001');
  sendRequest('aaaaaaaa-0000-4000-8000-000000000002', '+420777000002');
  await fakeServer.waitForFrames('ES_MESSAGE_SENT', 2);
  const answers = new Map(fakeServer.sent.map(({ Id, Data }) => [Id, Data]));
  expect(answers.get('aaaaaaaa-0000-4000-8000-000000000001')).toMatch(/undelivered 30003: Unreachable destination/);
  expect(answers.get('aaaaaaaa-0000-4000-8000-000000000002') ?? null).toBeNull();
  const message = server.account.messages.find(({ to }) => to === '+420777000002');
  await server.advance(message?.sid ?? '', 'delivered');
  await service.stop();
  const [trace] = await (await journal()).traces(message?.sid ?? '');
  expect(trace?.entries.map(({ event, detail }) => [event, detail])).toContainEqual(['receipt', 'delivered']);
});
