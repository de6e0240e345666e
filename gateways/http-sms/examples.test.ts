// The README's other two examples, run as they stand there, against a gateway of that shape.
import { createHmac } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ComposedText, DeliveryReceipt, RawRequest, WebhookResult } from '../../src/driver/contract.js';
import { attemptOf, contextOf, outboundText } from '../../test/conformance/context.js';
import { exampleFor } from '../../test/servers/http-sms-examples.js';
import { type SmsGateway, startSmsGateway } from '../../test/servers/sms-gateway.js';
import { httpSms } from './driver.js';
import type { HttpSmsSession } from './session.js';

const HOOK = 'https://gatepost.test/webhooks/11111111-2222-4333-8444-555555555555';
const TEXT = 'Příliš "žluťoučký" <kůň> & \\ 100 % +1\n😀';

let gateway: SmsGateway;
beforeEach(async () => {
  gateway = await startSmsGateway();
});
afterEach(() => gateway.close());

/** The example with the address and the secrets of this test, both directions opened. */
async function opened(title: string, own: Record<string, unknown>) {
  const path = new URL(String(exampleFor(title, {}).SendUrl)).pathname;
  const written = exampleFor(title, { ...own, SendUrl: `${gateway.url}${path}` });
  const open = (direction: 'I' | 'O') => httpSms.open(contextOf(httpSms, written, { direction, webhookUrl: HOOK }));
  const [inbound, outbound] = [await open('I'), await open('O')];
  return {
    send: (message: ComposedText) => send(outbound, message),
    push: (body: string, headers: Record<string, string>) => push(inbound, body, headers),
  };
}

function send(session: HttpSmsSession, message: ComposedText) {
  return httpSms.send?.(session, message, attemptOf()) ?? Promise.reject(new Error('cannot send'));
}

function push(session: HttpSmsSession, body: string, headers: Record<string, string>): Promise<WebhookResult> {
  const { signal } = new AbortController();
  const request: RawRequest = { method: 'POST', path: '', url: HOOK, headers, body: Buffer.from(body), signal };
  return httpSms.webhook?.(session, request) ?? Promise.reject(new Error('takes no pushes'));
}

const states = (receipts: readonly DeliveryReceipt[] = []) =>
  receipts.map(({ id, state, detail }) => [id, state, detail]);

describe('a REST service that speaks JSON', () => {
  const own = { Token: 'the-bearer-token', Secret: 'the signing key' };
  const signed = (body: string) => ({
    'x-signature': `sha256=${createHmac('sha256', own.Secret).update(body).digest('hex')}`,
    'content-type': 'application/json',
  });

  it('gets the request that it requires, with every character, and its id becomes the delivery id', async () => {
    gateway.answer = () => ({ status: 202, body: '{"messages":[{"id":12345678901234567890,"status":"queued"}]}' });
    const { send } = await opened('JSON', own);
    expect(await send(outboundText(TEXT))).toMatchObject({
      kind: 'sent',
      deliverySystemId: '12345678901234567890',
      ids: ['12345678901234567890'],
    });
    const [request] = gateway.requests;
    expect(request).toMatchObject({ method: 'POST', path: '/v2/messages' });
    expect(request?.headers).toMatchObject({
      authorization: 'Bearer the-bearer-token',
      'content-type': 'application/json',
    });
    expect(JSON.parse(request?.body ?? '')).toEqual({
      messages: [{ to: '420777123456', from: '12345', text: TEXT, callback: { url: `${HOOK}/receipt` } }],
    });
  });

  it('reports an opt-out, and the reason of any other rejection', async () => {
    const { send } = await opened('JSON', own);
    gateway.script = () => ({
      status: 403,
      body: '{"error":{"code":"recipient_opted_out","message":"has opted out"}}',
    });
    expect(await send(outboundText('x'))).toEqual({
      kind: 'rejected',
      detail: 'HTTP 403: has opted out',
      optedOut: true,
    });
    gateway.script = () => ({ status: 422, body: '{"error":{"code":"bad_number","message":"no such number"}}' });
    expect(await send(outboundText('x'))).toEqual({ kind: 'rejected', detail: 'HTTP 422: no such number' });
  });

  it('pushes messages and receipts in one signed list', async () => {
    const { push } = await opened('JSON', own);
    const body = JSON.stringify({
      events: [
        { id: 'e1', from: '+491701234567', to: 'Example', text: TEXT, sentAt: '2026-11-22T10:00:00Z' },
        { messageId: 'm1', status: 'DELIVERED', at: '2026-11-22T10:00:01Z' },
        { messageId: 'm2', status: 'FAILED', reason: 'unknown subscriber' },
        { messageId: 'm3', status: 'SOMETHING_NEW' },
      ],
    });
    const result = await push(body, signed(body));
    expect(result.reply).toEqual({ status: 200, body: '{"ok":true}', headers: { 'content-type': 'application/json' } });
    expect(result.messages).toHaveLength(1);
    expect(result.messages?.[0]).toMatchObject({
      key: 'id e1',
      content: {
        from: '+491701234567',
        to: 'Example',
        text: TEXT,
        providerId: 'e1',
        sentAt: Date.UTC(2026, 10, 22, 10),
      },
    });
    expect(states(result.receipts)).toEqual([
      ['m1', 'delivered', 'DELIVERED'],
      ['m2', 'undelivered', 'FAILED: unknown subscriber'],
    ]);
    expect(result.receipts?.[0]?.at).toBe(Date.UTC(2026, 10, 22, 10, 0, 1));
  });

  it('is rejected when the signature covers something else', async () => {
    const { push } = await opened('JSON', own);
    const body = '{"events":[{"id":"e1","from":"1","to":"2","text":"pay me"}]}';
    for (const headers of [signed(`${body} `), { 'x-signature': '' }, {}]) {
      const result = await push(body, headers);
      expect(result).toEqual({ reply: expect.objectContaining({ status: 403 }) });
    }
  });
});

describe('a form gateway that answers in plain text', () => {
  const own = { Password: 'p&ss=w%rd', Secret: 'push password' };
  const basic = { authorization: `Basic ${Buffer.from(`bulk:${own.Secret}`).toString('base64')}` };

  it('gets a form, and its id is found in its text', async () => {
    gateway.answer = () => ({ body: 'OK ID: 4711\n' });
    const { send } = await opened('form gateway', own);
    expect(await send(outboundText(TEXT))).toMatchObject({ kind: 'sent', deliverySystemId: '4711' });
    const [request] = gateway.requests;
    expect(request?.headers['content-type']).toBe('application/x-www-form-urlencoded');
    expect(request?.headers.authorization).toBeUndefined();
    expect(Object.fromEntries(new URLSearchParams(request?.body))).toEqual({
      login: 'desk',
      pass: own.Password,
      number: '420777123456',
      sender: '12345',
      msg: TEXT,
    });
  });

  it('leaves out the sender when there is none', async () => {
    gateway.answer = () => ({ body: 'OK' });
    const { send } = await opened('form gateway', own);
    expect(await send({ ...outboundText('x'), from: undefined })).toMatchObject({
      kind: 'sent',
      deliverySystemId: 'ref x',
      detail: 'accepted, but without an id at IdFrom: HTTP 200: OK',
    });
    expect(new URLSearchParams(gateway.requests[0]?.body).has('sender')).toBe(false);
  });

  it.each([
    ['ERROR 105: no credit', { kind: 'rejected', detail: 'HTTP 200: 105: no credit' }],
    ['ERROR 107: opted out', { kind: 'rejected', detail: 'HTTP 200: 107: opted out', optedOut: true }],
    ['ERROR 300: busy', { kind: 'deferred', detail: 'HTTP 200: 300: busy' }],
  ])('%s', async (body, outcome) => {
    const { send } = await opened('form gateway', own);
    gateway.script = () => ({ body });
    expect(await send(outboundText('x'))).toEqual(outcome);
  });

  it('pushes messages and receipts as forms under basic authentication', async () => {
    const { push } = await opened('form gateway', own);
    const message = new URLSearchParams({ msisdn: '+421905123456', shortcode: '8877', message: TEXT, msgid: 'a1' });
    const taken = await push(message.toString(), basic);
    expect(taken.reply).toEqual({ status: 200, body: 'OK', headers: { 'content-type': 'text/plain' } });
    expect(taken.messages).toMatchObject([
      { key: 'id a1', content: { from: '+421905123456', to: '8877', text: TEXT } },
    ]);
    const receipt = await push('msgid=4711&dlr=UNDELIV', basic);
    expect(states(receipt.receipts)).toEqual([['4711', 'undelivered', 'UNDELIV']]);
    expect(receipt.messages).toEqual([]);
    const forged = await push(message.toString(), { authorization: basic.authorization.slice(0, -2) });
    expect(forged).toEqual({ reply: expect.objectContaining({ status: 403 }) });
  });
});
