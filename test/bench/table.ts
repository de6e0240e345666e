export interface Row {
  work: string;
  ours: string;
  yardstick: string;
  ratio: string;
  goal: string;
  /** '-' where there is no goal. */
  met: 'yes' | 'no' | 'void' | '-';
}

/** One round: a figure of each side; undefined when that side's run was void. */
export interface Round {
  ours: number | undefined;
  yardstick: number | undefined;
}

export interface Figure {
  work: string;
  unit: string;
  goal: { atLeast: number } | { atMost: number };
  /** Digits after the point. */
  digits: number;
}

/** The ratio is the median of the rounds' own ratios: the machine changes its speed between rounds, not within one. */
export function ratioRow({ work, unit, goal, digits }: Figure, rounds: readonly Round[]): Row {
  const shown = (side: 'ours' | 'yardstick') =>
    shownAs(median(rounds.map((round) => round[side]).filter(isKnown)), unit, digits);
  const perRound = rounds.map(({ ours, yardstick }) =>
    ours === undefined || yardstick === undefined ? undefined : ours / yardstick,
  );
  const ratio = median(perRound.filter(isKnown));
  return {
    work,
    ours: shown('ours'),
    yardstick: shown('yardstick'),
    ratio: ratio === undefined ? '-' : `${ratio.toFixed(2)}x`,
    goal: 'atLeast' in goal ? `>= ${goal.atLeast}x` : `<= ${goal.atMost}x`,
    met: verdict(ratio, goal),
  };
}

/** A figure with nothing to compare it with; with a goal of its own, or none (null). */
export function plainRow(
  { work, unit, goal, digits }: Omit<Figure, 'goal'> & { goal: Figure['goal'] | null },
  values: readonly (number | undefined)[],
): Row {
  const value = median(values.filter(isKnown));
  const row = { work, ours: shownAs(value, unit, digits), yardstick: '-', ratio: '-' };
  if (!goal) return { ...row, goal: '-', met: value === undefined ? 'void' : '-' };
  const bound = 'atLeast' in goal ? `>= ${goal.atLeast}` : `<= ${goal.atMost}`;
  return { ...row, goal: `${bound} ${unit}`, met: verdict(value, goal) };
}

function isKnown(value: number | undefined): value is number {
  return value !== undefined;
}

function verdict(value: number | undefined, goal: Figure['goal']): Row['met'] {
  if (value === undefined) return 'void';
  const met = 'atLeast' in goal ? value >= goal.atLeast : value <= goal.atMost;
  return met ? 'yes' : 'no';
}

function shownAs(value: number | undefined, unit: string, digits: number): string {
  return value === undefined ? '-' : `${value.toFixed(digits)} ${unit}`;
}

export function median(values: readonly number[]): number | undefined {
  return quantile(values, 0.5);
}

/** The value that this share of the values does not exceed (nearest rank; of an even number the lower middle). */
export function quantile(values: readonly number[], share: number): number | undefined {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];
}

const HEAD: Record<keyof Row, string> = {
  work: 'work',
  ours: 'ours',
  yardstick: 'yardstick',
  ratio: 'ratio',
  goal: 'goal',
  met: 'met?',
};
const COLUMNS = ['work', 'ours', 'yardstick', 'ratio', 'goal', 'met'] as const;

/** A table for the terminal, or the same in Markdown. */
export function table(rows: readonly Row[], markdown: boolean): string {
  const lines = [HEAD, ...rows];
  const widths = COLUMNS.map((column) => Math.max(...lines.map((line) => line[column].length)));
  const drawn = lines.map((line) => COLUMNS.map((column, at) => line[column].padEnd(widths[at] ?? 0)));
  const rule = widths.map((width) => '-'.repeat(width));
  const [head = [], ...rest] = drawn;
  if (!markdown) return [head, rule, ...rest].map((cells) => cells.join('  ').trimEnd()).join('\n');
  return [head, rule, ...rest].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}
