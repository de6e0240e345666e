import { table as alignedTable, type Column } from '../kit/terminal.js';

/** Columns that fit the terminal, the last one with the rest of its width. Without a terminal every column is as wide as it needs to be. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const columns: Column[] = header.map((title, at) => (at === header.length - 1 ? { title, grow: 1 } : { title }));
  const room = process.stdout.isTTY ? process.stdout.columns || 120 : Number.MAX_SAFE_INTEGER;
  return `${alignedTable(columns, rows, room)}\n`;
}
