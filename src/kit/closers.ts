// Owns the order of going down: who opens, closes, in reverse.
import { messageOf } from './errors.js';

export interface Closers {
  /** Registers what undoes the step just done. */
  add(name: string, close: () => Promise<void> | void): void;
  /** Runs everything in reverse order, each once, whatever fails; throws an AggregateError of what failed. */
  close(): Promise<void>;
}

export function closers(): Closers {
  const stack: { name: string; close: () => Promise<void> | void }[] = [];
  return {
    add(name, close) {
      stack.push({ name, close });
    },
    async close() {
      const failures: Error[] = [];
      for (let entry = stack.pop(); entry; entry = stack.pop()) {
        try {
          await entry.close();
        } catch (error) {
          failures.push(new Error(`closing ${entry.name}: ${messageOf(error)}`, { cause: error }));
        }
      }
      if (failures.length > 0) throw new AggregateError(failures, 'not everything closed cleanly');
    },
  };
}
