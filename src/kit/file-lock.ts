import { DatabaseSync } from '@photostructure/sqlite';
import { type Sqlite, sqliteCodeOf } from './sqlite.js';

/**
 * An exclusive SQLite lock on a file of its own, which the operating system releases when the process ends, however it ends.
 * Returns the function that releases it, or undefined when another process (or another holder in this one) has it.
 */
export function lockFile(path: string): (() => void) | undefined {
  let lock: Sqlite | undefined;
  try {
    lock = new DatabaseSync(path, { timeout: 0 });
    lock.exec('begin exclusive');
  } catch (error) {
    lock?.close();
    if (sqliteCodeOf(error) === 'SQLITE_BUSY') return undefined;
    throw error;
  }
  const held = lock;
  return () => held.close();
}
