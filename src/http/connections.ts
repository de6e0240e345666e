// Connections of the HTTP port. A connection is idle until a request has come in whole, and again after its answer. When
// the port or one address has too many, the oldest idle one makes room, so neither silent connections nor endless bodies
// shut others out.
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

export interface ConnectionLimits {
  /** All of them: more would only take file handles from the mailboxes. */
  readonly all: number;
  /** Of one address. A reverse proxy has one address, too. */
  readonly perAddress: number;
}

interface Connection {
  readonly socket: Socket;
  readonly address: string;
  /** Requests whose answer is not complete. Those that have not come in whole leave the connection idle. */
  readonly requests: Set<IncomingMessage>;
}

export function limitConnections(server: Server, limits: ConnectionLimits): void {
  // In the order in which they became idle: the first is the oldest.
  const open = new Map<Socket, Connection>();
  server.on('connection', (socket: Socket) => {
    const address = addressOf(socket);
    const own = [...open.values()].filter((one) => one.address === address);
    const isCrowded = own.length >= limits.perAddress || open.size >= limits.all;
    if (isCrowded) {
      const oldest = oldestIdle(own.length >= limits.perAddress ? own : open.values());
      if (!oldest) return void socket.destroy();
      // At once: it closes in a later turn, and the next connection of this turn must not count on the same one.
      open.delete(oldest.socket);
      oldest.socket.destroy();
    }
    open.set(socket, { socket, address, requests: new Set() });
    socket.once('close', () => open.delete(socket));
  });
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    const connection = open.get(request.socket);
    if (!connection) return;
    connection.requests.add(request);
    response.once('close', () => {
      connection.requests.delete(request);
      // Idle again, as the youngest.
      if (open.delete(connection.socket) && !connection.socket.destroyed) open.set(connection.socket, connection);
    });
  });
}

/** Undefined when all are busy. */
function oldestIdle(among: Iterable<Connection>): Connection | undefined {
  return [...among].find(({ requests }) => ![...requests].some(({ complete }) => complete));
}

/** An IPv6 network of 64 bits is one customer's. */
export function addressOf({ remoteAddress = '' }: { remoteAddress?: string | undefined }): string {
  const [plain = ''] = remoteAddress.replace(/^::ffff:(?=\d+\.)/i, '').split('%', 1);
  if (!plain.includes(':')) return plain;
  const [head = '', tail] = plain.split('::');
  const groups = head.split(':').filter(Boolean);
  const missing = tail === undefined ? 0 : 8 - groups.length - tail.split(':').filter(Boolean).length;
  const all = [...groups, ...Array.from({ length: Math.max(0, missing) }, () => '0'), ...(tail ?? '').split(':')];
  return `${all.slice(0, 4).join(':')}::/64`;
}
