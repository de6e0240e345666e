// One connected socket as a stream of frames; login and keep-alive are in session.ts.
import type { Socket } from 'node:net';
import type { Clock } from '../kit/clock.js';
import { codeOf, GatepostError, messageOf } from '../kit/errors.js';
import { decodeBody, type Encoding, encodeBody, type Frame } from './codec.js';
import { encodeFrame, type FrameDecoder, frameDecoder } from './frame.js';

export interface LinkOptions {
  /** Who is at the other end, for sentences. */
  peer: 'server' | 'connector';
  clock: Clock;
  encoding: Encoding;
  /** Largest body sent or accepted, bytes. */
  maxBodyBytes: number;
  /** Called for every frame while the link is open. Must not throw. */
  onFrame: (frame: Frame) => void;
}

export interface Link {
  readonly open: boolean;
  /** Resolves with why it closed once the socket is gone; undefined when we ended it in good order. */
  readonly closed: Promise<GatepostError | undefined>;
  /**
   * Resolves once the operating system took the bytes. Rejects with `session/too-large`, `session/queue-full` (nothing
   * was sent, the link stays) or `session/closed` (whether it arrived is not known).
   */
  send(frame: Frame): Promise<void>;
  /** Lowers or raises what is accepted from now on. */
  accept(maxBodyBytes: number): void;
  /** Hands over no more frames, sends what is queued, closes; cuts after LINGER_MS. Twice is fine. */
  end(reason?: GatepostError): Promise<void>;
  /** Cuts at once. */
  cut(reason: GatepostError): void;
}

/** How long, ms, a peer may take to read what is still queued for it and to close its side. */
const LINGER_MS = 2_000;
/** What may wait for a peer that does not read, bytes: two of the largest bodies by default. One frame always fits. */
const MAX_QUEUED_BYTES = 64 * 1024 * 1024;

/** open -> ending (by us, by the peer, by a fault; no more frames either way) -> closed (the socket is gone). */
type State = { is: 'open' } | { is: 'ending' | 'closed'; reason: GatepostError | undefined };

export function createLink(socket: Socket, options: LinkOptions): Link {
  const { peer, clock, encoding, maxBodyBytes, onFrame } = options;
  let state: State = { is: 'open' };

  const isOpen = () => state.is === 'open';
  const leave = (reason: GatepostError | undefined) => {
    if (state.is === 'open') state = { is: 'ending', reason };
  };
  const cut = (reason: GatepostError) => {
    leave(reason);
    socket.destroy();
  };
  const decoder = frameDecoder(maxBodyBytes, (body) => {
    if (isOpen()) onFrame(decodeBody(body));
  });
  const closed = new Promise<GatepostError | undefined>((resolve) => {
    onClose(socket, () => {
      leave(gone(peer, decoder.unfinished));
      const reason = reasonOf(state);
      state = { is: 'closed', reason };
      resolve(reason);
    });
  });
  readSocket(socket, { peer, decoder, isOpen, leave, cut });
  const failureOf = (error: Error | null | undefined) => {
    if (error && isOpen()) return notSent(broken(peer, error, ''));
    // Node reports success for a write that was still under way when its socket was destroyed.
    return error || socket.destroyed ? notSent(reasonOf(state)) : undefined;
  };

  return {
    get open() {
      return isOpen();
    },
    closed,
    cut,
    accept(bytes) {
      decoder.maxBodyBytes = bytes;
    },
    async send(frame) {
      if (!isOpen()) throw notSent(reasonOf(state));
      const bytes = encodeFrame(encodeBody(frame, encoding));
      checkRoom(frame.code, bytes.length, socket.writableLength, maxBodyBytes);
      await write(socket, bytes, failureOf);
    },
    async end(reason) {
      leave(reason);
      socket.end();
      const cancel = clock.schedule(LINGER_MS, () => socket.destroy());
      await closed;
      cancel();
    },
  };
}

function reasonOf(state: State): GatepostError | undefined {
  return state.is === 'open' ? undefined : state.reason;
}

function onClose(socket: Socket, then: () => void): void {
  if (socket.closed) then();
  else socket.once('close', then);
}

interface Reading {
  peer: string;
  decoder: FrameDecoder;
  isOpen(): boolean;
  leave(reason: GatepostError): void;
  cut(reason: GatepostError): void;
}

function readSocket(socket: Socket, { peer, decoder, isOpen, leave, cut }: Reading): void {
  socket.setNoDelay(true);
  socket.on('data', (chunk: Buffer) => {
    if (!isOpen()) return;
    try {
      decoder.push(chunk);
    } catch (error) {
      cut(asReason(error));
    }
  });
  socket.on('end', () => leave(gone(peer, decoder.unfinished)));
  socket.on('error', (error) => leave(broken(peer, error, decoder.unfinished)));
}

/** Resolves once the operating system took the bytes. `failureOf` judges at that moment, before the state moves on. */
function write(
  socket: Socket,
  bytes: Buffer,
  failureOf: (error: Error | null | undefined) => GatepostError | undefined,
): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.write(bytes, (error) => {
      const failure = failureOf(error);
      if (failure) reject(failure);
      else resolve();
    });
  });
}

function checkRoom(code: string, bytes: number, queued: number, maxBodyBytes: number): void {
  if (bytes > maxBodyBytes + 4) {
    const sentence = `${code} takes ${bytes} bytes on the wire, more than the ${maxBodyBytes} a frame may have`;
    throw new GatepostError('session/too-large', sentence, { advice: 'Raise the largest body on both sides.' });
  }
  if (queued > 0 && queued + bytes > MAX_QUEUED_BYTES) {
    const sentence = `${code} cannot be sent now: ${queued} bytes are already waiting for the other side to read`;
    throw new GatepostError('session/queue-full', sentence);
  }
}

function gone(peer: string, unfinished: string): GatepostError {
  return new GatepostError('session/closed', `the ${peer} closed the connection${within(unfinished)}`);
}

function broken(peer: string, error: Error, unfinished: string): GatepostError {
  const code = codeOf(error);
  const detail = code && !error.message.includes(code) ? `${error.message}, ${code}` : messageOf(error);
  const sentence = `the connection to the ${peer} broke${within(unfinished)}: ${detail}`;
  return new GatepostError('session/broken', sentence, { cause: error });
}

function within(unfinished: string): string {
  return unfinished ? ` in the middle of a frame (${unfinished})` : '';
}

function notSent(reason: GatepostError | undefined): GatepostError {
  const why = reason?.message ?? 'it was ended here';
  return new GatepostError('session/closed', `the connection is closed: ${why}`, { cause: reason });
}

function asReason(error: unknown): GatepostError {
  if (error instanceof GatepostError) return error;
  return new GatepostError('session/broken', `reading failed: ${messageOf(error)}`, { cause: error });
}
