import { GatepostError, messageOf } from '../kit/errors.js';
import { visible } from '../kit/invisible.js';

export interface Output {
  /** Results: standard output. */
  out(text: string): void;
  /** Everything else, such as errors and progress: standard error. */
  say(text: string): void;
  readonly isTerminal: boolean;
  /** Shows one line on standard error in place of the last one, '' takes it away; absent when that is no terminal. */
  progress?(line: string): void;
}

/** The one way to the terminal: whatever a message, a counterparty or a file said, it is seen and steers nothing. */
export const processOutput: Output = {
  out: (text) => void process.stdout.write(visible(text)),
  say: (text) => void process.stderr.write(visible(text)),
  isTerminal: process.stdout.isTTY === true,
  ...(process.stderr.isTTY && { progress: showProgress }),
};

/** Cut to the terminal: a line that wraps could not be replaced. */
function showProgress(line: string): void {
  const room = Math.max(1, (process.stderr.columns || 80) - 1);
  process.stderr.write(`\r${visible(line).slice(0, room)}\u001b[K`);
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
