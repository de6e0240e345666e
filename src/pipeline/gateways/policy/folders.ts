// Which folders and files of this machine gateway settings may name.
import { lstat, realpath } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from 'node:path';
import type { PathUse } from '../../../driver/settings.js';
import { codeOf, GatepostError } from '../../../kit/errors.js';

export interface FolderRules {
  /** Folders that may be used for everything; empty: one folder per use below `dataDir`. */
  readonly allowed: readonly string[];
  readonly dataDir: string;
  /** Folders and files of the connector itself: nothing in them, and no folder above them, may be named. */
  readonly ownFiles: readonly string[];
}

/** The folders below the data folder that are used when none is allowed by name. */
export const USUAL_FOLDERS: Readonly<Record<PathUse, readonly string[]>> = {
  mail: ['drop', 'pickup'],
  certificate: ['certificates'],
  document: ['documents'],
};

export type FolderVerdict = 'allowed' | 'outside' | 'own';

/** True for the folder itself and everything in it. */
export function isInside(path: string, folder: string): boolean {
  const way = relative(folder, path);
  return way === '' || (way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way));
}

/** All paths are real ones. The folders of the connector win over an allowed folder that holds them. */
export function judgePath(path: string, use: PathUse, { allowed, dataDir, ownFiles }: FolderRules): FolderVerdict {
  if (isInside(dataDir, path) || ownFiles.some((own) => isInside(own, path) || isInside(path, own))) return 'own';
  const folders = allowed.length > 0 ? allowed : USUAL_FOLDERS[use].map((name) => join(dataDir, name));
  return folders.some((folder) => isInside(path, folder)) ? 'allowed' : 'outside';
}

/** Judges the real path: with every link on the way resolved. Throws a GatepostError that says what would be allowed. */
export async function assertPath(written: string, use: PathUse, rules: FolderRules): Promise<void> {
  const path = await realPath(resolve(rules.dataDir, written));
  const real = {
    allowed: await Promise.all(rules.allowed.map(realPath)),
    dataDir: await realPath(rules.dataDir),
    ownFiles: await Promise.all(rules.ownFiles.map(realPath)),
  };
  const verdict = judgePath(path, use, real);
  if (verdict === 'allowed') return;
  if (verdict === 'own') {
    throw new GatepostError('policy/folder', `names ${path}, which holds files of the connector itself`, {
      advice: 'name a folder of its own for the gateway',
    });
  }
  const folders =
    rules.allowed.length > 0 ? rules.allowed : USUAL_FOLDERS[use].map((name) => join(rules.dataDir, name));
  throw new GatepostError('policy/folder', `names ${path}, which is outside the folders that gateways may use`, {
    advice: `use a folder below ${folders.join(' or ')}, or add its folder to policy.folders in the configuration of this connector`,
  });
}

/** The real path as far as it exists. A link that leads nowhere yet is refused: it could lead anywhere later. */
export async function realPath(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT' || dirname(path) === path) throw error;
    const isLink = await lstat(path).then(
      (found) => found.isSymbolicLink(),
      () => false,
    );
    if (isLink) throw new GatepostError('policy/folder', `names ${path}, a link that leads nowhere`, { cause: error });
    return join(await realPath(dirname(path)), basename(path));
  }
}
