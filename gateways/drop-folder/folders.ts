// The folders of a gateway: where they are, and which arrangements cannot work.
import { constants } from 'node:fs';
import { access, mkdir, realpath } from 'node:fs/promises';
import { isAbsolute, join, relative, resolve, sep } from 'node:path';
import { GatepostError, messageOf } from '../../src/driver/contract.js';

export interface Folders {
  /** FolderName. */
  readonly folder: string;
  readonly done: string;
  readonly rejected: string;
}

interface FolderSettings {
  readonly FolderName: string;
  readonly MoveTo?: string | undefined;
  readonly RefuseTo?: string | undefined;
}

/** Relative paths count from the data folder. The folder for rejected files is called "refused" on disk, as it always was. */
export function foldersOf({ FolderName, MoveTo, RefuseTo }: FolderSettings, dataDir: string): Folders {
  const full = (path: string) => (isAbsolute(path) ? path : resolve(dataDir, path));
  const folder = full(FolderName);
  return { folder, done: full(MoveTo ?? join(folder, 'done')), rejected: full(RefuseTo ?? join(folder, 'refused')) };
}

/** True for the folder itself and everything in it, on systems that ignore capitals, too. */
export function isInside(path: string, folder: string): boolean {
  const way = relative(folder, path);
  return way === '' || (way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way));
}

/**
 * Files in MoveTo and RefuseTo are never received. When FolderName is one of them or inside one of them, nothing would
 * ever be received, without an error.
 */
export function misplaced({ folder, done, rejected }: Folders): { setting: 'MoveTo' | 'RefuseTo'; message: string }[] {
  const message =
    'must not be FolderName or a folder above it, because then nothing would be received: name a folder inside FolderName or beside it';
  const targets = [
    { setting: 'MoveTo' as const, path: done },
    { setting: 'RefuseTo' as const, path: rejected },
  ];
  return targets.filter(({ path }) => isInside(folder, path)).map(({ setting }) => ({ setting, message }));
}

/**
 * Makes the folders that are missing and gives their real paths: with links and, where capitals do not matter, other
 * spellings resolved, two names of the same folder are the same text. Throws one sentence.
 */
export async function prepareInbox({ folder, done, rejected }: Folders): Promise<Folders> {
  const folders = { folder: await prepare(folder), done: await prepare(done), rejected: await prepare(rejected) };
  const [problem] = misplaced(folders);
  if (!problem) return folders;
  throw new GatepostError('drop-folder/folder', `${problem.setting} ${problem.message}`, {
    advice: 'correct FolderName, MoveTo or RefuseTo',
  });
}

export async function prepare(folder: string): Promise<string> {
  try {
    await mkdir(folder, { recursive: true });
    await access(folder, constants.R_OK | constants.W_OK | constants.X_OK);
    return await realpath(folder);
  } catch (error) {
    throw new GatepostError('drop-folder/folder', `cannot use the folder ${folder}: ${messageOf(error)}`, {
      advice: 'correct FolderName (MoveTo, RefuseTo), or give this program the right to read and write there',
      cause: error,
    });
  }
}

/** The real path as far as it exists. */
export async function realFolders({ folder, done, rejected }: Folders): Promise<Folders> {
  const real = (path: string) => realpath(path).catch(() => path);
  return { folder: await real(folder), done: await real(done), rejected: await real(rejected) };
}
