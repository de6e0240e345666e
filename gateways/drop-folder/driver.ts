// DropFolder: reads mail files that other programs drop into a folder, or writes mail files that other programs pick up.

import type { Driver, GatewayContext } from '../../src/driver/contract.js';
import { linkDaysOf } from '../../src/driver/shared/link-settings.js';
import { check } from './check.js';
import { type Folders, foldersOf, prepare, prepareInbox } from './folders.js';
import { receive } from './inbound.js';
import { lookup, send } from './outbound.js';
import { type DropFolderSettings, settings } from './settings.js';

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
    if (context.gateway.direction === 'I') return { context, folders: await prepareInbox(folders) };
    await prepare(folders.folder);
    return { context, folders };
  },
  // A session holds nothing open: the receive loop ends with its signal.
  close: async () => {},
  check,
  linkDays: linkDaysOf,
  receive: ({ context, folders }, signal) => receive(context, folders, signal),
  send: (session, mail, attempt) => send(outboxOf(session), mail, attempt),
  lookup: (session, mail) => lookup(outboxOf(session), mail),
  sender: ({ From, FromName }) => ({ address: From, name: FromName }),
  concurrency: () => 4,
};

function outboxOf({ context, folders }: DropFolderSession) {
  return { folder: folders.folder, envelopeHeaders: context.settings.EnvelopeHeaders };
}
