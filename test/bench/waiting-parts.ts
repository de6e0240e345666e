// Measures parts that wait: the first parts of many long messages whose other parts do not come, and
// the memory of the product meanwhile.
import { closers } from '../../src/kit/closers.js';
import type { BenchFixture } from './bench-fixture.js';
import type { MemoryUsed } from './child.js';
import { within } from './limit.js';
import { startOurs, startSmsc } from './sms-fixture.js';

export interface WaitingSample {
  ms: number;
  /** Before the first part, and after each quarter of them. */
  memory: MemoryUsed[];
  peakMb: number;
}

export const QUARTERS = 4;

/** Throws when a part was refused. */
export async function waitingParts(fixture: BenchFixture, count: number): Promise<WaitingSample> {
  const stack = closers();
  try {
    const smsc = await startSmsc(fixture, stack);
    const { child } = await startOurs(fixture, 'I', smsc, stack);
    const ends = Array.from({ length: QUARTERS }, (_, at) => Math.floor((count * (at + 1)) / QUARTERS));
    const memory = [await child.memory()];
    let ms = 0;
    let first = 0;
    for (const end of ends) {
      const done = await within(`${end} parts`, child.during(smsc.deliver('parts', first, end - first)));
      if (done.refused > 0) throw new Error(`${done.refused} parts were refused`);
      ms += done.ms;
      memory.push(await child.memory());
      first = end;
    }
    return { ms, memory, peakMb: child.peakMemoryMb() };
  } finally {
    await stack.close();
  }
}
