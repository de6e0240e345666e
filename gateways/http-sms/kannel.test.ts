// The README's Kannel example against a real Kannel: sendsms, fakesmsc as the operator, receipts and pushes.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { attemptOf, contextOf, outboundText } from '../../test/conformance/context.js';
import { waitFor } from '../../test/fixtures/wait-for.js';
import { exampleFor } from '../../test/servers/http-sms-examples.js';
import { type Kannel, startKannel, whyNoKannel } from '../../test/servers/kannel.js';
import { startWebhookEndpoint, type WebhookEndpoint } from '../../test/servers/webhook-endpoint.js';
import { httpSms } from './driver.js';
import type { HttpSmsSession } from './session.js';

const missing = whyNoKannel();
const KEY = 'kannel push key & more';
const RECIPIENT = '+420777123456';

describe.runIf(!missing)(`with a real Kannel${missing ? ` (skipped: ${missing})` : ''}`, () => {
  let kannel: Kannel;
  let endpoint: WebhookEndpoint;
  let inbound: HttpSmsSession;
  let outbound: HttpSmsSession;

  beforeEach(async () => {
    endpoint = await startWebhookEndpoint(
      (request) => httpSms.webhook?.(inbound, request) ?? Promise.reject(new Error('none')),
    );
    const query = 'from=%p&to=%P&text=%b&charset=%C&id=%I&time=%T';
    kannel = await startKannel({
      getUrl: `${endpoint.url}?key=${encodeURIComponent(KEY).replace(/%/g, '%%')}&${query}`,
    });
    const own = { SendUrl: kannel.sendUrl, User: kannel.user, Password: kannel.password, Secret: KEY };
    const written = exampleFor('Kannel', own);
    inbound = await httpSms.open(contextOf(httpSms, written, { direction: 'I', webhookUrl: endpoint.url }));
    outbound = await httpSms.open(contextOf(httpSms, written, { direction: 'O', webhookUrl: endpoint.url }));
  });
  afterEach(async () => {
    await kannel.close();
    await endpoint.close();
  });

  const send = (text: string, to = RECIPIENT) => httpSms.send?.(outbound, outboundText(text, to), attemptOf());
  const inboundMessages = () => endpoint.results.flatMap((result) => result.messages ?? []);
  const receipts = () => endpoint.results.flatMap((result) => result.receipts ?? []);

  it.each(['50 € & 100 % = {a} [b] +1', 'Žluťoučký kůň ☎ 😀'])(
    'a text comes out at the operator to the last character: %j',
    async (text) => {
      expect(await send(text)).toMatchObject({ kind: 'sent', detail: 'HTTP 202: 0: Accepted for delivery' });
      await waitFor('the text at the operator', () => kannel.outgoing().length > 0);
      expect(kannel.outgoing()).toEqual([{ from: '12345', to: RECIPIENT, text }]);
    },
  );

  it('receipts come back under our reference, "sent" first and "delivered" then', async () => {
    const outcome = await send('with receipts');
    expect(outcome).toMatchObject({ ids: ['ref with receipts'], deliverySystemId: 'ref with receipts' });
    await waitFor('both receipts', () => receipts().length >= 2);
    expect(receipts().map(({ id, state }) => [id, state])).toEqual([
      ['ref with receipts', 'sent'],
      ['ref with receipts', 'delivered'],
    ]);
    expect(endpoint.results.map(({ reply }) => reply.status)).toEqual([200, 200]);
  });

  it('a message that Kannel only queues is sent, too: Kannel is responsible from then on', async () => {
    await kannel.hangUp();
    expect(await send('queued')).toMatchObject({ kind: 'sent', detail: 'HTTP 202: 3: Queued for later delivery' });
  });

  it.each(['plain +1 & 2 = 3', 'Žluťoučký kůň 😀'])('a text of the operator is pushed whole: %j', async (text) => {
    await kannel.offer({ from: RECIPIENT, to: '12345', text });
    await waitFor('the push', () => inboundMessages().length > 0);
    const [inboundMessage] = inboundMessages();
    expect(inboundMessage?.content).toMatchObject({ kind: 'text', from: RECIPIENT, to: '12345', text, media: [] });
    expect(inboundMessage?.key).toMatch(/^id [0-9a-f-]{36}$/);
    expect(inboundMessage?.content?.sentAt).toBeGreaterThan(Date.UTC(2024, 0));
  });

  it('a wrong password defers the message', async () => {
    const settings = { ...outbound.context.settings, Password: 'wrong' };
    const wrong = { ...outbound, context: { ...outbound.context, settings } };
    expect(await httpSms.send?.(wrong, outboundText('never'), attemptOf())).toEqual({
      kind: 'deferred',
      detail: 'HTTP 403: Authorization failed for sendsms',
    });
  });

  it('an invalid number is rejected in Kannel’s own words', async () => {
    expect(await send('nowhere', 'abc')).toMatchObject({
      kind: 'rejected',
      detail: expect.stringMatching(/^HTTP 400: \S/),
    });
    expect(kannel.outgoing()).toEqual([]);
  });
});
