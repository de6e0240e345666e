// Steps on files that must not lose one: scanning a folder, moving without overwriting, writing whole.
import { constants } from 'node:fs';
import {
  access,
  copyFile,
  type FileHandle,
  link,
  lstat,
  mkdir,
  open,
  readdir,
  rename,
  rm,
  stat,
  unlink,
} from 'node:fs/promises';
import { basename, dirname, extname, join, relative, sep } from 'node:path';
import { codeOf, GatepostError } from '../../src/driver/contract.js';
import { isInside } from './folders.js';

/** What the name of a claimed file ends with until its message is settled. FrontStage marks its files the same way. */
export const CLAIMED = '.$$$';

export interface FoundFile {
  /** Relative to the folder, with / between the parts on every system. */
  readonly name: string;
  readonly size: number;
  readonly changedAt: number;
  /** Other names of the same file, in this folder or anywhere else. */
  readonly otherNames: number;
}

export interface Scan {
  readonly folder: string;
  readonly subfolders: boolean;
  readonly extension: string;
  /** Folders whose files are never received. */
  readonly except: readonly string[];
}

/** The new files in the folder and those marked as claimed, oldest first. */
export async function scan({
  folder,
  subfolders,
  extension,
  except,
}: Scan): Promise<{ fresh: FoundFile[]; claimed: FoundFile[] }> {
  const entries = await readdir(folder, { withFileTypes: true, recursive: subfolders });
  const paths = entries
    .filter((entry) => entry.isFile() && !entry.name.startsWith('.'))
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => !except.some((other) => isInside(path, other)));
  const ends = (path: string, end: string) => path.toLowerCase().endsWith(end.toLowerCase());
  const found = await Promise.all(
    paths
      .filter((path) => ends(path, extension) || ends(path, extension + CLAIMED))
      .map((path) => findFile(path, relative(folder, path).split(sep).join('/'))),
  );
  const files = found
    .filter((file) => file !== undefined)
    .sort((a, b) => a.changedAt - b.changedAt || compare(a.name, b.name));
  return {
    fresh: files.filter(({ name }) => ends(name, extension)),
    claimed: files
      .filter(({ name }) => ends(name, CLAIMED))
      .map((file) => ({ ...file, name: file.name.slice(0, -CLAIMED.length) })),
  };
}

/** Undefined when it has gone since it was listed. */
async function findFile(path: string, name: string): Promise<FoundFile | undefined> {
  try {
    const found = await lstat(path);
    if (!found.isFile()) return undefined;
    return { name, size: found.size, changedAt: found.mtimeMs, otherNames: found.nlink - 1 };
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);

/** What a name stands for must not change between the scan and the reading: a link could lead to any file of this machine. */
const READ_ONLY = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);

/**
 * At most `limit` bytes from the beginning of a regular file that has no other name. Throws for a link, for anything else that
 * is no file, and for a name that came to stand for another file meanwhile.
 */
export async function readUpTo(path: string, limit: number): Promise<{ raw: Buffer; size: number }> {
  const file = await open(path, READ_ONLY).catch((error) => {
    throw codeOf(error) === 'ELOOP' ? noPlainFile(path, 'it is a link') : error;
  });
  try {
    const { size } = await assertPlain(file, path);
    const raw = Buffer.alloc(Math.min(size, limit));
    let filled = 0;
    while (filled < raw.length) {
      const { bytesRead } = await file.read(raw, filled, raw.length - filled, filled);
      if (bytesRead === 0) break;
      filled += bytesRead;
    }
    return { raw: raw.subarray(0, filled), size };
  } finally {
    await file.close();
  }
}

async function assertPlain(file: FileHandle, path: string): Promise<{ size: number }> {
  const [opened, named] = await Promise.all([file.stat(), lstat(path)]);
  if (!opened.isFile()) throw noPlainFile(path, 'it is no regular file');
  // Windows has no inode numbers for some file systems: 0 there.
  if (opened.ino !== named.ino || opened.dev !== named.dev)
    throw noPlainFile(path, 'it was replaced while it was read');
  if (opened.nlink > 1) throw noPlainFile(path, 'it has another name elsewhere (a hard link)');
  return opened;
}

function noPlainFile(path: string, why: string): GatepostError {
  return new GatepostError('drop-folder/no-file', `${path} is not received: ${why}`, {
    advice: 'copy mails into the folder instead of linking them',
  });
}

/**
 * Moves a file into a folder under `name`, or `name (2)`, ... when that exists: never over another file. Gives the new
 * path; undefined when the file is gone. Interrupted at any point and repeated, it has the same result.
 */
export async function moveInto(path: string, folder: string, name: string): Promise<string | undefined> {
  await mkdir(folder, { recursive: true });
  const end = extname(name);
  const stem = basename(name, end);
  for (let number = 1; ; number++) {
    const target = join(folder, number === 1 ? name : `${stem} (${number})${end}`);
    try {
      if (await moveUnless(path, target)) return target;
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return undefined;
      throw error;
    }
  }
}

/** False when another file has the name. A link, unlike a rename, never replaces anything. */
async function moveUnless(path: string, target: string): Promise<boolean> {
  try {
    await link(path, target);
  } catch (error) {
    if (codeOf(error) === 'EEXIST') {
      if (!(await sameFile(path, target))) return false;
    } else if (codeOf(error) === 'ENOENT') throw error;
    // Another disk, or a file system without links.
    else if (!(await copied(path, target))) return false;
  }
  await unlink(path);
  return true;
}

async function sameFile(path: string, target: string): Promise<boolean> {
  const [one, other] = await Promise.all([lstat(path), lstat(target)]);
  return one.ino !== 0 && one.ino === other.ino && one.dev === other.dev;
}

async function copied(path: string, target: string): Promise<boolean> {
  try {
    await copyFile(path, target, constants.COPYFILE_EXCL);
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw error;
  }
}

/** The name under which a file is being written: no pickup service reads this extension. */
export function draftOf(path: string): string {
  return `${path}.part`;
}

/**
 * Writes a file so that it is there whole or not at all, also after a power failure. `mayFinish` is asked right before
 * the last step, the rename; false there leaves nothing behind and gives false.
 */
export async function writeWhole(
  path: string,
  bytes: readonly Uint8Array[],
  mayFinish: () => boolean,
): Promise<boolean> {
  const draft = draftOf(path);
  try {
    // A draft of an attempt that was interrupted goes first: opening it would follow a link that somebody put under its name.
    await rm(draft, { force: true });
    const file = await open(draft, 'wx');
    try {
      for (const part of bytes) await file.writeFile(part);
      await file.chmod(await modeFor(dirname(path)));
      await file.sync();
    } finally {
      await file.close();
    }
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  }
  if (!mayFinish()) {
    await rm(draft, { force: true });
    return false;
  }
  await rename(draft, path);
  return true;
}

/** The rights of the folder decide who may read the mails in it: the pickup service may run as another user. */
async function modeFor(folder: string): Promise<number> {
  const { mode } = await stat(folder);
  return 0o600 | (mode & 0o066);
}

/** Makes the names in a folder durable, where the system can. */
export async function syncFolder(folder: string): Promise<void> {
  try {
    const handle = await open(folder, 'r');
    await handle.sync().finally(() => handle.close());
  } catch {
    // Windows cannot do this; its rename is durable.
  }
}

export async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
