// The whole connector with HttpSms in it: the README's Kannel example, both directions and receipts through the HTTP port.
import { afterEach, expect, it } from 'vitest';
import { formatDevice } from '../../src/simprot/device.js';
import { ANN, SMS, type SmsFixture, startSmsFixture } from '../../test/fixtures/sms-connector.js';
import { exampleFor } from '../../test/servers/http-sms-examples.js';
import { type SmsGateway, startSmsGateway } from '../../test/servers/sms-gateway.js';
import { httpSms } from './driver.js';

const SEND_REQUEST = 'aaaaaaaa-0000-4000-8000-000000000001';
let gateway: SmsGateway;
let fixture: SmsFixture;
afterEach(async () => {
  await fixture.close();
  await gateway.close();
});

it('a customer is answered, the answer is known to be delivered, and pushes of others change nothing', async () => {
  gateway = await startSmsGateway();
  gateway.answer = () => ({ status: 202, body: '0: Accepted for delivery' });
  const own = { SendUrl: `${gateway.url}/cgi-bin/sendsms`, Password: 'kannel-password', Secret: 'push & secret' };
  fixture = await startSmsFixture(formatDevice('HttpSms', exampleFor('Kannel', own)), { httpsms: httpSms });
  const hook = `${fixture.service.http.url}/webhooks/${SMS}`;
  const query = new URLSearchParams({ from: ANN, to: '12345', text: 'Kdy otevíráte?', id: 'k1', time: '1763805600' });
  expect((await fetch(`${hook}?key=guess&${query}`)).status).toBe(403);
  expect((await fetch(`${hook}?key=push+%26+secret&${query}`)).status).toBe(200);
  const { content } = await fixture.fakeServer.waitForFrame('ES_MESSAGE_RECEIVING');
  expect(content).toMatchObject({ RemoteAddress: ANN, BodyText: 'Kdy otevíráte?', DeliverySystemId: 'k1' });

  fixture.sendRequest(SEND_REQUEST, 'Zítra v 9 – těšíme se', '777 123 456');
  expect((await fixture.fakeServer.waitForFrame('ES_MESSAGE_SENT')).content).toMatchObject({
    Id: SEND_REQUEST,
    Data: null,
  });
  const sent = gateway.accepted[0]?.query;
  expect(sent?.get('to')).toBe(ANN);
  expect(sent?.get('text')).toBe('Zítra v 9 – těšíme se');
  expect(sent?.get('coding')).toBe('2');

  // Kannel fills in its own placeholders and calls what it was given.
  const receipt = (state: string) => (sent?.get('dlr-url') ?? '').replace('%d', state).replace('%A', 'ok');
  expect(receipt('8')).toContain(`${hook}/receipt?`);
  const guessed = receipt('2').replace('push', 'pull');
  expect([(await fetch(guessed)).status, (await fetch(receipt('8'))).status]).toEqual([403, 200]);
  expect((await fetch(receipt('1'))).status).toBe(200);
  const [trace] = await fixture.journal((journal) => journal.traces(SEND_REQUEST));
  expect(trace?.ids.find(({ label }) => label === 'Delivery')?.value).toMatch(/^delivered/);
  expect(fixture.lines.join('')).not.toMatch(/kannel-password|push & secret|push\+%26\+secret/);
  expect(gateway.requests).toHaveLength(1);
  expect(fixture.fakeServer.received).toHaveLength(1);
});
