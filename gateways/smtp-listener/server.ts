// The SMTP server: smtp-server with the limits of this gateway.
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { SMTPServer, type SMTPServerOptions } from 'smtp-server';
import { codeOf, GatepostError, type GatewayContext, messageOf, yieldToEventLoop } from '../../src/driver/contract.js';
import { readPem } from '../../src/driver/shared/tls.js';
import { type Addresses, addressBook } from './addresses.js';
import { clientTable } from './clients.js';
import { Connection } from './connection.js';
import { type HandlerParts, handlers } from './handlers.js';
import type { SmtpListenerSettings } from './settings.js';
import type { Spool } from './spool-file.js';
import type { Submissions } from './submissions.js';

/** Ms of silence between commands after which a client is disconnected (RFC 5321 4.5.3.2.7). */
const SILENCE_MS = 5 * 60_000;
/** Ms for the TLS handshake of Security Tls: a client that never ends it holds a connection. */
const HANDSHAKE_MS = 20_000;

export interface Listener {
  close(): Promise<void>;
}

class Server extends SMTPServer {
  /** Called before a connection is counted. */
  makeRoom = () => {};
  /** Whether a socket whose TLS handshake is still ahead is served. */
  welcome = (_: Socket) => true;

  /** The library destroys a socket that is not accepted. Destroying it earlier, below a TLS handshake, would crash Node. */
  override _acceptSocket(socket: Socket, handshake: boolean) {
    if (!handshake || this.welcome(socket)) return super._acceptSocket(socket, handshake);
    socket.on('error', () => {}).destroy();
    return false;
  }

  /** As the base does it, with connections of our own. */
  override connect(...[socket, options]: Parameters<SMTPServer['connect']>): void {
    this.makeRoom();
    const connection = new Connection(this, socket, options);
    this.connections.add(connection);
    connection.on('error', (error) => this._onError(error));
    connection.init();
  }

  cut({ id }: { id: string }, code: number, text: string): void {
    for (const connection of [...this.connections]) {
      if (connection.id !== id) continue;
      connection.send(code, text);
      connection.close();
      // Below a TLS handshake the socket is left to the library, which knows what stands on top of it.
      if (!connection._upgrading) connection._socket.destroySoon();
    }
  }
}

/** Binds the port. Rejects with one sentence. */
export async function listen(
  context: GatewayContext<SmtpListenerSettings>,
  submissions: Submissions,
  spool: Spool,
): Promise<Listener> {
  const { settings, log, clock, inputRejected } = context;
  const addresses = addressBook(clock, settings);
  const clients = clientTable(clock, settings, (client) => {
    inputRejected('slow');
    server.cut(client, 421, 'too slow, try again later');
  });
  const cut: HandlerParts['cut'] = (...last) => server.cut(...last);
  const parts: HandlerParts = { addresses, clients, spool, submissions, cut };
  const server = new Server({ ...(await optionsOf(context)), ...handlers(context, parts) });
  server.makeRoom = () => clients.endSlow(server.connections.size + 1);
  const sockets = watchSockets(server, context, addresses);
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

/** Counts sockets by address, and ends those whose TLS handshake does not end. Returns the open ones. */
function watchSockets(
  server: Server,
  { settings, clock, inputRejected }: GatewayContext<SmtpListenerSettings>,
  addresses: Addresses,
): Set<Socket> {
  const sockets = new Set<Socket>();
  // In front of the library's own listener, so that the address is counted when that one asks `welcome`.
  server.server.prependListener('connection', (socket) => {
    const address = socket.remoteAddress ?? '';
    sockets.add(socket);
    addresses.opened(address);
    const endHandshake = () => void server._pendingSockets.get(socket)?.destroy();
    const disarm = settings.Security === 'Tls' ? clock.schedule(HANDSHAKE_MS, endHandshake) : () => {};
    socket.once('close', () => {
      disarm();
      sockets.delete(socket);
      addresses.closed(address);
    });
  });
  // Before the handshake there is nothing that a reply could be written in.
  server.welcome = (socket) => {
    const refusal = addresses.refusal(socket.remoteAddress ?? '');
    if (refusal) inputRejected(refusal);
    return refusal === undefined;
  };
  return sockets;
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
