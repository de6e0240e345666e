// Owns DropFolder: reads mail files that others drop into a folder, or writes mail files that others pick up.
import { constants } from 'node:fs';
import { access, readdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type CheckStep, codeOf, type Driver, type GatewayContext, messageOf } from '../../src/driver/contract.js';
import { prepare } from './files.js';
import { receive } from './inbound.js';
import { lookup, send } from './outbound.js';
import { type DropFolderSettings, type Folders, foldersOf, settings } from './settings.js';

export interface DropFolderSession {
  readonly context: GatewayContext<DropFolderSettings>;
  readonly folders: Folders;
}

export const dropFolder: Driver<DropFolderSettings, DropFolderSession> = {
  device: 'DropFolder',
  channel: 'Email',
  summary: 'Reads mail files (.eml) dropped into a folder, or writes them into one for a pickup service.',
  settings,
  async open(context) {
    const folders = foldersOf(context.settings, context.dataDir);
    const receiving = context.gateway.direction === 'I';
    await prepare(receiving ? [folders.folder, folders.done, folders.refused] : [folders.folder]);
    return { context, folders };
  },
  // Nothing is held between two steps: what `receive` began ends with its signal.
  close: async () => {},
  check,
  receive: ({ context, folders }, signal) => receive(context, folders, signal),
  send: (session, mail, attempt) => send(outboxOf(session), mail, attempt),
  lookup: (session, mail) => lookup(outboxOf(session), mail),
  sender: ({ From, FromName }) => ({ address: From, name: FromName }),
  concurrency: () => 4,
};

function outboxOf({ context, folders }: DropFolderSession) {
  return { folder: folders.folder, envelopeHeaders: context.settings.EnvelopeHeaders };
}

async function* check(context: GatewayContext<DropFolderSettings>): AsyncGenerator<CheckStep> {
  const { folder, done, refused } = foldersOf(context.settings, context.dataDir);
  const all = context.gateway.direction === 'I' ? [folder, done, refused] : [folder];
  for (const path of all) {
    const step = await usable(path);
    yield step;
    if (!step.ok) return;
  }
}

/** There and ours to read and write; or missing, and to be made at the start. */
async function usable(path: string): Promise<CheckStep> {
  const name = `Folder ${path}`;
  const rights = constants.R_OK | constants.W_OK | constants.X_OK;
  try {
    const entries = await readdir(path);
    await access(path, rights);
    return { name, ok: true, detail: `can be read and written, ${entries.length} entries` };
  } catch (error) {
    if (codeOf(error) !== 'ENOENT')
      return { name, ok: false, detail: `${messageOf(error)}; correct the path or the rights` };
  }
  for (let parent = dirname(path); ; parent = dirname(parent)) {
    const trouble = await access(parent, rights).then(
      () => undefined,
      (error: unknown) => error,
    );
    if (trouble === undefined) return { name, ok: true, detail: `is not there yet and will be made in ${parent}` };
    if (codeOf(trouble) !== 'ENOENT' || dirname(parent) === parent)
      return { name, ok: false, detail: `cannot be made: ${messageOf(trouble)}` };
  }
}
