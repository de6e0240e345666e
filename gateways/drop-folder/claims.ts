// The numbers of claimed files. Each number is stored before its file is marked, so that a file found marked after a crash
// still has its key.
import { createHash } from 'node:crypto';
import { type DriverState, GatepostError } from '../../src/driver/contract.js';
import { z } from '../../src/driver/settings.js';

const CHECKPOINT = 'drop-folder numbers';
/** `taken` is the name of the member in every stored version so far. */
const stored = z.object({ next: z.int(), taken: z.record(z.string(), z.int()) });

/** Longer names are replaced by their hash: a key has 500 characters at most. */
const LONGEST_NAME = 400;

export interface Claims {
  has(name: string): boolean;
  /** Names of the files that are claimed and not settled, as far as stored. */
  names(): readonly string[];
  /** Gives each name a new number, durably. */
  add(names: readonly string[]): Promise<void>;
  keyOf(name: string): string;
  /** The file is settled; its number is dropped with the next `add`. */
  settle(name: string): void;
}

export async function openClaims(driverState: DriverState): Promise<Claims> {
  const value = await driverState.getCheckpoint(CHECKPOINT);
  const read = stored.safeParse(value ?? { next: 1, taken: {} });
  // Counting from 1 again would give new files the keys of confirmed ones, and they would be confirmed unread.
  if (!read.success)
    throw new GatepostError('drop-folder/state', 'the stored numbers of received files cannot be read', {
      advice: 'Start the version of Gatepost that wrote them, or restore the journal.',
    });
  let { next } = read.data;
  const claimed = new Map(Object.entries(read.data.taken));
  return {
    has: (name) => claimed.has(name),
    names: () => [...claimed.keys()],
    async add(names) {
      if (names.length === 0) return;
      for (const name of names) claimed.set(name, next++);
      await driverState.putCheckpoint(CHECKPOINT, { next, taken: Object.fromEntries(claimed) });
    },
    keyOf(name) {
      const short = name.length <= LONGEST_NAME ? name : createHash('sha256').update(name).digest('hex');
      return `${short}#${claimed.get(name) ?? 0}`;
    },
    settle: (name) => void claimed.delete(name),
  };
}
