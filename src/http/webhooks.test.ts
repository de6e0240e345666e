// The door for counterparties that push, on a real socket, with the test in the place of the gateways.
import { createHmac, randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openPort, recordedLog } from '../../test/fixtures/http-port.js';
import { publicUrl } from './public-url.js';
import { startHttp } from './server.js';
import type { WebhookRequest, WebhookSources } from './webhooks.js';

const ID = '11111111-1111-4111-8111-111111111111';
const ADDRESS = publicUrl('https://Sms.Example.test/gate/');
const PUBLIC = 'https://sms.example.test/gate/webhooks';

let port: Awaited<ReturnType<typeof openPort>>;
let http: Awaited<ReturnType<typeof startHttp>>;
let came: { id: string; request: WebhookRequest }[];
let handle: WebhookSources['handle'];
let inputRejected: string[];
let said: string[];

beforeEach(async () => {
  port = await openPort();
  came = [];
  handle = async () => ({ status: 200 });
  inputRejected = [];
  const { log, lines } = recordedLog();
  said = lines;
  http = await startHttp({
    host: '127.0.0.1',
    port: 0,
    log,
    clock: port.clock,
    metrics: port.metrics,
    probes: { server: () => ({ is: 'up' }), listed: () => true, gateways: () => [], healthy: async () => {} },
    attachments: { find: async () => null, links: port.links },
    below: ADDRESS.below,
    webhooks: {
      receivedUrl: ADDRESS.received,
      handle(id, request) {
        came.push({ id, request });
        return handle(id, request);
      },
      inputRejected: (id, reason) => void inputRejected.push(`${id} ${reason}`),
    },
  });
});
afterEach(async () => {
  await http.close();
  await port.http.close();
});

const push = (path: string, init: RequestInit = {}) =>
  fetch(`${http.url}/webhooks/${path}`, { method: 'POST', ...init });

describe('what is pushed', () => {
  test('reaches its gateway byte for byte, with the address that the counterparty signed', async () => {
    const body = Buffer.concat([Buffer.from('{"a": 1.0 }\r\n'), randomBytes(5_000), Buffer.from([0, 255, 254])]);
    const signature = createHmac('sha256', 'key').update(body).digest('hex');
    const headers = { 'content-type': 'application/json', 'X-Signature': signature };
    expect((await push(`${ID}/status?a=b%20c&d=%2B`, { body, headers })).status).toBe(200);
    expect(came).toHaveLength(1);
    const { id, request } = came[0] ?? {};
    expect(id).toBe(ID);
    expect(request).toMatchObject({
      method: 'POST',
      path: '/status?a=b%20c&d=%2B',
      url: `${PUBLIC}/${ID}/status?a=b%20c&d=%2B`,
    });
    expect(
      createHmac('sha256', 'key')
        .update(request?.body ?? '')
        .digest('hex'),
    ).toBe(request?.headers['x-signature']);
    expect(request?.headers['content-type']).toBe('application/json');
  });

  test.each(['application/x-www-form-urlencoded', 'text/plain', 'application/xml', 'application/nonsense', ''])(
    'is not looked into, whatever type it says: %j',
    async (type) => {
      const body = 'a=1&b=%zz{';
      expect((await push(ID, { body, headers: type ? { 'content-type': type } : {} })).status).toBe(200);
      expect(came[0]?.request.body.toString()).toBe(body);
    },
  );

  test.each(['nonsense', 'application/json; charset', 'text/', '/', 'a b/c', 'application/json, text/plain'])(
    'under the type "%s" reaches its gateway with it: what a type means is for the driver to say',
    async (type) => {
      expect((await push(ID, { body: '{"a":1}', headers: { 'content-type': type } })).status).toBe(200);
      expect(came[0]?.request.headers['content-type']).toBe(type);
      expect(came[0]?.request.body.toString()).toBe('{"a":1}');
      expect(inputRejected).toEqual([]);
    },
  );

  test('with GET comes with its query and an empty body', async () => {
    expect((await push(`${ID}?from=%2B420777&text=a+b`, { method: 'GET' })).status).toBe(200);
    expect(came[0]?.request).toMatchObject({ method: 'GET', path: '?from=%2B420777&text=a+b' });
    expect(came[0]?.request.body).toEqual(Buffer.alloc(0));
  });

  test('to the bare address has an empty path, and capitals in the id are no other gateway', async () => {
    await push(ID.toUpperCase());
    expect(came).toMatchObject([{ id: ID, request: { path: '', url: `${PUBLIC}/${ID}` } }]);
    const mixed = 'ABCDEF01-abcd-4abc-8ABC-abcdefABCDEF';
    await push(`${mixed}/status?a=B`);
    expect(came[1]).toMatchObject({
      id: mixed.toLowerCase(),
      request: { path: '/status?a=B', url: `${PUBLIC}/${mixed}/status?a=B` },
    });
  });

  test.each([
    [`/gate/webhooks/${ID}/status?x=1`, `${PUBLIC}/${ID}/status?x=1`, '/status?x=1'],
    [`//webhooks/${ID}/`, `https://sms.example.test/gate//webhooks/${ID}/`, '/'],
    [`http://sms.example.test/gate/webhooks/${ID}`, `${PUBLIC}/${ID}`, ''],
    [`/webhooks/${ID.replace('-', '%2D')}/receipt`, `${PUBLIC}/${ID.replace('-', '%2D')}/receipt`, '/receipt'],
  ])('reaches its gateway from a proxy that hands the target on as %s', async (target, url, path) => {
    const socket = connect(http.port, '127.0.0.1');
    socket.write(`POST ${target} HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`);
    for await (const _ of socket);
    expect(came).toMatchObject([{ id: ID, request: { path, url } }]);
  });

  test('with a header given twice has both values, joined', async () => {
    const lines = [`POST /webhooks/${ID} HTTP/1.1`, 'Host: h', 'X-Twice: a', 'x-twice: b', 'Content-Length: 0'];
    const socket = connect(http.port, '127.0.0.1');
    socket.write(`${[...lines, 'Connection: close'].join('\r\n')}\r\n\r\n`);
    for await (const _ of socket);
    expect(came[0]?.request.headers['x-twice']).toBe('a, b');
  });
});

describe('the reply', () => {
  test('is the gateway’s own: status, headers and words', async () => {
    handle = async () => ({ status: 202, headers: { 'content-type': 'text/xml', 'x-own': 'y' }, body: '<Response/>' });
    const answer = await push(ID, { body: 'x' });
    expect(answer.status).toBe(202);
    expect(answer.headers.get('content-type')).toBe('text/xml');
    expect(answer.headers.get('x-own')).toBe('y');
    expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
    expect(await answer.text()).toBe('<Response/>');
  });

  test('to what is not authentic is 429 after a few, while genuine requests go on, also from the same address', async () => {
    handle = async (_id, { headers }) => ({ status: headers['x-genuine'] ? 200 : 403, body: 'not authenticated' });
    const statuses = async (count: number) => {
      const found: number[] = [];
      for (let time = 0; time < count; time++) found.push((await push(ID, { body: 'x' })).status);
      return found;
    };
    expect(await statuses(7)).toEqual([403, 403, 403, 403, 403, 429, 429]);
    expect((await push(ID, { body: 'x' })).headers.get('retry-after')).toBe('60');
    expect((await push(ID, { body: 'x', headers: { 'x-genuine': '1' } })).status).toBe(200);
    // Another gateway has a count of its own, and a minute of peace is enough.
    expect((await push('22222222-2222-4222-8222-222222222222', { body: 'x' })).status).toBe(403);
    await port.clock.advance(60_000);
    expect(await statuses(1)).toEqual([403]);
  });

  test('is "try again" when the message is not in the journal, without the reason', async () => {
    handle = async () => {
      throw new Error('disk full: /data/journal.db');
    };
    const answer = await push(`${ID}?key=secret`, { body: 'private words' });
    expect(answer.status).toBe(503);
    expect(answer.headers.get('retry-after')).toBe('30');
    expect(await answer.text()).toBe('{"error":"not stored, try again"}');
    const line = said.find((text) => text.includes('webhook request was not accepted'));
    expect(line).toContain('disk full');
    expect(line).not.toMatch(/secret|private/);
  });

  test('is 404 for a gateway that is none, before anybody is asked when it cannot be one', async () => {
    handle = async () => ({ status: 404 });
    expect((await push('22222222-2222-4222-8222-222222222222')).status).toBe(404);
    expect(came).toHaveLength(1);
    for (const path of ['', 'x', `${ID}x`, '..%2f..%2fetc', '%00'])
      expect([path, (await push(path)).status]).toEqual([path, 404]);
    expect(came).toHaveLength(1);
  });

  test('waits for the gateway, which learns when the counterparty hangs up meanwhile', async () => {
    const noticed = new Promise<void>((resolve) => {
      handle = (_id, { signal }) =>
        new Promise((_resolve, reject) =>
          signal.addEventListener('abort', () => {
            resolve();
            reject(signal.reason);
          }),
        );
    });
    const caller = connect(http.port, '127.0.0.1');
    caller.write(`POST /webhooks/${ID} HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n`);
    while (came.length === 0) await new Promise((resolve) => setImmediate(resolve));
    caller.destroy();
    await noticed;
  });
});

describe('bounds', () => {
  test('a body of 10 MB is rejected before a gateway is asked', async () => {
    const answer = await push(ID, { body: Buffer.alloc(10 * 1024 * 1024, 'a') }).catch(() => undefined);
    // The port answers and hangs up at once; a caller that is still writing then may only see the broken line.
    if (answer) expect(answer.status).toBe(413);
    expect([came, inputRejected]).toEqual([[], [`${ID} too_large`]]);
    expect((await fetch(`${http.url}/live`)).status).toBe(200);
  });

  test('so is one that does not say how long it is', async () => {
    const socket = connect(http.port, '127.0.0.1');
    socket.on('error', () => {});
    let answer = '';
    socket.on('data', (chunk) => {
      answer += chunk;
    });
    socket.write(`POST /webhooks/${ID} HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n`);
    const chunk = `${(65_536).toString(16)}\r\n${'a'.repeat(65_536)}\r\n`;
    while (answer === '' && !socket.destroyed)
      if (!socket.write(chunk)) await new Promise((resolve) => setImmediate(resolve));
    socket.destroy();
    expect(answer).toMatch(/^HTTP\/1.1 413 /);
    expect([came, inputRejected]).toEqual([[], [`${ID} too_large`]]);
  });

  test('a body of exactly 1 MB is accepted, one byte more is not', async () => {
    const body = Buffer.alloc(1024 * 1024, 'a');
    expect((await push(ID, { body })).status).toBe(200);
    expect(came[0]?.request.body.equals(body)).toBe(true);
    expect((await push(ID, { body: Buffer.alloc(body.length + 1, 'a') })).status).toBe(413);
    expect(came).toHaveLength(1);
  });

  test('other methods are not there, and the rest of the port goes on taking no bodies', async () => {
    for (const method of ['DELETE', 'PATCH', 'OPTIONS']) expect((await push(ID, { method })).status).toBe(404);
    expect((await fetch(`${http.url}/live`, { method: 'POST', body: 'a'.repeat(20_000) })).status).toBe(413);
    expect(came).toHaveLength(0);
  });
});
