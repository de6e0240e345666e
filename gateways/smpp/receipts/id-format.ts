// Matches the ids in receipts with the ids in submit_sm_resp. SMSCs write the same number in hexadecimal in one and in
// decimal in the other, with leading zeros or without. A receipt whose id matches a recent message teaches the format of
// this SMSC. The learned format is stored; the recent ids are not (receipt-owner.ts stores ids where that is needed).
import { z } from '../../../src/driver/settings.js';
import { boundedMap } from '../../../src/driver/shared/bounded-map.js';

/** The setting ReceiptIdFormat. */
export type IdFormatSetting = 'Auto' | 'Decimal' | 'Hex';

/** How the id of a receipt becomes the id of submit_sm_resp: unchanged, from decimal to hexadecimal, or the other way. */
const CONVERSIONS = ['same', 'toHex', 'toDecimal'] as const;
type Conversion = (typeof CONVERSIONS)[number];

/** What was learned, for ids of messages from before a restart. */
export interface IdFormat {
  readonly conversion: Conversion;
  /** Characters of an id with leading zeros; 0: ids have none. */
  readonly width: number;
  readonly upper: boolean;
}

/** Reads and writes the checkpoint as earlier versions stored it. */
export const storedIdFormat = {
  parse(value: unknown): IdFormat | undefined {
    const parsed = stored.safeParse(value);
    if (!parsed.success) return undefined;
    const { manner: conversion, width, upper } = parsed.data;
    return { conversion, width, upper };
  },
  format: ({ conversion: manner, width, upper }: IdFormat) => ({ manner, width, upper }),
};

const stored = z.object({ manner: z.enum(CONVERSIONS), width: z.int().min(0).max(65), upper: z.boolean() });

export interface SubmittedId {
  readonly id: string;
  /** Digits only. */
  readonly recipient: string;
}

export interface ResolvedId {
  /** The id as in submit_sm_resp; the best guess for an id that is not known. */
  readonly id: string;
  readonly isKnown: boolean;
}

/** Recent ids remembered; about 200 bytes each. */
const MOST_IDS = 50_000;
/** Weight of what earlier receipts taught, at each new receipt. */
const DECAY = 0.9;

interface Match {
  readonly conversion: Conversion;
  readonly submitted: SubmittedId;
}

export class IdMatcher {
  readonly #submitted = boundedMap<SubmittedId>(MOST_IDS);
  readonly #scores: Record<Conversion, number> = { same: 0, toHex: 0, toDecimal: 0 };
  readonly #fixed: Conversion | undefined;
  #format: IdFormat | undefined;

  constructor(setting: IdFormatSetting, learned: IdFormat | undefined) {
    this.#fixed = setting === 'Decimal' ? 'toHex' : setting === 'Hex' ? 'toDecimal' : undefined;
    this.#format = learned;
    if (learned) this.#scores[learned.conversion] += 1;
  }

  get format(): IdFormat | undefined {
    return this.#format;
  }

  /** An id of submit_sm_resp. The recipient decides when the id of a receipt may mean two messages. */
  add(id: string, recipient: string): void {
    this.#submitted.set(canonical(id), { id, recipient: digits(recipient) });
  }

  /** Finds the id of a receipt, and learns the format from it. */
  resolve(receiptId: string, recipient: string): ResolvedId {
    const { matches, fitting } = this.#matchesOf(receiptId, recipient);
    const best = fitting ?? matches[0];
    if (!best) return { id: this.#guess(receiptId), isKnown: false };
    // An ambiguous number teaches nothing, unless the recipient decides.
    if (matches.length === 1 || fitting) this.#learn(best);
    return { id: best.submitted.id, isKnown: true };
  }

  /** Whether the id is a recent one; `fits`: its recipient is the same, too. Learns nothing. */
  match(receiptId: string, recipient: string): 'fits' | 'known' | undefined {
    const { matches, fitting } = this.#matchesOf(receiptId, recipient);
    if (fitting) return 'fits';
    return matches.length > 0 ? 'known' : undefined;
  }

  recent(): Iterable<SubmittedId> {
    return this.#submitted.values();
  }

  /** Every spelling in which the id of this receipt may have been recorded at submit. */
  spellings(receiptId: string): string[] {
    const width = this.#format?.width ?? 0;
    const plain = [receiptId, this.#guess(receiptId), ...formsOf(receiptId)];
    const padded = plain.map((id) => id.padStart(width, '0'));
    return [...new Set([...plain, ...padded].flatMap((id) => [id, id.toUpperCase()]))];
  }

  /** The likeliest first. */
  #conversions(): Conversion[] {
    if (this.#fixed) return [this.#fixed, 'same'];
    return [...CONVERSIONS].sort((one, other) => this.#scores[other] - this.#scores[one]);
  }

  #matchesOf(receiptId: string, recipient: string): { matches: Match[]; fitting: Match | undefined } {
    const matches = this.#conversions().flatMap((conversion) => {
      const key = convert(canonical(receiptId), conversion);
      const submitted = key === undefined ? undefined : this.#submitted.get(key);
      return submitted ? [{ conversion, submitted }] : [];
    });
    const to = digits(recipient);
    return { matches, fitting: matches.find(({ submitted }) => submitted.recipient === to) };
  }

  #learn({ conversion, submitted: { id } }: Match): void {
    for (const other of CONVERSIONS) this.#scores[other] *= DECAY;
    this.#scores[conversion] += 1;
    if (this.#conversions()[0] !== conversion) return;
    const known = this.#format?.conversion === conversion ? this.#format : undefined;
    const isPadded = /^0[\da-f]/i.test(id);
    const width = isPadded ? id.length : known && known.width >= id.length ? known.width : 0;
    const upper = /[A-F]/.test(id) || (this.#format?.upper ?? false);
    if (known?.width !== width || known.upper !== upper) this.#format = { conversion, width, upper };
  }

  #guess(receiptId: string): string {
    const conversion = this.#fixed ?? this.#format?.conversion ?? 'same';
    if (conversion === 'same' && !this.#format?.width) return receiptId;
    const key = convert(canonical(receiptId), conversion);
    if (key === undefined) return receiptId;
    const padded = key.padStart(this.#format?.width ?? 0, '0');
    return this.#format?.upper ? padded.toUpperCase() : padded;
  }
}

/** Every id, in canonical form, that a receipt may mean by this one. */
export function formsOf(receiptId: string): string[] {
  return [...new Set(CONVERSIONS.flatMap((conversion) => convert(canonical(receiptId), conversion) ?? []))];
}

/** Lower case, without leading zeros. */
export function canonical(id: string): string {
  return id
    .trim()
    .toLowerCase()
    .replace(/^0+(?=.)/, '');
}

function convert(id: string, conversion: Conversion): string | undefined {
  if (conversion === 'same') return id;
  if (conversion === 'toHex') return /^\d{1,40}$/.test(id) ? BigInt(id).toString(16) : undefined;
  return /^[\da-f]{1,40}$/.test(id) ? BigInt(`0x${id}`).toString() : undefined;
}

/** A number without its international prefix, for comparing. */
export function digits(address: string): string {
  return address.replace(/^\+/, '').replace(/^00/, '');
}
