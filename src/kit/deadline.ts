// One time budget per piece of work: made where the work enters, drawn down by every step.
import { type Clock, yieldToEventLoop } from './clock.js';
import { GatepostError } from './errors.js';

export interface Deadline {
  /** Aborts when the time is used up, when the parent signal aborts, or never after `dispose`. */
  readonly signal: AbortSignal;
  /** Ms left; 0 when it is over. */
  remaining(): number;
  /** Rejects with code `deadline` naming `what` when the time is used up before `work` settles. */
  race<T>(work: Promise<T>, what: string): Promise<T>;
  /** Disarms the timer. The maker of the deadline disposes it. */
  dispose(): void;
}

/** A timer that is later than this, ms, means that the process stood still (frozen, swapped out, a long turn). */
const STOOD_STILL_MS = 100;
/** Turns of the event loop in which sockets are read before such a deadline speaks: the answer may have arrived meanwhile. */
const READING_TURNS = 10;

export function deadline(clock: Clock, ms: number, parent?: AbortSignal): Deadline {
  const end = clock.monotonic() + ms;
  const controller = new AbortController();
  let disposed = false;
  const abort = (reason: unknown) => {
    dispose();
    controller.abort(reason);
  };
  const expire = () => {
    if (!disposed) abort(new GatepostError('deadline', `no result within ${Math.round(ms)} ms`));
  };
  const cancel = clock.schedule(ms, () => {
    if (clock.monotonic() - end <= STOOD_STILL_MS) expire();
    else void readWhatHasArrived().then(expire);
  });
  const onParent = () => abort(parent?.reason);
  const dispose = () => {
    disposed = true;
    cancel();
    parent?.removeEventListener('abort', onParent);
  };
  if (parent?.aborted) onParent();
  else parent?.addEventListener('abort', onParent, { once: true });
  return {
    signal: controller.signal,
    remaining: () => Math.max(0, end - clock.monotonic()),
    race: (work, what) => raceSignal(work, controller.signal, what),
    dispose,
  };
}

/**
 * After a process stood still, its timers run before its sockets are read. Code that arms a timer of its own calls this before
 * it reports that no answer has come.
 */
export async function readWhatHasArrived(): Promise<void> {
  for (let turn = 0; turn < READING_TURNS; turn++) await yieldToEventLoop();
}

/** Settles as `work` does, or rejects with the signal's reason (the step named) as soon as it aborts. */
export function raceSignal<T>(work: Promise<T>, signal: AbortSignal, what: string): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(named(signal.reason, what));
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}

function named(reason: unknown, what: string): unknown {
  if (!(reason instanceof GatepostError)) return reason;
  return new GatepostError(reason.code, `${what}: ${reason.message}`, { cause: reason });
}
