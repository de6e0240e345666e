// Silent connections must not shut others out.
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { connect, Socket } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { openPort } from '../../test/fixtures/http-port.js';
import { addressOf, limitConnections } from './connections.js';

const undo: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  for (let step = undo.pop(); step; step = undo.pop()) await step();
});

async function silent(port: number, count: number, localAddress = '127.0.0.1'): Promise<Socket[]> {
  const sockets = Array.from({ length: count }, () => connect({ port, host: '127.0.0.1', localAddress }));
  for (const socket of sockets) socket.on('error', () => {});
  undo.push(() => sockets.forEach((socket) => void socket.destroy()));
  await Promise.all(sockets.map((socket) => once(socket, 'connect')));
  return sockets;
}

async function serverWith(all: number, perAddress: number, onRequest: Server['emit'] | undefined = undefined) {
  const server = createServer((_request, response) => {
    if (!onRequest) response.end('ok');
  });
  limitConnections(server, { all, perAddress });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  undo.push(
    () => server.closeAllConnections(),
    () => server.close(),
  );
  const address = server.address();
  return { server, port: typeof address === 'object' ? (address?.port ?? 0) : 0 };
}

const ask = (port: number) =>
  fetch(`http://127.0.0.1:${port}/`, { headers: { connection: 'close' } }).then((answer) => answer.status, String);

describe('silent connections', () => {
  test('of one address make room for a request of the same address', async () => {
    const port = await openPort();
    undo.push(() => port.http.close());
    await silent(port.http.port, 400);
    for (let time = 0; time < 3; time++) expect((await port.get('/live')).status).toBe(200);
  });

  test('of many addresses make room for a request of another', async () => {
    const { port } = await serverWith(8, 4);
    await Promise.all([silent(port, 4, '127.0.0.2'), silent(port, 4, '127.0.0.3'), silent(port, 4, '127.0.0.4')]);
    expect(await ask(port)).toBe(200);
  });

  test('lose the oldest first, and never one with a request under way', async () => {
    const { port, server } = await serverWith(3, 3, (() => false) as never);
    const [busy] = await silent(port, 1);
    const arrived = once(server, 'request');
    busy?.write('GET / HTTP/1.1\r\nHost: h\r\n\r\n');
    await arrived;
    const [second, third] = await silent(port, 2);
    const closed = second && once(second, 'close');
    second?.resume();
    await silent(port, 1);
    await closed;
    expect([busy?.closed, second?.closed, third?.closed]).toEqual([false, true, false]);
  });

  test('that come in one turn each cost another one', () => {
    const server = createServer();
    limitConnections(server, { all: 2, perAddress: 2 });
    const sockets = Array.from({ length: 5 }, () => new Socket());
    // The destroyed ones close later than the next ones come.
    for (const socket of sockets) server.emit('connection', socket);
    expect(sockets.map(({ destroyed }) => destroyed)).toEqual([true, true, true, false, false]);
    for (const socket of sockets) socket.destroy();
  });

  test('and those with a body that never ends make room, too', async () => {
    const { port, server } = await serverWith(3, 3, (() => false) as never);
    server.on('request', (request, response) => request.resume().once('end', () => response.end('ok')));
    for (const socket of await silent(port, 3)) {
      const arrived = once(server, 'request');
      socket.write('POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nabc');
      await arrived;
    }
    expect(await ask(port)).toBe(200);
  });

  test('do not get in when all others are busy', async () => {
    const { port, server } = await serverWith(2, 2, (() => false) as never);
    for (const socket of await silent(port, 2)) {
      const arrived = once(server, 'request');
      socket.write('GET / HTTP/1.1\r\nHost: h\r\n\r\n');
      await arrived;
    }
    const [late] = await silent(port, 1);
    late?.resume();
    if (late && !late.closed) await once(late, 'close');
    expect(late?.closed).toBe(true);
  });
});

test.each([
  ['127.0.0.1', '127.0.0.1'],
  ['::ffff:192.0.2.7', '192.0.2.7'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['2001:db8:1:2::9', '2001:db8:1:2::/64'],
  ['2001:db8::9', '2001:db8:0:0::/64'],
  ['::1', '0:0:0:0::/64'],
  ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  [undefined, ''],
])('the address %s counts as %s', (remoteAddress, counted) => expect(addressOf({ remoteAddress })).toBe(counted));
