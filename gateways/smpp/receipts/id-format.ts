// Owns matching the ids in receipts with those given at submit. SMSCs write the same number in hexadecimal here and in
// decimal there, with zeros in front or without. What a receipt hits among the ids of late teaches how this SMSC writes
// them; what was learned outlives a restart, the ids themselves do not need to for this (see owner.ts for what does).

import { forgetOldest } from '../bounded-map.js';

export type IdFormat = 'Auto' | 'Decimal' | 'Hex';

/** How ids of receipts become those given at submit: as they are, read as decimal and written in hexadecimal, or the other way. */
export const MANNERS = ['same', 'toHex', 'toDecimal'] as const;
export type Manner = (typeof MANNERS)[number];

/** What was learned: the manner, and how given ids look (for those of before the restart). */
export interface Habit {
  readonly manner: Manner;
  /** Characters of an id with zeros in front; 0: none in front. */
  readonly width: number;
  readonly upper: boolean;
}

export interface Ids {
  /** An id given at submit, and the recipient, whose number tells apart what else could be either. */
  given(id: string, recipient: string): void;
  /** The id as it was given at submit; as good a guess as there is when it is not among those of late. */
  resolve(receiptId: string, recipient: string): { id: string; known: boolean };
  /** Whether it is among those of late: `fits` when the recipient is right, too. Teaches nothing. */
  match(receiptId: string, recipient: string): 'fits' | 'known' | undefined;
  /** Those of late, the oldest first. */
  recent(): Iterable<Given>;
  readonly habit: Habit | undefined;
}

/** Ids of late that are remembered, at least; about 200 bytes each. */
const REMEMBERED = 50_000;

export interface Given {
  readonly id: string;
  /** Digits only. */
  readonly recipient: string;
}

export function idsOf(format: IdFormat, learned: Habit | undefined): Ids {
  const recent = new Map<string, Given>();
  const scores: Record<Manner, number> = { same: 0, toHex: 0, toDecimal: 0 };
  let habit = learned;
  const fixed: Manner | undefined = format === 'Decimal' ? 'toHex' : format === 'Hex' ? 'toDecimal' : undefined;
  if (learned) scores[learned.manner] += 1;

  const sendRequest = (): Manner[] => {
    if (fixed) return [fixed, 'same'];
    return [...MANNERS].sort((a, b) => scores[b] - scores[a]);
  };

  function learn(manner: Manner, { id }: Given): void {
    for (const other of MANNERS) scores[other] *= 0.9;
    scores[manner] += 1;
    if (sendRequest()[0] !== manner) return;
    const isPadded = /^0\d|^0[a-f]/i.test(id);
    const width = isPadded ? id.length : habit?.manner === manner && habit.width >= id.length ? habit.width : 0;
    const upper = /[A-F]/.test(id) || (habit?.upper ?? false);
    if (habit?.manner !== manner || habit.width !== width || habit.upper !== upper) habit = { manner, width, upper };
  }

  /** What it may be, the likeliest first, and that of them whose recipient is right. */
  function hitsOf(receiptId: string, recipient: string) {
    const hits = sendRequest().flatMap((manner) => {
      const key = convert(canonical(receiptId), manner);
      const found = key === undefined ? undefined : recent.get(key);
      return found ? [{ manner, found }] : [];
    });
    const to = digits(recipient);
    return { hits, fitting: hits.find(({ found }) => found.recipient === to) };
  }

  return {
    given(id, recipient) {
      const key = canonical(id);
      recent.delete(key);
      recent.set(key, { id, recipient: digits(recipient) });
      forgetOldest(recent, REMEMBERED);
    },
    resolve(receiptId, recipient) {
      const { hits, fitting } = hitsOf(receiptId, recipient);
      const best = fitting ?? hits[0];
      if (best) {
        // Of an ambiguous number nothing is learned, unless the recipient decides.
        if (hits.length === 1 || fitting) learn(best.manner, best.found);
        return { id: best.found.id, known: true };
      }
      return { id: guess(receiptId, fixed, habit), known: false };
    },
    match(receiptId, recipient) {
      const { hits, fitting } = hitsOf(receiptId, recipient);
      if (fitting) return 'fits';
      return hits.length > 0 ? 'known' : undefined;
    },
    recent: () => recent.values(),
    get habit() {
      return habit;
    },
  };
}

/** Every id, in the form of `canonical`, that a receipt may mean by this one. */
export function formsOf(receiptId: string): string[] {
  return [...new Set(MANNERS.flatMap((manner) => convert(canonical(receiptId), manner) ?? []))];
}

function guess(receiptId: string, fixed: Manner | undefined, habit: Habit | undefined): string {
  const manner = fixed ?? habit?.manner ?? 'same';
  if (manner === 'same' && !habit?.width) return receiptId;
  const key = convert(canonical(receiptId), manner);
  if (key === undefined) return receiptId;
  const padded = key.padStart(habit?.width ?? 0, '0');
  return habit?.upper ? padded.toUpperCase() : padded;
}

/** Lower case, without zeros in front. */
export function canonical(id: string): string {
  return id
    .trim()
    .toLowerCase()
    .replace(/^0+(?=.)/, '');
}

function convert(id: string, manner: Manner): string | undefined {
  if (manner === 'same') return id;
  if (manner === 'toHex') return /^\d{1,40}$/.test(id) ? BigInt(id).toString(16) : undefined;
  return /^[\da-f]{1,40}$/.test(id) ? BigInt(`0x${id}`).toString() : undefined;
}

/** As numbers are compared: without what marks an international one. */
export function digits(address: string): string {
  return address.replace(/^\+/, '').replace(/^00/, '');
}
