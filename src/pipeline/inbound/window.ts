// The window of unacknowledged messages. New messages and repeats queue apart, and repeats hold at most half of the slots, so that
// messages which the server never answers cannot keep new ones out.

export interface DeliveryWindow {
  /** Slots in use. */
  readonly used: number;
  /** Both resolve with the function that releases the slot; they reject when `signal` aborts. A slot is always granted to an
   *  empty window, however large the message. */
  enterNew(bytes: number, signal: AbortSignal): Promise<() => void>;
  enterRepeat(bytes: number, signal: AbortSignal): Promise<() => void>;
  /** Resolves when no slot is in use. */
  empty(): Promise<void>;
}

interface Applicant {
  bytes: number;
  admit(): void;
}

export function deliveryWindow(limit: { slots: number; bytes: number }): DeliveryWindow {
  const mostRepeats = Math.max(1, Math.floor(limit.slots / 2));
  const queues = { new: [] as Applicant[], repeat: [] as Applicant[] };
  const idle: (() => void)[] = [];
  let used = 0;
  let repeats = 0;
  let held = 0;

  const fits = (bytes: number) => used === 0 || (used < limit.slots && held + bytes <= limit.bytes);

  /** Repeats come first as long as they may: they have waited longest, and half of the window is out of their reach. */
  function admitWaiting(): void {
    for (;;) {
      const queue = repeats < mostRepeats && queues.repeat.length > 0 ? queues.repeat : queues.new;
      const [applicant] = queue;
      if (!applicant || !fits(applicant.bytes)) break;
      queue.shift();
      applicant.admit();
    }
    if (used === 0) for (const wake of idle.splice(0)) wake();
  }

  function take(kind: keyof typeof queues, bytes: number): () => void {
    const repeat = kind === 'repeat' ? 1 : 0;
    used += 1;
    repeats += repeat;
    held += bytes;
    let inside = true;
    return () => {
      if (!inside) return;
      inside = false;
      used -= 1;
      repeats -= repeat;
      held -= bytes;
      admitWaiting();
    };
  }

  function enter(kind: keyof typeof queues, bytes: number, signal: AbortSignal): Promise<() => void> {
    if (signal.aborted) return Promise.reject(signal.reason);
    return new Promise((resolve, reject) => {
      const queue = queues[kind];
      const leave = () => {
        queue.splice(queue.indexOf(applicant), 1);
        reject(signal.reason);
        admitWaiting();
      };
      const applicant: Applicant = {
        bytes,
        admit() {
          signal.removeEventListener('abort', leave);
          resolve(take(kind, bytes));
        },
      };
      signal.addEventListener('abort', leave, { once: true });
      queue.push(applicant);
      admitWaiting();
    });
  }

  return {
    get used() {
      return used;
    },
    enterNew: (bytes, signal) => enter('new', bytes, signal),
    enterRepeat: (bytes, signal) => enter('repeat', bytes, signal),
    empty: () => (used === 0 ? Promise.resolve() : new Promise((resolve) => idle.push(resolve))),
  };
}
