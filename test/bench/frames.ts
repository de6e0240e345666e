// SimProt framing for the stub server and the naive loop. Nothing of src/ is used, so that the
// yardstick does not change when the product does.
import type { Socket } from 'node:net';
import { Packr } from 'msgpackr/pack';
import { z } from 'zod';

const packr = new Packr({ useRecords: false, encodeUndefinedAsNil: true });
const body = z.tuple([z.string(), z.string().nullable(), z.unknown()]);

/** A whole frame; a text as content is JSON text, anything else travels as native MessagePack. */
export function frame(code: string, content: unknown): Buffer {
  const packed = packr.pack([code, null, content]);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(packed.length);
  return Buffer.concat([length, packed]);
}

/** Calls `take` for every frame that arrives, JSON text parsed. */
export function onFrames(socket: Socket, take: (code: string, content: unknown) => void): void {
  let pieces: Buffer[] = [];
  let size = 0;
  let need = 4;
  socket.on('data', (chunk: Buffer) => {
    pieces.push(chunk);
    size += chunk.length;
    if (size < need) return;
    let held = Buffer.concat(pieces);
    need = 4;
    while (held.length >= need) {
      need = 4 + held.readUInt32BE(0);
      if (held.length < need) break;
      const [code, , content] = body.parse(packr.unpack(held.subarray(4, need)));
      held = held.subarray(need);
      need = 4;
      take(code, typeof content === 'string' ? JSON.parse(content) : content);
    }
    pieces = [held];
    size = held.length;
  });
}
