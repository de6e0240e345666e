// Attachments and raw messages are files, each stored once under the SHA-256 of its bytes. A file is durable before a row refers
// to it, and is removed only when no row does.
import { createHash, randomUUID } from 'node:crypto';
import { rmSync } from 'node:fs';
import { mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { yieldToEventLoop } from '../../kit/clock.js';
import { deferred } from '../../kit/deferred.js';
import { codeOf, GatepostError, messageOf } from '../../kit/errors.js';

export interface Blobs {
  /**
   * Stores the bytes durably, unless they are there already, and then runs `use` with their hashes. While `use` runs the
   * files are safe from `sweep`, so that a row can come to refer to them.
   */
  store<T>(contents: readonly Uint8Array[], use: (sha256: readonly string[]) => Promise<T>): Promise<T>;
  /** Null when the file is gone. */
  read(sha256: string): Promise<Buffer | null>;
  exists(sha256: string): Promise<boolean>;
  pathOf(sha256: string): string;
  /** Removes the files that `referred` does not name and that no `store` is writing; returns how many. */
  sweep(referred: Referred, goOn: () => boolean): Promise<number>;
}

/** Those of the files that a row refers to. */
type Referred = (sha256: readonly string[]) => Promise<ReadonlySet<string>>;

/** Bytes hashed at a time, about 2 ms of work on a slow core; then the event loop runs. */
const HASH_SLICE = 1024 * 1024;
const HASH = /^[0-9a-f]{64}$/;
const TEMPORARY = /^new-/;

export function blobs(directory: string): Blobs {
  return new BlobFolder(directory);
}

class BlobFolder implements Blobs {
  readonly #directory: string;
  /** How many `store` need a file at this moment. */
  readonly #pins = new Map<string, number>();
  /** Files that a sweep looks at: `store` of the same bytes waits for its end. */
  readonly #sweeping = new Map<string, Promise<void>>();

  constructor(directory: string) {
    this.#directory = directory;
  }

  async store<T>(contents: readonly Uint8Array[], use: (sha256: readonly string[]) => Promise<T>): Promise<T> {
    const pinned: string[] = [];
    try {
      for (const bytes of contents) {
        const sha256 = await hashOf(bytes);
        await this.#pin(sha256);
        pinned.push(sha256);
        await write(this.#folderOf(sha256), this.pathOf(sha256), bytes);
      }
      return await use(pinned);
    } finally {
      for (const sha256 of pinned) this.#unpin(sha256);
    }
  }

  async read(sha256: string): Promise<Buffer | null> {
    try {
      return await readFile(this.pathOf(sha256));
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return null;
      throw error;
    }
  }

  exists(sha256: string): Promise<boolean> {
    return stat(this.pathOf(sha256)).then(
      () => true,
      () => false,
    );
  }

  pathOf(sha256: string): string {
    return join(this.#folderOf(sha256), sha256);
  }

  #folderOf(sha256: string): string {
    return join(this.#directory, sha256.slice(0, 2));
  }

  async sweep(referred: Referred, goOn: () => boolean): Promise<number> {
    let removed = 0;
    for (const name of await folders(this.#directory)) {
      if (!goOn()) break;
      removed += await this.#sweepFolder(name, referred);
      await yieldToEventLoop();
    }
    return removed;
  }

  async #sweepFolder(name: string, referred: Referred): Promise<number> {
    const names = await readdir(join(this.#directory, name));
    const found = names.filter((file) => HASH.test(file) && !this.#pins.has(file));
    const swept = deferred<void>();
    for (const sha256 of found) this.#sweeping.set(sha256, swept.promise);
    try {
      const wanted = await referred(found);
      const orphans = found.filter((sha256) => !wanted.has(sha256));
      for (const sha256 of orphans) rmSync(this.pathOf(sha256), { force: true });
      return orphans.length;
    } finally {
      for (const sha256 of found) this.#sweeping.delete(sha256);
      swept.resolve();
    }
  }

  async #pin(sha256: string): Promise<void> {
    for (let busy = this.#sweeping.get(sha256); busy; busy = this.#sweeping.get(sha256)) await busy;
    this.#pins.set(sha256, (this.#pins.get(sha256) ?? 0) + 1);
  }

  #unpin(sha256: string): void {
    const left = (this.#pins.get(sha256) ?? 1) - 1;
    if (left > 0) this.#pins.set(sha256, left);
    else this.#pins.delete(sha256);
  }
}

/** Makes the directory and removes the temporary files of a process that died. Only the owner of the journal may call this. */
export async function prepareDirectory(directory: string): Promise<void> {
  try {
    await mkdir(directory, { recursive: true });
    for (const name of await readdir(directory)) {
      if (TEMPORARY.test(name)) await rm(join(directory, name), { force: true });
    }
  } catch (error) {
    throw fileFault(error, directory);
  }
}

async function folders(directory: string): Promise<string[]> {
  return (await readdir(directory)).filter((name) => /^[0-9a-f]{2}$/.test(name));
}

async function hashOf(bytes: Uint8Array): Promise<string> {
  const hash = createHash('sha256');
  for (let start = 0; start < bytes.length; start += HASH_SLICE) {
    if (start > 0) await yieldToEventLoop();
    hash.update(bytes.subarray(start, start + HASH_SLICE));
  }
  return hash.digest('hex');
}

/** Written under a temporary name, flushed and renamed: a file under its real name is always whole. */
async function write(folder: string, path: string, bytes: Uint8Array): Promise<void> {
  const size = await stat(path).then(
    (found) => found.size,
    () => -1,
  );
  // A concurrent `store` may have renamed the file into place without having flushed the folder yet.
  if (size === bytes.length) return flushFolder(folder);
  const temporary = join(folder, '..', `new-${randomUUID()}`);
  try {
    if (await mkdir(folder, { recursive: true })) await flushFolder(join(folder, '..'));
    await writeAndFlush(temporary, bytes);
    await rename(temporary, path);
    await flushFolder(folder);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {});
    throw fileFault(error, path);
  }
}

async function writeAndFlush(path: string, bytes: Uint8Array): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** A rename is durable once its folder is flushed. */
async function flushFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function fileFault(error: unknown, path: string): GatepostError {
  const full = ['ENOSPC', 'EDQUOT'].includes(codeOf(error));
  if (full) {
    return new GatepostError('journal/disk-full', `the attachment file ${path} cannot be written: the disk is full`, {
      advice: 'Free some space on that disk. Nothing that was confirmed is lost.',
      cause: error,
    });
  }
  return new GatepostError('journal/unwritable', `the attachment file ${path} cannot be written: ${messageOf(error)}`, {
    advice: 'Let the user that runs gatepost write to that folder.',
    cause: error,
  });
}
