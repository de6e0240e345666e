// One connection to the mail server: connecting, one delivery at a time, closing. The dialogue is nodemailer's, but not its
// pooled transport, which repeats a mail by itself when a connection breaks: that would send twice.
import { isAscii } from 'node:buffer';
import { connect, Socket } from 'node:net';
import { Readable } from 'node:stream';
import { domainToASCII } from 'node:url';
import SMTPConnection, { type SMTPConnectionAuth, type SMTPConnectionSendInfo } from 'nodemailer/lib/smtp-connection';
import XOAuth2 from 'nodemailer/lib/xoauth2';
import { type ComposedMail, type GatewayContext, type Network, readWhatHasArrived } from '../../src/driver/contract.js';
import { type Credentials, credentialsFor, type SignInContext } from '../../src/driver/shared/oauth/sign-in.js';
import { readCa } from '../../src/driver/shared/tls.js';
import { portOf, type SmtpHostSettings } from './settings.js';

type TokenCredentials = Extract<Credentials, { accessToken: string }>;

/** Bytes of the mail that are written at a time. */
const SLICE = 64 * 1024;
/** Ms of silence after which nodemailer gives up a connection; the signal of the attempt is always shorter. */
const SILENCE_MS = 5 * 60_000;

/** Replies to one delivery, or outside of one, bytes: the library bounds one reply, but not how many it holds. */
const MOST_REPLIES = 1024 * 1024;
const REPLY_TO_RECIPIENT = 4 * 1024;

/** What happened in one delivery; replies.ts derives the outcome. */
export interface Dialogue {
  /**
   * The point of no return: the last byte of the mail was written, so that the final dot follows at once (RFC 5321
   * 4.1.1.4). Before it the server cannot have accepted the mail; after it the server's reply decides.
   */
  readonly committed: boolean;
  readonly end:
    | { is: 'accepted'; info: SMTPConnectionSendInfo }
    | { is: 'failed'; error: Error }
    /** The attempt was aborted; the connection is cut. */
    | { is: 'aborted' };
}

export interface Connection {
  /** Deliveries so far. The server may have closed a connection that was used before. */
  readonly uses: number;
  readonly alive: boolean;
  deliver(mail: ComposedMail, signal: AbortSignal): Promise<Dialogue>;
  /** Called once when the connection ends, for whatever reason. */
  onEnd(run: () => void): void;
  /** Sends QUIT and lets the server close. */
  quit(): void;
  /** Cuts the connection now. */
  drop(): void;
  /** Resolves when the socket is closed. */
  readonly closed: Promise<void>;
}

/** The mail server, and what its certificate is checked against. */
export interface Target {
  readonly settings: SmtpHostSettings;
  readonly ca: string | undefined;
  readonly network: Network;
  readonly context: SignInContext;
}

export async function targetOf(context: GatewayContext<SmtpHostSettings>): Promise<Target> {
  const { settings, dataDir, network } = context;
  return { settings, ca: await readCa(settings.CaFile, dataDir), network, context };
}

/** TCP, greeting, TLS as demanded, EHLO, login. Rejects with the error of the failed step. */
export async function connectSmtp(target: Target, signal: AbortSignal): Promise<Connection> {
  const socket = await openSocket(target, signal);
  try {
    const connection = await greet(target, socket, signal);
    await logIn(target, connection, signal);
    return connectionOver(connection, socket);
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

export function openSocket(
  { settings, network }: Pick<Target, 'settings' | 'network'>,
  signal: AbortSignal,
): Promise<Socket> {
  return abortable(signal, (resolve, reject) => {
    const socket = connect({ ...network.to(settings.Host), port: portOf(settings), noDelay: true, keepAlive: true });
    // Stays for the whole life of the socket: an error event without a listener ends the process.
    socket.on('error', reject);
    socket.once('connect', () => resolve(socket));
    return () => socket.destroy();
  });
}

/** The server's greeting, EHLO and TLS: afterwards the connection is ready for a login or a mail. */
export function greet({ settings, ca }: Target, socket: Socket, signal: AbortSignal): Promise<SMTPConnection> {
  const { Host, Security, TlsName, AllowUntrustedCertificate, Name } = settings;
  const connection = new SMTPConnection({
    connection: socket,
    host: Host,
    port: portOf(settings),
    secure: Security === 'Tls',
    requireTLS: Security === 'StartTls',
    ignoreTLS: Security === 'None',
    servername: TlsName,
    tls: { rejectUnauthorized: !AllowUntrustedCertificate, ...(ca && { ca }) },
    name: Name,
    socketTimeout: SILENCE_MS,
    logger: false,
  });
  return abortable(signal, (resolve, reject) => {
    connection.on('error', reject);
    connection.connect((error) => (error ? reject(error) : resolve(connection)));
    boundReplies(connection);
    return () => socket.destroy();
  });
}

export async function logIn(target: Target, connection: SMTPConnection, signal: AbortSignal): Promise<void> {
  const { settings, context } = target;
  if (!settings.User && !settings.OAuth2) return;
  const credentials = await credentialsFor(context, settings, 'Smtp', signal);
  await logInWith('pass' in credentials ? credentials : tokenAuth(target, credentials, signal), connection, signal);
}

/**
 * The library asks for a token, and once more for another one when the server does not accept the first.
 */
function tokenAuth({ settings, context }: Target, first: TokenCredentials, signal: AbortSignal): SMTPConnectionAuth {
  const { user } = first;
  const oauth2 = new XOAuth2({
    user,
    provisionCallback(_, renew, done) {
      if (!renew) return done(null, first.accessToken);
      first.invalidate();
      credentialsFor(context, settings, 'Smtp', signal).then(
        (second) => done(null, 'accessToken' in second ? second.accessToken : ''),
        (error) => done(error),
      );
    },
  });
  return { type: 'oauth2', user, oauth2 };
}

function logInWith(auth: SMTPConnectionAuth, connection: SMTPConnection, signal: AbortSignal): Promise<void> {
  return abortable(signal, (resolve, reject) => {
    // nodemailer reports a connection that breaks during the login only as an 'error' event.
    connection.once('error', reject);
    connection.login(auth, (error) => (error ? reject(error) : resolve()));
    return () => connection.close();
  });
}

function connectionOver(connection: SMTPConnection, socket: Socket): Connection {
  let uses = 0;
  let dirty = false;
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  const allow = boundReplies(connection);
  const drop = () => {
    connection.close();
    socket.destroy();
  };
  connection.once('end', () => socket.destroySoon());
  return {
    get uses() {
      return uses;
    },
    get alive() {
      return !connection.destroyed && socket.writable;
    },
    async deliver(mail, signal) {
      uses += 1;
      allow(MOST_REPLIES + mail.recipients.length * REPLY_TO_RECIPIENT);
      if (dirty && !(await reset(connection, signal))) return failed('the server did not accept RSET');
      const dialogue = await deliver(connection, mail, signal);
      // A rejection leaves an open transaction behind; a mail that was cut off inside its data cannot be taken back.
      dirty = dialogue.end.is === 'failed' && !dialogue.committed;
      if (dialogue.end.is === 'aborted' || (dirty && inData(dialogue.end))) drop();
      return dialogue;
    },
    onEnd: (run) => void connection.once('end', run),
    quit: () => connection.quit(),
    drop,
    closed,
  };
}

/** Cuts a connection whose server sends replies without end. Returns what sets how many bytes may come from now on. */
function boundReplies(connection: SMTPConnection): (bytes: number) => void {
  let left = MOST_REPLIES;
  // The one inside TLS; a new one after STARTTLS.
  const socket: unknown = Reflect.get(connection, '_socket');
  if (socket instanceof Socket)
    socket.on('data', (chunk) => {
      left -= chunk.length;
      if (left < 0) socket.destroy(new Error('the mail server sends replies without end'));
    });
  return (bytes) => {
    left = bytes;
  };
}

function deliver(connection: SMTPConnection, mail: ComposedMail, signal: AbortSignal): Promise<Dialogue> {
  const raw = Buffer.from(mail.raw.buffer, mail.raw.byteOffset, mail.raw.byteLength);
  const source = Readable.from(slices(raw), { objectMode: false });
  let committed = false;
  // Runs before nodemailer's listener, which writes the final dot: never too late, at most one buffer too early.
  source.once('end', () => {
    committed = true;
  });
  const envelope = {
    from: asciiDomain(mail.from),
    to: mail.recipients.map(asciiDomain),
    size: raw.length,
    use8BitMime: !isAscii(raw),
  };
  return new Promise((resolve) => {
    const settle = (end: Dialogue['end']) => {
      signal.removeEventListener('abort', abort);
      resolve({ committed, end });
      source.destroy();
    };
    // The reply to the final dot may already be in the socket when the process stood still over the deadline. Before the
    // final dot there is nothing to wait for: stopping at once keeps the mail surely unsent.
    const abort = () => {
      if (!committed) return settle({ is: 'aborted' });
      void readWhatHasArrived().then(() => settle({ is: 'aborted' }));
    };
    if (signal.aborted) return abort();
    signal.addEventListener('abort', abort, { once: true });
    connection.send(envelope, source, (error, info) => {
      settle(error ? { is: 'failed', error } : { is: 'accepted', info });
    });
  });
}

function reset(connection: SMTPConnection, signal: AbortSignal): Promise<boolean> {
  return abortable<boolean>(signal, (resolve) => {
    connection.once('end', () => resolve(false));
    connection.reset((error) => resolve(!error));
    return () => connection.close();
  }).catch(() => false);
}

/** True when the failure came while the mail itself was being written. */
function inData(end: Dialogue['end']): boolean {
  return end.is === 'failed' && 'code' in end.error && end.error.code === 'EMESSAGE';
}

function failed(message: string): Dialogue {
  return { committed: false, end: { is: 'failed', error: new Error(message) } };
}

function* slices(raw: Buffer): Generator<Buffer> {
  for (let at = 0; at < raw.length; at += SLICE) yield raw.subarray(at, at + SLICE);
}

/** Every server accepts the ASCII form of a domain; the part before the @ is left as it is. */
export function asciiDomain(address: string): string {
  const at = address.lastIndexOf('@') + 1;
  const ascii = isAscii(Buffer.from(address)) ? '' : domainToASCII(address.slice(at));
  return ascii ? address.slice(0, at) + ascii : address;
}

/** A promise that rejects as soon as `signal` aborts, after undoing what `start` started. */
function abortable<T>(
  signal: AbortSignal,
  start: (resolve: (value: T) => void, reject: (error: unknown) => void) => () => void,
): Promise<T> {
  if (signal.aborted) return Promise.reject(signal.reason);
  return new Promise((resolve, reject) => {
    let undo = () => {};
    const abort = () => {
      undo();
      reject(signal.reason);
    };
    const done = () => signal.removeEventListener('abort', abort);
    signal.addEventListener('abort', abort, { once: true });
    undo = start(
      (value) => {
        done();
        resolve(value);
      },
      (error) => {
        done();
        reject(error);
      },
    );
  });
}
