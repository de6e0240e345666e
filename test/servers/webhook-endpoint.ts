// A bare HTTP endpoint in front of a driver's webhook, for counterparties that are real programs: it makes a RawRequest of each
// request, as the service does, and records the driver's results.
import { createServer } from 'node:http';
import type { RawRequest, WebhookResult } from '../../src/driver/contract.js';

export interface WebhookEndpoint {
  /** The webhook's own address. */
  readonly url: string;
  readonly results: readonly WebhookResult[];
  close(): Promise<void>;
}

export async function startWebhookEndpoint(
  answer: (request: RawRequest) => Promise<WebhookResult>,
): Promise<WebhookEndpoint> {
  const results: WebhookResult[] = [];
  let base = '';
  const server = createServer(async (incoming, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(Buffer.from(chunk));
    const path = (incoming.url ?? '').replace(/^\/hook/, '');
    const headers = Object.entries(incoming.headers).map(([name, value]) => [name, [value ?? []].flat().join(', ')]);
    const request: RawRequest = {
      method: incoming.method ?? '',
      path,
      url: base + path,
      headers: Object.fromEntries(headers),
      body: Buffer.concat(chunks),
      signal: new AbortController().signal,
    };
    const result = await answer(request);
    results.push(result);
    response.writeHead(result.reply.status, { ...result.reply.headers }).end(result.reply.body ?? '');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  base = `http://127.0.0.1:${typeof address === 'object' && address ? address.port : 0}/hook`;
  return {
    url: base,
    results,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
