// The HTTP port has no login, so it offers nothing that changes anything, and listens on the loopback address by default.
import { isIPv6 } from 'node:net';
import Fastify, { type FastifyError, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import type { Clock } from '../kit/clock.js';
import { codeOf, GatepostError, messageOf } from '../kit/errors.js';
import type { Log } from '../kit/log.js';
import { once } from '../kit/once.js';
import { type AttachmentSources, attachmentRoutes } from './attachments.js';
import type { PrometheusMetrics } from './metrics.js';
import { type ProbeSources, readiness, readinessText } from './probes.js';
import { type WebhookSources, webhookRoutes } from './webhooks.js';

/** No route takes a body. */
const MAX_BODY = 16 * 1024;
/** Request line and headers; the longest link of ours is below 1 KB. */
const MAX_HEADERS = 16 * 1024;
/** An encoded name of 60 characters, four UTF-8 bytes each, is 720 long. */
const MAX_PATH_PART = 1024;
/** Probers, scrapers and a few agents downloading; more would only take file handles from the mailboxes. */
const MAX_CONNECTIONS = 256;
/** For a whole request to come in; those of ours are one packet. */
const REQUEST_MS = 10_000;
/** A connection on which nothing moves, also in mid-download. */
const IDLE_MS = 60_000;
/** What a download in progress still gets when the connector stops. */
const CLOSING_MS = 2_000;

const HEADERS = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cross-origin-resource-policy': 'same-origin',
  // A signed link must not travel on as the referrer of the next page.
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
};

export interface HttpOptions {
  host: string;
  /** 0 takes any free port. */
  port: number;
  log: Log;
  clock: Clock;
  probes: ProbeSources;
  metrics: Pick<PrometheusMetrics, 'scrape' | 'contentType'>;
  attachments: AttachmentSources;
  webhooks?: WebhookSources;
  /** A request target below the public address; the target itself when absent. */
  below?(target: string): string;
}

export interface HttpPort {
  readonly port: number;
  /** Without a slash at the end; for an address that means "all", the loopback one. */
  readonly url: string;
  /** Takes no more requests, lets running ones end for 2 s, then cuts them. Twice is fine. */
  close(): Promise<void>;
}

/** Listens, or rejects with `http/port-taken`, `http/port-privileged`, `http/host-unknown` or `http/listen`. */
export async function startHttp(options: HttpOptions): Promise<HttpPort> {
  const { host, log, clock } = options;
  const app = createApp(options);
  routes(app, options);
  try {
    await app.listen({ host, port: options.port });
  } catch (error) {
    await app.close();
    throw listenError(error, host, options.port);
  }
  const port = portOf(app) ?? options.port;
  const url = urlOf(host, port);
  if (isOpen(host))
    log.warn({ host, port }, 'HTTP port without login is open to other machines: keep it in a closed network');
  log.info({ url }, 'HTTP port open');
  const close = async () => {
    const cancel = clock.schedule(CLOSING_MS, () => app.server.closeAllConnections());
    await app.close().finally(cancel);
  };
  return { port, url, close: once(close) };
}

function createApp({ log, below = (target) => target }: HttpOptions): FastifyInstance {
  const onError = (error: FastifyError, request: FastifyRequest, reply: FastifyReply) =>
    fail(error, request, reply, log);
  const app = Fastify({
    logger: false,
    rewriteUrl: ({ url = '/' }) => below(url),
    bodyLimit: MAX_BODY,
    requestTimeout: REQUEST_MS,
    connectionTimeout: IDLE_MS,
    forceCloseConnections: 'idle',
    routerOptions: { maxParamLength: MAX_PATH_PART },
    http: { maxHeaderSize: MAX_HEADERS, headersTimeout: REQUEST_MS },
    frameworkErrors: (error, request, reply) => void onError(error, request, reply.headers(HEADERS)),
  });
  app.server.maxConnections = MAX_CONNECTIONS;
  app.addHook('onRequest', async (_request, reply) => {
    reply.headers(HEADERS);
  });
  app.setErrorHandler(onError);
  app.setNotFoundHandler((_request, reply) =>
    reply.code(404).send({ error: 'not found', message: 'there are /live, /ready, /metrics and links to attachments' }),
  );
  return app;
}

/** Callers learn what they did wrong; what went wrong here is for the log. */
function fail(error: FastifyError, request: FastifyRequest, reply: FastifyReply, log: Log): FastifyReply {
  const status = error.statusCode ?? 500;
  if (status >= 400 && status < 500)
    return reply.code(status).send({ error: 'bad request', message: messageOf(error) });
  // Without the query: it may hold a signature.
  const path = request.url.split('?')[0];
  log.error({ method: request.method, path, err: messageOf(error) }, 'HTTP request failed');
  return reply.code(500).send({ error: 'internal error', message: 'the reason is in the log' });
}

function routes(app: FastifyInstance, options: HttpOptions): void {
  const { probes, metrics, attachments, webhooks, clock, log } = options;
  const report = readiness(probes, clock);
  // That it answers at all is the answer: the event loop turns.
  app.get('/live', async () => ({ status: 'live' }));
  app.get<{ Querystring: { format?: unknown } }>('/ready', async (request, reply) => {
    const found = await report();
    reply.code(found.status === 'ready' ? 200 : 503);
    if (request.query.format !== 'text') return found;
    return reply.type('text/plain; charset=utf-8').send(readinessText(found));
  });
  app.get('/metrics', async (_request, reply) => reply.type(metrics.contentType).send(await metrics.scrape()));
  attachmentRoutes(app, attachments, log);
  if (webhooks) webhookRoutes(app, webhooks, log);
}

function portOf(app: FastifyInstance): number | undefined {
  const address = app.server.address();
  return typeof address === 'object' ? address?.port : undefined;
}

function isOpen(host: string): boolean {
  return !(host === 'localhost' || host === '::1' || host.startsWith('127.'));
}

function urlOf(host: string, port: number): string {
  const shown = { '0.0.0.0': '127.0.0.1', '::': '::1' }[host] ?? host;
  return `http://${isIPv6(shown) ? `[${shown}]` : shown}:${port}`;
}

/** One sentence for everything that can be wrong with an address. */
export function listenError(error: unknown, host: string, port: number): GatepostError {
  const where = `HTTP port ${host}:${port}`;
  const make = (code: string, message: string, advice: string) =>
    new GatepostError(`http/${code}`, `${where} ${message}`, { advice, cause: error });
  switch (codeOf(error)) {
    case 'EADDRINUSE':
      return make(
        'port-taken',
        'is already taken by another program',
        'stop that program, or set http.port to a free one',
      );
    case 'EACCES':
      return make('port-privileged', 'needs rights this user does not have', 'set http.port to 1024 or above');
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return make(
        'host-unknown',
        'cannot be opened: this machine does not have that address',
        'set http.host to 127.0.0.1, or 0.0.0.0 for all addresses',
      );
    default:
      return make('listen', `cannot be opened: ${messageOf(error)}`, 'check http.host and http.port');
  }
}
