// Joins the parts of a long message that are there, and marks the gaps in their places. Pure.
import type { Shift } from '../../../src/driver/shared/text.js';
import { type DefaultAlphabet, decodeText, type Reading } from './data-coding.js';

/** As stored, `bytes` in base64. */
export interface StoredPart {
  readonly from: string;
  readonly to: string;
  readonly total: number;
  readonly coding: number;
  readonly bytes: string;
  /** Absent in parts that an earlier version stored. */
  readonly shift?: Shift | undefined;
}

export interface AssembledText {
  readonly from: string;
  readonly to: string;
  readonly text: string;
  readonly notes: readonly string[];
  readonly receivedAt: number;
  readonly bytes: number;
}

/** Undefined without any part. */
export function join(
  parts: ReadonlyMap<number, StoredPart>,
  receivedAt: number,
  defaultAlphabet?: DefaultAlphabet,
): AssembledText | undefined {
  const [first] = parts.values();
  if (!first) return undefined;
  const { from, to, total } = first;
  const pieces: Piece[] = [];
  for (let number = 1; number <= total; ) {
    const run = runFrom(parts, number, total);
    pieces.push(
      run.coding === undefined
        ? gap(number, run.next - 1, total)
        : decoded(run.bytes, run.coding, { defaultAlphabet, shift: run.shift }),
    );
    number = run.next;
  }
  return {
    from,
    to,
    text: pieces.map(({ text }) => text).join(''),
    notes: pieces.flatMap(({ note }) => note ?? []),
    receivedAt,
    bytes: pieces.reduce((sum, { size }) => sum + size, 0),
  };
}

interface Piece {
  readonly text: string;
  readonly note: string | null;
  readonly size: number;
}

function gap(first: number, last: number, total: number): Piece {
  const which = first === last ? `part ${first}` : `parts ${first} to ${last}`;
  return { text: `[${which} of ${total} missing]`, note: `${which} of ${total} did not arrive in time`, size: 0 };
}

function decoded(bytes: Buffer, coding: number, reading: Reading): Piece {
  const { text, note } = decodeText(bytes, coding, reading) ?? {
    text: `[${bytes.length} octets that are no text]`,
    note: null,
  };
  return { text, note, size: bytes.length };
}

/** The longest run from `start` on of parts in one alphabet, or of missing parts (`coding` undefined). */
function runFrom(parts: ReadonlyMap<number, StoredPart>, start: number, total: number) {
  const { coding, shift } = parts.get(start) ?? {};
  const isSame = (part: StoredPart | undefined) =>
    part?.coding === coding && part?.shift?.locking === shift?.locking && part?.shift?.single === shift?.single;
  const bytes: Buffer[] = [];
  let next = start;
  for (; next <= total && isSame(parts.get(next)); next++)
    bytes.push(Buffer.from(parts.get(next)?.bytes ?? '', 'base64'));
  return { coding, shift, bytes: Buffer.concat(bytes), next };
}
