// How long the event loop is kept from turning, in processor time of its thread: a machine that is busy with other things makes
// everything take longer, but not more work.
import { closeSync, openSync, readSync } from 'node:fs';

/** Runs `work`; the longest that one turn of the event loop took meanwhile, ms. */
export async function longestTurn(work: () => Promise<unknown>): Promise<number> {
  const meter = processorTime();
  let longest = 0;
  let last = meter.read();
  let turning = true;
  const turn = () => {
    if (!turning) return;
    const now = meter.read();
    longest = Math.max(longest, now - last);
    last = now;
    setImmediate(turn);
  };
  const turned = () => new Promise((resolve) => setImmediate(resolve));
  try {
    setImmediate(turn);
    await turned();
    longest = 0;
    await work();
    await turned();
    return longest;
  } finally {
    turning = false;
    meter.close();
  }
}

/**
 * The shortest such turn of several runs, no more of them than it takes to get below `enough`. Garbage collection and a shared
 * processor make single runs longer; work that really holds up the event loop does so in every one.
 */
export async function longestTurnAtBest(work: () => Promise<unknown>, enough: number): Promise<number> {
  let best = Number.POSITIVE_INFINITY;
  for (let run = 0; run < 8 && best > enough; run++) best = Math.min(best, await longestTurn(work));
  return best;
}

/** Of the main thread, ms (Linux, proc(5) schedstat); where that cannot be told, the time itself. */
function processorTime(): { read: () => number; close: () => void } {
  try {
    const file = openSync(`/proc/${process.pid}/task/${process.pid}/schedstat`, 'r');
    const text = Buffer.alloc(80);
    const read = () => Number(text.toString('latin1', 0, readSync(file, text, 0, 80, 0)).split(' ')[0]) / 1e6;
    return { read, close: () => closeSync(file) };
  } catch {
    return { read: () => performance.now(), close: () => {} };
  }
}
