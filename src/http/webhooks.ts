// Requests of counterparties that push, byte for byte; the driver of the gateway decides whether they are genuine.
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Clock } from '../kit/clock.js';
import { messageOf } from '../kit/errors.js';
import type { Log } from '../kit/log.js';
import { addressOf } from './connections.js';
import { type ForgedCounter, forgedCounter } from './forged.js';

/** A text message with its parameters is far below; media come as links. */
const MAX_BODY = 1024 * 1024;
const METHODS = ['GET', 'POST', 'PUT'] as const;
const GUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** The shape of the driver contract's RawRequest. */
export interface WebhookRequest {
  readonly method: string;
  readonly path: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  readonly signal: AbortSignal;
}

export interface WebhookSources {
  /** The public address under which a request came, from its request target as received. */
  receivedUrl(target: string): string;
  /** Rejects when what came could not be put into the journal. */
  handle(
    gatewayId: string,
    request: WebhookRequest,
  ): Promise<{ status: number; headers?: Readonly<Record<string, string>>; body?: string }>;
  /** Counts what did not get as far as the gateway: `too_large` or `malformed`. The id may be unknown. */
  inputRejected?(gatewayId: string, reason: string): void;
}

interface WebhookDeps {
  readonly log: Log;
  readonly clock: Clock;
}

/** In a scope of its own, so that the rest of the port goes on taking no bodies. */
export function webhookRoutes(app: FastifyInstance, sources: WebhookSources, { log, clock }: WebhookDeps): void {
  const forged = forgedCounter(clock);
  app.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', { parseAs: 'buffer', bodyLimit: MAX_BODY }, (_request, body, done) =>
      done(null, body),
    );
    // Nothing is parsed here, so a malformed type is no reason to reject: the driver sees it (rawHeaders).
    scope.addHook('onRequest', async ({ raw }) => {
      delete raw.headers['content-type'];
    });
    scope.setErrorHandler((error: FastifyError, request) => {
      const id = idOf(request);
      if (id) sources.inputRejected?.(id, error.statusCode === 413 ? 'too_large' : 'malformed');
      throw error;
    });
    for (const url of ['/webhooks/:id', '/webhooks/:id/*']) {
      scope.route({
        method: [...METHODS],
        url,
        bodyLimit: MAX_BODY,
        handler: (request, reply) => answer(request, reply, sources, { log, forged }),
      });
    }
  });
}

async function answer(
  request: FastifyRequest,
  reply: FastifyReply,
  sources: WebhookSources,
  { log, forged }: { log: Log; forged: ForgedCounter },
): Promise<FastifyReply> {
  const id = idOf(request);
  if (!id) return reply.code(404).send({ error: 'no such webhook' });
  const gone = new AbortController();
  reply.raw.once('close', () => gone.abort(new Error('the counterparty hung up')));
  try {
    const result = await sources.handle(id, rawRequest(request, sources, gone.signal));
    if (isForged(result.status) && forged.isTooMany(`${addressOf(request.raw.socket)} ${id}`))
      return reply.code(429).header('retry-after', '60').send({ error: 'too many requests that are not authentic' });
    reply.code(result.status).headers({ ...result.headers });
    return reply.send(result.body ?? '');
  } catch (error) {
    // 503 makes the counterparty try again: Gatepost replies 2xx only after the message is stored.
    log.error({ gateway_id: id, err: messageOf(error) }, 'webhook request was not accepted');
    return reply.code(503).header('retry-after', '30').send({ error: 'not stored, try again' });
  }
}

/** What drivers reply to a request that is not authentic. */
function isForged(status: number): boolean {
  return status === 401 || status === 403;
}

function idOf(request: FastifyRequest): string | undefined {
  const { params } = request;
  const id = typeof params === 'object' && params !== null && 'id' in params ? String(params.id) : '';
  return GUID.test(id) ? id.toLowerCase() : undefined;
}

function rawRequest(request: FastifyRequest, sources: WebhookSources, signal: AbortSignal): WebhookRequest {
  const path = request.url.replace(/^\/webhooks\/[^/?]*/, '');
  const given = Object.entries(request.raw.headersDistinct);
  const headers = Object.fromEntries(given.map(([name, values = []]) => [name, values.join(', ')]));
  const body = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
  return { method: request.method, path, url: sources.receivedUrl(request.originalUrl), headers, body, signal };
}
