// Reads the directories of a received TIFF only (TIFF 6.0, section 2), each offset checked against the end of the file.
import { decodeText } from './legacy-text.js';

/** Directories that are read; no call transfers so many pages. */
const MAX_PAGES = 10_000;
/** Strips of one page. */
const MAX_STRIPS = 100_000;
/** Bytes of the description. */
const MAX_TEXT = 4_096;

const TAG = { description: 270, stripOffsets: 273, stripSizes: 279 };
const SIZES: Readonly<Record<number, number>> = { 1: 1, 2: 1, 3: 2, 4: 4 };

export interface TiffSummary {
  /** False when pages or their directories lie beyond the end of the file. */
  readonly whole: boolean;
  /** Written by HylaFAX: the sender's station, then the lines of the caller identification. */
  readonly description: readonly string[];
}

/** `region`: ISO 3166-1, for text in the character set of a country. */
export function readTiff(bytes: Uint8Array, region?: string): TiffSummary {
  const file = reader(bytes, region);
  let description = '';
  let whole = file.isTiff;
  const seen = new Set<number>();
  let at = whole ? file.long(4) : 0;
  while (whole && at !== 0 && !seen.has(at) && seen.size < MAX_PAGES) {
    const fields = file.directory(at);
    whole = fields !== undefined && file.hasStrips(fields.entries);
    if (seen.size === 0 && fields) description = file.text(fields.entries.get(TAG.description));
    seen.add(at);
    at = fields?.next ?? 0;
  }
  return { whole: whole && seen.size > 0, description: description.split('\n').map((line) => line.trim()) };
}

interface Field {
  readonly type: number;
  readonly count: number;
  /** Where its values are. */
  readonly at: number;
}

function reader(bytes: Uint8Array, region: string | undefined) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const little = bytes[0] === 0x49;
  const has = (at: number, length: number) => at >= 0 && at + length <= bytes.length;
  const short = (at: number) => (has(at, 2) ? view.getUint16(at, little) : 0);
  const long = (at: number) => (has(at, 4) ? view.getUint32(at, little) : 0);

  function directory(at: number): { entries: Map<number, Field>; next: number } | undefined {
    const count = short(at);
    const end = at + 2 + count * 12;
    if (count === 0 || !has(at, 2 + count * 12 + 4)) return undefined;
    const entries = new Map<number, Field>();
    for (let entry = at + 2; entry < end; entry += 12) {
      const [type, values] = [short(entry + 2), long(entry + 4)];
      const length = (SIZES[type] ?? 8) * values;
      entries.set(short(entry), { type, count: values, at: length <= 4 ? entry + 8 : long(entry + 8) });
    }
    return { entries, next: long(end) };
  }

  const number = ({ type, at }: Field, index: number) => (type === 3 ? short(at + index * 2) : long(at + index * 4));

  return {
    isTiff: has(0, 8) && [0x49, 0x4d].includes(bytes[0] ?? 0) && bytes[0] === bytes[1] && short(2) === 42,
    long,
    directory,
    hasStrips(entries: ReadonlyMap<number, Field>): boolean {
      const offsets = entries.get(TAG.stripOffsets);
      const sizes = entries.get(TAG.stripSizes);
      if (!offsets || !sizes || offsets.count > MAX_STRIPS || sizes.count < offsets.count) return false;
      for (let index = 0; index < offsets.count; index++)
        if (!has(number(offsets, index), number(sizes, index))) return false;
      return true;
    },
    text(field: Field | undefined): string {
      if (field?.type !== 2 || !has(field.at, field.count)) return '';
      const raw = bytes.subarray(field.at, field.at + Math.min(field.count, MAX_TEXT));
      const end = raw.indexOf(0);
      return decodeText(end < 0 ? raw : raw.subarray(0, end), region);
    },
  };
}
