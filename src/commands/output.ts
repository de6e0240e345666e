import { GatepostError, messageOf } from '../kit/errors.js';
import { visible } from '../kit/invisible.js';
import { table as alignedTable, type Column } from '../kit/terminal.js';

export { oneLine } from '../kit/terminal.js';

export interface Output {
  /** Results: standard output. */
  out(text: string): void;
  /** Everything else, such as errors and progress: standard error. */
  say(text: string): void;
  readonly isTerminal: boolean;
}

/** The one way to the terminal: whatever a message, a counterparty or a file said, it is seen and steers nothing. */
export const processOutput: Output = {
  out: (text) => void process.stdout.write(visible(text)),
  say: (text) => void process.stderr.write(visible(text)),
  isTerminal: process.stdout.isTTY === true,
};

/** Columns that fit the terminal, the last one with the rest of its width. Without a terminal every column is as wide as it needs to be. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const columns: Column[] = header.map((title, at) => (at === header.length - 1 ? { title, grow: 1 } : { title }));
  const room = process.stdout.isTTY ? process.stdout.columns || 120 : Number.MAX_SAFE_INTEGER;
  return `${alignedTable(columns, rows, room)}\n`;
}

/** An error as an operator reads it: what failed, then what to do next. */
export function errorText(error: unknown): string {
  const advice = error instanceof GatepostError && error.advice ? `\n  → ${error.advice}` : '';
  return `${messageOf(error)}${advice}\n`;
}

/** `2026-11-22 10:15:30.123` in UTC, the same in every log and on every machine. */
export function logTime(iso: string): string {
  return iso.replace('T', ' ').replace('Z', '');
}
