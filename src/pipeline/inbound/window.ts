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

type Kind = 'new' | 'repeat';

export function deliveryWindow(limit: { slots: number; bytes: number }): DeliveryWindow {
  return new Window(limit);
}

class Window implements DeliveryWindow {
  readonly #limit: { slots: number; bytes: number };
  readonly #mostRepeats: number;
  /** Bounded by the askers: the driver and the loop of stored messages ask for one slot at a time, repeats back off before. */
  readonly #queues: Record<Kind, Applicant[]> = { new: [], repeat: [] };
  readonly #idle: (() => void)[] = [];
  #used = 0;
  #repeats = 0;
  #bytes = 0;

  constructor(limit: { slots: number; bytes: number }) {
    this.#limit = limit;
    this.#mostRepeats = Math.max(1, Math.floor(limit.slots / 2));
  }

  get used(): number {
    return this.#used;
  }

  enterNew(bytes: number, signal: AbortSignal): Promise<() => void> {
    return this.#enter('new', bytes, signal);
  }

  enterRepeat(bytes: number, signal: AbortSignal): Promise<() => void> {
    return this.#enter('repeat', bytes, signal);
  }

  empty(): Promise<void> {
    return this.#used === 0 ? Promise.resolve() : new Promise((resolve) => this.#idle.push(resolve));
  }

  #enter(kind: Kind, bytes: number, signal: AbortSignal): Promise<() => void> {
    if (signal.aborted) return Promise.reject(signal.reason);
    return new Promise((resolve, reject) => {
      const queue = this.#queues[kind];
      const leave = () => {
        queue.splice(queue.indexOf(applicant), 1);
        reject(signal.reason);
        this.#admitWaiting();
      };
      const admit = () => {
        signal.removeEventListener('abort', leave);
        resolve(this.#take(kind, bytes));
      };
      const applicant: Applicant = { bytes, admit };
      signal.addEventListener('abort', leave, { once: true });
      queue.push(applicant);
      this.#admitWaiting();
    });
  }

  /** Repeats come first as long as they may: they have waited longest, and half of the window is out of their reach. */
  #admitWaiting(): void {
    for (;;) {
      const repeatsMay = this.#repeats < this.#mostRepeats && this.#queues.repeat.length > 0;
      const queue = repeatsMay ? this.#queues.repeat : this.#queues.new;
      const [applicant] = queue;
      if (!applicant || !this.#fits(applicant.bytes)) break;
      queue.shift();
      applicant.admit();
    }
    if (this.#used === 0) for (const wake of this.#idle.splice(0)) wake();
  }

  #fits(bytes: number): boolean {
    return this.#used === 0 || (this.#used < this.#limit.slots && this.#bytes + bytes <= this.#limit.bytes);
  }

  #take(kind: Kind, bytes: number): () => void {
    const repeat = kind === 'repeat' ? 1 : 0;
    this.#used += 1;
    this.#repeats += repeat;
    this.#bytes += bytes;
    let inside = true;
    return () => {
      if (!inside) return;
      inside = false;
      this.#used -= 1;
      this.#repeats -= repeat;
      this.#bytes -= bytes;
      this.#admitWaiting();
    };
  }
}
