import { createServer, type RequestListener } from 'node:http';
import { afterEach, describe, expect, it } from 'vitest';
import { httpClient } from './http-client.js';
import { downloadMedia, isLoopback, type MediaPolicy } from './media-download.js';

const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (let step = undo.pop(); step; step = undo.pop()) await step();
});

async function startStore(answer: RequestListener): Promise<URL> {
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  undo.push(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  return new URL(`http://127.0.0.1:${typeof address === 'object' && address ? address.port : 0}/media`);
}

function download(address: string, more: Partial<MediaPolicy> = {}) {
  const client = httpClient();
  undo.push(() => client.close());
  const signal = new AbortController().signal;
  return downloadMedia(client, address, { trusts: isLoopback, maxBytes: 100, maxRedirects: 2, signal, ...more });
}

describe('media that a counterparty names', () => {
  it('comes with its type', async () => {
    const store = await startStore((_, response) => {
      response.setHeader('content-type', 'Image/PNG; x=y');
      response.end('dots');
    });
    expect(await download(store.href)).toEqual({ bytes: Buffer.from('dots'), type: 'image/png' });
  });

  it('is followed through redirects, and the credentials stay with their host', async () => {
    const seen: (string | undefined)[] = [];
    const store = await startStore((request, response) => {
      seen.push(request.headers.authorization);
      response.end('dots');
    });
    const api = await startStore((request, response) => {
      seen.push(request.headers.authorization);
      response.writeHead(307, { location: store.href }).end();
    });
    const headersFor = (url: URL): Record<string, string> =>
      url.origin === api.origin ? { authorization: 'secret' } : {};
    expect((await download(api.href, { headersFor })).bytes.toString()).toBe('dots');
    expect(seen).toEqual(['secret', undefined]);
  });

  it.each([
    ['https://169.254.169.254/latest/meta-data', 'belongs to a private network'],
    ['https://[::ffff:127.0.0.1]/', 'belongs to a private network'],
    ['https://localhost:1/', 'belongs to a private network'],
    ['http://media.example.com/', 'is not https'],
    ['ftp://media.example.com/', 'is not https'],
    ['nonsense', 'is not a URL'],
  ])('at %s is not fetched', async (address, reason) => {
    const gone = download(address, { trusts: () => false });
    await expect(gone).rejects.toMatchObject({ code: 'media/gone', message: expect.stringContaining(reason) });
  });

  it('is not fetched from a private address that a trusted host redirects to', async () => {
    const inside = await startStore((_, response) => void response.end('secret'));
    const api = await startStore((_, response) => {
      response.writeHead(302, { location: inside.href.replace('http:', 'https:') }).end();
    });
    const gone = download(api.href, { trusts: ({ origin }) => origin === api.origin });
    await expect(gone).rejects.toMatchObject({ code: 'media/gone' });
  });

  it.each([
    [404, 'media/gone'],
    [302, 'media/gone'],
    [429, 'media/unavailable'],
    [503, 'media/unavailable'],
  ])('that is answered with %d is %s', async (status, code) => {
    const store = await startStore((_, response) => {
      response.writeHead(status).end();
    });
    await expect(download(store.href)).rejects.toMatchObject({ code });
  });

  it('is not fetched when it is too large, or redirected round and round', async () => {
    const large = await startStore((_, response) => void response.end('x'.repeat(101)));
    await expect(download(large.href)).rejects.toThrow('it is larger than 100 bytes');
    const round = await startStore((_, response) => {
      response.writeHead(302, { location: '/media' }).end();
    });
    await expect(download(round.href)).rejects.toThrow('it was redirected more than 2 times');
  });

  it('that breaks off may come later', async () => {
    const store = await startStore((_, response) => {
      response.writeHead(200, { 'content-length': '50' });
      response.write('half', () => response.destroy());
    });
    await expect(download(store.href)).rejects.toMatchObject({ code: 'http/no-answer' });
  });
});
