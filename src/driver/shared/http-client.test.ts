import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { createServer as createTcpServer, type Server as TcpServer } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { certificate, tempDir } from '../../../test/conformance/context.js';
import { FormData, type HttpClient, HttpFailure, httpClient, surelyNotSent, wholeBody } from './http-client.js';

const never = new AbortController().signal;
const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (let step = undo.pop(); step; step = undo.pop()) await step();
});

async function listening(server: Server | TcpServer): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  undo.push(() => {
    if ('closeAllConnections' in server) server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  return typeof address === 'object' && address ? address.port : 0;
}

async function startServer(answer: (request: IncomingMessage, response: ServerResponse) => void) {
  const server = createServer(answer);
  let connections = 0;
  server.on('connection', () => {
    connections += 1;
  });
  return {
    server,
    url: new URL(`http://127.0.0.1:${await listening(server)}/path?a=b`),
    connections: () => connections,
  };
}

function client(ca?: string): HttpClient {
  const made = httpClient({ ca });
  undo.push(() => made.close());
  return made;
}

const get = (url: URL, more: object = {}) => ({ method: 'GET', url, maxBytes: 1_000, signal: never, ...more }) as const;
const post = (url: URL, more: object = {}) => ({ ...get(url), method: 'POST', body: 'text', ...more }) as const;

/** The loopback interface delivers within one turn of the event loop. */
async function turns(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
}

async function failureOf(work: Promise<unknown>): Promise<HttpFailure> {
  const error = await work.then(
    () => new Error('it did not fail'),
    (failure: unknown) => failure,
  );
  if (!(error instanceof HttpFailure)) throw error;
  return error;
}

describe('an answer', () => {
  it('has status, joined headers and the whole body', async () => {
    const { url } = await startServer((request, response) => {
      response.setHeader('X-Two', ['a', 'b']);
      response.statusCode = 207;
      response.end(`${request.method} ${request.url}`);
    });
    const reply = await client().request(get(url));
    expect(reply).toMatchObject({ status: 207, headers: { 'x-two': 'a, b' }, cut: null });
    expect(wholeBody(reply).toString()).toBe('GET /path?a=b');
  });

  it('counts by its status though its body breaks off, and says so', async () => {
    const { url } = await startServer((_, response) => {
      response.writeHead(500, { 'content-length': '100' });
      response.write('half', () => response.destroy());
    });
    const reply = await client().request(get(url));
    expect([reply.status, reply.body.toString(), reply.cut?.written]).toEqual([500, 'half', true]);
    expect(() => wholeBody(reply)).toThrow('closed the connection');
  });

  it('is cut when it passes its limit', async () => {
    const { url } = await startServer((_, response) => void response.end('x'.repeat(2_000)));
    const reply = await client().request(get(url));
    expect([reply.status, reply.cut?.code]).toEqual([200, 'http/too-large']);
    expect(reply.body.length).toBeLessThanOrEqual(1_000);
  });

  it('counts by its status when the time ends in the middle of its body', async () => {
    const due = new AbortController();
    const { url } = await startServer((_, response) => {
      response.write('half');
      void turns().then(() => due.abort(new Error('no result within 5 ms')));
    });
    const reply = await client().request(get(url, { signal: due.signal }));
    expect(reply.cut?.message).toContain('no result within 5 ms');
  });

  it('of a redirect is handed on, not followed', async () => {
    const { url } = await startServer((_, response) => {
      response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end();
    });
    expect((await client().request(get(url))).status).toBe(302);
  });

  it('after an interim answer is the final one', async () => {
    const { url } = await startServer((_, response) => {
      response.writeProcessing();
      response.end('final');
    });
    const reply = await client().request(get(url));
    expect([reply.status, reply.body.toString()]).toEqual([200, 'final']);
  });
});

describe('without an answer a request', () => {
  it('was surely not sent when nothing listens', async () => {
    const { server, url } = await startServer(() => {});
    await new Promise((resolve) => server.close(resolve));
    let written = 0;
    const failure = await failureOf(client().request(post(url, { onWrite: () => written++ })));
    expect([failure.code, surelyNotSent(failure), written]).toEqual(['http/not-sent', true, 0]);
    expect(failure.message).toContain(`${url.host} refused the connection: no program listens on this port`);
  });

  it('was surely not sent when its time was over before', async () => {
    const failure = await failureOf(
      client().request(post(new URL('http://127.0.0.1:1/'), { signal: AbortSignal.abort() })),
    );
    expect(failure.written).toBe(false);
  });

  it('was surely not sent when its time ends during the TLS handshake', async () => {
    const due = new AbortController();
    const server = createTcpServer((socket) => void socket.once('data', () => due.abort()));
    const port = await listening(server);
    const failure = await failureOf(
      client().request(post(new URL(`https://127.0.0.1:${port}/`), { signal: due.signal })),
    );
    expect(failure.written).toBe(false);
    // The server closes only when the half-open connection has ended.
    await new Promise((resolve) => server.close(resolve));
  });

  it('was surely not sent when the certificate is not trusted', async () => {
    const { dir, remove } = tempDir();
    undo.push(remove);
    const { cert, key } = await certificate(dir);
    const server = createTlsServer({ cert, key }, (_, response) => void response.end('safe'));
    const url = new URL(`https://localhost:${await listening(server)}/`);
    const failure = await failureOf(client().request(post(url)));
    expect([failure.written, failure.message]).toEqual([
      false,
      `${url.host} has a certificate that is not trusted: it is self-signed (DEPTH_ZERO_SELF_SIGNED_CERT)`,
    ]);
    expect((await client(cert).request(post(url))).body.toString()).toBe('safe');
  });

  it('may have been read when the connection breaks after its first byte', async () => {
    const { url } = await startServer((request) => void request.destroy());
    let written = 0;
    const failure = await failureOf(client().request(post(url, { onWrite: () => written++ })));
    expect([failure.code, failure.written, written]).toEqual(['http/no-answer', true, 1]);
  });

  it('may have been read when its time ends while it waits', async () => {
    const due = new AbortController();
    const { url } = await startServer(() => due.abort(new Error('no result within 5 ms')));
    const failure = await failureOf(client().request(post(url, { signal: due.signal })));
    expect([failure.written, failure.message]).toEqual([true, `${url.host}: no result within 5 ms`]);
  });

  it('may have been read when the answer is not HTTP', async () => {
    const port = await listening(
      createTcpServer((socket) => void socket.once('data', () => socket.end('hello\r\n\r\n'))),
    );
    expect((await failureOf(client().request(post(new URL(`http://127.0.0.1:${port}/`))))).written).toBe(true);
  });
});

describe('connections', () => {
  it('are reused for reading, and each change has its own', async () => {
    const { url, connections } = await startServer((_, response) => void response.end());
    const one = client();
    await one.request(get(url));
    // The library frees a connection a turn after the end of its answer.
    await turns();
    await one.request(get(url));
    expect(connections()).toBe(1);
    await one.request(post(url));
    await one.request(post(url));
    expect(connections()).toBe(3);
  });

  it('that the server closed meanwhile cost a question nothing: it is asked again', async () => {
    let answers = 0;
    const { url } = await startServer((request, response) => {
      if (++answers === 2) request.destroy();
      else response.end(String(answers));
    });
    const one = client();
    await one.request(get(url));
    expect((await one.request(get(url))).body.toString()).toBe('3');
  });

  it.each(['POST', 'GET'] as const)('never carry a %s twice that must be sent once', async (method) => {
    let requests = 0;
    const { url } = await startServer((request) => {
      requests += 1;
      request.destroy();
    });
    await failureOf(client().request(get(url, { method, once: true })));
    expect(requests).toBe(1);
  });

  it('end with the client, also in the middle of a request', async () => {
    const one = httpClient();
    const { url } = await startServer(() => void one.close());
    expect((await failureOf(one.request(get(url)))).written).toBe(true);
  });
});

it('a form is sent with its file', async () => {
  let received = '';
  const { url } = await startServer(async (request, response) => {
    for await (const chunk of request) received += chunk;
    response.end(String(request.headers['content-type']));
  });
  const form = new FormData();
  form.set('media', new Blob(['page'], { type: 'application/pdf' }), 'fax.pdf');
  const reply = await client().request(post(url, { body: form }));
  expect(reply.body.toString()).toContain('multipart/form-data; boundary=');
  expect(received).toContain('filename="fax.pdf"');
});

it('a public request is not made to a private address, whether written or resolved', async () => {
  const { url, connections } = await startServer((_, response) => void response.end());
  const named = new URL(url);
  named.hostname = 'localhost';
  for (const target of [url, named])
    await expect(client().request(get(target, { publicOnly: true }))).rejects.toThrow('address of a private network');
  expect(connections()).toBe(0);
});
