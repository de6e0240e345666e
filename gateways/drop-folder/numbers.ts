// Owns the numbers of taken files: each is noted in the journal before its file is marked, so that a file found marked
// after a crash still has its key.
import { createHash } from 'node:crypto';
import type { DriverState } from '../../src/driver/contract.js';
import { z } from '../../src/driver/settings.js';

const NOTE = 'drop-folder numbers';
const note = z.object({ next: z.int(), taken: z.record(z.string(), z.int()) });

/** Longer names are replaced by their hash: a key holds 500 characters at most. */
const LONGEST_NAME = 400;

export interface Numbers {
  has(name: string): boolean;
  /** Names that were taken and not brought to their end, as far as noted. */
  names(): readonly string[];
  /** Gives each name a new number, durably. */
  add(names: readonly string[]): Promise<void>;
  keyOf(name: string): string;
  /** The file is out of the way; forgotten with the next `add`. */
  done(name: string): void;
}

export async function openNumbers(driverState: DriverState): Promise<Numbers> {
  const read = note.safeParse(await driverState.getCheckpoint(NOTE));
  let next = read.success ? read.data.next : 1;
  const taken = new Map(read.success ? Object.entries(read.data.taken) : []);
  return {
    has: (name) => taken.has(name),
    names: () => [...taken.keys()],
    async add(names) {
      if (names.length === 0) return;
      for (const name of names) taken.set(name, next++);
      await driverState.putCheckpoint(NOTE, { next, taken: Object.fromEntries(taken) });
    },
    keyOf(name) {
      const short = name.length <= LONGEST_NAME ? name : createHash('sha256').update(name).digest('hex');
      return `${short}#${taken.get(name) ?? 0}`;
    },
    done: (name) => void taken.delete(name),
  };
}
