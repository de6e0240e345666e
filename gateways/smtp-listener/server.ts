// The SMTP server: smtp-server with the limits of this gateway.
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { SMTPServer, type SMTPServerOptions, type SMTPServerSession } from 'smtp-server';
import { codeOf, GatepostError, type GatewayContext, messageOf, yieldToEventLoop } from '../../src/driver/contract.js';
import { readPem } from '../../src/driver/shared/tls.js';
import { Connection } from './connection.js';
import { handlers } from './handlers.js';
import { TOO_LARGE } from './replies.js';
import type { SmtpListenerSettings } from './settings.js';
import type { Submissions } from './submissions.js';

/** Ms of silence between commands after which a client is disconnected (RFC 5321 4.5.3.2.7). */
const SILENCE_MS = 5 * 60_000;
export interface Listener {
  close(): Promise<void>;
}

class Server extends SMTPServer {
  /** As the base does it, with connections of our own. */
  override connect(...[socket, options]: Parameters<SMTPServer['connect']>): void {
    const connection = new Connection(this, socket, options);
    this.connections.add(connection);
    connection.on('error', (error) => this._onError(error));
    connection.init();
  }
}

/** Binds the port. Rejects with one sentence. */
export async function listen(
  context: GatewayContext<SmtpListenerSettings>,
  submissions: Submissions,
): Promise<Listener> {
  const { settings, log } = context;
  const cut = (session: SMTPServerSession) => {
    for (const connection of [...server.connections]) {
      if (connection.id !== session.id) continue;
      connection.send(552, TOO_LARGE);
      connection._socket.destroySoon();
    }
  };
  const server = new Server({ ...(await optionsOf(context)), ...handlers(context, submissions, cut) });
  const sockets = new Set<Socket>();
  server.server.on('connection', (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  const bound = once(server.server, 'listening');
  // Errors of single connections (a client that disconnects) come here, too.
  server.on('error', (err) => log.debug({ err }, 'client connection failed'));
  server.listen(settings.Port, settings.Host);
  try {
    await bound;
  } catch (error) {
    throw bindError(settings, error);
  }
  return { close: () => shut(server, sockets, submissions) };
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
    ...(CertFile && { cert: await readCertificate(dataDir, CertFile) }),
    ...(KeyFile && { key: await readKey(dataDir, KeyFile) }),
  };
}

export function readCertificate(dataDir: string, path: string): Promise<string> {
  return readPem({ setting: 'CertFile', path, folder: dataDir, kind: 'certificate' });
}

export function readKey(dataDir: string, path: string): Promise<string> {
  return readPem({ setting: 'KeyFile', path, folder: dataDir, kind: 'private key' });
}

function bindError({ Host, Port }: SmtpListenerSettings, cause: unknown): GatepostError {
  const known = new Map([
    ['EADDRINUSE', ['the port is in use', 'choose another Port or stop the program that listens there']],
    ['EACCES', ['not permitted', 'choose a Port from 1024 upwards or give this program the right to bind low ports']],
    ['EADDRNOTAVAIL', ['this machine has no such address', 'set Host to an address of this machine']],
    ['ENOTFOUND', ['the host name is unknown', 'set Host to an address of this machine']],
  ]).get(codeOf(cause));
  const [what, advice] = known ?? [messageOf(cause), 'check Host and Port'];
  return new GatepostError('smtp-listener/bind', `cannot listen on ${Host}:${Port}: ${what}`, {
    advice: advice ?? '',
    cause,
  });
}

/** Answers the waiting clients, disconnects the others with 421, and leaves no socket behind. */
async function shut(server: SMTPServer, sockets: Set<Socket>, submissions: Submissions): Promise<void> {
  submissions.close();
  await yieldToEventLoop(); // smtp-server writes the replies in the turn after the verdict
  const closed = server.server.listening ? new Promise<void>((resolve) => server.close(resolve)) : Promise.resolve();
  for (const connection of [...server.connections]) {
    connection.send(421, 'shutting down');
    connection._socket.destroySoon();
  }
  // Sockets that never became an SMTP connection (an unfinished TLS handshake), and the sockets under TLS.
  await yieldToEventLoop();
  for (const socket of sockets) socket.destroySoon();
  await closed;
}
