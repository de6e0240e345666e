import { raceSignal, readWhatHasArrived } from '../../../src/driver/contract.js';

/**
 * Settles as `work` does, or rejects with the reason of `signal` after it aborts. A response that is already in the socket
 * when the signal aborts still counts.
 */
export async function settledBy<T>(work: Promise<T>, signal: AbortSignal, what: string): Promise<T> {
  try {
    return await raceSignal(work, signal, what);
  } catch (error) {
    if (!signal.aborted) throw error;
    await readWhatHasArrived();
    return Promise.race([work, Promise.reject(error)]);
  }
}
