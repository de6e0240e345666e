import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { attachmentFolder, type Config } from '../config.js';
import type { JournalOptions } from '../journal/open.js';
import type { Journal } from '../journal/types/journal.js';
import type { Closers } from '../kit/closers.js';
import { GatepostError, messageOf } from '../kit/errors.js';
import { lockFile } from '../kit/file-lock.js';
import { type Platform, STOP } from './platform.js';

export async function openStorage(config: Config, platform: Platform, stack: Closers): Promise<Journal> {
  const { clock, log, openJournal = openHere } = platform;
  makeFolder(config.dataDir);
  const journal = await openJournal(config.journal, { clock, log, directory: attachmentFolder(config) });
  const unlock = await lockDataFolder(config.dataDir).catch(async (error) => {
    await journal.close();
    throw error;
  });
  stack.add('data folder', unlock);
  stack.add('journal', () => journal.close(), STOP.journalMs, STOP.journalMs);
  return journal;
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
