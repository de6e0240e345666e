// p-retry counts the attempts; the waiting uses our clock, so that tests can turn it.
import pRetry from 'p-retry';
import { type Backoff, equalJitter } from './backoff.js';
import { type Clock, type Random, sleep } from './clock.js';

export interface RetryOptions {
  clock: Clock;
  random: Random;
  backoff: Backoff;
  signal: AbortSignal;
  /** Repeats after the first try; for ever when absent. */
  retries?: number;
  /** False ends the retrying: the failure is final. */
  worthIt?: (error: unknown) => boolean;
  /** Called for every failure, with the pause before the next try. */
  onFailure?: (error: Error, waitMs: number) => void;
}

export async function retry<T>(work: (attempt: number) => Promise<T>, options: RetryOptions): Promise<T> {
  options.signal.throwIfAborted();
  // Nearly everything works at the first try, and then none of the machinery below is needed.
  const first = await work(1).then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  );
  return 'value' in first ? first.value : repeated(first.error, work, options);
}

/** `failure` is what the first try, already made, ended with. */
function repeated<T>(failure: unknown, work: (attempt: number) => Promise<T>, options: RetryOptions): Promise<T> {
  const { clock, random, backoff, signal, worthIt = () => true } = options;
  const again = (attempt: number) => (attempt === 1 ? Promise.reject(failure) : work(attempt));
  return pRetry(again, {
    retries: options.retries ?? Number.POSITIVE_INFINITY,
    minTimeout: 0,
    maxTimeout: 0,
    signal,
    shouldRetry: ({ error }) => worthIt(error),
    async onFailedAttempt({ error, attemptNumber, retriesLeft }) {
      signal.throwIfAborted();
      if (retriesLeft <= 0 || !worthIt(error)) return;
      const pause = equalJitter(backoff, attemptNumber, random);
      options.onFailure?.(error, pause);
      await sleep(clock, pause, signal);
    },
  });
}
