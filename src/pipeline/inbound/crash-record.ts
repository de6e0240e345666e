// The record of crashes: no message ends the service twice. A message is noted in a file before it is read, and the note is removed
// afterwards. Notes that the next start finds name the messages that were being read when the process died; each of them may be the
// cause. The states of a message (gateway and key):
//
// unknown       read whole, in this process
// deaths = 1    read in a process of its own, and reduced when that one fails, too
// deaths >= 2   it was handled alone and this process died again: into quarantine, unread
// quarantined   an operator may requeue it: then it is read as after one death
//
// A text has no reduced form and is read within microseconds, so it goes to quarantine after one death, and is read when requeued.
//
// A note is written without fsync: a write survives the death of the process, and no message ends the machine.
import { createHash } from 'node:crypto';
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '../../kit/errors.js';
import type { Log } from '../../kit/log.js';
import { type Noted, openNotes } from './crash-notes.js';

export type { Noted } from './crash-notes.js';

export type HowToRead = 'whole' | 'isolated' | 'unread' | 'requeued';

export interface CrashRecord {
  howToRead(message: Noted): HowToRead;
  /** Notes that the message is handled from now on; the returned function removes the note. Never throws. */
  begin(message: Noted): () => void;
  /** The message is in quarantine now. */
  quarantined(message: Noted): void;
  /** Messages that were being read when the process died and that have not been read since then. */
  suspects(): readonly Noted[];
  close(): void;
}

export interface Deaths {
  deaths: number;
  quarantined: boolean;
}

/** Pure: the table of the states above. */
export function howToReadAfter(known: Deaths | undefined): HowToRead {
  if (!known) return 'whole';
  if (known.quarantined) return 'requeued';
  return known.deaths < 2 ? 'isolated' : 'unread';
}

/** Pure: one more death of the process while the message was handled. */
export function afterDeath(known: Deaths | undefined): Deaths {
  return { deaths: (known?.deaths ?? 0) + 1, quarantined: false };
}

interface Entry extends Noted, Deaths {}

/** Messages that are remembered; the oldest are forgotten. */
const MOST_ENTRIES = 1_000;
export function openCrashRecord(folder: string, log: Log): CrashRecord {
  const path = join(folder, 'crashes.json');
  const entries = readEntries(path, log);
  const suspects = new Map<string, Noted>();
  const notes = openNotes(join(folder, 'reading'), log);
  for (const [id, { noted, slots }] of notes.found) {
    // A second note of one message is of an earlier death that could not be stored.
    const known = slots.slice(1).reduce<Deaths | undefined>((before) => afterDeath(before), entries.get(id));
    // Deleted first, so that the newest stand last.
    entries.delete(id);
    entries.set(id, { ...noted, ...afterDeath(known) });
    suspects.set(id, noted);
    log.error({ gateway_id: noted.gatewayId, message_key: noted.key }, 'process died while it read this message');
  }
  // Where the deaths cannot be stored, the notes stay: the next start counts them.
  if (notes.found.size === 0 || writeEntries(path, entries, log)) notes.clear();
  return {
    howToRead: (message) => howToReadAfter(entries.get(idOf(message))),
    begin(message) {
      const id = idOf(message);
      const remove = notes.write(id, message);
      return () => {
        remove();
        notes.forget(id);
        suspects.delete(id);
      };
    },
    quarantined(message) {
      const id = idOf(message);
      notes.forget(id);
      suspects.delete(id);
      const known = entries.get(id);
      if (known) entries.set(id, { ...known, quarantined: true });
      writeEntries(path, entries, log);
    },
    suspects: () => [...suspects.values()],
    close: notes.close,
  };
}

/** For tests and tools that do not survive a crash anyway. */
export const noCrashRecord: CrashRecord = {
  howToRead: () => 'whole',
  begin: () => () => {},
  quarantined() {},
  suspects: () => [],
  close() {},
};

function idOf({ gatewayId, key }: Noted): string {
  return createHash('sha256').update(`${gatewayId.toLowerCase()}\n${key}`).digest('base64url');
}

function readEntries(path: string, log: Log): Map<string, Entry> {
  try {
    const list: readonly (readonly [string, Entry])[] = JSON.parse(readFileSync(path, 'utf8'));
    return new Map(list);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT'))
      log.warn({ err: messageOf(error) }, 'record of crashes cannot be read');
    return new Map();
  }
}

/** False when they could not be written. */
function writeEntries(path: string, entries: Map<string, Entry>, log: Log): boolean {
  for (const id of entries.keys()) if (entries.size > MOST_ENTRIES) entries.delete(id);
  try {
    const descriptor = openSync(`${path}.new`, 'w', 0o600);
    try {
      // Not writeSync, which writes a part on a disk that is nearly full, and does not say so.
      writeFileSync(descriptor, JSON.stringify([...entries]));
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    renameSync(`${path}.new`, path);
    return true;
  } catch (error) {
    log.warn({ err: messageOf(error) }, 'record of crashes cannot be written');
    return false;
  }
}
