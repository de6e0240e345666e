// Group commit: operations that are asked for in the same turn of the event loop share one transaction, so that one fsync serves
// them all. No operation resolves before the commit.
import { type Clock, sleep, yieldToEventLoop } from '../../kit/clock.js';
import { GatepostError } from '../../kit/errors.js';
import type { Database, Sql, Verdict, Work } from './sql.js';

export interface Committer {
  /**
   * Runs `work` in the next transaction. Resolves once that is committed; rejects with what `work` threw, which then has
   * left nothing behind, or with the reason why the transaction was not committed.
   * `weight`: about how many rows it touches, 1 when absent.
   */
  run<T>(work: (sql: Sql) => Promise<T>, weight?: number): Promise<T>;
  /** Rejects new work; resolves when the work so far is committed. */
  close(): Promise<void>;
}

interface Piece {
  weight: number;
  work: Work;
  resolve(): void;
  reject(error: unknown): void;
}

/** Rows in one transaction: at 10 to 30 microseconds each it blocks the event loop for 30 ms at most. */
const HEAVIEST_BATCH = 1_000;

/** Turns of the event loop in which work is gathered, at most. */
const MOST_TURNS = 4;
/** Longest pause for gathering, ms. */
const LONGEST_PAUSE_MS = 5;

export function committer(database: Pick<Database, 'transaction'>, clock: Clock): Committer {
  // Bounded by the callers: each waits for its own piece, so there are no more pieces than the pipelines' windows allow.
  const queue: Piece[] = [];
  let running: Promise<void> | undefined;
  let closed = false;

  let took = 0;
  let endedAt = Number.NEGATIVE_INFINITY;

  // Commits back to back would serve only a few operations each. A pause as long as the last commit lets more work come
  // together, and delays an operation by no more than one commit. After a quiet time there is no pause.
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

/** Items in one transaction, so that a list of 100,000 does not block the event loop. */
const SLICE = 500;

/** A long list in several transactions. A crash in between leaves its beginning done, so repeating `each` must be harmless. */
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

/** Waits as long as each turn of the event loop brings more work. */
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
