import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { attachmentFolder, type Config } from '../config.js';
import { diskReserve, withReserve } from '../journal/disk-reserve.js';
import type { JournalOptions } from '../journal/open.js';
import type { Journal } from '../journal/types/journal.js';
import type { Closers } from '../kit/closers.js';
import { GatepostError, messageOf } from '../kit/errors.js';
import { lockFile } from '../kit/file-lock.js';
import { MB, type Platform, STOP } from './platform.js';
import { tightenFiles } from './private-files.js';

export interface Storage {
  /** Takes nothing new on while a disk is below its reserve. */
  journal: Journal;
  diskFull(): Promise<boolean>;
}

export async function openStorage(config: Config, platform: Platform, stack: Closers): Promise<Storage> {
  const { clock, log, openJournal = openHere } = platform;
  makeFolder(config.dataDir);
  tightenFiles(config, log);
  const journal = await openJournal(config.journal, { clock, log, directory: attachmentFolder(config) });
  const unlock = await lockDataFolder(config.dataDir).catch(async (error) => {
    await journal.close();
    throw error;
  });
  stack.add('data folder', unlock);
  stack.add('journal', () => journal.close(), STOP.journalMs, STOP.journalMs);
  const reserve = diskReserve({ folders: foldersOf(config), bytes: config.diskReserveMB * MB, clock, log });
  return { journal: withReserve(journal, reserve), diskFull: () => reserve.full() };
}

/** Where messages are stored. */
function foldersOf(config: Config): string[] {
  const journal = dirname(config.journal.slice('sqlite:'.length));
  return [...new Set([config.dataDir, journal, attachmentFolder(config)])];
}

/** After the journal, whose own lock names the process that has it. */
async function lockDataFolder(path: string): Promise<() => void> {
  const unlock = lockFile(join(path, 'gatepost.lock'));
  if (unlock) return unlock;
  throw new GatepostError('config/data-folder-busy', `the data folder ${path} is in use by another gatepost process`, {
    advice: 'stop that process first, or give this one a data folder of its own (dataDir, GATEPOST_DATA_DIR)',
  });
}

/** Loaded when needed: with the journal on a thread of its own, this thread does not need the SQL layer. */
async function openHere(url: string, options: JournalOptions): Promise<Journal> {
  const { openJournal } = await import('../journal/open.js');
  return openJournal(url, options);
}

function makeFolder(path: string): void {
  try {
    mkdirSync(path, { recursive: true });
  } catch (error) {
    throw new GatepostError('config/data-folder', `cannot create the data folder ${path}: ${messageOf(error)}`, {
      advice:
        'create it for the user that runs gatepost, or set dataDir (GATEPOST_DATA_DIR) to a folder that can be written',
      cause: error,
    });
  }
}
