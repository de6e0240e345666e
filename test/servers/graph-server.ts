// Microsoft Graph on a free port of 127.0.0.1, as far as mail needs it, with the troubles that the real one has.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { waitFor } from '../fixtures/wait-for.js';
import { type GraphMail, GraphMailbox, shown } from './graph-mailbox.js';

export interface GraphRequest {
  readonly method: string;
  /** Below the mailbox, decoded: `/messages/ID/$value`; `/upload/...` for upload sessions. */
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly bytes: number;
}

export type Trouble =
  | { is: 'refuse'; status: number; code?: string; retryAfter?: number }
  /** A gateway in between gives up after Graph has done it. */
  | { is: 'late'; status: number }
  | { is: 'cut'; when: 'before' | 'after' }
  | { is: 'hang'; accepted: boolean };

export interface GraphServer {
  /** For BaseUrl. */
  readonly url: string;
  readonly mailbox: GraphMailbox;
  readonly address: string;
  readonly requests: GraphRequest[];
  /** What left the mailbox. */
  readonly sent: GraphMail[];
  /** The most requests that ran at once. */
  readonly mostAtOnce: number;
  /** Ms that every answer takes. */
  delayMs: number;
  trouble: ((request: GraphRequest) => Trouble | undefined) | undefined;
  /** Tokens that are not accepted (any more). */
  readonly rejectedTokens: Set<string>;
  readonly tokens: Set<string>;
  until(predicate: (request: GraphRequest) => boolean): Promise<void>;
  close(): Promise<void>;
}

interface Answer {
  readonly status: number;
  readonly body?: unknown;
  readonly headers?: Record<string, string>;
}

const ok = (body: unknown): Answer => ({ status: 200, body });
const refusal = (status: number, code: string, message = code): Answer => ({
  status,
  body: { error: { code, message } },
});
const MAX_BODY = 4_194_304;

export async function startGraph({ address = 'desk@example.test' } = {}): Promise<GraphServer> {
  const mailbox = new GraphMailbox();
  const uploads = new Map<string, { mail: GraphMail; name: string; size: number; chunks: Buffer[] }>();
  const hanging = new Set<ServerResponse>();
  let running = 0;
  let mostAtOnce = 0;

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    running += 1;
    mostAtOnce = Math.max(mostAtOnce, running);
    response.on('close', () => {
      running -= 1;
    });
    const body = await bodyOf(request);
    const url = new URL(request.url ?? '/', base);
    const prefix = `/v1.0/users/${encodeURIComponent(address)}`;
    const isUpload = url.pathname.startsWith('/upload/');
    const path = decodeURIComponent(isUpload ? url.pathname : url.pathname.slice(prefix.length));
    const seen = { method: request.method ?? '', path, headers: request.headers, bytes: body.length };
    server.requests.push(seen);
    if (server.delayMs > 0) await new Promise((resolve) => setTimeout(resolve, server.delayMs));
    const trouble = server.trouble?.(seen);
    if (trouble?.is === 'cut' && trouble.when === 'before') return void request.socket.destroy();
    if (trouble?.is === 'hang' && !trouble.accepted) return void hanging.add(response);
    if (trouble?.is === 'refuse') {
      const headers = trouble.retryAfter === undefined ? {} : { 'retry-after': String(trouble.retryAfter) };
      return reply(response, { ...refusal(trouble.status, trouble.code ?? 'Trouble'), headers });
    }
    const isOurs = isUpload || url.pathname.startsWith(prefix);
    const answer = isOurs ? answerTo(seen, url, body) : refusal(404, 'ErrorInvalidUser');
    if (trouble?.is === 'cut') return void request.socket.destroy();
    if (trouble?.is === 'hang') return void hanging.add(response);
    if (trouble?.is === 'late') return reply(response, refusal(trouble.status, 'UnknownError'));
    reply(response, answer);
  }

  function answerTo(request: GraphRequest, url: URL, body: Buffer): Answer {
    if (request.path.startsWith('/upload/')) return upload(request, body);
    const token = (request.headers.authorization ?? '').replace(/^Bearer /, '');
    server.tokens.add(token);
    if (token === '' || server.rejectedTokens.has(token))
      return refusal(401, 'InvalidAuthenticationToken', 'Access token has expired or is not yet valid.');
    if (!/IdType="ImmutableId"/.test(String(request.headers.prefer))) return refusal(400, 'NoImmutableIds');
    if (body.length > MAX_BODY) return refusal(413, 'RequestEntityTooLarge');
    if (request.path.startsWith('/mailFolders')) return folderAnswer(request, url);
    if (request.path === '/sendMail') return sendMail(body);
    if (request.path === '/messages' && request.method === 'POST') return draft(body);
    const [, , id = '', ...rest] = request.path.split('/');
    const mail = mailbox.mails.get(id);
    if (!mail) return refusal(404, 'ErrorItemNotFound', 'The specified object was not found in the store.');
    return mailAnswer(mail, request, rest.join('/'), body);
  }

  function folderAnswer({ path, headers }: GraphRequest, url: URL): Answer {
    const [, , name = '', what, last] = path.split('/');
    const folder = mailbox.folders.find(({ id, wellKnown }) => id === name || wellKnown === name);
    const show = (one: (typeof mailbox.folders)[number]) => {
      const mails = mailbox.in(one.id);
      return { ...one, totalItemCount: mails.length, unreadItemCount: mails.filter(({ isRead }) => !isRead).length };
    };
    const filter = /eq '(.*)'$/.exec(url.searchParams.get('$filter') ?? '')?.[1]?.replaceAll("''", "'");
    if (name === '' || what === 'childFolders') {
      const parent = name === '' ? 'root' : folder?.id;
      const found = mailbox.folders.filter((one) => one.parent === parent && one.displayName === filter);
      return ok({ value: found.map(show) });
    }
    if (!folder) return refusal(404, 'ErrorItemNotFound');
    if (what === undefined) return ok(show(folder));
    if (last !== 'delta')
      return ok({
        value: mailbox
          .in(folder.id)
          .filter(({ messageId }) => messageId === filter)
          .map(shown),
      });
    const pageSize = Number(/maxpagesize=(\d+)/.exec(String(headers.prefer))?.[1] ?? 10);
    const token = url.searchParams.get('$skiptoken') ?? url.searchParams.get('$deltatoken');
    const changes = mailbox.changes(folder.id, token, pageSize);
    if (!changes) return refusal(410, 'SyncStateNotFound', 'The sync state generation is not found.');
    const link = `${base}${url.pathname}`;
    return ok({
      value: changes.value,
      ...(changes.next && { '@odata.nextLink': `${link}?$skiptoken=${changes.next}` }),
      ...(changes.later && { '@odata.deltaLink': `${link}?$deltatoken=${changes.later}` }),
    });
  }

  function mailAnswer(mail: GraphMail, { method, headers }: GraphRequest, what: string, body: Buffer): Answer {
    const json = () => JSON.parse(body.toString('utf8'));
    if (what === '$value') return { status: 200, body: mail.raw, headers: { 'content-type': 'text/plain' } };
    if (what === 'move') {
      mailbox.move(mail, json().destinationId);
      return { status: 201, body: shown(mail) };
    }
    if (what === 'send') return depart(mail);
    if (what === 'attachments') {
      if (body.length > 4_000_000) return refusal(413, 'RequestEntityTooLarge');
      mail.attachments.push({ name: json().name, content: Buffer.from(json().contentBytes, 'base64') });
      return { status: 201, body: {} };
    }
    if (what === 'attachments/createUploadSession') {
      const { name, size } = json().AttachmentItem;
      uploads.set(mail.id, { mail, name, size, chunks: [] });
      return { status: 201, body: { uploadUrl: `${base}/upload/${encodeURIComponent(mail.id)}` } };
    }
    if (method === 'DELETE') {
      mailbox.remove(mail);
      return { status: 204 };
    }
    if (method === 'PATCH') {
      if (headers['if-match'] !== undefined && headers['if-match'] !== `W/"${mail.changed}"`)
        return refusal(412, 'ErrorIrresolvableConflict');
      const { isRead, flag, categories, internetMessageId } = json();
      if (isRead !== undefined) mail.isRead = isRead;
      if (flag !== undefined) mail.flagged = flag.flagStatus === 'flagged';
      if (categories !== undefined) mail.categories = categories;
      if (internetMessageId !== undefined) mail.messageId = internetMessageId;
      mailbox.touch(mail);
    }
    return ok(shown(mail));
  }

  function draft(body: Buffer): Answer {
    const mail = mailbox.add(Buffer.from(body.toString(), 'base64'), { folder: 'F-drafts=', isDraft: true });
    return { status: 201, body: shown(mail) };
  }

  function sendMail(body: Buffer): Answer {
    const raw = Buffer.from(body.toString(), 'base64');
    if (!raw.includes('\r\n\r\n')) return refusal(400, 'ErrorMimeContentInvalidBase64String');
    return depart(mailbox.add(raw, { folder: 'F-drafts=', isDraft: true }));
  }

  function depart(mail: GraphMail): Answer {
    mail.isDraft = false;
    mailbox.move(mail, 'F-sent=');
    server.sent.push(mail);
    return { status: 202 };
  }

  function upload({ path, headers }: GraphRequest, body: Buffer): Answer {
    const session = uploads.get(path.slice('/upload/'.length));
    if (headers.authorization !== undefined || !session) return refusal(401, 'the address is the permission');
    const done = session.chunks.reduce((sum, { length }) => sum + length, 0);
    const range = `bytes ${done}-${done + body.length - 1}/${session.size}`;
    if (headers['content-range'] !== range) return refusal(416, 'InvalidRange');
    session.chunks.push(body);
    if (done + body.length < session.size) return ok({ nextExpectedRanges: [`${done + body.length}-`] });
    session.mail.attachments.push({ name: session.name, content: Buffer.concat(session.chunks) });
    return { status: 201 };
  }

  const http = createServer((request, response) => void handle(request, response).catch(() => response.destroy()));
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  const base = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
  const server: GraphServer = {
    url: `${base}/v1.0`,
    ...{ mailbox, address, requests: [], sent: [], delayMs: 0, trouble: undefined },
    ...{ rejectedTokens: new Set(), tokens: new Set() },
    get mostAtOnce() {
      return mostAtOnce;
    },
    until: (predicate) => waitFor('the request to Graph', () => server.requests.some(predicate)).then(() => {}),
    close: () =>
      new Promise((resolve) => {
        for (const response of hanging) response.destroy();
        http.close(() => resolve());
        http.closeAllConnections();
      }),
  };
  return server;
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

function reply(response: ServerResponse, { status, body, headers = {} }: Answer): void {
  if (Buffer.isBuffer(body)) return void response.writeHead(status, headers).end(body);
  if (body === undefined) return void response.writeHead(status, headers).end();
  response
    .writeHead(status, { 'content-type': 'application/json; charset=utf-8', ...headers })
    .end(JSON.stringify(body));
}
