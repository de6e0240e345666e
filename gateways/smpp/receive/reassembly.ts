// Owns long messages on their way in: parts are kept durably as they come, in any order, and become one text when all are
// there or their time is over. Nothing of it is held in memory, so a hundred thousand waiting parts cost disk only.
// Records, by the memory's collections:
//   parts    <group>.<number>         the bytes of one part
//   waiting  <first seen>.<group>     groups with parts missing, oldest first
//   ready    <group>                  groups to be handed over: complete, or given up waiting for
// A group is <base>.<first seen>; first seen is in ms, base 36, always 9 digits, so that keys sort by time.
import type { DriverState } from '../../../src/driver/contract.js';
import { z } from '../../../src/driver/settings.js';
import { forgetOldest } from '../bounded-map.js';
import { decodeText } from './data-coding.js';
import { hash, type PartOf, type Piece } from './segment.js';

export interface Assembly {
  /** Keeps a part; the group when it is complete now. After it resolves the SMSC may be told that the part was taken. */
  keep(piece: Piece, part: PartOf, now: number): Promise<string | undefined>;
  /** Groups whose time is over, at most a page full, made ready. */
  expire(now: number): Promise<readonly string[]>;
  /** When the next group's time is over; undefined: none waits. */
  nextDue(): Promise<number | undefined>;
  /** Groups that are ready, at most a page full. */
  ready(): Promise<readonly string[]>;
  read(group: string): Promise<Assembled | undefined>;
  /** Forgets a group that was handed over. */
  forget(group: string): Promise<void>;
}

export interface Assembled {
  readonly from: string;
  readonly to: string;
  readonly text: string;
  readonly notes: readonly string[];
  readonly receivedAt: number;
  readonly bytes: number;
}

const kept = z.object({
  from: z.string(),
  to: z.string(),
  total: z.number(),
  coding: z.number(),
  bytes: z.string(),
});
type Kept = z.output<typeof kept>;

/** Groups looked at in one go. */
export const PAGE = 50;
/** 255 parts, and again as many of an older message that had the same reference. */
const MOST_PARTS = 600;
/** Completed groups remembered, so that a part that comes once more does not look like a message that lost its others. */
const REMEMBERED = 5_000;
const TIME_DIGITS = 9;

export function assemblyOf(driverState: DriverState, timeoutMs: number): Assembly {
  /** Per base, the last group that was complete, and its parts, each as a short hash. */
  const done = new Map<string, { group: string; parts: ReadonlyMap<number, string> }>();

  const waitingKey = (group: string) => `${timeOf(group)}.${group}`;

  function remember(base: string, group: string, parts: ReadonlyMap<number, string>): void {
    done.delete(base);
    done.set(base, { group, parts: new Map([...parts].map(([number, bytes]) => [number, short(bytes)])) });
    forgetOldest(done, REMEMBERED);
  }

  /** The newest group of this base that is still open, and the name a further one would have. */
  async function groupsOf(
    base: string,
    now: number,
  ): Promise<{ fresh: string; group?: string; parts: Map<number, string> }> {
    const [records, ready] = await Promise.all([
      driverState.listRecords('parts', `${base}.`, MOST_PARTS),
      driverState.listRecords('ready', `${base}.`, MOST_PARTS),
    ]);
    const closed = new Set(ready.map(({ key }) => key));
    const groups = new Map<string, Map<number, string>>();
    for (const { key, value } of records) {
      const [group, number] = splitKey(key);
      const parts = groups.get(group) ?? new Map<number, string>();
      groups.set(group, parts.set(number, kept.parse(value).bytes));
    }
    let at = now;
    const isTaken = (name: string) => groups.has(name) || done.get(base)?.group === name;
    while (isTaken(`${base}.${stamp(at)}`)) at += 1;
    const fresh = `${base}.${stamp(at)}`;
    const group = [...groups.keys()]
      .filter((name) => !closed.has(name))
      .sort()
      .at(-1);
    return group === undefined ? { fresh, parts: new Map() } : { fresh, group, parts: groups.get(group) ?? new Map() };
  }

  /** True when all it has are parts that came once more after their message was complete. */
  async function isEcho(group: string): Promise<boolean> {
    const whole = done.get(group.slice(0, group.lastIndexOf('.')));
    if (!whole) return false;
    const records = await driverState.listRecords('parts', `${group}.`, MOST_PARTS);
    return records.every(({ key, value }) => whole.parts.get(splitKey(key)[1]) === short(kept.parse(value).bytes));
  }

  async function forget(group: string): Promise<void> {
    const records = await driverState.listRecords('parts', `${group}.`, MOST_PARTS);
    await driverState.deleteRecords(
      'parts',
      records.map(({ key }) => key),
    );
    await driverState.deleteRecords('ready', [group]);
    await driverState.deleteRecords('waiting', [waitingKey(group)]);
  }

  async function close(group: string): Promise<void> {
    await driverState.putRecords('ready', [{ key: group, value: null }]);
    await driverState.deleteRecords('waiting', [waitingKey(group)]);
  }

  return {
    async keep({ from, to, coding, bytes }, { base, number, total }, now) {
      const coded = bytes.toString('base64');
      const open = await groupsOf(base, now);
      const same = open.parts.get(number);
      if (same === coded && open.group !== undefined) {
        // Perhaps all that was kept at its first coming: without a place among the waiting its time would never be over.
        await driverState.putRecords('waiting', [{ key: waitingKey(open.group), value: null }]);
        return undefined;
      }
      // The same number with another text: the reference came round again, this is a new message.
      const joins = same === undefined ? open.group : undefined;
      const group = joins ?? open.fresh;
      const value: Kept = { from, to, total, coding, bytes: coded };
      // Asked for together, so that one commit serves both.
      const waits = joins ? undefined : driverState.putRecords('waiting', [{ key: waitingKey(group), value: null }]);
      await Promise.all([waits, driverState.putRecords('parts', [{ key: partKey(group, number), value }])]);
      const parts = new Map(joins ? open.parts : []).set(number, coded);
      if (parts.size < total) return undefined;
      await close(group);
      remember(base, group, parts);
      return group;
    },
    async expire(now) {
      const oldest = await driverState.listRecords('waiting', '', PAGE);
      const groups = oldest.map(({ key }) => key.slice(TIME_DIGITS + 1));
      const over = groups.filter((group) => timeInMs(group) + timeoutMs <= now);
      const given: string[] = [];
      for (const group of over) {
        if (await isEcho(group)) await forget(group);
        else {
          await close(group);
          given.push(group);
        }
      }
      return given;
    },
    async nextDue() {
      const [oldest] = await driverState.listRecords('waiting', '', 1);
      return oldest && timeInMs(oldest.key.slice(TIME_DIGITS + 1)) + timeoutMs;
    },
    async ready() {
      return (await driverState.listRecords('ready', '', PAGE)).map(({ key }) => key);
    },
    async read(group) {
      const records = await driverState.listRecords('parts', `${group}.`, MOST_PARTS);
      const parts = new Map(records.map(({ key, value }) => [splitKey(key)[1], kept.parse(value)]));
      return join(parts, timeInMs(group));
    },
    forget,
  };
}

/** One text out of the parts that are there, the gaps marked in their places. */
export function join(parts: ReadonlyMap<number, Kept>, receivedAt: number): Assembled | undefined {
  const [first] = parts.values();
  if (!first) return undefined;
  const { from, to, total } = first;
  const texts: string[] = [];
  const notes: string[] = [];
  let size = 0;
  for (let number = 1; number <= total; ) {
    const run = runFrom(parts, number, total);
    if (run.coding === undefined) {
      const gap = run.next - 1 === number ? `part ${number}` : `parts ${number} to ${run.next - 1}`;
      texts.push(`[${gap} of ${total} missing]`);
      notes.push(`${gap} of ${total} did not arrive in time`);
    } else {
      const decoded = decodeText(run.bytes, run.coding);
      texts.push(decoded?.text ?? `[${run.bytes.length} octets that are no text]`);
      if (decoded?.note) notes.push(decoded.note);
      size += run.bytes.length;
    }
    number = run.next;
  }
  return { from, to, text: texts.join(''), notes, receivedAt, bytes: size };
}

/** The longest run of parts in one coding, or of missing ones (`coding` undefined), from `start` on. */
function runFrom(parts: ReadonlyMap<number, Kept>, start: number, total: number) {
  const coding = parts.get(start)?.coding;
  const bytes: Buffer[] = [];
  let next = start;
  for (; next <= total && parts.get(next)?.coding === coding; next++)
    bytes.push(Buffer.from(parts.get(next)?.bytes ?? '', 'base64'));
  return { coding, bytes: Buffer.concat(bytes), next };
}

function short(bytes: string): string {
  return hash(bytes).slice(0, 8);
}

function partKey(group: string, number: number): string {
  return `${group}.${String(number).padStart(3, '0')}`;
}

function splitKey(key: string): [group: string, number: number] {
  const at = key.lastIndexOf('.');
  return [key.slice(0, at), Number(key.slice(at + 1))];
}

function stamp(ms: number): string {
  return Math.max(0, Math.floor(ms)).toString(36).padStart(TIME_DIGITS, '0');
}

function timeOf(group: string): string {
  return group.slice(group.lastIndexOf('.') + 1);
}

function timeInMs(group: string): number {
  return Number.parseInt(timeOf(group), 36);
}
