// Owns the scriptable mail server for tests: raw sockets and its own few lines of SMTP, so that it can answer anything,
// hang, or cut the line at every point of the dialogue.
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { createSecureContext, TLSSocket } from 'node:tls';

/** Where in the dialogue we are. `content`: mail data came, not yet the final dot; `dot`: the final dot came. */
export type SmtpPoint =
  | 'connect'
  | 'EHLO'
  | 'HELO'
  | 'STARTTLS'
  | 'AUTH'
  | 'MAIL'
  | 'RCPT'
  | 'DATA'
  | 'content'
  | 'dot'
  | 'RSET'
  | 'NOOP'
  | 'QUIT';

export interface SmtpStep {
  readonly point: SmtpPoint;
  /** What follows the command word; for RCPT and MAIL the bare address. */
  readonly argument: string;
  /** 1 for the first connection. */
  readonly connection: number;
  /** How often this point was reached on all connections together, from 1. */
  readonly count: number;
}

/**
 * What happens at a point: undefined goes the usual way; a text is the reply (a 4xx or 5xx at the dot: the mail is not
 * taken); 'close' cuts the connection without a reply, 'hang' never replies; `{ reply, close: true }` replies and cuts;
 * a promise takes its time.
 */
export type SmtpAction = string | { reply: string; close: true } | undefined;
export type SmtpScript = (step: SmtpStep) => SmtpAction | Promise<SmtpAction>;

export interface SmtpMail {
  readonly from: string;
  readonly recipients: readonly string[];
  /** Dots unstuffed, without the final dot. */
  readonly raw: Buffer;
  readonly connection: number;
}

export interface SmtpConnection {
  readonly number: number;
  /** Every command line, in order. */
  readonly commands: string[];
  open: boolean;
  secure: boolean;
  /** Says something unasked. */
  say(line: string): void;
  cut(): void;
}

export interface SmtpOptions {
  script?: SmtpScript;
  /** Serves TLS with this certificate: from the first byte, or after STARTTLS. */
  tls?: { key: string; cert: string; from: 'start' | 'STARTTLS' };
  /** The only login that is let in; offered only when given. */
  login?: { user: string; password: string };
  /** EHLO keywords; PIPELINING, 8BITMIME, SMTPUTF8 and SIZE 100000000 when absent. */
  extensions?: readonly string[];
  port?: number;
}

export interface SmtpServer {
  readonly host: '127.0.0.1';
  readonly port: number;
  script: SmtpScript;
  /** Every mail that was taken, whether the reply got through or not. */
  readonly mails: readonly SmtpMail[];
  readonly connections: readonly SmtpConnection[];
  /** Resolves once the fact holds, looking now and after everything that happens. */
  until(fact: () => boolean): Promise<void>;
  /** Resolves once `point` has been reached `count` times in all. */
  reached(point: SmtpPoint, count?: number): Promise<void>;
  close(): Promise<void>;
}

const EXTENSIONS = ['PIPELINING', '8BITMIME', 'SMTPUTF8', 'SIZE 100000000'];
const END = Buffer.from('\r\n.\r\n');

/** What all connections share. */
interface World {
  readonly options: SmtpOptions;
  readonly mails: SmtpMail[];
  readonly connections: SmtpConnection[];
  readonly counts: Map<SmtpPoint, number>;
  script: SmtpScript;
  /** Lets everybody who waits for a fact look again. */
  look(): void;
}

/** One connection's half of the dialogue. */
interface Talk {
  readonly plain: Socket;
  readonly connection: SmtpConnection;
  /** The socket in use: the TLS one once the line is encrypted. */
  socket: Socket;
  /** Bytes that came and have not been worked on. */
  held: Buffer;
  inData: boolean;
  busy: boolean;
  /** Null outside a transaction. */
  from: string | null;
  recipients: string[];
}

export async function startSmtp(options: SmtpOptions = {}): Promise<SmtpServer> {
  const watchers = new Set<() => void>();
  const look = () => {
    for (const watcher of [...watchers]) watcher();
  };
  const script = options.script ?? (() => undefined);
  const platform: World = { options, mails: [], connections: [], counts: new Map(), script, look };
  const sockets = new Set<Socket>();
  const tcp = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    serve(platform, socket);
  });
  tcp.listen(options.port ?? 0, '127.0.0.1');
  await once(tcp, 'listening');
  const address = tcp.address();
  const until = (fact: () => boolean): Promise<void> =>
    new Promise((resolve) => {
      const watcher = () => {
        if (!fact()) return;
        watchers.delete(watcher);
        resolve();
      };
      watchers.add(watcher);
      watcher();
    });
  return {
    host: '127.0.0.1',
    port: address !== null && typeof address === 'object' ? address.port : 0,
    get script() {
      return platform.script;
    },
    set script(next) {
      platform.script = next;
    },
    mails: platform.mails,
    connections: platform.connections,
    until,
    reached: (point, count = 1) => until(() => (platform.counts.get(point) ?? 0) >= count),
    async close() {
      for (const socket of sockets) socket.destroy();
      if (!tcp.listening) return;
      const closed = once(tcp, 'close');
      tcp.close();
      await closed;
    },
  };
}

function serve(platform: World, plain: Socket): void {
  const connection: SmtpConnection = {
    number: platform.connections.length + 1,
    commands: [],
    open: true,
    secure: false,
    say: (text) => say(talk, text),
    cut: () => void plain.destroy(),
  };
  const fresh = { held: Buffer.alloc(0), inData: false, busy: false, from: null, recipients: [] };
  const talk: Talk = { plain, connection, socket: plain, ...fresh };
  platform.connections.push(connection);
  plain.on('error', () => {});
  plain.on('close', () => {
    connection.open = false;
    platform.look();
  });
  if (platform.options.tls?.from === 'start') encrypt(platform, talk);
  else listen(platform, talk);
  void act(platform, talk, 'connect', '', '220 mail.test ESMTP');
}

function say({ socket }: Talk, text: string): void {
  if (socket.writable) socket.write(`${text}\r\n`);
}

/** Asks the script and does as it says. Gives the reply that was in fact sent, undefined when there was none. */
async function act(
  platform: World,
  talk: Talk,
  point: SmtpPoint,
  argument: string,
  usual: string | undefined,
): Promise<string | undefined> {
  const count = (platform.counts.get(point) ?? 0) + 1;
  platform.counts.set(point, count);
  platform.look();
  const action = await platform.script({ point, argument, connection: talk.connection.number, count });
  if (action === 'close') talk.plain.destroy();
  // In the middle of the content: reads no more, so that the rest of a large mail stays with the sender.
  if (action === 'hang' && point === 'content') talk.plain.pause();
  if (action === 'close' || action === 'hang') return undefined;
  const reply = typeof action === 'object' ? action.reply : (action ?? usual);
  if (reply !== undefined) say(talk, reply);
  if (typeof action === 'object') talk.socket.end(() => talk.plain.destroySoon());
  return reply;
}

const good = (reply: string | undefined) => reply !== undefined && /^[23]/.test(reply);

function listen(platform: World, talk: Talk): void {
  talk.socket.on('error', () => {}); // a client that vanishes is part of the game
  talk.socket.on('data', (chunk: Buffer) => {
    talk.held = Buffer.concat([talk.held, chunk]);
    void work(platform, talk);
  });
}

function encrypt(platform: World, talk: Talk): void {
  if (!platform.options.tls) return;
  talk.held = Buffer.alloc(0);
  talk.plain.removeAllListeners('data');
  talk.socket = new TLSSocket(talk.plain, { isServer: true, secureContext: createSecureContext(platform.options.tls) });
  talk.connection.secure = true;
  listen(platform, talk);
}

/** Works on what came, one command or mail after the other. */
async function work(platform: World, talk: Talk): Promise<void> {
  if (talk.busy) return;
  talk.busy = true;
  for (let more = true; more; ) more = talk.inData ? await content(platform, talk) : await line(platform, talk);
  talk.busy = false;
}

async function line(platform: World, talk: Talk): Promise<boolean> {
  const at = talk.held.indexOf('\n');
  if (at < 0) return false;
  const text = talk.held.subarray(0, at).toString().trimEnd();
  talk.held = talk.held.subarray(at + 1);
  talk.connection.commands.push(text);
  await command(platform, talk, text);
  platform.look();
  return true;
}

async function command(platform: World, talk: Talk, text: string): Promise<void> {
  const verb = text.split(/[ :]/, 1)[0]?.toUpperCase() ?? '';
  const argument = /<([^>]*)>/.exec(text)?.[1] ?? text.slice(verb.length).trim();
  const answer = (point: SmtpPoint, usual: string) => act(platform, talk, point, argument, usual);
  if (verb === 'EHLO' || verb === 'HELO') await answer(verb, ehlo(platform, talk, verb));
  else if (verb === 'STARTTLS') {
    if (good(await answer('STARTTLS', '220 go ahead'))) encrypt(platform, talk);
  } else if (verb === 'AUTH') await answer('AUTH', authReply(platform, argument));
  else if (verb === 'MAIL') {
    const nested = talk.from !== null;
    if (good(await answer('MAIL', nested ? '503 5.5.1 nested MAIL' : '250 2.1.0 sender ok'))) talk.from = argument;
  } else if (verb === 'RCPT') {
    if (good(await answer('RCPT', '250 2.1.5 recipient ok'))) talk.recipients.push(argument);
  } else if (verb === 'DATA') {
    // A pipelining client sends DATA before it knows that every recipient was rejected (RFC 2920, 3.1).
    talk.inData = good(
      await answer('DATA', talk.recipients.length > 0 ? '354 go on' : '554 5.5.1 no valid recipients'),
    );
  } else if (verb === 'RSET') {
    endTransaction(talk);
    await answer('RSET', '250 2.0.0 ok');
  } else if (verb === 'NOOP') await answer('NOOP', '250 2.0.0 ok');
  else if (verb === 'QUIT') {
    await answer('QUIT', '221 2.0.0 bye');
    talk.socket.end();
  } else say(talk, '500 5.5.1 what?');
}

function ehlo({ options }: World, { connection }: Talk, verb: string): string {
  const words = verb === 'HELO' ? [] : [...(options.extensions ?? EXTENSIONS)];
  if (options.login) words.push('AUTH PLAIN');
  if (options.tls?.from === 'STARTTLS' && !connection.secure) words.push('STARTTLS');
  const all = ['mail.test', ...words];
  return all.map((word, i) => `250${i < all.length - 1 ? '-' : ' '}${word}`).join('\r\n');
}

function authReply({ options }: World, argument: string): string {
  const [, user, password] = Buffer.from(argument.split(' ')[1] ?? '', 'base64')
    .toString()
    .split('\0');
  const right = user === options.login?.user && password === options.login?.password;
  return right ? '235 2.7.0 welcome' : '535 5.7.8 authentication credentials invalid';
}

/** False when more has to come. */
async function content(platform: World, talk: Talk): Promise<boolean> {
  const { held } = talk;
  const whole = held.subarray(0, 3).toString() === '.\r\n' ? Buffer.concat([Buffer.from('\r\n'), held]) : held;
  const end = whole.indexOf(END);
  if (end < 0) {
    await act(platform, talk, 'content', '', undefined);
    return talk.held.length > held.length;
  }
  talk.held = whole.subarray(end + END.length);
  const raw = unstuffed(whole.subarray(0, end + 2));
  const mail = { from: talk.from ?? '', recipients: talk.recipients, raw, connection: talk.connection.number };
  endTransaction(talk);
  const number = platform.mails.push(mail);
  const reply = await act(platform, talk, 'dot', '', `250 2.0.0 queued as ${number}`);
  if (reply !== undefined && !good(reply)) platform.mails.splice(platform.mails.indexOf(mail), 1);
  platform.look();
  return true;
}

function endTransaction(talk: Talk): void {
  talk.inData = false;
  talk.from = null;
  talk.recipients = [];
}

function unstuffed(raw: Buffer): Buffer {
  return Buffer.from(raw.toString('latin1').replace(/^\./gm, ''), 'latin1');
}
