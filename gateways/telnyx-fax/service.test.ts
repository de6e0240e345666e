// TelnyxFax in the running connector: both halves under one Id, one fax application that pushes everything to one address,
// journal, HTTP port and a contact center over real TCP.
import { afterEach, beforeEach, expect, it } from 'vitest';
import { formatDevice } from '../../src/simprot/device.js';
import { outboundFax } from '../../test/conformance/fax-samples.js';
import { type SmsFixture, startSmsFixture } from '../../test/fixtures/sms-connector.js';
import { waitFor } from '../../test/fixtures/wait-for.js';
import { startTelnyx, type TelnyxServer } from '../../test/servers/telnyx.js';
import { telnyxFax } from './driver.js';

const FAX = '44444444-4444-4444-8444-444444444444';
const SEND_REQUEST = 'aaaaaaaa-0000-4000-8000-000000000001';
const START = Date.UTC(2026, 10, 22, 10);

let telnyx: TelnyxServer;
let fixture: SmsFixture | undefined;
beforeEach(async () => {
  telnyx = await startTelnyx({ now: () => fixture?.clock.now() ?? START });
});
afterEach(async () => {
  await fixture?.close();
  fixture = undefined;
  await telnyx.close();
});

async function start(written: Record<string, unknown> = {}): Promise<SmsFixture> {
  const { apiKey: ApiKey, publicKey: PublicKey, connectionId: ConnectionId, number, url: BaseUrl } = telnyx;
  const usual = { ApiKey, PublicKey, ConnectionId, Number: number, BaseUrl, Webhook: true, Region: 'CZ' };
  const Device = formatDevice('TelnyxFax', { ...usual, ReportTo: FAX, ...written });
  const common = { Id: FAX, DisplayName: 'Faxes', PeerAddress: '@gatepost', Channel: 'Fax' as const, Device };
  const list = (['O', 'I'] as const).map((Direction) => ({ ...common, Direction }));
  fixture = await startSmsFixture('', { telnyxfax: telnyxFax }, list);
  telnyx.appUrl = `${fixture.service.http.url}/webhooks/${FAX}`;
  return fixture;
}

it('a fax that is pushed twice and stands in the list as well reaches the contact center once; a forged one does not', async () => {
  const { fakeServer, clock } = await start();
  await clock.advance(1_000);
  const fax = telnyx.receive({ document: Buffer.from(outboundFax('in').pdf), from: '+420777123456' });
  const event = telnyx.event(fax);
  const forged = await fetch(telnyx.appUrl, { method: 'POST', body: JSON.stringify(event) });
  expect(forged.status).toBe(403);
  const replies = await Promise.all([telnyx.post(telnyx.appUrl, event), telnyx.post(telnyx.appUrl, event)]);
  expect(replies.map(({ status }) => status)).toEqual([200, 200]);
  await fakeServer.waitForFrames('ES_MESSAGE_RECEIVING', 1);
  const requests = telnyx.requests.length;
  for (let minute = 0; minute < 3; minute++) await clock.advance(60_000);
  await waitFor('two more polls', () => telnyx.requests.length >= requests + 2);
  expect(await telnyx.post(telnyx.appUrl, event)).toMatchObject({ status: 200 });
  expect(fakeServer.received).toHaveLength(1);
  expect(fakeServer.received[0]).toMatchObject({ RemoteAddress: '+420777123456', GatewayId: FAX });
});

it('a call that outlasts its answer: accepted, its progress and its end in the trace, and a notice about the end', async () => {
  const { fakeServer, clock, journal } = await start();
  telnyx.fate = () => ['media.processed'];
  const sendRequest = {
    MessageId: SEND_REQUEST,
    GatewayId: FAX,
    RemoteAddress: '222 333 444',
    Direction: 'O' as const,
  };
  fakeServer.sendRequest({ ...sendRequest, SubjectField: 'Offer 12', BodyText: 'Our offer' });
  await waitFor('a fax at Telnyx', () => telnyx.account.faxes.length === 1);
  const [fax] = telnyx.account.faxes;
  expect(fax).toMatchObject({ to: '+420222333444', quality: 'high' });
  expect(fax?.document?.subarray(0, 5).toString()).toBe('%PDF-');
  // Both the wait for the call and its limit live by the clock.
  for (let second = 0; second < 90 && fakeServer.sent.length === 0; second++) await clock.advance(1_000);
  const [answer] = (await fakeServer.waitForFrames('ES_MESSAGE_SENT', 1)).map(({ content }) => content);
  expect(answer).toMatchObject({ Id: SEND_REQUEST, Reference: SEND_REQUEST, Data: null });
  await telnyx.advance(fax?.id ?? '', 'sending');
  await telnyx.advance(fax?.id ?? '', 'failed', { reason: 'receiver_call_dropped' });
  const [notice] = (await fakeServer.waitForFrames('ES_MESSAGE_RECEIVING', 1)).map(({ content }) => content);
  expect(JSON.stringify(notice)).toContain('the other side hung up');
  const [trace] = await journal((reader) => reader.traces(SEND_REQUEST));
  const details = trace?.entries.map(({ detail }) => detail) ?? [];
  expect(details).toContainEqual('sending: the pages are on the line');
  expect(details.join('\n')).toContain('undelivered: receiver_call_dropped: the other side hung up');
});
