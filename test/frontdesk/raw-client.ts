// A bare connector for the front desk's tests, with framing of its own, so that the wire is checked independently.
import { connect, type Socket } from 'node:net';
import { pack, unpack } from 'msgpackr';

export interface RawFrame {
  code: string;
  peer: string | null;
  content: unknown;
}

export interface RawClient {
  /** Everything that came, in order. */
  readonly frames: readonly RawFrame[];
  readonly closed: Promise<void>;
  /** Writes one frame; objects travel as JSON text unless `native`. */
  send(code: string, content: unknown, native?: boolean): void;
  /** The `nth` frame of this code that matches, as soon as it has come. */
  until(code: string, nth?: number): Promise<RawFrame>;
  count(code: string): number;
  close(): Promise<void>;
}

export async function rawClient(
  port: number,
  open: () => Socket = () => connect(port, '127.0.0.1'),
): Promise<RawClient> {
  const socket = open();
  const frames: RawFrame[] = [];
  const wakers = new Set<() => void>();
  let buffer = Buffer.alloc(0);
  socket.on('error', () => {});
  socket.on('data', (chunk) => {
    buffer = Buffer.concat([buffer, chunk]);
    while (buffer.length >= 4 && buffer.length >= 4 + buffer.readUInt32BE(0)) {
      const length = buffer.readUInt32BE(0);
      const [code, peer, content] = unpack(buffer.subarray(4, 4 + length));
      frames.push({ code, peer, content: typeof content === 'string' ? JSON.parse(content) : content });
      buffer = buffer.subarray(4 + length);
    }
    for (const wake of wakers) wake();
  });
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  void closed.then(() => {
    for (const wake of wakers) wake();
  });
  const matching = (code: string) => frames.filter((frame) => frame.code === code);
  await new Promise<void>((resolve) => socket.once('ready', () => resolve()));
  return {
    frames,
    closed,
    send(code, content, native = false) {
      const body = pack([code, null, native || content === null ? content : JSON.stringify(content)]);
      const head = Buffer.alloc(4);
      head.writeUInt32BE(body.length);
      socket.write(Buffer.concat([head, body]));
    },
    until(code, nth = 1) {
      return new Promise((resolve, reject) => {
        const look = () => {
          const found = matching(code)[nth - 1];
          if (!found && !socket.destroyed) return;
          wakers.delete(look);
          if (found) resolve(found);
          else
            reject(new Error(`closed before ${code} came; there are ${frames.map((frame) => frame.code).join(', ')}`));
        };
        wakers.add(look);
        look();
      });
    },
    count: (code) => matching(code).length,
    async close() {
      socket.end();
      await closed;
    },
  };
}
