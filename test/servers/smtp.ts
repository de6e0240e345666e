// A scriptable mail server with an SMTP of its own over raw sockets, so that it can answer anything, hang, or cut the
// connection at every point of the dialogue. A connection is
//   reading     commands and mails are answered one after the other, as the script says
//   silent      the script said "hang" or cut the connection: whatever the client sends is not processed
//   closed      by the script or by the client
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { createSecureContext, TLSSocket } from 'node:tls';
import { waitFor } from '../fixtures/wait-for.js';

/** A point of the dialogue. `content`: a part of the mail was received without the final dot; `dot`: the final dot was received. */
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
 * What happens at a point. undefined: the usual reply. A text: this reply (with 4xx or 5xx at the dot the mail is not
 * accepted). 'close': the connection is cut without a reply. 'hang': this command and all later ones get no reply.
 * `{ reply, close: true }`: this reply, then the connection is cut. A promise delays the action.
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
  /** Sends a line that is no reply to a command. */
  send(line: string): void;
  cut(): void;
}

export interface SmtpOptions {
  script?: SmtpScript;
  /** Serves TLS with this certificate: from the first byte, or after STARTTLS. */
  tls?: { key: string; cert: string; from: 'start' | 'STARTTLS' };
  /** The only login that is accepted; AUTH is offered only when this is given. */
  login?: { user: string; password: string };
  /** EHLO keywords; PIPELINING, 8BITMIME, SMTPUTF8 and SIZE 100000000 when absent. */
  extensions?: readonly string[];
  port?: number;
}

export interface SmtpServer {
  readonly host: '127.0.0.1';
  readonly port: number;
  script: SmtpScript;
  /** Every accepted mail, also when the client did not get the reply. */
  readonly mails: readonly SmtpMail[];
  readonly connections: readonly SmtpConnection[];
  /** Resolves once `point` has been reached `count` times in all. */
  reached(point: SmtpPoint, count?: number): Promise<void>;
  close(): Promise<void>;
}

const EXTENSIONS = ['PIPELINING', '8BITMIME', 'SMTPUTF8', 'SIZE 100000000'];
const END = Buffer.from('\r\n.\r\n');

/** What all connections share. */
interface Shared {
  readonly options: SmtpOptions;
  readonly mails: SmtpMail[];
  readonly connections: SmtpConnection[];
  readonly counts: Map<SmtpPoint, number>;
  script: SmtpScript;
}

interface Session {
  readonly plain: Socket;
  readonly connection: SmtpConnection;
  /** The socket in use: the TLS one once the connection is encrypted. */
  socket: Socket;
  /** Bytes that were received and not yet processed. */
  unread: Buffer;
  inData: boolean;
  isProcessing: boolean;
  /** True after 'hang' and 'close': later commands, also pipelined ones, are not processed. */
  isSilent: boolean;
  /** Null outside a transaction. */
  from: string | null;
  recipients: string[];
}

export async function startSmtp(options: SmtpOptions = {}): Promise<SmtpServer> {
  const script = options.script ?? (() => undefined);
  const shared: Shared = { options, mails: [], connections: [], counts: new Map(), script };
  const sockets = new Set<Socket>();
  const tcp = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    serve(shared, socket);
  });
  tcp.listen(options.port ?? 0, '127.0.0.1');
  await once(tcp, 'listening');
  const address = tcp.address();
  return {
    host: '127.0.0.1',
    port: address !== null && typeof address === 'object' ? address.port : 0,
    get script() {
      return shared.script;
    },
    set script(next) {
      shared.script = next;
    },
    mails: shared.mails,
    connections: shared.connections,
    async reached(point, count = 1) {
      await waitFor(`${point} at the mail server`, () => (shared.counts.get(point) ?? 0) >= count);
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      if (!tcp.listening) return;
      const closed = once(tcp, 'close');
      tcp.close();
      await closed;
    },
  };
}

function serve(shared: Shared, plain: Socket): void {
  const connection: SmtpConnection = {
    number: shared.connections.length + 1,
    commands: [],
    open: true,
    secure: false,
    send: (text) => reply(session, text),
    cut: () => void plain.destroy(),
  };
  const fresh = { unread: Buffer.alloc(0), inData: false, isProcessing: false, isSilent: false };
  const session: Session = { plain, connection, socket: plain, ...fresh, from: null, recipients: [] };
  shared.connections.push(connection);
  plain.on('error', () => {});
  plain.on('close', () => {
    connection.open = false;
  });
  if (shared.options.tls?.from === 'start') encrypt(shared, session);
  else listen(shared, session);
  void act(shared, session, 'connect', '', '220 mail.test ESMTP');
}

function reply({ socket }: Session, text: string): void {
  if (socket.writable) socket.write(`${text}\r\n`);
}

/** Runs the script's action at a point. Returns the reply that was sent, undefined when there was none. */
async function act(
  shared: Shared,
  session: Session,
  point: SmtpPoint,
  argument: string,
  usual: string | undefined,
): Promise<string | undefined> {
  const count = (shared.counts.get(point) ?? 0) + 1;
  shared.counts.set(point, count);
  const action = await shared.script({ point, argument, connection: session.connection.number, count });
  if (action === 'close') session.plain.destroy();
  if (action === 'close' || action === 'hang' || typeof action === 'object') session.isSilent = true;
  // Without reading, the rest of a large mail stays with the client.
  if (action === 'hang' && point === 'content') session.plain.pause();
  if (action === 'close' || action === 'hang') return undefined;
  const text = typeof action === 'object' ? action.reply : (action ?? usual);
  if (text !== undefined) reply(session, text);
  if (typeof action === 'object') session.socket.end(() => session.plain.destroySoon());
  return text;
}

const isPositive = (text: string | undefined) => text !== undefined && /^[23]/.test(text);

function listen(shared: Shared, session: Session): void {
  session.socket.on('error', () => {}); // clients that cut the connection are part of the tests
  session.socket.on('data', (chunk: Buffer) => {
    session.unread = Buffer.concat([session.unread, chunk]);
    void processReceived(shared, session);
  });
}

function encrypt(shared: Shared, session: Session): void {
  if (!shared.options.tls) return;
  session.unread = Buffer.alloc(0);
  session.plain.removeAllListeners('data');
  session.socket = new TLSSocket(session.plain, {
    isServer: true,
    secureContext: createSecureContext(shared.options.tls),
  });
  session.connection.secure = true;
  listen(shared, session);
}

/** Processes what was received, one command or mail after the other. */
async function processReceived(shared: Shared, session: Session): Promise<void> {
  if (session.isProcessing) return;
  session.isProcessing = true;
  for (let more = true; more && !session.isSilent; )
    more = session.inData ? await readContent(shared, session) : await readCommand(shared, session);
  session.isProcessing = false;
}

async function readCommand(shared: Shared, session: Session): Promise<boolean> {
  const at = session.unread.indexOf('\n');
  if (at < 0) return false;
  const text = session.unread.subarray(0, at).toString().trimEnd();
  session.unread = session.unread.subarray(at + 1);
  session.connection.commands.push(text);
  await command(shared, session, text);
  return true;
}

async function command(shared: Shared, session: Session, text: string): Promise<void> {
  const verb = text.split(/[ :]/, 1)[0]?.toUpperCase() ?? '';
  const argument = /<([^>]*)>/.exec(text)?.[1] ?? text.slice(verb.length).trim();
  const answer = (point: SmtpPoint, usual: string) => act(shared, session, point, argument, usual);
  if (verb === 'EHLO' || verb === 'HELO') await answer(verb, ehlo(shared, session, verb));
  else if (verb === 'STARTTLS') {
    if (isPositive(await answer('STARTTLS', '220 go ahead'))) encrypt(shared, session);
  } else if (verb === 'AUTH') await answer('AUTH', authReply(shared, argument));
  else if (verb === 'MAIL') {
    const nested = session.from !== null;
    if (isPositive(await answer('MAIL', nested ? '503 5.5.1 nested MAIL' : '250 2.1.0 sender ok')))
      session.from = argument;
  } else if (verb === 'RCPT') {
    const usual = session.from === null ? '503 5.5.1 RCPT before MAIL' : '250 2.1.5 recipient ok';
    if (isPositive(await answer('RCPT', usual))) session.recipients.push(argument);
  } else if (verb === 'DATA') {
    // A pipelining client sends DATA before it knows that every recipient was rejected (RFC 2920, 3.1).
    session.inData = isPositive(
      await answer('DATA', session.recipients.length > 0 ? '354 go on' : '554 5.5.1 no valid recipients'),
    );
  } else if (verb === 'RSET') {
    endTransaction(session);
    await answer('RSET', '250 2.0.0 ok');
  } else if (verb === 'NOOP') await answer('NOOP', '250 2.0.0 ok');
  else if (verb === 'QUIT') {
    await answer('QUIT', '221 2.0.0 bye');
    session.socket.end();
  } else reply(session, '500 5.5.1 unknown command');
}

function ehlo({ options }: Shared, { connection }: Session, verb: string): string {
  const keywords = verb === 'HELO' ? [] : [...(options.extensions ?? EXTENSIONS)];
  if (options.login) keywords.push('AUTH PLAIN');
  if (options.tls?.from === 'STARTTLS' && !connection.secure) keywords.push('STARTTLS');
  const all = ['mail.test', ...keywords];
  return all.map((line, i) => `250${i < all.length - 1 ? '-' : ' '}${line}`).join('\r\n');
}

function authReply({ options }: Shared, argument: string): string {
  const [, user, password] = Buffer.from(argument.split(' ')[1] ?? '', 'base64')
    .toString()
    .split('\0');
  const right = user === options.login?.user && password === options.login?.password;
  return right ? '235 2.7.0 welcome' : '535 5.7.8 authentication credentials invalid';
}

/** False when the mail is not complete. */
async function readContent(shared: Shared, session: Session): Promise<boolean> {
  const { unread } = session;
  const whole = unread.subarray(0, 3).toString() === '.\r\n' ? Buffer.concat([Buffer.from('\r\n'), unread]) : unread;
  const end = whole.indexOf(END);
  if (end < 0) {
    await act(shared, session, 'content', '', undefined);
    return session.unread.length > unread.length;
  }
  session.unread = whole.subarray(end + END.length);
  const raw = unstuffed(whole.subarray(0, end + 2));
  const mail = { from: session.from ?? '', recipients: session.recipients, raw, connection: session.connection.number };
  endTransaction(session);
  const number = shared.mails.push(mail);
  const text = await act(shared, session, 'dot', '', `250 2.0.0 queued as ${number}`);
  if (text !== undefined && !isPositive(text)) shared.mails.splice(shared.mails.indexOf(mail), 1);
  return true;
}

function endTransaction(session: Session): void {
  session.inData = false;
  session.from = null;
  session.recipients = [];
}

function unstuffed(raw: Buffer): Buffer {
  return Buffer.from(raw.toString('latin1').replace(/^\./gm, ''), 'latin1');
}
