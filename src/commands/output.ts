// Owns what commands show people: tables, errors, and nothing that could take over their terminal.
import { GatepostError, messageOf } from '../kit/errors.js';
import { table as alignedTable, type Column } from '../kit/terminal.js';

export { oneLine } from '../kit/terminal.js';

export interface Output {
  /** Results: standard output. */
  out(text: string): void;
  /** Everything said beside them: standard error. */
  say(text: string): void;
  readonly isTerminal: boolean;
}

export const processOutput: Output = {
  out: (text) => void process.stdout.write(text),
  say: (text) => void process.stderr.write(text),
  isTerminal: process.stdout.isTTY === true,
};

/** Columns that fit the terminal, the last one taking what is left; as wide as they need to be where there is none. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const columns: Column[] = header.map((title, at) => (at === header.length - 1 ? { title, grow: 1 } : { title }));
  const room = process.stdout.isTTY ? process.stdout.columns || 120 : Number.MAX_SAFE_INTEGER;
  return `${alignedTable(columns, rows, room)}\n`;
}

/** A failure as people should read it: the sentence, then what to do. */
export function errorText(error: unknown): string {
  const advice = error instanceof GatepostError && error.advice ? `\n  → ${error.advice}` : '';
  return `${messageOf(error)}${advice}\n`;
}

/** `2026-11-22 10:15:30.123` in UTC, the same in every log and on every machine. */
export function logTime(iso: string): string {
  return iso.replace('T', ' ').replace('Z', '');
}
