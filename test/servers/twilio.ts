// A fake Twilio with state: the part of Twilio's REST API that text messages need (list, create, fetch, media, numbers,
// services), Twilio's error codes, signed webhooks with messages and delivery states, and faults on demand.
// `node test/servers/twilio.mjs` runs it on its own.
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import twilio from 'twilio';
import { type Account, accountOf, type Medium, type Message, sidOf } from './twilio-account.js';

/** A request to the API, before it is answered. */
export interface ApiRequest {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly form: URLSearchParams;
}

/** The fault instead of the right answer. */
export type Trouble =
  | { is: 'refuse'; status: number; code?: number; message?: string; headers?: Record<string, string> }
  /** Answered with this text, accepted or not. */
  | { is: 'babble'; status: number; body: string; accepted?: boolean }
  /** The connection is cut: before the request has an effect, after it, or in the middle of the answer. */
  | { is: 'cut'; when: 'before' | 'after' | 'answering' }
  /** Accepted, or not, and never answered. */
  | { is: 'hang'; accepted: boolean };

/** The statuses of a created message, one after the other, at once. */
export type Fate = readonly (string | { status: string; code: number; text?: string })[];

export interface TwilioOptions {
  /** Ms since the epoch, for all dates; the system's clock when absent. */
  now?: () => number;
  number?: string;
  port?: number;
}

export interface Incoming {
  from?: string;
  to?: string;
  text?: string;
  /** When it came, ms; now when absent. */
  at?: number;
  media?: readonly { type: string; bytes: Buffer }[];
  serviceSid?: string;
  status?: string;
}

export interface TwilioServer {
  readonly url: string;
  readonly accountSid: string;
  readonly authToken: string;
  readonly apiKey: string;
  readonly apiSecret: string;
  readonly number: string;
  readonly serviceSid: string;
  readonly account: Account;
  readonly requests: readonly ApiRequest[];
  /** Requests that are being read or answered right now. */
  readonly busy: number;
  /** Called for every request. */
  trouble: (request: ApiRequest) => Trouble | undefined;
  /** Called for every created message; delivered at once by default. */
  fate: (message: Message) => Fate;
  /** The address that new messages are pushed to, as it is set for the number at Twilio. */
  smsUrl: string;
  /** A message comes to the number. Not pushed. */
  receive(incoming?: Incoming): Message;
  /** The parameters of the webhook for a message. */
  pushed(message: Message, more?: Record<string, string>): Record<string, string>;
  /** Maps a public address to a local one. */
  reach: (url: string) => string;
  /** Posts a signed form to `url`; resolves with status and text of the reply. */
  post(url: string, form: Record<string, string>): Promise<{ status: number; text: string }>;
  /** Headers and body of such a request, for tests without an HTTP port. */
  signed(url: string, form: Record<string, string>): { headers: Record<string, string>; body: Buffer };
  /** Moves a sent message on and posts its status callback when it has one. */
  advance(sid: string, status: string, code?: number, text?: string): Promise<void>;
  /** Resolves when such a request was received. */
  until(like: (request: ApiRequest) => boolean): Promise<void>;
  close(): Promise<void>;
}

/** Recipients that Twilio itself refuses, as its test credentials do. */
const REFUSED: Readonly<Record<string, [code: number, message: string]>> = {
  '+15005550001': [21211, "The 'To' number +15005550001 is not a valid phone number."],
  '+15005550002': [
    21612,
    "The 'To' phone number: +15005550002, is not currently reachable using the 'From' phone number.",
  ],
  '+15005550004': [21610, 'Attempt to send to unsubscribed recipient'],
  '+15005550009': [21614, "'To' number is not a valid mobile number"],
};

export async function startTwilio(options: TwilioOptions = {}): Promise<TwilioServer> {
  const now = options.now ?? (() => Date.now());
  const account = accountOf(sidOf('AC'));
  const requests: ApiRequest[] = [];
  const waiters: (() => void)[] = [];
  const sockets = new Set<Socket>();
  let busy = 0;
  const secrets = { authToken: sidOf(''), apiKey: sidOf('SK'), apiSecret: sidOf('') };
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

  const me: TwilioServer = {
    url: `http://127.0.0.1:${port}`,
    accountSid: account.sid,
    ...secrets,
    number: options.number ?? '+420601000001',
    serviceSid: sidOf('MG'),
    account,
    requests,
    get busy() {
      return busy;
    },
    trouble: () => undefined,
    fate: () => ['delivered'],
    smsUrl: '',
    receive({
      from = '+420777123456',
      to = me.number,
      text = 'Hello',
      at = now(),
      media = [],
      serviceSid,
      status,
    } = {}) {
      const came = { direction: 'inbound' as const, from, to, body: text, createdAt: at, sentAt: at, errorCode: null };
      const stored = media.map((medium): Medium => ({ ...medium, sid: sidOf('ME') }));
      const rest = { status: status ?? 'received', errorMessage: null, statusCallback: null, media: stored };
      return account.add({ ...came, ...rest, serviceSid: serviceSid ?? null });
    },
    pushed: (message, more = {}) => ({
      ToCountry: 'CZ',
      MessageSid: message.sid,
      SmsSid: message.sid,
      AccountSid: account.sid,
      From: message.from ?? '',
      To: message.to,
      Body: message.body,
      NumSegments: '1',
      NumMedia: String(message.media.length),
      ApiVersion: '2010-04-01',
      ...Object.fromEntries(
        message.media.flatMap(({ sid, type }, at) => [
          [`MediaContentType${at}`, type],
          [`MediaUrl${at}`, `https://api.twilio.com${mediaPath(message, sid)}`],
        ]),
      ),
      ...more,
    }),
    signed(url, form) {
      const signature = twilio.getExpectedTwilioSignature(secrets.authToken, url, form);
      const headers = { 'x-twilio-signature': signature, 'content-type': 'application/x-www-form-urlencoded' };
      return { headers, body: Buffer.from(new URLSearchParams(form).toString()) };
    },
    reach: (url) => url,
    async post(url, form) {
      const { headers, body } = me.signed(url, form);
      const reply = await fetch(me.reach(url), { method: 'POST', headers, body });
      return { status: reply.status, text: await reply.text() };
    },
    async advance(sid, status, code, text) {
      const message = account.find(sid);
      if (!message) throw new Error(`there is no message ${sid}`);
      Object.assign(message, { status, errorCode: code ?? null, errorMessage: text ?? null });
      if (status !== 'queued') message.sentAt ??= now();
      if (!message.statusCallback) return;
      const form = { MessageSid: sid, SmsSid: sid, MessageStatus: status, SmsStatus: status, AccountSid: account.sid };
      const ends = { From: message.from ?? '', To: message.to, ApiVersion: '2010-04-01' };
      await me.post(message.statusCallback, { ...form, ...ends, ...(code && { ErrorCode: String(code) }) });
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

  const mediaPath = (message: Message, sid: string) =>
    `/2010-04-01/Accounts/${account.sid}/Messages/${message.sid}/Media/${sid}`;

  async function serve(incoming: IncomingMessage, reply: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(chunk);
    const url = new URL(incoming.url ?? '/', me.url);
    const request: ApiRequest = {
      method: incoming.method ?? '',
      path: url.pathname,
      query: url.searchParams,
      form: new URLSearchParams(Buffer.concat(chunks).toString()),
    };
    requests.push(request);
    reply.setHeader('date', new Date(now()).toUTCString());
    const trouble = me.trouble(request);
    if (trouble) misbehave(trouble, request, reply);
    else if (url.pathname.startsWith('/store/')) store(request, incoming.headers.authorization, reply);
    else if (!allowed(incoming.headers.authorization)) refuse(reply, 401, 20003, 'Authenticate');
    else answer(request, reply);
    for (const wake of waiters.splice(0)) wake();
  }

  function misbehave(trouble: Trouble, request: ApiRequest, reply: ServerResponse): ServerResponse | undefined {
    if (trouble.is === 'refuse') {
      for (const [name, value] of Object.entries(trouble.headers ?? {})) reply.setHeader(name, value);
      return refuse(reply, trouble.status, trouble.code ?? 0, trouble.message ?? 'An error occurred');
    }
    const accepted = trouble.is === 'cut' ? trouble.when !== 'before' : trouble.accepted;
    if (accepted && request.method === 'POST') create(request.form);
    if (trouble.is === 'babble') return reply.writeHead(trouble.status).end(trouble.body);
    if (trouble.is === 'hang') return undefined;
    if (trouble.when !== 'answering') return reply.destroy();
    reply.writeHead(201, { 'content-type': 'application/json', 'content-length': '1000' });
    reply.write('{"sid": "SM', () => reply.destroy());
    return reply;
  }

  function allowed(authorization: string | undefined): boolean {
    const known = [`${account.sid}:${secrets.authToken}`, `${secrets.apiKey}:${secrets.apiSecret}`];
    return known.some((pair) => authorization === `Basic ${Buffer.from(pair).toString('base64')}`);
  }

  function answer(request: ApiRequest, reply: ServerResponse): ServerResponse {
    const { path, query } = request;
    if (path === `/v1/Services/${me.serviceSid}`) return show(reply, { sid: me.serviceSid, friendly_name: 'Support' });
    const below = path.replace(`/2010-04-01/Accounts/${account.sid}`, '');
    if (below === path) return refuse(reply, 404, 20404, `The requested resource ${path} was not found`);
    if (below === '/Messages.json') {
      return request.method === 'POST' ? take(request.form, reply) : show(reply, account.list(query));
    }
    if (below === '/IncomingPhoneNumbers.json' || below === '/SMS/ShortCodes.json') return numbers(below, query, reply);
    const [, , sid = '', tail = ''] = below.split('/');
    const message = account.find(sid.replace('.json', ''));
    if (!message) return refuse(reply, 404, 20404, `The requested resource ${path} was not found`);
    if (sid.endsWith('.json')) return show(reply, account.show(message));
    if (tail === 'Media.json') return show(reply, mediaList(message));
    const medium = message.media.find((one) => below.endsWith(`/${one.sid}`));
    if (!medium) return refuse(reply, 404, 20404, `The requested resource ${path} was not found`);
    // Twilio keeps media on another host, which must not see the credentials: here another name for the same machine.
    return reply.writeHead(307, { location: `http://localhost:${port}/store/${medium.sid}` }).end();
  }

  function numbers(below: string, query: URLSearchParams, reply: ServerResponse): ServerResponse {
    const wanted = query.get('PhoneNumber') ?? query.get('ShortCode');
    const short = below.includes('ShortCodes');
    const number = {
      phone_number: me.number,
      capabilities: { sms: true, mms: true, voice: false },
      sms_url: me.smsUrl,
    };
    const found = wanted === me.number ? [short ? { short_code: me.number, sms_url: me.smsUrl } : number] : [];
    return show(reply, { [short ? 'short_codes' : 'incoming_phone_numbers']: found, page: 0, next_page_uri: null });
  }

  function mediaList(message: Message): object {
    const media_list = message.media.map(({ sid, type }) => ({
      sid,
      content_type: type,
      parent_sid: message.sid,
      uri: `${mediaPath(message, sid)}.json`,
    }));
    return { media_list, page: 0, next_page_uri: null };
  }

  function store({ path }: ApiRequest, authorization: string | undefined, reply: ServerResponse): ServerResponse {
    if (authorization !== undefined) return refuse(reply, 400, 0, 'only one way of authentication is allowed');
    const medium = account.messages.flatMap(({ media }) => media).find(({ sid }) => path.endsWith(sid));
    if (!medium) return refuse(reply, 404, 0, 'no such object');
    return reply.writeHead(200, { 'content-type': medium.type }).end(medium.bytes);
  }

  function take(form: URLSearchParams, reply: ServerResponse): ServerResponse {
    const refused = REFUSED[form.get('To') ?? ''];
    if (refused) return refuse(reply, 400, ...refused);
    if (!form.get('Body')) return refuse(reply, 400, 21602, 'Message body is required.');
    if (!form.get('MessagingServiceSid') && form.get('From') !== me.number)
      return refuse(
        reply,
        400,
        21606,
        "The 'From' phone number provided is not a valid message-capable Twilio phone number",
      );
    const message = create(form);
    return reply.writeHead(201, { 'content-type': 'application/json' }).end(JSON.stringify(account.show(message)));
  }

  function create(form: URLSearchParams): Message {
    const message = account.add({
      direction: 'outbound-api',
      from: form.get('From'),
      to: form.get('To') ?? '',
      body: form.get('Body') ?? '',
      serviceSid: form.get('MessagingServiceSid'),
      createdAt: now(),
      sentAt: null,
      status: form.get('MessagingServiceSid') ? 'accepted' : 'queued',
      errorCode: null,
      errorMessage: null,
      media: [],
      statusCallback: form.get('StatusCallback'),
    });
    // After the answer, as at Twilio: the callback may still overtake it.
    setImmediate(() => void unfold(message));
    return message;
  }

  async function unfold(message: Message): Promise<void> {
    for (const step of me.fate(message)) {
      const { status, code, text } =
        typeof step === 'string' ? { status: step, code: undefined, text: undefined } : step;
      await me.advance(message.sid, status, code, text).catch(() => {});
    }
  }

  return me;
}

function show(reply: ServerResponse, body: object): ServerResponse {
  return reply.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

function refuse(reply: ServerResponse, status: number, code: number, message: string): ServerResponse {
  const more_info = `https://www.twilio.com/docs/errors/${code}`;
  reply.writeHead(status, { 'content-type': 'application/json' });
  return reply.end(JSON.stringify({ code, message, more_info, status }));
}
