// Long messages on their way in. Parts are stored as they come, in any order, and become one text when all have come or
// the time for them is over. Memory holds no part, so a hundred thousand waiting parts cost disk only.
// A group (the parts of one message): waiting -> ready (complete or expired) -> deleted after it was handed over.
// Collections of records:
//   parts    <group>.<number>         the bytes of one part
//   waiting  <first seen>.<group>     groups with missing parts, the oldest first
//   ready    <group>                  groups to hand over
// A group is <base>.<first seen>; first seen is in ms, base 36, always 9 digits, so that keys sort by time.
import type { DriverState } from '../../../src/driver/contract.js';
import { z } from '../../../src/driver/settings.js';
import { boundedMap } from '../../../src/driver/shared/bounded-map.js';
import type { DefaultAlphabet } from './data-coding.js';
import { type AssembledText, join, type StoredPart } from './join-parts.js';
import { hash, type Place, type Segment } from './segment.js';

const storedPart: z.ZodType<StoredPart> = z.object({
  from: z.string(),
  to: z.string(),
  total: z.number(),
  coding: z.number(),
  bytes: z.string(),
  shift: z.object({ locking: z.number().optional(), single: z.number().optional() }).optional(),
});

/** Groups read in one go. */
export const PAGE = 50;
/** 255 parts, and as many of an older message that had the same reference. */
const MOST_PARTS = 600;
/** Completed groups remembered, so that a part that comes again does not count as a message that lost its other parts. */
const MOST_COMPLETED = 5_000;
const TIME_DIGITS = 9;

interface OpenGroup {
  /** The name that a new group would have. */
  readonly fresh: string;
  /** The newest group of the base that has missing parts. */
  readonly group: string | undefined;
  readonly parts: ReadonlyMap<number, string>;
}

export class Reassembly {
  readonly #driverState: DriverState;
  readonly #timeoutMs: number;
  readonly #defaultAlphabet: DefaultAlphabet | undefined;
  /** Per base, the last completed group and its parts, each as a short hash. */
  readonly #completed = boundedMap<{ group: string; parts: ReadonlyMap<number, string> }>(MOST_COMPLETED);

  constructor(driverState: DriverState, timeoutMs: number, defaultAlphabet?: DefaultAlphabet) {
    this.#driverState = driverState;
    this.#defaultAlphabet = defaultAlphabet;
    this.#timeoutMs = timeoutMs;
  }

  /** Stores a part. Resolves when the part may be acknowledged to the SMSC, with the group if it is complete now. */
  async add({ from, to, coding, bytes, shift }: Segment, { base, number, total }: Place, now: number) {
    const encoded = bytes.toString('base64');
    const open = await this.#openGroup(base, now);
    const same = open.parts.get(number);
    if (same === encoded && open.group !== undefined) {
      // Its first coming may have stored the part only: without an entry in `waiting` the group would never expire.
      await this.#putKey('waiting', waitingKey(open.group));
      return undefined;
    }
    // The same number with another text: the reference is used again, and this is a new message.
    const joined = same === undefined ? open.group : undefined;
    const group = joined ?? open.fresh;
    const value: StoredPart = { from, to, total, coding, bytes: encoded, ...(shift && { shift }) };
    // Started together, so that one commit serves both.
    const waits = joined ? undefined : this.#putKey('waiting', waitingKey(group));
    await Promise.all([waits, this.#driverState.putRecords('parts', [{ key: partKey(group, number), value }])]);
    const parts = new Map(joined ? open.parts : []).set(number, encoded);
    if (parts.size < total) return undefined;
    await this.#markReady(group);
    this.#rememberCompleted(base, group, parts);
    return group;
  }

  /** Marks expired groups as ready, at most a page of them, and returns them. */
  async expire(now: number): Promise<readonly string[]> {
    const oldest = await this.#driverState.listRecords('waiting', '', PAGE);
    const groups = oldest.map(({ key }) => groupIn(key));
    const expired: string[] = [];
    for (const group of groups.filter((group) => firstSeen(group) + this.#timeoutMs <= now)) {
      if (await this.#isEcho(group)) await this.delete(group);
      else {
        await this.#markReady(group);
        expired.push(group);
      }
    }
    return expired;
  }

  /** When the next group expires; undefined when none waits. */
  async nextExpiry(): Promise<number | undefined> {
    const [oldest] = await this.#driverState.listRecords('waiting', '', 1);
    return oldest && firstSeen(groupIn(oldest.key)) + this.#timeoutMs;
  }

  /** Groups that are ready, at most a page of them. */
  async ready(): Promise<readonly string[]> {
    return (await this.#driverState.listRecords('ready', '', PAGE)).map(({ key }) => key);
  }

  /** Undefined for a group without parts. */
  async read(group: string): Promise<AssembledText | undefined> {
    return join(await this.#storedParts(group), firstSeen(group), this.#defaultAlphabet);
  }

  /** After the group was handed over. */
  async delete(group: string): Promise<void> {
    const records = await this.#driverState.listRecords('parts', `${group}.`, MOST_PARTS);
    await this.#driverState.deleteRecords(
      'parts',
      records.map(({ key }) => key),
    );
    await this.#driverState.deleteRecords('ready', [group]);
    await this.#driverState.deleteRecords('waiting', [waitingKey(group)]);
  }

  async #openGroup(base: string, now: number): Promise<OpenGroup> {
    const [records, ready] = await Promise.all([
      this.#driverState.listRecords('parts', `${base}.`, MOST_PARTS),
      this.#driverState.listRecords('ready', `${base}.`, MOST_PARTS),
    ]);
    const closed = new Set(ready.map(({ key }) => key));
    const groups = new Map<string, Map<number, string>>();
    for (const { key, value } of records) {
      const [group, number] = splitPartKey(key);
      const parts = groups.get(group) ?? new Map<number, string>();
      groups.set(group, parts.set(number, storedPart.parse(value).bytes));
    }
    const isUsed = (name: string) => groups.has(name) || this.#completed.get(base)?.group === name;
    let at = now;
    while (isUsed(`${base}.${stamp(at)}`)) at += 1;
    const open = [...groups.keys()].filter((name) => !closed.has(name)).sort();
    const group = open.at(-1);
    return { fresh: `${base}.${stamp(at)}`, group, parts: groups.get(group ?? '') ?? new Map() };
  }

  async #storedParts(group: string): Promise<Map<number, StoredPart>> {
    const records = await this.#driverState.listRecords('parts', `${group}.`, MOST_PARTS);
    return new Map(records.map(({ key, value }) => [splitPartKey(key)[1], storedPart.parse(value)]));
  }

  /** Whether all its parts came once more after their message was complete. */
  async #isEcho(group: string): Promise<boolean> {
    const completed = this.#completed.get(group.slice(0, group.lastIndexOf('.')));
    if (!completed) return false;
    const parts = await this.#storedParts(group);
    return [...parts].every(([number, { bytes }]) => completed.parts.get(number) === short(bytes));
  }

  async #markReady(group: string): Promise<void> {
    await this.#putKey('ready', group);
    await this.#driverState.deleteRecords('waiting', [waitingKey(group)]);
  }

  #putKey(collection: string, key: string): Promise<void> {
    return this.#driverState.putRecords(collection, [{ key, value: null }]);
  }

  #rememberCompleted(base: string, group: string, parts: ReadonlyMap<number, string>): void {
    this.#completed.set(base, { group, parts: new Map([...parts].map(([number, bytes]) => [number, short(bytes)])) });
  }
}

function short(bytes: string): string {
  return hash(bytes).slice(0, 8);
}

function partKey(group: string, number: number): string {
  return `${group}.${String(number).padStart(3, '0')}`;
}

function splitPartKey(key: string): [group: string, number: number] {
  const at = key.lastIndexOf('.');
  return [key.slice(0, at), Number(key.slice(at + 1))];
}

function waitingKey(group: string): string {
  return `${stampIn(group)}.${group}`;
}

function groupIn(key: string): string {
  return key.slice(TIME_DIGITS + 1);
}

function stamp(ms: number): string {
  return Math.max(0, Math.floor(ms)).toString(36).padStart(TIME_DIGITS, '0');
}

function stampIn(group: string): string {
  return group.slice(group.lastIndexOf('.') + 1);
}

function firstSeen(group: string): number {
  return Number.parseInt(stampIn(group), 36);
}
