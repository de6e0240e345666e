// Owns the SMTP side: smtp-server with our limits, and the way of a mail from DATA to its reply.
import { createHash, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { isAbsolute, join } from 'node:path';
import { SMTPServer, type SMTPServerDataStream, type SMTPServerOptions, type SMTPServerSession } from 'smtp-server';
import { codeOf, GatepostError, type GatewayContext, messageOf, yieldToEventLoop } from '../../src/driver/contract.js';
import type { Intake, Verdict } from './intake.js';
import { digestOf, isUnique } from './keys.js';
import { receivedLine } from './received.js';
import { accepts } from './recipients.js';
import type { SmtpListenerSettings } from './settings.js';

/** Recipients per mail: the number every server has to take (RFC 5321 4.5.3.1.8), and nobody needs more here. */
const MAX_RECIPIENTS = 100;
/** Wrong passwords per connection. */
const MAX_GUESSES = 3;
/** Ms of silence between commands before a client is let go (RFC 5321 4.5.3.2.7). */
const SILENCE_MS = 5 * 60_000;
/** A client that goes on sending is cut off at this many times the largest mail. */
const PATIENCE = 2;
/** Bytes of all mails together that are being received or wait to be asked for; two of the largest always fit. */
const HELD_BYTES = 64 * 1024 * 1024;

const TOO_LONG = 'the mail is larger than this server takes';

export interface Listener {
  close(): Promise<void>;
}

/** Binds the port. Rejects with one sentence. */
export async function listen(context: GatewayContext<SmtpListenerSettings>, intake: Intake): Promise<Listener> {
  const { settings, log } = context;
  const cut = (session: SMTPServerSession) => {
    for (const connection of [...server.connections]) {
      if (connection.id !== session.id) continue;
      connection.send(552, TOO_LONG);
      connection._socket.destroySoon();
    }
  };
  const server = new SMTPServer({ ...(await optionsOf(context)), ...handlers(context, intake, cut) });
  const sockets = new Set<Socket>();
  server.server.on('connection', (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  const bound = once(server.server, 'listening');
  // Errors of single connections (a client that vanishes in the middle) come here, too; they are not the listener's.
  server.on('error', (error) => log.debug({ error: messageOf(error) }, 'a client connection failed'));
  server.listen(settings.Port, settings.Host);
  try {
    await bound;
  } catch (error) {
    throw bindError(settings, error);
  }
  return { close: () => shut(server, sockets, intake) };
}

async function optionsOf({ settings, dataDir }: GatewayContext<SmtpListenerSettings>): Promise<SMTPServerOptions> {
  const { Security, User, CertFile, KeyFile } = settings;
  const disabled = [...(Security === 'StartTls' ? [] : ['STARTTLS']), ...(User ? [] : ['AUTH'])];
  return {
    name: settings.Name,
    size: settings.MaxMessageBytes,
    maxClients: settings.MaxConnections,
    socketTimeout: Math.max(SILENCE_MS, (settings.AckSeconds + 60) * 1000),
    secure: Security === 'Tls',
    disabledCommands: disabled,
    allowInsecureAuth: Security === 'None',
    disableReverseLookup: true,
    logger: false,
    minVersion: 'TLSv1.2',
    ...(CertFile && { cert: await readPem(dataDir, 'CertFile', CertFile) }),
    ...(KeyFile && { key: await readPem(dataDir, 'KeyFile', KeyFile) }),
  };
}

export async function readPem(dataDir: string, setting: string, path: string): Promise<string> {
  const full = isAbsolute(path) ? path : join(dataDir, path);
  const text = await readFile(full, 'utf8').catch((error) => {
    throw new GatepostError('smtp-listener/certificate', `cannot read ${setting} ${full}: ${messageOf(error)}`, {
      advice: `correct the path in ${setting} or the rights of the file`,
    });
  });
  if (text.includes('-----BEGIN ')) return text;
  throw new GatepostError('smtp-listener/certificate', `${setting} ${full} is not a PEM file`, {
    advice: `give ${setting} a file with -----BEGIN ...----- lines`,
  });
}

function bindError({ Host, Port }: SmtpListenerSettings, cause: unknown): GatepostError {
  const why = new Map([
    ['EADDRINUSE', ['the port is taken', 'choose another Port or stop the program that listens there']],
    ['EACCES', ['not permitted', 'choose a Port from 1024 upwards or give this program the right to bind low ports']],
    ['EADDRNOTAVAIL', ['this machine has no such address', 'set Host to an address of this machine']],
    ['ENOTFOUND', ['the name is unknown', 'set Host to an address of this machine']],
  ]).get(codeOf(cause));
  const [what, advice] = why ?? [messageOf(cause), 'check Host and Port'];
  return new GatepostError('smtp-listener/bind', `cannot listen on ${Host}:${Port}: ${what}`, {
    advice: advice ?? '',
    cause,
  });
}

type Handlers = Pick<SMTPServerOptions, 'onAuth' | 'onRcptTo' | 'onData' | 'onClose'>;

function handlers(
  context: GatewayContext<SmtpListenerSettings>,
  intake: Intake,
  cut: (session: SMTPServerSession) => void,
): Handlers {
  const { settings } = context;
  const clients = new Map<string, AbortController>();
  const guesses = new Map<string, number>();
  const counter = { receiving: 0 };
  const goneOf = (session: SMTPServerSession) => {
    const known = clients.get(session.id) ?? new AbortController();
    clients.set(session.id, known);
    return known.signal;
  };
  return {
    onAuth({ username, password }, session, done) {
      if (same(username, settings.User) && same(password, settings.Password)) return done(null, { user: username });
      const count = (guesses.get(session.id) ?? 0) + 1;
      guesses.set(session.id, count);
      done(count < MAX_GUESSES ? reply(535, 'wrong user or password') : reply(421, 'too many wrong passwords'));
    },
    onRcptTo({ address }, session, done) {
      if (session.envelope.rcptTo.length >= MAX_RECIPIENTS) return done(reply(452, 'too many recipients'));
      if (!accepts(settings.Recipients, address)) return done(reply(550, 'no such recipient here'));
      done();
    },
    onData(stream, session, done) {
      const gone = goneOf(session);
      receive(stream, gone, { settings, intake, counter, cut: () => cut(session) })
        .then((mail) => (mail instanceof Error ? mail : submit(mail, session, gone, context, intake)))
        .then((answer) => (answer instanceof Error ? done(answer) : done(null, answer)), done);
    },
    onClose(session) {
      clients.get(session.id)?.abort();
      clients.delete(session.id);
      guesses.delete(session.id);
    },
  };
}

interface Room {
  readonly settings: SmtpListenerSettings;
  readonly intake: Intake;
  /** Bytes being received on all connections together. */
  readonly counter: { receiving: number };
  /** Ends a connection that does not stop sending. */
  cut(): void;
}

/** The whole mail, or the reply in its place. Never resolves with half a mail: a connection that breaks ends nothing. */
function receive(stream: SMTPServerDataStream, gone: AbortSignal, room: Room): Promise<Buffer | Error> {
  const { MaxMessageBytes } = room.settings;
  const limit = Math.max(HELD_BYTES, 2 * MaxMessageBytes);
  let chunks: Buffer[] = [];
  let kept = 0;
  let size = 0;
  let refusal: Error | undefined;
  const release = () => {
    room.counter.receiving -= kept;
    kept = 0;
    chunks = [];
  };
  const take = (chunk: Buffer) => {
    size += chunk.length;
    if (size > PATIENCE * MaxMessageBytes) return room.cut();
    if (refusal) return;
    if (size > MaxMessageBytes) refusal = reply(552, TOO_LONG);
    else if (room.intake.held + room.counter.receiving + chunk.length > limit)
      refusal = reply(451, 'busy, try again later');
    if (refusal) return release();
    chunks.push(chunk);
    kept += chunk.length;
    room.counter.receiving += chunk.length;
  };
  return new Promise((resolve) => {
    const finish = (result: Buffer | Error) => {
      gone.removeEventListener('abort', leave);
      release();
      resolve(result);
    };
    const leave = () => finish(reply(451, 'the client is gone'));
    stream.on('data', take);
    stream.once('end', () => finish(refusal ?? Buffer.concat(chunks)));
    gone.addEventListener('abort', leave, { once: true });
  });
}

async function submit(
  mail: Buffer,
  session: SMTPServerSession,
  gone: AbortSignal,
  { settings, clock }: GatewayContext<SmtpListenerSettings>,
  intake: Intake,
): Promise<string | Error> {
  const { mailFrom, rcptTo } = session.envelope;
  const envelope = { from: mailFrom ? mailFrom.address : '', recipients: rcptTo.map(({ address }) => address) };
  const digest = digestOf(envelope.from, envelope.recipients, mail);
  const receivedAt = clock.now();
  const line = receivedLine({
    helo: session.hostNameAppearsAs,
    clientAddress: session.remoteAddress,
    protocol: session.transmissionType,
    by: settings.Name,
    id: digest.slice(0, 16),
    recipients: envelope.recipients,
    at: receivedAt,
  });
  const content = { kind: 'mail' as const, raw: Buffer.concat([line, mail]), receivedAt, envelope };
  const verdict = await intake.submit({ content, digest, unique: isUnique(mail), gone });
  return answerOf(verdict, digest.slice(0, 16));
}

function answerOf(verdict: Verdict, id: string): string | Error {
  if (verdict.kind === 'taken') return `OK: taken as ${id}`;
  return verdict.kind === 'later'
    ? reply(451, `try again later: ${verdict.reason}`)
    : reply(554, `refused: ${verdict.reason}`);
}

/** Answers everybody who waits, says goodbye to the rest, and leaves no socket behind. */
async function shut(server: SMTPServer, sockets: Set<Socket>, intake: Intake): Promise<void> {
  intake.close();
  await yieldToEventLoop(); // the waiting clients' replies are written in the turn after their verdict
  const closed = server.server.listening ? new Promise<void>((resolve) => server.close(resolve)) : Promise.resolve();
  for (const connection of [...server.connections]) {
    connection.send(421, 'shutting down');
    connection._socket.destroySoon();
  }
  // What never became a connection (a TLS handshake that goes nowhere), and TLS sockets' own lower halves.
  await yieldToEventLoop();
  for (const socket of sockets) socket.destroySoon();
  await closed;
}

/** Compares without telling by its duration how much was right. */
function same(given: string | null | undefined, wanted: string | undefined): boolean {
  if (given === undefined || given === null || wanted === undefined) return false;
  const hash = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(hash(given), hash(wanted));
}

function reply(responseCode: number, words: string): Error {
  return Object.assign(new Error(words), { responseCode });
}
