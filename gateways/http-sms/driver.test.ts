// Sending: how a request is made, when surely nothing was sent, and the problems of wrong settings.
import { createServer } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import type { ComposedText } from '../../src/driver/contract.js';
import { httpClient } from '../../src/driver/shared/http-client.js';
import { attemptOf, certificate, contextOf, outboundText, tempDir } from '../../test/conformance/context.js';
import { watchedClock } from '../../test/conformance/watch.js';
import { manualClock } from '../../test/fixtures/manual-clock.js';
import { waitFor } from '../../test/fixtures/wait-for.js';
import { type SmsGateway, startSmsGateway } from '../../test/servers/sms-gateway.js';
import { httpSms } from './driver.js';
import { settings } from './settings.js';

let undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of undo.reverse()) await step();
  undo = [];
});

async function gatewayOf(tls?: { key: string; cert: string }): Promise<SmsGateway> {
  const gateway = await startSmsGateway(tls);
  undo.push(() => gateway.close());
  return gateway;
}

async function sent(written: Record<string, unknown>, message: ComposedText = outboundText('hello'), dataDir?: string) {
  const context = contextOf(httpSms, written, {
    direction: 'O',
    webhookUrl: 'https://h.test/webhooks/1',
    ...(dataDir && { dataDir }),
  });
  const session = await httpSms.open(context);
  return httpSms.send?.(session, message, attemptOf());
}

const json = { BodyTemplate: { to: '{to}', text: '{text}' } };

describe('a request', () => {
  it('has every value escaped for its place in the address', async () => {
    const gateway = await gatewayOf();
    await sent({ SendUrl: `${gateway.url}/a/{to}/b?text={text}&x=%31` }, outboundText('a/b?c=d&e#f{to}'));
    expect(gateway.requests[0]).toMatchObject({ path: '/a/%2B420777123456/b', method: 'POST', body: '' });
    expect(gateway.requests[0]?.query.get('text')).toBe('a/b?c=d&e#f{to}');
    expect(gateway.requests[0]?.query.get('x')).toBe('1');
  });

  it.each([
    [
      'application/json',
      '{"to":"{to:digits}","n":{segments},"t":"{text}"}',
      '{"to":"420777123456","n":1,"t":"a\\"b<c>&\\n"}',
    ],
    ['text/xml', '<sms to="{to}">{text}</sms>', '<sms to="+420777123456">a&#34;b&#60;c&#62;&#38;\n</sms>'],
    ['application/x-www-form-urlencoded', 'to={to}&t={text}', 'to=%2B420777123456&t=a%22b%3Cc%3E%26%0A'],
    ['text/plain', '{to} {text}', '+420777123456 a"b<c>&\n'],
  ])('has a text template escaped as %s', async (type, BodyTemplate, body) => {
    const gateway = await gatewayOf();
    await sent({ SendUrl: gateway.url, BodyTemplate, Headers: { 'Content-Type': type } }, outboundText('a"b<c>&\n'));
    expect(gateway.requests[0]).toMatchObject({ body, headers: { 'content-type': type } });
  });

  it('has headers that no value can break out of', async () => {
    const gateway = await gatewayOf();
    const Headers = { 'X-Ref': '{reference}', 'X-From': '{from}', Authorization: 'Key {token}' };
    const message = { ...outboundText('x'), reference: 'a\r\nX-Evil: 1 ž😀', from: undefined };
    await sent({ SendUrl: gateway.url, ...json, Headers, Token: 'key-value' }, message);
    const { headers } = gateway.requests[0] ?? {};
    expect(headers).toMatchObject({ 'x-ref': 'a%0D%0AX-Evil: 1 %C5%BE%F0%9F%98%80', authorization: 'Key key-value' });
    expect(headers).not.toHaveProperty('x-evil');
    expect(headers).not.toHaveProperty('x-from');
  });

  it('has basic authentication, unless a template contains user and password', async () => {
    const gateway = await gatewayOf();
    const login = { User: 'me', Password: 'pass:wörd' };
    await sent({ SendUrl: gateway.url, ...json, ...login });
    await sent({ SendUrl: `${gateway.url}/?u={user}&p={password}`, ...json, ...login });
    const [plain, spelled] = gateway.requests;
    expect(plain?.headers.authorization).toBe(`Basic ${Buffer.from('me:pass:wörd').toString('base64')}`);
    expect(spelled?.headers.authorization).toBeUndefined();
    expect(spelled?.query.get('p')).toBe('pass:wörd');
  });

  it('contains the address for receipts only with ReceiptFrom', async () => {
    const gateway = await gatewayOf();
    const own = { SendUrl: gateway.url, BodyTemplate: { to: '{to}', text: '{text}', hook: '{dlr-url}' } };
    await sent(own);
    const ReceiptFrom = { Id: 'json:id', State: 'json:s', States: {} };
    await sent({ ...own, ReceiptFrom, Authenticate: { Kind: 'Basic', User: 'u' }, Secret: 'long enough' });
    expect(gateway.requests.map(({ body }) => JSON.parse(body).hook)).toEqual([
      undefined,
      'https://h.test/webhooks/1/receipt',
    ]);
  });
});

describe('what an answer means', () => {
  it('is reported in one line, however long and odd it is', async () => {
    const gateway = await gatewayOf();
    gateway.script = () => ({ status: 400, body: `<b>\u0000no\n\tno</b>${'x'.repeat(10_000)}` });
    const outcome = await sent({ SendUrl: gateway.url, ...json });
    expect(outcome).toMatchObject({ kind: 'rejected', detail: expect.stringMatching(/^HTTP 400: <b> no no<\/b>x+…$/) });
  });

  it.each([
    ['7', 7_000],
    ['Sun, 22 Nov 2026 10:01:00 GMT', 60_000],
    ['soon', undefined],
  ])('is heeded when it asks to wait: Retry-After %s', async (value, retryAfterMs) => {
    const gateway = await gatewayOf();
    gateway.script = () => ({ status: 503, headers: { 'retry-after': value } });
    const context = contextOf(httpSms, { SendUrl: gateway.url, ...json }, { direction: 'O', clock: manualClock() });
    const outcome = await httpSms.send?.(await httpSms.open(context), outboundText('x'), attemptOf());
    expect(outcome).toEqual({ kind: 'deferred', detail: 'HTTP 503', ...(retryAfterMs && { retryAfterMs }) });
  });

  it('is success by status alone even when its body breaks off', async () => {
    const gateway = await gatewayOf();
    gateway.script = () => ({ status: 200, body: 'OK', broken: true });
    expect(await sent({ SendUrl: gateway.url, ...json })).toMatchObject({
      kind: 'sent',
      deliverySystemId: 'ref hello',
    });
  });

  it('is unknown when it breaks off before the values of SuccessWhen', async () => {
    const gateway = await gatewayOf();
    gateway.script = () => ({ status: 200, body: 'OK: acc', broken: true });
    const written = { SendUrl: gateway.url, ...json, SuccessWhen: { Text: 'OK: accepted' } };
    expect(await sent(written)).toEqual({ kind: 'unknown', detail: 'the answer cannot be read: HTTP 200: OK: acc' });
    gateway.script = () => ({ status: 200, body: 'OK: acc' });
    expect(await sent(written)).toEqual({ kind: 'rejected', detail: 'HTTP 200: OK: acc' });
  });

  it('is sent under our reference when what stands at IdFrom is too long for an id', async () => {
    const gateway = await gatewayOf();
    const written = { SendUrl: gateway.url, ...json, IdFrom: 'json:id' };
    gateway.answer = () => ({ body: JSON.stringify({ id: 'x'.repeat(200) }) });
    expect(await sent(written)).toMatchObject({ kind: 'sent', deliverySystemId: 'x'.repeat(200) });
    gateway.answer = () => ({ body: JSON.stringify({ id: 'x'.repeat(201) }) });
    expect(await sent(written)).toMatchObject({ kind: 'sent', deliverySystemId: 'ref hello', ids: ['ref hello'] });
  });

  it('has only its own members, not those of every object', async () => {
    const gateway = await gatewayOf();
    gateway.answer = () => ({ body: '{}' });
    const written = { SendUrl: gateway.url, ...json, SuccessWhen: { Json: { 'constructor.name': 'Object' } } };
    expect(await sent(written)).toMatchObject({ kind: 'rejected' });
  });

  it('that is a redirect is not followed: no second request, and the outcome says what to do', async () => {
    const gateway = await gatewayOf();
    gateway.script = () => ({ status: 307, headers: { location: `${gateway.url}/new?token=x` } });
    expect(await sent({ SendUrl: gateway.url, ...json })).toEqual({
      kind: 'rejected',
      detail: `HTTP 307: the gateway redirects, which is not followed; put the new address into SendUrl: ${gateway.url}/new`,
    });
    expect(gateway.requests).toHaveLength(1);
  });

  it('is not waited for longer than TimeoutSeconds, and nothing stays armed', async () => {
    const gateway = await gatewayOf();
    gateway.script = () => 'hang';
    const clock = manualClock();
    const context = contextOf(httpSms, { SendUrl: gateway.url, ...json, TimeoutSeconds: 5 }, { direction: 'O', clock });
    const sending = httpSms.send?.(await httpSms.open(context), outboundText('x'), attemptOf());
    await gateway.reached(1);
    await clock.advance(5_000);
    expect(await sending).toMatchObject({ kind: 'unknown' });
    expect(clock.armed).toBe(0);
  });
});

describe('surely not sent', () => {
  it('is a message for a gateway whose certificate is not trusted; with its CaFile the message is sent', async () => {
    const { dir, remove } = tempDir();
    undo.push(remove);
    const { key, cert } = await certificate(dir);
    const gateway = await gatewayOf({ key, cert });
    const written = { SendUrl: gateway.url.replace('127.0.0.1', 'localhost'), ...json };
    await expect(sent(written)).rejects.toMatchObject({
      code: 'http-sms/unreachable',
      message: expect.stringContaining('self-signed'),
    });
    const context = contextOf(httpSms, written, { direction: 'O' });
    const session = {
      ...(await httpSms.open(contextOf(httpSms, { ...written, CaFile: 'cert.pem' }, { direction: 'O', dataDir: dir }))),
      context,
    };
    expect(await httpSms.send?.({ ...session, http: httpClient() }, outboundText('x'), attemptOf())).toMatchObject({
      kind: 'deferred',
    });
    expect(gateway.requests).toEqual([]);
    expect(await httpSms.send?.(session, outboundText('x'), attemptOf())).toMatchObject({ kind: 'sent' });
    await expect(sent({ ...written, CaFile: 'missing.pem' }, undefined, dir)).rejects.toMatchObject({
      code: 'tls/pem',
    });
  });

  it('is a message whose TLS handshake does not end in time', async () => {
    const bytes: Buffer[] = [];
    const silent = createServer((socket) => void socket.on('data', (chunk) => bytes.push(chunk)).on('error', () => {}));
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    undo.push(() => new Promise((resolve) => silent.close(resolve)));
    const address = silent.address();
    const port = typeof address === 'object' && address ? address.port : 0;
    const clock = watchedClock();
    const context = contextOf(httpSms, { SendUrl: `https://127.0.0.1:${port}/`, ...json }, { direction: 'O', clock });
    const session = {
      context,
      http: httpClient(),
      pace: { turn: async () => 0 },
      closing: new AbortController(),
      logRejection: () => {},
    };
    const attempt = attemptOf();
    const sending = httpSms.send?.(session, outboundText('a secret text'), attempt);
    await waitFor('the first bytes of the handshake', () => bytes.length > 0);
    attempt.abort();
    expect(await sending).toMatchObject({ kind: 'deferred' });
    expect(clock.armed).toBe(0);
  });

  it('is a message beyond MaxPerSecond that could not start in time', async () => {
    const gateway = await gatewayOf();
    const clock = manualClock();
    const context = contextOf(
      httpSms,
      { SendUrl: gateway.url, ...json, MaxPerSecond: 0.01 },
      { direction: 'O', clock },
    );
    const session = await httpSms.open(context);
    expect(await httpSms.send?.(session, outboundText('1'), attemptOf())).toMatchObject({ kind: 'sent' });
    expect(await httpSms.send?.(session, outboundText('2'), attemptOf())).toEqual({
      kind: 'deferred',
      detail: 'held back by MaxPerSecond',
      retryAfterMs: 100_000,
    });
    expect(gateway.requests).toHaveLength(1);
  });
});

describe('wrong settings', () => {
  const url = { SendUrl: 'https://sms.test/send' };
  const receive = { ReceiveFrom: { From: 'json:f', Text: 'json:t' } };
  const basic = { Authenticate: { Kind: 'Basic', User: 'u' }, Secret: 'long enough' };

  it.each<[string, Record<string, unknown>, string]>([
    ['SendUrl', {}, 'is missing, and so is ReceiveFrom'],
    ['SendUrl', { SendUrl: 'ftp://x/' }, 'is not an http or https address'],
    ['SendUrl', { SendUrl: 'https://user:pw@sms.test/' }, 'without login'],
    ['SendUrl', { SendUrl: 'https://{to}.test/{text}' }, 'is not an http or https address'],
    ['SendUrl', { SendUrl: 'https://sms.test:99999/' }, 'is not an address that can be reached'],
    ['BodyTemplate', url, 'never says {to} and {text}'],
    ['BodyTemplate', { ...url, BodyTemplate: { t: '{text}', to: '{phone}' } }, 'never says {to}'],
    ['BodyTemplate', { ...url, BodyTemplate: '{to}{text}{phone}' }, 'has no placeholder {phone}: there are {to}, '],
    ['BodyTemplate', { ...url, BodyTemplate: '{to:hex}{text}' }, 'cannot write {to:hex}'],
    ['BodyTemplate', { ...url, Method: 'GET', ...json }, 'cannot be sent with Method GET'],
    ['FormTemplate', { ...url, ...json, FormTemplate: { a: 'b' } }, 'cannot stand beside BodyTemplate'],
    [
      'Headers',
      { ...url, ...json, Headers: { Key: '${env:KEY}' } },
      'holds the reference ${env:KEY}: give it in User, Password',
    ],
    ['Headers', { ...url, ...json, Headers: { 'a b': 'c' } }, 'is not a name of a header'],
    ['Headers', { ...url, ...json, Headers: { Host: 'x' } }, 'cannot set host'],
    ['Headers', { ...url, ...json, Headers: { A: 'x\r\nB: y' } }, 'cannot stand in a header'],
    ['Headers', { ...url, ...json, Headers: { A: 'x', a: 'y' } }, 'has a twice'],
    ['Token', { ...url, ...json, Headers: { A: '{token}' } }, 'is missing: a template says {token}'],
    ['Token', { ...url, ...json, User: 'u', Password: 'p', Token: 't' }, 'one authorization'],
    ['User', { ...url, ...json, Password: 'p' }, 'is missing'],
    [
      'SuccessWhen',
      { ...url, ...json, SuccessWhen: { Statuses: [200] } },
      'has no member Statuses: there are Status, Text and Json',
    ],
    ['SuccessWhen', { ...url, ...json, SuccessWhen: { Status: 200 } }, 'Status is a list of numbers'],
    ['Authenticate', { ...receive, Authenticate: { Kind: 'Hmac' } }, 'needs "Header"'],
    ['IdFrom', { ...url, ...json, IdFrom: 'messages.0.id' }, 'is a place in the answer: "json:PATH"'],
    ['ReceiveFrom', { ReceiveFrom: { From: 'json:f' } }, 'needs "Text"'],
    ['ReceiveFrom', { ReceiveFrom: { From: 'f', Text: 'json:t' } }, 'From must be "query:NAME"'],
    ['ReceiveFrom', { ReceiveFrom: { ...receive.ReceiveFrom, Sender: 'json:t' } }, 'has no member Sender: there are '],
    ['Authenticate', receive, 'is missing: without it any sender could push'],
    ['Authenticate', { ...receive, Authenticate: { Kind: 'None' } }, 'has a Kind: "Secret"'],
    [
      'Authenticate',
      { ...receive, Authenticate: { Kind: 'Secret' }, Secret: 'long enough' },
      'needs either Header or Query',
    ],
    ['Secret', { ...receive, Authenticate: basic.Authenticate }, 'is missing: Authenticate needs it'],
    ['Secret', { ...receive, ...basic, Secret: 'short' }, 'is shorter than 8 characters'],
    [
      'ReceiveFrom',
      {
        ReceiveFrom: { From: 'query:f', Text: 'json:t' },
        Authenticate: { Kind: 'Hmac', Header: 'S' },
        Secret: 'long enough',
      },
      'reads "query:f", which the signature of Authenticate does not cover',
    ],
    ['HelpWords', { ...receive, ...basic, StopWords: ['STOP'], StartWords: ['START'] }, 'is missing: set StopWords'],
    ['Region', { ...receive, ...basic, Region: 'Czechia' }, 'is not a country code of two letters'],
  ])('%s is reported for %j', (setting, written, words) => {
    const parsed = settings.parse(written);
    expect(parsed.ok ? [] : parsed.problems).toContainEqual({ setting, message: expect.stringContaining(words) });
  });

  it.each([
    ['O', { ...receive, ...basic }, 'SendUrl is missing'],
    ['I', { ...url, ...json }, 'ReceiveFrom is missing'],
  ] as const)('a direction that is not described is one sentence (%s)', async (direction, written, words) => {
    const context = contextOf(httpSms, written, { direction });
    await expect(httpSms.open(context)).rejects.toMatchObject({
      code: 'http-sms/settings',
      message: expect.stringContaining(words),
    });
    const steps = [];
    for await (const step of httpSms.check(context, new AbortController().signal)) steps.push(step);
    expect(steps).toEqual([expect.objectContaining({ ok: false, detail: expect.stringContaining(words) })]);
  });

  it('that are valid name the address for pushes', async () => {
    const context = contextOf(
      httpSms,
      { ...receive, ...basic },
      { direction: 'I', webhookUrl: 'https://h.test/webhooks/1' },
    );
    const steps = [];
    for await (const step of httpSms.check(context, new AbortController().signal)) steps.push(step);
    expect(steps).toEqual([
      { name: 'Address for pushes', ok: true, detail: expect.stringContaining('https://h.test/webhooks/1') },
    ]);
  });
});

describe('the content rules', () => {
  it('get the sender, the country, the group and the keywords', () => {
    const parsed = settings.parse({
      ...{
        SendUrl: 'https://sms.test/send',
        ...json,
        From: '12345',
        Region: 'cz',
        OptOutGroup: 'g',
        Transliterate: true,
      },
      ...{ StopWords: ['STOP'], StartWords: ['START'], HelpWords: ['HELP'] },
    });
    expect(parsed.ok && httpSms.textRules?.(parsed.settings)).toEqual({
      region: 'CZ',
      sender: '12345',
      transliterate: true,
      optOutGroup: 'g',
      keywords: { stop: ['STOP'], start: ['START'], help: ['HELP'] },
    });
  });
});
