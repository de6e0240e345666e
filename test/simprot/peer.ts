// Owns the two ends that session tests talk through: a bare TCP peer that speaks frames by hand, and a listener that
// hands out accepted sockets.
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { unpack } from 'msgpackr/unpack';
import type { Log } from '../../src/kit/log.js';
import { hubFrame } from '../servers/hub.js';

/** A socket with somebody scripted behind it. */
export interface Peer {
  readonly socket: Socket;
  /** Codes of the frames that came, in order; contents by the same index. */
  readonly codes: string[];
  readonly contents: unknown[];
  /** Resolves once `count` frames have come. */
  untilFrames(count: number): Promise<void>;
  /** Resolves once the other side has closed or cut. */
  readonly gone: Promise<void>;
  send(code: string, content: unknown): void;
  raw(bytes: Uint8Array): void;
}

export function peerOn(socket: Socket): Peer {
  const codes: string[] = [];
  const contents: unknown[] = [];
  const waiting: (() => void)[] = [];
  let pieces: Buffer[] = [];
  let size = 0;
  let need = 4;
  socket.on('error', () => {});
  socket.on('data', (chunk: Buffer) => {
    pieces.push(chunk);
    size += chunk.length;
    if (size < need) return;
    let held = Buffer.concat(pieces);
    for (need = 4; held.length >= need; need = 4) {
      need = 4 + held.readUInt32BE(0);
      if (held.length < need) break;
      const [code, , content] = unpack(held.subarray(4, need));
      codes.push(code);
      contents.push(typeof content === 'string' ? JSON.parse(content) : content);
      held = held.subarray(need);
    }
    pieces = [held];
    size = held.length;
    for (const check of [...waiting]) check();
  });
  return {
    socket,
    codes,
    contents,
    gone: new Promise((resolve) => socket.once('close', () => resolve())),
    untilFrames: (count) =>
      new Promise((resolve) => {
        const check = () => {
          if (codes.length < count) return;
          waiting.splice(waiting.indexOf(check), 1);
          resolve();
        };
        waiting.push(check);
        check();
      }),
    send: (code, content) => void socket.write(hubFrame(code, content)),
    raw: (bytes) => void socket.write(bytes),
  };
}

/** Two connected sockets: ours, and the one the peer sits behind. Both end with `close`. */
export async function socketPair(): Promise<{ ours: Socket; peer: Peer; close: () => Promise<void> }> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const accepted = once(server, 'connection');
  const theirs = connect(port, '127.0.0.1');
  const [ours] = (await accepted) as [Socket];
  const close = async () => {
    ours.destroy();
    theirs.destroy();
    const closed = once(server, 'close');
    server.close();
    await closed;
  };
  return { ours, peer: peerOn(theirs), close };
}

/** A log whose lines can be looked at: `level message`. */
export function listLog(): { log: Log; lines: string[]; fields: object[] } {
  const lines: string[] = [];
  const fields: object[] = [];
  const line = (level: string) => (given: object, message: string) => {
    lines.push(`${level} ${message}`);
    fields.push(given);
  };
  const log: Log = {
    trace: line('trace'),
    debug: line('debug'),
    info: line('info'),
    warn: line('warn'),
    error: line('error'),
    child: () => log,
  };
  return { log, lines, fields };
}
