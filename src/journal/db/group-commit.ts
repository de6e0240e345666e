// Owns group commit: work that is asked for in the same turn of the event loop shares one transaction, so that one fsync
// serves them all. Nobody hears of success before the commit.
import { type Clock, sleep, yieldToEventLoop } from '../../kit/clock.js';
import { GatepostError } from '../../kit/errors.js';
import type { Database, Sql, Verdict, Work } from './sql.js';

export interface Committer {
  /**
   * Runs `work` in the next transaction. Resolves once that is committed; rejects with what `work` threw, which then has
   * left nothing behind, or with what kept the transaction from being committed.
   * `weight`: about how many rows it touches, 1 when absent.
   */
  run<T>(work: (sql: Sql) => Promise<T>, weight?: number): Promise<T>;
  /** Takes nothing new and resolves when what was asked for is committed. */
  close(): Promise<void>;
}

interface Piece {
  weight: number;
  work: Work;
  resolve(): void;
  reject(error: unknown): void;
}

/** Rows in one transaction. At 10 to 30 microseconds each it ends within 30 ms, and the event loop is never held longer. */
const HEAVIEST_BATCH = 1_000;

/** Turns of the event loop that work is gathered over, at most. */
const MOST_TURNS = 4;
/** Longest pause for gathering, ms: a disk that takes longer than this is slow enough without it. */
const LONGEST_PAUSE_MS = 5;

export function committer(database: Pick<Database, 'transaction'>, clock: Clock): Committer {
  // Unbounded on purpose: every caller waits for its own piece, so the flow's windows bound it.
  const queue: Piece[] = [];
  let running: Promise<void> | undefined;
  let closed = false;

  let took = 0;
  let endedAt = Number.NEGATIVE_INFINITY;

  // Back to back, commits would keep the disk busy for a few verbs each. A pause as long as the last one took lets as much
  // again come together, and costs nobody more than that commit did. Who comes alone does not wait.
  const pause = async () => {
    const rest = Math.min(took, LONGEST_PAUSE_MS) - (clock.monotonic() - endedAt);
    if (rest > 0) await sleep(clock, rest);
  };

  const drain = async () => {
    while (queue.length > 0) {
      await pause();
      await gather(queue);
      const began = clock.monotonic();
      await commit(database, nextBatch(queue));
      endedAt = clock.monotonic();
      took = endedAt - began;
    }
    running = undefined;
  };

  return {
    run<T>(work: (sql: Sql) => Promise<T>, weight = 1): Promise<T> {
      if (closed) return Promise.reject(new GatepostError('journal/closed', 'the journal is closed'));
      return new Promise<T>((resolve, reject) => {
        let succeed = () => {};
        queue.push({
          weight,
          async work(sql) {
            const result = await work(sql);
            succeed = () => resolve(result);
          },
          resolve: () => succeed(),
          reject,
        });
        running ??= drain();
      });
    },
    async close() {
      closed = true;
      await running;
    },
  };
}

/** Items in one transaction, so that a list of 100,000 does not hold the event loop. */
const SLICE = 500;

/** A long list in several transactions; ending in between leaves its beginning done, and doing it again must be harmless. */
export async function inSlices<T>(
  commits: Committer,
  items: readonly T[],
  each: (sql: Sql, item: T) => Promise<void>,
): Promise<void> {
  for (let start = 0; start < items.length; start += SLICE) {
    const slice = items.slice(start, start + SLICE);
    await commits.run(async (sql) => {
      for (const item of slice) await each(sql, item);
    }, slice.length);
  }
}

/** Lets the event loop turn while each turn brings more work: under load one commit then serves many, and alone nobody waits. */
async function gather(queue: readonly Piece[]): Promise<void> {
  let before = 0;
  for (let turn = 0; turn < MOST_TURNS && queue.length > before && queue.length < HEAVIEST_BATCH; turn++) {
    before = queue.length;
    await yieldToEventLoop();
  }
}

function nextBatch(queue: Piece[]): Piece[] {
  let weight = 0;
  let size = 0;
  for (const piece of queue) {
    if (size > 0 && weight + piece.weight > HEAVIEST_BATCH) break;
    weight += piece.weight;
    size += 1;
  }
  return queue.splice(0, size);
}

async function commit(database: Pick<Database, 'transaction'>, batch: readonly Piece[]): Promise<void> {
  let verdicts: Verdict[];
  try {
    verdicts = await database.transaction(batch.map(({ work }) => work));
  } catch (error) {
    for (const piece of batch) piece.reject(error);
    return;
  }
  for (const [index, piece] of batch.entries()) {
    const verdict = verdicts[index];
    if (verdict?.is === 'done') piece.resolve();
    else piece.reject(verdict?.error);
  }
}
