// The reserve of the disk. Below it nothing new is taken on: no inbound message is opened or spooled, no send request accepted,
// and the counterparty is told to come again. What was taken on before is finished: outcomes, acknowledgements and answers
// are small, and the reserve is there for them. States: room -> full (below the reserve) -> room (a tenth above it).
import { statfs } from 'node:fs/promises';
import type { Clock } from '../kit/clock.js';
import { GatepostError, messageOf } from '../kit/errors.js';
import type { Log } from '../kit/log.js';
import type { Journal } from './types/journal.js';

export interface DiskReserve {
  /** True while a disk is below its reserve. Never rejects. */
  full(): Promise<boolean>;
  /** Rejects with `journal/disk-full` while a disk is below its reserve. */
  assertRoom(): Promise<void>;
}

export interface ReserveOptions {
  /** Any of them may be on a disk of its own. */
  folders: readonly string[];
  /** Bytes; of a small disk a tenth at most, so that it can be used at all. */
  bytes: number;
  clock: Clock;
  log: Log;
  /** The system's when absent. */
  spaceOf?: (folder: string) => Promise<Space>;
}

/** Bytes that this user may still write, and those of the whole disk. */
export interface Space {
  free: number;
  total: number;
}

interface Shortage {
  folder: string;
  free: number;
  reserve: number;
}

/** Ms for which one look is good: one system call a second, however many messages come. */
const FRESH_MS = 1_000;
/** Free bytes at which a full disk counts as having room again, as a part of the reserve: it must not flicker. */
const RECOVERED = 1.1;
const SMALL_DISK = 0.1;
const MB = 1024 * 1024;

export function diskReserve({ folders, bytes, clock, log, spaceOf = spaceOnDisk }: ReserveOptions): DiskReserve {
  let shortage: Shortage | undefined;
  let seenAt = Number.NEGATIVE_INFINITY;
  let looking: Promise<void> | undefined;

  const look = async () => {
    const found = await shortest(folders, { bytes, wasFull: shortage !== undefined, spaceOf, log });
    if (found && !shortage) log.error(fieldsOf(found), 'disk is nearly full');
    if (!found && shortage) log.info({ folder: shortage.folder }, 'disk has room again');
    shortage = found;
    seenAt = clock.monotonic();
  };
  const current = async () => {
    if (clock.monotonic() - seenAt >= FRESH_MS) {
      looking ??= look().finally(() => {
        looking = undefined;
      });
      await looking;
    }
    return shortage;
  };
  return {
    full: async () => (await current()) !== undefined,
    async assertRoom() {
      const found = await current();
      if (found) throw tooFull(found);
    },
  };
}

/** The journal that takes nothing new on while a disk is below its reserve. */
export function withReserve(journal: Journal, reserve: DiskReserve): Journal {
  // The journal must get a send request before its repeats: both wait for the look at the disk in the order in which they came.
  let looked: Promise<boolean> = Promise.resolve(false);
  const fullInTurn = () => {
    looked = looked.then(() => reserve.full());
    return looked;
  };
  return {
    ...journal,
    async open(message) {
      // A message that was opened before is finished.
      const { gatewayId, key } = message;
      if ((await reserve.full()) && !(await journal.recordsOf(gatewayId, [key])).has(key)) await reserve.assertRoom();
      return journal.open(message);
    },
    async spool(message, raw) {
      await reserve.assertRoom();
      return journal.spool(message, raw);
    },
    async accept(message) {
      // A repeat of a message that was sent must be answered "sent".
      if ((await fullInTurn()) && !(await journal.outboundMessage(message.messageId))) await reserve.assertRoom();
      return journal.accept(message);
    },
    async requestedAgain(message) {
      await fullInTurn();
      return journal.requestedAgain(message);
    },
    async healthy() {
      await reserve.assertRoom();
      return journal.healthy();
    },
  };
}

interface Looking {
  bytes: number;
  wasFull: boolean;
  spaceOf: (folder: string) => Promise<Space>;
  log: Log;
}

/** A folder that cannot be asked is none that is full: writing will tell. */
async function shortest(folders: readonly string[], looking: Looking): Promise<Shortage | undefined> {
  for (const folder of folders) {
    try {
      const space = await looking.spaceOf(folder);
      const reserve = Math.min(looking.bytes, space.total * SMALL_DISK);
      if (space.free < reserve * (looking.wasFull ? RECOVERED : 1)) return { folder, free: space.free, reserve };
    } catch (error) {
      looking.log.debug({ folder, err: messageOf(error) }, 'free disk space is unknown');
    }
  }
  return undefined;
}

async function spaceOnDisk(folder: string): Promise<Space> {
  const { bavail, blocks, bsize } = await statfs(folder);
  return { free: bavail * bsize, total: blocks * bsize };
}

const inMB = (bytes: number) => (bytes / MB).toFixed(bytes < 10 * MB ? 1 : 0);

function fieldsOf({ folder, free, reserve }: Shortage) {
  return { folder, free_mb: inMB(free), reserve_mb: inMB(reserve) };
}

/** Without the folder: the sentence may come to a counterparty. */
function tooFull({ free, reserve }: Shortage): GatepostError {
  return new GatepostError(
    'journal/disk-full',
    `the disk is nearly full: ${inMB(free)} MB are free, ${inMB(reserve)} MB are reserved (diskReserveMB)`,
    { advice: 'free some space; messages are accepted again by themselves. Nothing that was confirmed is lost' },
  );
}
