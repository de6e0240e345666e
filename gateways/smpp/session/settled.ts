import { raceSignal, yieldToEventLoop } from '../../../src/driver/contract.js';

/**
 * Settles as `work` does, or rejects with the reason of `signal` after it aborts. A process that stood still runs its
 * timers before it reads its sockets, so what had arrived by then is read before the deadline counts.
 */
export async function settledBy<T>(work: Promise<T>, signal: AbortSignal, what: string): Promise<T> {
  try {
    return await raceSignal(work, signal, what);
  } catch (error) {
    if (!signal.aborted) throw error;
    // Two turns: the first one may end the turn of the event loop in which the timer ran.
    await yieldToEventLoop();
    await yieldToEventLoop();
    return Promise.race([work, Promise.reject(error)]);
  }
}
