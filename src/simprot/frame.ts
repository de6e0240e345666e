// Frames: a big-endian 32-bit length, then that many bytes of body.
// Knows nothing of what a body means.
import { GatepostError } from '../kit/errors.js';

/** Room for a message with its embedded images; configurable. */
export const DEFAULT_MAX_BODY_BYTES = 32 * 1024 * 1024;

const HEADER_BYTES = 4;
/** A body that is not here in one piece starts with this much room and doubles as it arrives. */
const FIRST_ROOM = 4096;

export interface FrameDecoder {
  /** Largest body accepted, bytes. May be changed at any time; counts from the next announced length on. */
  maxBodyBytes: number;
  /** Bytes of the unfinished frame that have arrived, header included. */
  readonly held: number;
  /** What is missing to the end of the unfinished frame, for the log; '' between frames. */
  readonly unfinished: string;
  /**
   * Takes the next bytes of the stream and hands over every body that is complete with them. A body shares memory with
   * `chunk`. Throws `session/protocol` for an announced length of 0 or above the limit; nothing after it is looked at.
   */
  push(chunk: Buffer): void;
}

/**
 * Holds, for an unfinished body, never more than the announced length and (above 4 KiB) never more than twice what has
 * arrived: a peer that announces much and sends little costs little.
 */
export function frameDecoder(maxBodyBytes: number, onBody: (body: Buffer) => void): FrameDecoder {
  const header = Buffer.alloc(HEADER_BYTES);
  let headerHeld = 0;
  let length = 0;
  let room: Buffer = Buffer.alloc(0);
  let arrived = 0;

  /** Reads the length once its four bytes are here; gives how many bytes of the chunk it used. */
  const takeHeader = (chunk: Buffer, at: number): number => {
    const used = chunk.copy(header, headerHeld, at, at + HEADER_BYTES - headerHeld);
    headerHeld += used;
    if (headerHeld === HEADER_BYTES) length = checkedLength(header, decoder.maxBodyBytes);
    return used;
  };
  const finish = (body: Buffer) => {
    headerHeld = 0;
    arrived = 0;
    room = Buffer.alloc(0);
    onBody(body);
  };
  const takeBody = (chunk: Buffer, at: number): number => {
    const used = Math.min(length - arrived, chunk.length - at);
    if (arrived === 0 && used === length) {
      finish(chunk.subarray(at, at + used));
      return used;
    }
    room = withRoom(room, arrived, arrived + used, length);
    chunk.copy(room, arrived, at, at + used);
    arrived += used;
    if (arrived === length) finish(room);
    return used;
  };

  const decoder: FrameDecoder = {
    maxBodyBytes,
    get held() {
      return headerHeld + arrived;
    },
    get unfinished() {
      if (headerHeld === 0) return '';
      return headerHeld < HEADER_BYTES
        ? `${headerHeld} of ${HEADER_BYTES} bytes of its length had arrived`
        : `${arrived} of ${length} bytes of its body had arrived`;
    },
    push(chunk) {
      for (let at = 0; at < chunk.length; ) {
        at += headerHeld < HEADER_BYTES ? takeHeader(chunk, at) : takeBody(chunk, at);
      }
    },
  };
  return decoder;
}

function checkedLength(header: Buffer, max: number): number {
  const length = header.readUInt32BE(0);
  if (length > 0 && length <= max) return length;
  const bytes = header.toString('hex').replace(/(..)(?=.)/g, '$1 ');
  const problem =
    length === 0
      ? 'a frame was announced with length 0'
      : `a frame was announced with ${length} bytes, more than the ${max} allowed`;
  throw new GatepostError('session/protocol', `${problem} (length bytes ${bytes})`, {
    advice: 'Check that the port is the SimProt port, and that both sides agree on TLS and on the largest body.',
  });
}

/** `room`, or a larger one with the same beginning; doubling keeps the copying linear in the length of the body. */
function withRoom(room: Buffer, arrived: number, needed: number, length: number): Buffer {
  if (needed <= room.length) return room;
  const larger = Buffer.allocUnsafeSlow(Math.min(length, Math.max(FIRST_ROOM, needed, room.length * 2)));
  room.copy(larger, 0, 0, arrived);
  return larger;
}

/** A whole frame around `body`. */
export function encodeFrame(body: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(HEADER_BYTES + body.length);
  frame.writeUInt32BE(body.length, 0);
  frame.set(body, HEADER_BYTES);
  return frame;
}
