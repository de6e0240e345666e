// The notes of the crash record: one file of equal slots, one slot for each message that is being read.
import { closeSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs';
import { yieldToEventLoop } from '../../kit/clock.js';
import { messageOf } from '../../kit/errors.js';
import type { Log } from '../../kit/log.js';

/** What identifies a message under way. */
export interface Noted {
  gatewayId: string;
  key: string;
}

/** Bytes of one note in the file. */
const SLOT = 1_024;
/** Characters of a key in a note; the hash before it tells longer ones apart. */
const SHOWN_KEY = 120;

export interface Notes {
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
export function openNotes(path: string, log: Log): Notes {
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

export interface Found {
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
