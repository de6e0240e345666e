import type { BenchFixture } from './bench-fixture.js';
import type { Progress } from './progress.js';
import { type Figure, type Round, type Row, ratioRow } from './table.js';

/** What "far" means in every part, ms. */
export const ROUND_TRIP_MS = 20;

export interface PartOptions {
  /** Mails, send requests or texts per run. */
  count: number;
  rounds: number;
  progress: Progress;
}

export interface Part {
  readonly name: string;
  /** `full`: the larger number where there is one. */
  count(full: boolean): number;
  measure(fixture: BenchFixture, options: PartOptions): Promise<Row[]>;
}

export interface Pair<T> {
  ours: T | undefined;
  yardstick: T | undefined;
}

/** The yardstick, then we, then the yardstick again, ...: what slows the machine down slows both. */
export async function interleaved<T>(
  name: string,
  { rounds, progress }: PartOptions,
  sides: { yardstick: () => Promise<T>; ours: () => Promise<T> },
): Promise<Pair<T>[]> {
  const pairs: Pair<T>[] = [];
  for (let round = 1; round <= rounds; round++) {
    const yardstick = await progress.step(`${name}, round ${round} of ${rounds}: yardstick`, sides.yardstick);
    const ours = await progress.step(`${name}, round ${round} of ${rounds}: ours`, sides.ours);
    pairs.push({ ours, yardstick });
  }
  return pairs;
}

export function ratios<T>(pairs: readonly Pair<T>[], figure: Figure, of: (sample: T) => number): Row {
  const value = (sample: T | undefined) => (sample === undefined ? undefined : of(sample));
  return ratioRow(
    figure,
    pairs.map((pair): Round => ({ ours: value(pair.ours), yardstick: value(pair.yardstick) })),
  );
}
