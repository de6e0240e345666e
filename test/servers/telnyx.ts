// A fake Telnyx with state: the part of Telnyx's API that faxes need (send, list, view, refresh, media storage, application,
// number), received documents at addresses that expire, Telnyx's error codes, signed events, and faults on demand.
// `node test/servers/telnyx.mjs` runs it on its own.
import { generateKeyPairSync, sign } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { type Account, accountOf, type Fax, iso, tokenOf } from './telnyx-account.js';

/** A request to the API, before it is answered. */
export interface ApiRequest {
  readonly method: string;
  /** Below the base address, `/faxes`. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}

/** The fault instead of the right answer. */
export type Trouble =
  | {
      is: 'refuse';
      status: number;
      code?: string;
      title?: string;
      detail?: string;
      headers?: Record<string, string>;
      accepted?: boolean;
    }
  /** Answered with this text, accepted or not. */
  | { is: 'babble'; status: number; body: string; accepted?: boolean; headers?: Record<string, string> }
  /** The connection is cut: before the request has an effect, after it, or in the middle of the answer. */
  | { is: 'cut'; when: 'before' | 'after' | 'answering' }
  /** Accepted, or not, and never answered. */
  | { is: 'hang'; accepted: boolean };

/** The states of a sent fax, one after the other, at once. */
export type Fate = readonly (string | { status: string; reason?: string; pages?: number; seconds?: number })[];

export interface TelnyxOptions {
  /** Ms since the epoch, for all dates; the system's clock when absent. */
  now?: () => number;
  number?: string;
  port?: number;
}

export interface Incoming {
  document: Buffer;
  from?: string;
  to?: string;
  /** When the call came, ms; now when absent. */
  at?: number;
  status?: string;
  pages?: number;
  partial?: boolean;
  callerId?: string;
  reason?: string;
}

export interface Signed {
  headers: Record<string, string>;
  body: Buffer;
}

export interface TelnyxServer {
  /** Base address, what `BaseUrl` is set to. */
  readonly url: string;
  readonly apiKey: string;
  readonly publicKey: string;
  readonly connectionId: string;
  readonly number: string;
  readonly account: Account;
  readonly requests: readonly ApiRequest[];
  /** Requests that are being read or answered right now. */
  readonly busy: number;
  /** Called for every request. */
  trouble: (request: ApiRequest) => Trouble | undefined;
  /** Called for every sent fax; delivered at once by default. */
  fate: (fax: Fax) => Fate;
  /** The address that the fax application pushes to when a fax names none. */
  appUrl: string;
  outboundProfile: string;
  /** A fax comes to the number. Not pushed. */
  receive(incoming: Incoming): Fax;
  /** The event about the fax, by the state it is in. */
  event(fax: Fax, type?: string): object;
  /** Headers and body of a push, signed at `at` (ms). */
  signed(event: object, at?: number): Signed;
  /** Maps a public address to a local one. */
  reach: (url: string) => string;
  /** Posts a signed event. */
  post(url: string, event: object): Promise<{ status: number; text: string }>;
  /** Moves a sent fax on and pushes the event when it has an address for that. */
  advance(id: string, status: string, more?: { reason?: string; pages?: number; seconds?: number }): Promise<void>;
  /** Lets the document's address expire; `gone`: the document has no new address. */
  expire(fax: Fax, gone?: boolean): void;
  /** Resolves when such a request was received. */
  until(like: (request: ApiRequest) => boolean): Promise<void>;
  close(): Promise<void>;
}

export async function startTelnyx(options: TelnyxOptions = {}): Promise<TelnyxServer> {
  const now = options.now ?? (() => Date.now());
  const requests: ApiRequest[] = [];
  const waiters: (() => void)[] = [];
  const sockets = new Set<Socket>();
  const gone = new Set<string>();
  const keys = generateKeyPairSync('ed25519');
  const raw = keys.publicKey.export({ format: 'jwk' }).x ?? '';
  let busy = 0;
  const server = createServer((request, reply) => {
    busy += 1;
    reply.once('close', () => {
      busy -= 1;
    });
    void serve(request, reply).catch(() => reply.destroy());
  });
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  server.listen(options.port ?? 0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  // The store is another host, which must not see the key: here another name for the same machine.
  const account = accountOf(() => `http://localhost:${port}/store`);

  const me: TelnyxServer = {
    url: `http://127.0.0.1:${port}/v2`,
    apiKey: `KEY${tokenOf()}`,
    publicKey: Buffer.from(raw, 'base64url').toString('base64'),
    connectionId: '1293384261075731499',
    number: options.number ?? '+13125790015',
    account,
    requests,
    get busy() {
      return busy;
    },
    trouble: () => undefined,
    fate: () => ['media.processed', 'sending', { status: 'delivered', pages: 1, seconds: 25 }],
    appUrl: '',
    outboundProfile: '1293384261075731461',
    receive({ document, from = '+16132484850', to = me.number, at = now(), status = 'received', ...more }) {
      const facts = {
        pages: more.pages ?? 1,
        seconds: 50,
        partial: more.partial ?? false,
        callerId: more.callerId ?? from,
      };
      const way = { direction: 'inbound' as const, connectionId: me.connectionId, createdAt: at, updatedAt: at };
      return account.add({ ...way, from, to, status, document, ...facts, failureReason: more.reason ?? null });
    },
    event: (fax, type = eventType(fax)) => ({
      data: {
        event_type: type,
        id: tokenOf(),
        occurred_at: iso(fax.updatedAt),
        record_type: 'event',
        payload: payloadOf(fax),
      },
      meta: { attempt: 1, delivered_to: fax.webhookUrl ?? me.appUrl },
    }),
    signed(event, at = now()) {
      const body = Buffer.from(JSON.stringify(event));
      const timestamp = String(Math.floor(at / 1_000));
      const signature = sign(null, Buffer.concat([Buffer.from(`${timestamp}|`), body]), keys.privateKey);
      const headers = {
        'content-type': 'application/json',
        'telnyx-timestamp': timestamp,
        'telnyx-signature-ed25519': signature.toString('base64'),
      };
      return { headers, body };
    },
    reach: (url) => url,
    async post(url, event) {
      const { headers, body } = me.signed(event);
      const reply = await fetch(me.reach(url), { method: 'POST', headers, body: new Uint8Array(body) });
      return { status: reply.status, text: await reply.text() };
    },
    async advance(id, status, { reason, pages, seconds } = {}) {
      const fax = account.find(id);
      if (!fax) throw new Error(`there is no fax ${id}`);
      Object.assign(fax, { status, updatedAt: now(), failureReason: reason ?? null });
      if (pages !== undefined) fax.pages = pages;
      if (seconds !== undefined) fax.seconds = seconds;
      const url = fax.webhookUrl ?? me.appUrl;
      if (url) await me.post(url, me.event(fax));
    },
    expire(fax, forGood = false) {
      fax.expires = 0;
      if (forGood) gone.add(fax.id);
    },
    async until(like) {
      while (!requests.some(like)) await new Promise<void>((resolve) => waiters.push(resolve));
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };

  const payloadOf = (fax: Fax) => ({
    fax_id: fax.id,
    connection_id: fax.connectionId,
    direction: fax.direction,
    from: fax.from,
    to: fax.to,
    status: fax.status,
    user_id: '19a75cea-02c6-4b9a-84fa-c9bc8341feb8',
    ...(fax.clientState && { client_state: fax.clientState }),
    ...(fax.mediaName && { media_name: fax.mediaName }),
    ...(fax.originalUrl && { original_media_url: fax.originalUrl }),
    ...(fax.failureReason && { failure_reason: fax.failureReason }),
    ...(fax.pages !== null && { page_count: fax.pages }),
    ...(fax.seconds !== null && { call_duration_secs: fax.seconds }),
    ...(fax.direction === 'inbound' && { caller_id: fax.callerId }),
    ...(fax.status === 'received' && {
      media_url: `http://localhost:${port}/store/${fax.token}.pdf?X-Amz-Expires=600`,
      partial_content: fax.partial,
    }),
  });

  async function serve(incoming: IncomingMessage, reply: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(chunk);
    const url = new URL(incoming.url ?? '/', me.url);
    const path = url.pathname.replace(/^\/v2/, '');
    const { method = '', headers } = incoming;
    const request: ApiRequest = { method, path, query: url.searchParams, headers, body: Buffer.concat(chunks) };
    requests.push(request);
    reply.setHeader('date', new Date(now()).toUTCString());
    const trouble = me.trouble(request);
    if (trouble) await misbehave(trouble, request, reply);
    else if (path.startsWith('/store/')) store(request, reply);
    else if (headers.authorization !== `Bearer ${me.apiKey}`) refuse(reply, 401, '10009', 'Authentication failed');
    else await answer(request, reply);
    for (const wake of waiters.splice(0)) wake();
  }

  async function misbehave(trouble: Trouble, request: ApiRequest, reply: ServerResponse): Promise<void> {
    const accepted = trouble.is === 'cut' ? trouble.when !== 'before' : trouble.accepted;
    if (accepted && request.method === 'POST' && request.path === '/faxes')
      await create(JSON.parse(String(request.body)));
    if (trouble.is === 'hang') return;
    if (trouble.is === 'cut' && trouble.when !== 'answering') return void reply.destroy();
    if (trouble.is === 'cut') {
      reply.writeHead(202, { 'content-type': 'application/json', 'content-length': '1000' });
      return void reply.write('{"data": {"id": "', () => reply.destroy());
    }
    for (const [name, value] of Object.entries(trouble.headers ?? {})) reply.setHeader(name, value);
    if (trouble.is === 'babble') return void reply.writeHead(trouble.status).end(trouble.body);
    refuse(reply, trouble.status, trouble.code ?? '10007', trouble.title ?? 'Unexpected error', trouble.detail);
  }

  async function answer(request: ApiRequest, reply: ServerResponse): Promise<void> {
    const { method, path, query } = request;
    const [, kind = '', name = '', ...rest] = path.split('/');
    if (kind === 'media') return media(request, decodeURIComponent(name), reply);
    if (path === `/fax_applications/${me.connectionId}`) return show(reply, { data: application() });
    if (path === '/phone_numbers') return show(reply, { data: numbers(query.get('filter[phone_number]')) });
    if (kind !== 'faxes') return refuse(reply, 404, '10005', 'Resource not found');
    if (name === '')
      return method === 'POST' ? take(JSON.parse(String(request.body)), reply) : show(reply, account.list(query));
    const fax = account.find(name);
    if (!fax) return refuse(reply, 404, '10005', 'Resource not found');
    if (rest.join('/') === 'actions/refresh') return refresh(fax, reply);
    if (rest.length > 0) return refuse(reply, 404, '10005', 'Resource not found');
    show(reply, { data: account.show(fax) });
  }

  function refresh(fax: Fax, reply: ServerResponse) {
    if (fax.direction !== 'inbound' || gone.has(fax.id)) return refuse(reply, 404, '10005', 'Resource not found');
    Object.assign(fax, { token: tokenOf(), expires: now() + 600_000 });
    show(reply, { data: { result: 'ok' } });
  }

  async function media({ method, headers, body }: ApiRequest, name: string, reply: ServerResponse): Promise<void> {
    if (method === 'DELETE') {
      if (!account.media.delete(name)) return refuse(reply, 404, '10005', 'Resource not found');
      return void reply.writeHead(204).end();
    }
    const form = await new Response(new Uint8Array(body), {
      headers: { 'content-type': headers['content-type'] ?? '' },
    }).formData();
    const file = form.get('media');
    if (!(file instanceof File)) return refuse(reply, 422, '10004', 'Missing required parameter', "'media' is invalid");
    if (file.size > 20_000_000) return refuse(reply, 413, '10027', 'Content too large');
    const given = tokenOf();
    account.media.set(given, Buffer.from(await file.arrayBuffer()));
    const times = {
      created_at: iso(now()),
      updated_at: iso(now()),
      expires_at: iso(now() + Number(form.get('ttl_secs')) * 1_000),
    };
    show(reply, { data: { media_name: given, content_type: file.type, ...times } }, 201);
  }

  const application = () => ({
    record_type: 'fax_application',
    id: me.connectionId,
    application_name: 'fax-router',
    active: true,
    webhook_event_url: me.appUrl,
    outbound: { outbound_voice_profile_id: me.outboundProfile },
  });

  const numbers = (wanted: string | null) =>
    wanted === me.number ? [{ phone_number: me.number, status: 'active', connection_id: me.connectionId }] : [];

  /** Such a store answers 403 with "expired" in XML. */
  function store({ path, headers }: ApiRequest, reply: ServerResponse): void {
    const fax = account.faxes.find(({ token }) => path === `/store/${token}.pdf`);
    if (headers.authorization !== undefined)
      return void reply.writeHead(400).end('<Error>only one auth mechanism</Error>');
    if (!fax?.document || fax.expires <= now() || gone.has(fax.id))
      return void reply.writeHead(gone.has(fax?.id ?? '') ? 410 : 403).end('<Error>Request has expired</Error>');
    reply.writeHead(200, { 'content-type': 'application/pdf' }).end(fax.document);
  }

  type SendRequest = Readonly<Record<string, string | undefined>>;

  async function take(sendRequest: SendRequest, reply: ServerResponse): Promise<void> {
    const { connection_id, from, to = '', media_name, media_url, store_media } = sendRequest;
    const bad = (detail: string) => refuse(reply, 422, '10015', 'Bad Request', detail);
    if (connection_id !== me.connectionId) return bad("'connection_id' is invalid");
    if (from !== me.number) return bad("'from' is not a number of the account");
    if (!/^\+\d{5,15}$/.test(to)) return refuse(reply, 422, '10016', 'Phone number must be in +E.164 format');
    if ((media_name === undefined) === (media_url === undefined)) return bad('either media_name or media_url');
    if (media_name !== undefined && store_media) return bad("'store_media' does not support media_name");
    if (media_name !== undefined && !account.media.has(media_name)) return bad("'media_name' is invalid");
    show(reply, { data: account.show(await create(sendRequest)) }, 202);
  }

  async function create({ to = '', media_name, media_url, ...sendRequest }: SendRequest): Promise<Fax> {
    const fax = account.add({
      direction: 'outbound',
      from: sendRequest.from ?? '',
      to,
      connectionId: me.connectionId,
      createdAt: now(),
      status: 'queued',
      clientState: sendRequest.client_state ?? null,
      quality: sendRequest.quality ?? null,
      webhookUrl: sendRequest.webhook_url ?? null,
      mediaName: media_name ?? null,
      originalUrl: media_url ?? null,
      document: media_name === undefined ? null : (account.media.get(media_name) ?? null),
    });
    // After the answer, as at Telnyx: the push may still overtake it.
    setImmediate(() => void unfold(fax).catch(() => {}));
    return fax;
  }

  async function unfold(fax: Fax): Promise<void> {
    if (fax.originalUrl !== null) {
      const reply = await fetch(me.reach(fax.originalUrl), { redirect: 'manual' }).catch(() => undefined);
      if (!reply?.ok) return me.advance(fax.id, 'failed', { reason: 'file_download_failed' });
      fax.document = Buffer.from(await reply.arrayBuffer());
    }
    for (const step of me.fate(fax)) {
      const { status, ...more } = typeof step === 'string' ? { status: step } : step;
      await me.advance(fax.id, status, more).catch(() => {});
    }
  }

  return me;
}

function eventType({ status }: Fax): string {
  if (status === 'sending') return 'fax.sending.started';
  if (status === 'receiving' || status === 'media.processing') return `fax.${status}.started`;
  return `fax.${status}`;
}

function show(reply: ServerResponse, body: object, status = 200): void {
  reply.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

function refuse(reply: ServerResponse, status: number, code: string, title: string, detail = title): void {
  reply.writeHead(status, { 'content-type': 'application/json' });
  reply.end(
    JSON.stringify({
      errors: [{ code, title, detail, meta: { url: `https://developers.telnyx.com/docs/overview/errors/${code}` } }],
    }),
  );
}
