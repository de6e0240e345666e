// "Test connection" for a folder: what can be checked without creating or changing anything.
import { constants } from 'node:fs';
import { access, readdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type CheckStep, codeOf, type GatewayContext, messageOf } from '../../src/driver/contract.js';
import { foldersOf, misplaced, realFolders } from './folders.js';
import type { DropFolderSettings } from './settings.js';

const RIGHTS = constants.R_OK | constants.W_OK | constants.X_OK;

export async function* check(context: GatewayContext<DropFolderSettings>): AsyncGenerator<CheckStep> {
  const folders = foldersOf(context.settings, context.dataDir);
  const receiving = context.gateway.direction === 'I';
  const paths = receiving ? [folders.folder, folders.done, folders.rejected] : [folders.folder];
  for (const path of paths) {
    const step = await usable(path);
    yield step;
    if (!step.ok) return;
  }
  if (!receiving) return;
  const [problem] = misplaced(await realFolders(folders));
  if (problem) yield { name: problem.setting, ok: false, detail: `${problem.setting} ${problem.message}` };
}

/** Ok when the folder can be used, or when it is missing and can be created. */
async function usable(path: string): Promise<CheckStep> {
  const name = `Folder ${path}`;
  try {
    const entries = await readdir(path);
    await access(path, RIGHTS);
    return { name, ok: true, detail: `can be read and written, ${entries.length} entries` };
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return creatable(name, dirname(path));
    return { name, ok: false, detail: `${messageOf(error)}; correct the path or the rights` };
  }
}

async function creatable(name: string, parent: string): Promise<CheckStep> {
  const error = await access(parent, RIGHTS).then(
    () => undefined,
    (error: unknown) => error,
  );
  if (error === undefined) return { name, ok: true, detail: `does not exist yet; it will be created in ${parent}` };
  if (codeOf(error) === 'ENOENT' && dirname(parent) !== parent) return creatable(name, dirname(parent));
  return { name, ok: false, detail: `cannot be created: ${messageOf(error)}` };
}
