import { createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { codeOf, GatepostError, messageOf } from '../kit/errors.js';
import type { Log } from '../kit/log.js';

/** PEM texts. With `ca`, connectors must show a certificate that it signed. */
export interface TlsFiles {
  cert: string;
  key: string;
  ca?: string;
}

export interface ListenOptions {
  host: string;
  /** 0 takes a free one. */
  port: number;
  tls?: TlsFiles;
  log: Log;
}

export interface Listener {
  readonly port: number;
  /** Takes no more connections, lets `endSessions` end those it has, cuts what is left (handshakes), and is closed then. */
  stop(endSessions: () => Promise<void>): Promise<void>;
}

/** Connections at once, logged in or not: far more than connectors of one small installation, few enough to bound memory. Those
 *  without a login are bounded well below it (admission.ts), so that they never keep a connector out. */
const MAX_CONNECTIONS = 256;
/** Ms that a connector may take for its TLS handshake. */
const HANDSHAKE_MS = 10_000;

/** @throws GatepostError `embedded-server/port-taken`, `/port`, `/tls` */
export async function listen(
  options: ListenOptions,
  /** Called with every socket at once, also when a TLS handshake is still to come. */
  onSocket: (socket: Socket) => void,
  onConnection: (socket: Socket) => void,
): Promise<Listener> {
  const server = createDeskServer(options);
  const sockets = new Set<Socket>();
  server.on('connection', (socket) => {
    sockets.add(socket);
    onSocket(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  server.on(options.tls ? 'secureConnection' : 'connection', onConnection);
  const port = await bound(server, options);
  return {
    port,
    async stop(endSessions) {
      const stopped = new Promise<void>((resolve) => server.close(() => resolve()));
      await endSessions();
      for (const socket of sockets) socket.destroy();
      await stopped;
    },
  };
}

function createDeskServer({ tls, log }: ListenOptions): Server {
  const server = tls ? tlsServer(tls) : createServer();
  server.maxConnections = MAX_CONNECTIONS;
  server.on('tlsClientError', (error: Error) => log.warn({ error: messageOf(error) }, 'a TLS handshake failed'));
  server.on('drop', () => log.warn({ limit: MAX_CONNECTIONS }, 'a connection was turned away: there are too many'));
  return server;
}

function tlsServer({ cert, key, ca }: NonNullable<ListenOptions['tls']>): Server {
  const clients = ca === undefined ? {} : { ca, requestCert: true, rejectUnauthorized: true };
  try {
    return createTlsServer({ cert, key, minVersion: 'TLSv1.2', handshakeTimeout: HANDSHAKE_MS, ...clients });
  } catch (error) {
    throw new GatepostError(
      'embedded-server/tls',
      `the embedded server's certificate cannot be used: ${messageOf(error)}`,
      {
        advice: 'Give a PEM certificate and the PEM private key that belongs to it.',
        cause: error,
      },
    );
  }
}

function bound(server: Server, { host, port, log }: ListenOptions): Promise<number> {
  return new Promise((resolve, reject) => {
    const refuse = (error: unknown) => reject(listenError(error, host, port));
    server.once('error', refuse);
    server.listen({ host, port }, () => {
      server.off('error', refuse);
      server.on('error', (error) =>
        log.error({ error: messageOf(error) }, "the embedded server's listening socket failed"),
      );
      const address = server.address();
      resolve(typeof address === 'object' && address ? address.port : port);
    });
  });
}

function listenError(cause: unknown, host: string, port: number): GatepostError {
  if (codeOf(cause) === 'EADDRINUSE') {
    return new GatepostError('embedded-server/port-taken', `port ${port} on ${host} is taken by another program`, {
      advice: 'Stop that program (another gatepost, perhaps), or set server.port to another number.',
      cause,
    });
  }
  return new GatepostError(
    'embedded-server/port',
    `the embedded server cannot listen on ${host}:${port}: ${messageOf(cause)}`,
    {
      advice: 'Set server.host to an address of this machine and server.port to a number above 1023.',
      cause,
    },
  );
}
