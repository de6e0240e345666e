// A mail while it is received: in one growing buffer of at most MEMORY_BYTES, beyond that in a file. However a client cuts its
// mail into lines and segments, a connection holds no more memory than that.
import { randomUUID } from 'node:crypto';
import { type FileHandle, mkdir, open, rm } from 'node:fs/promises';
import { join } from 'node:path';

/** Bytes that one mail holds in memory while it is received and queued; a mail that is longer is in a file. */
export const MEMORY_BYTES = 256 * 1024;
const FIRST_BYTES = 8 * 1024;

export interface SpoolFile {
  readonly size: number;
  /** Rejects when the disk is full; the next piece must wait for it (back-pressure). */
  add(piece: Uint8Array): Promise<void>;
  /** The first bytes of the mail, at most this many. */
  start(length: number): Promise<Buffer>;
  /** `prefix` and the whole mail. */
  read(prefix: Uint8Array): Promise<Buffer>;
  /** Gives memory and disk back. Idempotent. */
  discard(): Promise<void>;
}

/** All mails that are stored here. */
export interface Spool {
  /** Bytes of them together. */
  readonly bytes: number;
  open(): SpoolFile;
}

/** `folder` is made when the first long mail comes. */
export function openSpool(folder: string): Spool {
  const account = { bytes: 0 };
  return {
    get bytes() {
      return account.bytes;
    },
    open: () => spoolFile(folder, account),
  };
}

function spoolFile(folder: string, account: { bytes: number }): SpoolFile {
  let buffer = Buffer.alloc(0);
  let used = 0;
  let written = 0;
  let file: FileHandle | undefined;

  const grow = (needed: number) => {
    const larger = Buffer.allocUnsafeSlow(Math.min(MEMORY_BYTES, Math.max(FIRST_BYTES, needed, 2 * buffer.length)));
    buffer.copy(larger, 0, 0, used);
    buffer = larger;
  };
  const flush = async () => {
    file ??= await openNameless(folder);
    for (let at = 0; at < used; ) at += (await file.write(buffer, at, used - at, written + at)).bytesWritten;
    written += used;
    used = 0;
  };
  const readInto = async (target: Buffer) => {
    const fromFile = Math.min(written, target.length);
    await readFully(file, target.subarray(0, fromFile));
    buffer.copy(target, fromFile, 0, target.length - fromFile);
    return target;
  };
  return {
    get size() {
      return written + used;
    },
    async add(piece) {
      for (let at = 0; at < piece.length; ) {
        if (used === MEMORY_BYTES) await flush();
        const length = Math.min(piece.length - at, MEMORY_BYTES - used);
        if (used + length > buffer.length) grow(used + length);
        buffer.set(piece.subarray(at, at + length), used);
        used += length;
        at += length;
        account.bytes += length;
      }
    },
    start: (length) => readInto(Buffer.allocUnsafe(Math.min(length, written + used))),
    async read(prefix) {
      const whole = Buffer.allocUnsafeSlow(prefix.length + written + used);
      whole.set(prefix);
      await readInto(whole.subarray(prefix.length));
      return whole;
    },
    async discard() {
      const opened = file;
      account.bytes -= written + used;
      [file, buffer, used, written] = [undefined, Buffer.alloc(0), 0, 0];
      await opened?.close();
    },
  };
}

/** The name is taken away at once: whatever ends this process, the system gives the space back. */
async function openNameless(folder: string): Promise<FileHandle> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const path = join(folder, randomUUID());
  const file = await open(path, 'wx+', 0o600);
  await rm(path, { force: true });
  return file;
}

async function readFully(file: FileHandle | undefined, into: Buffer): Promise<void> {
  for (let at = 0; at < into.length; ) {
    const { bytesRead } = (await file?.read(into, at, into.length - at, at)) ?? { bytesRead: 0 };
    if (bytesRead === 0) throw new Error('the spooled mail is shorter than what was written');
    at += bytesRead;
  }
}
