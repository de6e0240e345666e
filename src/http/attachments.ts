// Attachments reach an agent's browser as downloads, whole or visibly broken, and
// never as a page of ours. Whether a link is genuine is for links.ts to say.
import { pipeline, Transform } from 'node:stream';
import type { FastifyInstance, FastifyReply } from 'fastify';
import { z } from 'zod';
import { codeOf, messageOf } from '../kit/errors.js';
import type { Log } from '../kit/log.js';
import type { LinkSigner } from './links.js';
import { contentDisposition, opensInBrowser, safeType } from './names.js';

export interface StoredAttachment {
  name: string;
  type: string;
  /** Bytes. */
  size: number;
  /** How long its message was on its way to the server, ms: as long as it still is, Infinity. */
  waitedMs: number;
  open(): NodeJS.ReadableStream;
}

export interface AttachmentSources {
  /** The journal's `attachment`: null when it is not there. */
  find(id: string): Promise<StoredAttachment | null>;
  links: Pick<LinkSigner, 'verify'>;
}

/** A parameter given twice arrives as a list and is rejected like a forged one. */
const Request = z.object({
  params: z.object({ id: z.string() }),
  query: z.object({ expires: z.string(), signature: z.string() }),
});

/** An agent reads these in the browser. */
const PAGES = {
  forged: [403, 'This link is not complete or was changed. Open it once more from the message it came with.'],
  expired: [410, 'This link has expired. Attachments can be opened for a limited time after the message came in.'],
  removed: [410, 'This attachment has been removed, because the time for which attachments are stored is over.'],
  unknown: [404, 'There is no such attachment here. It may have been removed, or belongs to another connector.'],
  unreadable: [503, 'This attachment cannot be read at the moment. Try again in a few minutes.'],
} as const;

export function attachmentRoutes(app: FastifyInstance, { find, links }: AttachmentSources, log: Log): void {
  app.route({
    method: ['GET', 'HEAD'],
    // The automatic HEAD would read the whole file to throw it away.
    exposeHeadRoute: false,
    url: '/attachments/:id/:name',
    async handler(request, reply) {
      const asked = Request.safeParse({ params: request.params, query: request.query });
      if (!asked.success) return page(reply, 'forged');
      const { params, query } = asked.data;
      const verdict = links.verify(params.id, query.expires, query.signature);
      if (verdict === 'forged') return page(reply, verdict);
      try {
        const stored = await find(params.id);
        if (!stored) return page(reply, verdict === 'expired' ? 'expired' : 'unknown');
        // A link is as old as its message, which may have waited in quarantine before an agent could see it.
        if (links.verify(params.id, query.expires, query.signature, stored.waitedMs) !== 'ok')
          return page(reply, 'expired');
        return await deliver(reply, stored, request.method === 'HEAD');
      } catch (error) {
        // The row was there and the file is not: the sweep came in between.
        if (codeOf(error) === 'ENOENT') return page(reply, 'removed');
        log.error({ attachment: params.id, problem: messageOf(error) }, 'attachment cannot be read');
        return page(reply, 'unreadable');
      }
    },
  });
}

async function deliver(reply: FastifyReply, stored: StoredAttachment, headOnly: boolean): Promise<FastifyReply> {
  const source = headOnly ? undefined : stored.open();
  // A file that cannot be opened must be known before the first header is out.
  if (source) await opened(source);
  reply.headers({
    'content-type': safeType(stored.type),
    'content-length': stored.size,
    'content-disposition': contentDisposition(stored.name, opensInBrowser(stored.type) ? 'inline' : 'attachment'),
    'content-security-policy':
      "sandbox; default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    'x-content-type-options': 'nosniff',
    'cache-control': 'private',
  });
  return reply.send(source && pipeline(source, exactly(stored.size), () => {}));
}

/** An empty file may end without ever having been readable. */
function opened(source: NodeJS.ReadableStream): Promise<void> {
  return new Promise((resolve, reject) => {
    source.once('readable', resolve).once('end', resolve).once('error', reject);
  });
}

/** Passes `size` bytes and fails on any other number, which cuts the connection: a short file must not look whole. */
function exactly(size: number): Transform {
  let passed = 0;
  const wrong = () => new Error(`the stored file does not have its ${size} bytes`);
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      passed += chunk.length;
      done(passed > size ? wrong() : null, chunk);
    },
    flush: (done) => done(passed === size ? null : wrong()),
  });
}

function page(reply: FastifyReply, which: keyof typeof PAGES): FastifyReply {
  const [status, sentence] = PAGES[which];
  return reply.code(status).type('text/plain; charset=utf-8').send(`${sentence}\n`);
}
