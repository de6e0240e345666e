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
import {
  closeSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readFileSync,
  renameSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { yieldToEventLoop } from '../../kit/clock.js';
import { messageOf } from '../../kit/errors.js';
import type { Log } from '../../kit/log.js';

/** What identifies a message under way. */
export interface Noted {
  gatewayId: string;
  key: string;
}

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
/** Bytes of one note in the file. */
const SLOT = 1_024;
/** Characters of a key in a note; the hash before it tells longer ones apart. */
const SHOWN_KEY = 120;

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

interface Notes {
  /** Of the process that died. */
  readonly found: ReadonlyMap<string, Found>;
  /** Removes all that were found. */
  clear(): void;
  /** Removes what was found of this message. */
  forget(id: string): void;
  write(id: string, message: Noted): () => void;
  close(): void;
}

/** As many slots as messages are read at once, which the windows of the gateways bound. */
function openNotes(path: string, log: Log): Notes {
  const file = openFile(path, log);
  const found = notesIn(file.bytes);
  // What was found stays where it is until it is removed.
  const free: number[] = [];
  let slots = Math.ceil(file.bytes.length / SLOT);
  // Emptied one turn later: the next note mostly takes the place, and one write is saved. A process that dies within that turn
  // leaves a note too many, and that message is read in isolation.
  const toEmpty = new Set<number>();
  const emptyThem = () => {
    for (const slot of toEmpty) file.put(EMPTY, slot * SLOT);
    toEmpty.clear();
  };
  return {
    found: new Map(found),
    clear() {
      file.truncate();
      found.clear();
      slots = 0;
    },
    forget(id) {
      for (const slot of found.get(id)?.slots ?? []) file.put(EMPTY, slot * SLOT);
      found.delete(id);
    },
    write(id, { gatewayId, key }) {
      const slot = free.pop() ?? slots++;
      const text = `${id} ${JSON.stringify({ gatewayId: gatewayId.slice(0, SHOWN_KEY), key: key.slice(0, SHOWN_KEY) })}\n`;
      const bytes = Buffer.alloc(SLOT);
      bytes.write(text, 'utf8');
      toEmpty.delete(slot);
      file.put(bytes, slot * SLOT);
      return () => {
        if (toEmpty.size === 0) void yieldToEventLoop().then(emptyThem);
        toEmpty.add(slot);
        free.push(slot);
      };
    },
    close() {
      emptyThem();
      file.close();
    },
  };
}

interface NotesFile {
  readonly bytes: Buffer;
  put(bytes: Buffer, at: number): void;
  truncate(): void;
  close(): void;
}

/** A message that cannot be noted is read all the same: a full disk must not stop what is in memory. */
function openFile(path: string, log: Log): NotesFile {
  let warned = false;
  const tolerant = (work: () => void) => {
    try {
      work();
    } catch (error) {
      if (!warned) log.warn({ err: messageOf(error) }, 'record of crashes cannot be written');
      warned = true;
    }
  };
  let descriptor: number | undefined;
  let bytes: Buffer = Buffer.alloc(0);
  tolerant(() => {
    closeSync(openSync(path, 'a+', 0o600));
    bytes = readFileSync(path);
    descriptor = openSync(path, 'r+');
  });
  const onFile = (work: (file: number) => void) => {
    const file = descriptor;
    if (file !== undefined) tolerant(() => work(file));
  };
  return {
    bytes,
    put: (text, at) => onFile((file) => void writeSync(file, text, 0, text.length, at)),
    truncate: () => onFile((file) => ftruncateSync(file)),
    close: () =>
      onFile((file) => {
        // Afterwards the number may be that of another file.
        descriptor = undefined;
        closeSync(file);
      }),
  };
}

const EMPTY = Buffer.alloc(1);

interface Found {
  readonly noted: Noted;
  readonly slots: number[];
}

function notesIn(bytes: Buffer): Map<string, Found> {
  const found = new Map<string, Found>();
  for (let slot = 0; slot * SLOT < bytes.length; slot++) {
    const at = slot * SLOT;
    if (bytes[at] === 0) continue;
    const [id = '', noted = ''] = splitOnce(bytes.toString('utf8', at, at + SLOT).split('\n', 1)[0] ?? '');
    if (id.length !== 43) continue;
    const known = found.get(id);
    if (known) known.slots.push(slot);
    else found.set(id, { noted: notedOf(noted), slots: [slot] });
  }
  return found;
}

function splitOnce(line: string): [string, string] {
  const blank = line.indexOf(' ');
  return [line.slice(0, blank), line.slice(blank + 1)];
}

function notedOf(text: string): Noted {
  try {
    const { gatewayId, key } = JSON.parse(text);
    return { gatewayId: String(gatewayId), key: String(key) };
  } catch {
    // Cut short: the hash alone decides, the names are for people.
    return { gatewayId: '', key: '' };
  }
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
