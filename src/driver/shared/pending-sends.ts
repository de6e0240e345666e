import type { Clock } from '../../kit/clock.js';
import { sleep } from '../../kit/clock.js';
import { deadline } from '../../kit/deadline.js';
import type { DeliveryState } from '../../model/receipt.js';

/** How far a sent message has come. */
export interface Progress {
  readonly state: DeliveryState;
  /** True when no other state follows. */
  readonly final: boolean;
  /** Place in the course of a message: repeated and late reports have no higher one. */
  readonly rank: number;
}

/** The sends that wait for the final state of their message, by the provider's id. Bounded by the sends that run at once. */
export interface PendingSends<P extends Progress> {
  readonly size: number;
  /** Calls `onProgress` with every report about the message until the returned function is called. */
  watch(id: string, onProgress: (progress: P) => void): () => void;
  /** Passes on what the provider pushed; false when no send waits for the message. */
  report(id: string, progress: P): boolean;
}

export function pendingSends<P extends Progress>(): PendingSends<P> {
  const watchers = new Map<string, (progress: P) => void>();
  return {
    get size() {
      return watchers.size;
    },
    watch(id, onProgress) {
      watchers.set(id, onProgress);
      return () => {
        if (watchers.get(id) === onProgress) watchers.delete(id);
      };
    },
    report(id, progress) {
      const watcher = watchers.get(id);
      watcher?.(progress);
      return watcher !== undefined;
    },
  };
}

export interface FinalWait<P extends Progress> {
  readonly clock: Clock;
  readonly pending: PendingSends<P>;
  readonly id: string;
  /** What is known when the wait starts. */
  readonly known: P;
  /** The longest wait, ms. */
  readonly ms: number;
  /** Ends the wait early. */
  readonly signal: AbortSignal;
  /** Pauses before each question to the provider, ms; the last one repeats. */
  readonly pauses: readonly number[];
  /** Asks the provider; undefined when the answer says nothing about the progress. */
  fetchProgress(signal: AbortSignal): Promise<P | undefined>;
  onProgress?(progress: P): void;
  onError(error: unknown): void;
}

/** Waits for the final state of a message, pushed or asked for. Resolves with the latest progress in any case; never rejects. */
export async function awaitFinal<P extends Progress>(wait: FinalWait<P>): Promise<P> {
  let latest = wait.known;
  if (latest.final || wait.ms <= 0) return latest;
  const due = deadline(wait.clock, wait.ms, wait.signal);
  const found = new AbortController();
  const update = (progress: P) => {
    if (latest.final || progress.rank <= latest.rank) return;
    latest = progress;
    if (progress.final) found.abort();
    else wait.onProgress?.(progress);
  };
  const unwatch = wait.pending.watch(wait.id, update);
  try {
    await pollUntilAborted(wait, update, AbortSignal.any([due.signal, found.signal]));
  } finally {
    unwatch();
    due.dispose();
  }
  return latest;
}

/** Not knowing the state is no failure of the send, so errors are reported and the questions go on. */
async function pollUntilAborted<P extends Progress>(
  { clock, pauses, fetchProgress, onError }: FinalWait<P>,
  update: (progress: P) => void,
  signal: AbortSignal,
): Promise<void> {
  for (let round = 0; !signal.aborted; round++) {
    try {
      await sleep(clock, pauses[Math.min(round, pauses.length - 1)] ?? 0, signal);
      const progress = await fetchProgress(signal);
      if (progress) update(progress);
    } catch (error) {
      if (!signal.aborted) onError(error);
    }
  }
}
