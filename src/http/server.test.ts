import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { PassThrough } from 'node:stream';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openPort, recordedLog, stored } from '../../test/fixtures/http-port.js';
import { listenError, startHttp } from './server.js';

let port: Awaited<ReturnType<typeof openPort>>;
beforeEach(async () => {
  port = await openPort();
});
afterEach(() => port.http.close());

/** Sends bytes as they are and gives everything that comes back until the port hangs up. */
async function raw(bytes: string): Promise<string> {
  const socket = connect(port.http.port, '127.0.0.1');
  let answer = '';
  socket.on('data', (chunk) => {
    answer += chunk;
  });
  socket.on('error', () => {});
  socket.write(bytes);
  await once(socket, 'close');
  return answer;
}

function start(host: string, wanted: number, log = recordedLog().log) {
  return startHttp({
    host,
    port: wanted,
    log,
    clock: port.clock,
    metrics: port.metrics,
    probes: { server: () => ({ is: 'up' }), listed: () => true, gateways: () => [], healthy: async () => {} },
    attachments: { find: async () => null, links: port.links },
  });
}

describe('the HTTP port', () => {
  test('listens on the given address and returns its URL', async () => {
    expect(port.http.url).toBe(`http://127.0.0.1:${port.http.port}`);
    expect(port.lines).toEqual([`HTTP port open {"url":"${port.http.url}"}`]);
  });

  test('open to other machines, it is warned about once and its url still leads there', async () => {
    const { log, lines } = recordedLog();
    const open = await start('0.0.0.0', 0, log);
    try {
      expect(open.url).toBe(`http://127.0.0.1:${open.port}`);
      expect((await fetch(`${open.url}/live`)).status).toBe(200);
      expect(lines.filter((line) => line.includes('open to other machines'))).toHaveLength(1);
    } finally {
      await open.close();
    }
  });

  test('a port in use is one sentence with advice, and nothing is left behind', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const address = other.address();
    const taken = typeof address === 'object' ? (address?.port ?? 0) : 0;
    await expect(start('127.0.0.1', taken)).rejects.toMatchObject({
      code: 'http/port-taken',
      message: `HTTP port 127.0.0.1:${taken} is already taken by another program`,
      advice: expect.stringContaining('http.port'),
    });
    other.close();
    await once(other, 'close');
    await (await start('127.0.0.1', taken)).close();
  });

  test('an address of another machine is reported as such', async () => {
    await expect(start('192.0.2.1', 0)).rejects.toMatchObject({
      code: 'http/host-unknown',
      advice: expect.stringContaining('127.0.0.1'),
    });
  });

  test('a privileged port is reported as such', () => {
    const refused = Object.assign(new Error('listen EACCES'), { code: 'EACCES' });
    expect(listenError(refused, '127.0.0.1', 80)).toMatchObject({
      code: 'http/port-privileged',
      message: 'HTTP port 127.0.0.1:80 needs rights this user does not have',
      advice: expect.stringContaining('1024'),
    });
  });

  test('an unknown path is a small JSON 404 with the headers of every answer', async () => {
    const answer = await port.get('/admin');
    expect(answer.status).toBe(404);
    expect(await answer.json()).toMatchObject({ error: 'not found' });
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      'cache-control': 'no-store',
      'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
      'referrer-policy': 'no-referrer',
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
    });
  });

  test('nothing can be changed through it: other methods are not there', async () => {
    for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'])
      expect([method, (await port.get('/ready', { method })).status]).toEqual([method, 404]);
  });

  test.each(['/%zz', '/attachments/%ff/x', `/attachments/id/${'a'.repeat(2_000)}`])(
    'a broken path (%#) is the caller\u2019s fault, in JSON, with the same headers',
    async (path) => {
      const answer = await port.get(path);
      expect(answer.status).toBeGreaterThanOrEqual(400);
      expect(answer.status).toBeLessThan(500);
      expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
      expect(await answer.json()).toMatchObject({ error: expect.any(String) });
    },
  );

  test('headers and bodies beyond their bounds are rejected', async () => {
    expect(await raw(`GET /live HTTP/1.1\r\nHost: h\r\nX: ${'a'.repeat(20_000)}\r\n\r\n`)).toMatch(/^HTTP\/1.1 431 /);
    const body = 'a'.repeat(20_000);
    expect((await port.get('/live', { method: 'POST', body })).status).toBe(413);
  });

  test('a connection that is not HTTP is closed, and the port goes on', async () => {
    expect(await raw('\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03')).toMatch(/^HTTP\/1.1 400 /);
    expect((await port.get('/live')).status).toBe(200);
  });

  test('an error of ours shows no stack and no words of it, and is logged without the query', async () => {
    port.platform.gateways.push({
      get state(): 'running' {
        throw new Error('secret inside');
      },
      ...{ id: 'x', direction: 'I', displayName: '', device: '', problem: null, since: 0 },
      ...{ inFlight: 0, window: 0, backingOff: 0, oldestMs: 0 },
    });
    const answer = await port.get('/ready?signature=abc');
    expect(answer.status).toBe(500);
    expect(await answer.text()).toBe('{"error":"internal error","message":"the reason is in the log"}');
    const line = port.lines.find((text) => text.startsWith('HTTP request failed'));
    expect(line).toContain('secret inside');
    expect(line).not.toContain('signature');
  });

  test('a closed port answers no request, may be closed twice, and leaves no timer', async () => {
    await fetch(`${port.http.url}/live`);
    await port.http.close();
    await port.http.close();
    await expect(fetch(`${port.http.url}/live`)).rejects.toThrow();
    expect(port.clock.armed).toBe(0);
  });

  test('a download that does not end is cut two seconds after closing began', async () => {
    const endless = new PassThrough();
    endless.write('beginning');
    port.platform.attachments.set('id1', stored(Buffer.alloc(100), { open: () => endless }));
    const answer = await port.get(port.links.link({ id: 'id1', name: 'x' }));
    const download = answer.arrayBuffer().then(
      () => 'whole',
      () => 'cut',
    );
    const closed = port.http.close();
    await port.clock.waitForTimers(1);
    await port.clock.advance(2_000);
    await closed;
    expect(await download).toBe('cut');
    expect(endless.destroyed).toBe(true);
  });
});
