// Owns one connection to the mail server: its steps up to "ready", one delivery at a time, and its end.
// The TCP socket is ours and the dialogue is nodemailer's, because the pooled transport repeats mails by itself when a
// connection breaks; whether a mail may be repeated is not for a transport to say.
import { isAscii } from 'node:buffer';
import { readFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { isAbsolute, join } from 'node:path';
import { Readable } from 'node:stream';
import { domainToASCII } from 'node:url';
import SMTPConnection, { type SMTPConnectionSendInfo } from 'nodemailer/lib/smtp-connection';
import { type ComposedMail, GatepostError, messageOf } from '../../src/driver/contract.js';
import { portOf, type SmtpHostSettings } from './settings.js';

/** A slice of the mail on its way into the socket. */
const SLICE = 64 * 1024;
/** Ms of silence after which nodemailer gives a connection up; the attempt's own signal is always shorter. */
const SILENCE_MS = 5 * 60_000;

/** What one delivery came to, not yet judged. */
export interface Dialogue {
  /**
   * The point of no return: the last byte of the mail was handed on, so that the final dot follows it at once (RFC 5321
   * 4.1.1.4). Before it the server cannot have taken the mail; after it only the server's reply tells.
   */
  readonly committed: boolean;
  readonly end:
    | { is: 'taken'; info: SMTPConnectionSendInfo }
    | { is: 'failed'; error: Error }
    /** The attempt's time was over; the connection has been cut. */
    | { is: 'aborted' };
}

export interface Link {
  /** Deliveries begun on it. A link that was used before may meanwhile have been closed by the server. */
  readonly uses: number;
  readonly alive: boolean;
  deliver(mail: ComposedMail, signal: AbortSignal): Promise<Dialogue>;
  /** Called once, when the connection is over for whatever reason. */
  onEnd(run: () => void): void;
  /** Says QUIT and lets the server close. */
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
}

/** Reads the certificate authority, where there is one of their own. Throws one sentence. */
export async function targetOf(settings: SmtpHostSettings, dataDir: string): Promise<Target> {
  if (!settings.CaFile) return { settings, ca: undefined };
  const path = isAbsolute(settings.CaFile) ? settings.CaFile : join(dataDir, settings.CaFile);
  const advice = 'correct the path in CaFile, or the rights of the file';
  const ca = await readFile(path, 'utf8').catch((cause) => {
    throw new GatepostError('smtp/certificate', `cannot read CaFile ${path}: ${messageOf(cause)}`, { advice, cause });
  });
  if (ca.includes('-----BEGIN CERTIFICATE-----')) return { settings, ca };
  throw new GatepostError('smtp/certificate', `CaFile ${path} holds no certificate (-----BEGIN CERTIFICATE-----)`, {
    advice,
  });
}

/** TCP, greeting, TLS as demanded, EHLO, login. Rejects with the step's own words. */
export async function dial(target: Target, signal: AbortSignal): Promise<Link> {
  const socket = await openSocket(target.settings, signal);
  try {
    const connection = await greet(target, socket, signal);
    await logIn(target.settings, connection, signal);
    return linkOver(connection, socket);
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

export function openSocket(settings: SmtpHostSettings, signal: AbortSignal): Promise<Socket> {
  return abortable(signal, (resolve, reject) => {
    const socket = connect({ host: settings.Host, port: portOf(settings), noDelay: true, keepAlive: true });
    // Stays for the socket's whole life: an error nobody listens for would end the process.
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
    return () => socket.destroy();
  });
}

export function logIn(settings: SmtpHostSettings, connection: SMTPConnection, signal: AbortSignal): Promise<void> {
  const { User: user, Password: pass } = settings;
  if (!user) return Promise.resolve();
  return abortable(signal, (resolve, reject) => {
    // A connection that breaks during the login is only told to 'error' listeners.
    connection.once('error', reject);
    connection.login({ user, pass }, (error) => (error ? reject(error) : resolve()));
    return () => connection.close();
  });
}

function linkOver(connection: SMTPConnection, socket: Socket): Link {
  let uses = 0;
  let dirty = false;
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
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
      if (dirty && !(await reset(connection, signal))) return failed('the server did not take RSET');
      const dialogue = await deliver(connection, mail, signal);
      // A refusal in the middle leaves a half-told transaction behind; a mail cut off inside its data cannot be taken back.
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

function deliver(connection: SMTPConnection, mail: ComposedMail, signal: AbortSignal): Promise<Dialogue> {
  const raw = Buffer.from(mail.raw.buffer, mail.raw.byteOffset, mail.raw.byteLength);
  const source = Readable.from(slices(raw), { objectMode: false });
  let committed = false;
  // Runs before nodemailer's own listener, which writes the final dot: never too late, at most one buffer too early.
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
    const abort = () => settle({ is: 'aborted' });
    if (signal.aborted) return abort();
    signal.addEventListener('abort', abort, { once: true });
    connection.send(envelope, source, (error, info) => {
      settle(error ? { is: 'failed', error } : { is: 'taken', info });
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

/** True when the connection broke or was refused while the mail itself was being written. */
function inData(end: Dialogue['end']): boolean {
  return end.is === 'failed' && 'code' in end.error && end.error.code === 'EMESSAGE';
}

function failed(words: string): Dialogue {
  return { committed: false, end: { is: 'failed', error: new Error(words) } };
}

function* slices(raw: Buffer): Generator<Buffer> {
  for (let at = 0; at < raw.length; at += SLICE) yield raw.subarray(at, at + SLICE);
}

/** Domains travel in their ASCII form, which every server takes; the part before the @ is the receiver's business. */
export function asciiDomain(address: string): string {
  const at = address.lastIndexOf('@') + 1;
  const ascii = isAscii(Buffer.from(address)) ? '' : domainToASCII(address.slice(at));
  return ascii ? address.slice(0, at) + ascii : address;
}

/** A promise that also ends, by undoing what was begun, as soon as `signal` aborts. */
function abortable<T>(
  signal: AbortSignal,
  begin: (resolve: (value: T) => void, reject: (error: unknown) => void) => () => void,
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
    undo = begin(
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
