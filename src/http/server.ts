// The HTTP port has no login, so it offers nothing that changes anything, and listens on the loopback address by default.
import { isIPv6 } from 'node:net';
import Fastify, { type FastifyError, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import type { Clock } from '../kit/clock.js';
import { codeOf, GatepostError, messageOf } from '../kit/errors.js';
import type { Log } from '../kit/log.js';
import { once } from '../kit/once.js';
import { type AttachmentSources, attachmentRoutes } from './attachments.js';
import { limitConnections } from './connections.js';
import { isOwnHost } from './host-names.js';
import type { PrometheusMetrics } from './metrics.js';
import { type ProbeSources, readiness, readinessText } from './probes.js';
import { type WebhookSources, webhookRoutes } from './webhooks.js';

/** No route takes a body. */
const MAX_BODY = 16 * 1024;
/** Request line and headers; the longest link of ours is below 1 KB. */
const MAX_HEADERS = 16 * 1024;
/** An encoded name of 60 characters, four UTF-8 bytes each, is 720 long. */
const MAX_PATH_PART = 1024;
/** Probers, scrapers, a few agents downloading, and counterparties that push: a carrier or a reverse proxy is one address, and may
 *  open a connection for each text. */
const CONNECTIONS = { all: 768, perAddress: 384 };
/** For a whole request to come in; those of ours are one packet. */
const REQUEST_MS = 10_000;
/** A connection on which nothing moves, also in mid-download. */
const IDLE_MS = 60_000;
/** Between two requests on one connection. */
const KEEP_ALIVE_MS = 5_000;
/** How often the limits above are looked at; Node does so every 30 s only. */
const CHECK_MS = 1_000;
/** What a download in progress still gets when the connector stops. */
const CLOSING_MS = 2_000;

const WRONG_HOST = 'this port does not have that name: set http.publicUrl to the address under which others reach it';

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
  /** What is not given is not served at this port. */
  probes?: ProbeSources | undefined;
  metrics?: Pick<PrometheusMetrics, 'scrape' | 'contentType'> | undefined;
  attachments?: AttachmentSources;
  webhooks?: WebhookSources;
  /** Names by which the port is reached, besides addresses and names without a dot. */
  names?: readonly string[];
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

function createApp({ log, names = [], host, below = (target) => target }: HttpOptions): FastifyInstance {
  const onError = (error: FastifyError, request: FastifyRequest, reply: FastifyReply) =>
    fail(error, request, reply, log);
  const app = Fastify({
    logger: false,
    rewriteUrl: ({ url = '/' }) => below(url),
    bodyLimit: MAX_BODY,
    requestTimeout: REQUEST_MS,
    connectionTimeout: IDLE_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    forceCloseConnections: 'idle',
    routerOptions: { maxParamLength: MAX_PATH_PART },
    http: { maxHeaderSize: MAX_HEADERS, headersTimeout: REQUEST_MS, connectionsCheckingInterval: CHECK_MS },
    frameworkErrors: (error, request, reply) => void onError(error, request, reply.headers(HEADERS)),
  });
  limitConnections(app.server, CONNECTIONS);
  const own = [...names, host].map((name) => name.toLowerCase());
  app.addHook('onRequest', async ({ headers }, reply) => {
    reply.headers(HEADERS);
    if (!isOwnHost(headers.host, own))
      return reply.code(421).send({ error: 'misdirected request', message: WRONG_HOST });
  });
  app.setErrorHandler(onError);
  app.setNotFoundHandler((_request, reply) =>
    reply.code(404).send({ error: 'not found', message: 'there is nothing at this address' }),
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
  if (probes) probeRoutes(app, probes, clock);
  if (metrics)
    app.get('/metrics', async (_request, reply) => reply.type(metrics.contentType).send(await metrics.scrape()));
  if (attachments) attachmentRoutes(app, attachments, log);
  if (webhooks) webhookRoutes(app, webhooks, { log, clock });
}

function probeRoutes(app: FastifyInstance, probes: ProbeSources, clock: Clock): void {
  const report = readiness(probes, clock);
  // That it answers at all is the answer: the event loop turns.
  app.get('/live', async () => ({ status: 'live' }));
  app.get<{ Querystring: { format?: unknown } }>('/ready', async (request, reply) => {
    const found = await report();
    reply.code(found.status === 'ready' ? 200 : 503);
    if (request.query.format !== 'text') return found;
    return reply.type('text/plain; charset=utf-8').send(readinessText(found));
  });
}

function portOf(app: FastifyInstance): number | undefined {
  const address = app.server.address();
  return typeof address === 'object' ? address?.port : undefined;
}

/** Whether other machines reach a port at this address. */
export function isOpen(host: string): boolean {
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
