// A scripted HTTP gateway: it records every request, byte for byte, and answers as the test says.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { Socket } from 'node:net';
import { waitFor } from '../fixtures/wait-for.js';

export interface GatewayRequest {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export interface GatewayReply {
  status?: number;
  headers?: Record<string, string>;
  body?: string;
  /** Closes the connection in the middle of the body. */
  broken?: boolean;
  /** Sends the body again and again. */
  endless?: boolean;
}

/** `close`: closes the connection without a response; `hang`: never responds. */
export type GatewayAction = GatewayReply | 'close' | 'hang';

export interface SmsGateway {
  readonly port: number;
  readonly url: string;
  readonly requests: readonly GatewayRequest[];
  /** What happens to a request; `answer` when undefined. */
  script: (request: GatewayRequest, number: number) => GatewayAction | undefined;
  /** The response to an accepted request. */
  answer: (request: GatewayRequest) => GatewayReply;
  /** Accepted requests: those answered with `answer`, and those without a response. */
  readonly accepted: readonly GatewayRequest[];
  /** Resolves when this many requests have come in whole. */
  reached(count: number): Promise<void>;
  close(): Promise<void>;
}

export async function startSmsGateway(tls?: { key: string; cert: string }): Promise<SmsGateway> {
  const requests: GatewayRequest[] = [];
  const accepted: GatewayRequest[] = [];
  const sockets = new Set<Socket>();
  const gateway: Pick<SmsGateway, 'script' | 'answer'> = { script: () => undefined, answer: () => ({}) };
  const listener = async (incoming: IncomingMessage, response: ServerResponse) => {
    const request = await recorded(incoming).catch(() => undefined);
    if (!request) return;
    requests.push(request);
    const action = gateway.script(request, requests.length);
    if (action === undefined || action === 'close' || action === 'hang') accepted.push(request);
    act(action ?? gateway.answer(request), response);
  };
  const server = tls ? createTlsServer(tls, listener) : createServer(listener);
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  const port = await new Promise<number>((resolve) =>
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      resolve(typeof address === 'object' && address ? address.port : 0);
    }),
  );
  return Object.assign(gateway, {
    port,
    url: `${tls ? 'https' : 'http'}://127.0.0.1:${port}`,
    requests,
    accepted,
    async reached(count: number) {
      await waitFor(`${count} requests to come`, () => requests.length >= count);
    },
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  });
}

async function recorded(incoming: IncomingMessage): Promise<GatewayRequest> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(Buffer.from(chunk));
  const url = new URL(incoming.url ?? '/', 'http://gateway.test');
  const headers = Object.entries(incoming.headers).map(([name, value]) => [name, String(value)]);
  return {
    method: incoming.method ?? '',
    path: url.pathname,
    query: url.searchParams,
    headers: Object.fromEntries(headers),
    body: Buffer.concat(chunks).toString('utf8'),
  };
}

function act(action: GatewayAction, response: ServerResponse): void {
  if (action === 'close') response.destroy();
  if (action !== 'hang' && action !== 'close') reply(action, response);
}

function reply(
  { status = 200, headers = {}, body = '', broken = false, endless = false }: GatewayReply,
  response: ServerResponse,
): void {
  const length = endless ? {} : { 'content-length': Buffer.byteLength(body) + (broken ? 100 : 0) };
  response.writeHead(status, { ...headers, ...length });
  if (endless) flood(response, body);
  else if (broken) response.write(body, () => response.destroy());
  else response.end(body);
}

/** As fast as it is read. */
function flood(response: ServerResponse, body: string): void {
  const more = () => {
    let room = true;
    while (room) room = response.write(body);
  };
  response.on('drain', more);
  more();
}
