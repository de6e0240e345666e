// Bounds what goes out on one account: a window of unanswered parts, so many parts a second, a pause when the SMSC asks to
// slow down, and one message at a time to each recipient, so that messages arrive in the order of sending.
import { type Clock, type Random, semaphore, sleep } from '../../../src/driver/contract.js';

export interface ThrottleLimits {
  readonly WindowSize: number;
  readonly MaxPerSecond?: number | undefined;
}

/** The first pause after a throttling status, and the longest, ms. */
const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 30_000;
const MAX_DOUBLINGS = 10;

export class Throttle {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #window: ReturnType<typeof semaphore>;
  readonly #gapMs: number;
  /** The sends that wait behind another message to the same recipient; bounded by the sends that the pipeline runs at once. */
  readonly #recipients = new Map<string, (() => void)[]>();
  #nextAt = 0;
  #pausedUntil = 0;
  #pauses = 0;

  constructor(limits: ThrottleLimits, clock: Clock, random: Random) {
    this.#clock = clock;
    this.#random = random;
    this.#window = semaphore({ slots: limits.WindowSize, weight: Number.POSITIVE_INFINITY });
    this.#gapMs = limits.MaxPerSecond === undefined ? 0 : 1000 / limits.MaxPerSecond;
  }

  /** Waits until no other message to this recipient is being sent. Rejects when `signal` aborts. */
  async recipientTurn(address: string, signal: AbortSignal): Promise<() => void> {
    const queue = this.#recipients.get(address);
    if (queue) await queued(queue, signal);
    else this.#recipients.set(address, []);
    return () => {
      const next = this.#recipients.get(address)?.shift();
      if (next) next();
      else this.#recipients.delete(address);
    };
  }

  /** Waits until one more part may go out. Rejects when `signal` aborts. */
  async partSlot(signal: AbortSignal): Promise<() => void> {
    const release = await this.#window.enter(1, signal);
    try {
      await this.#pace(signal);
      return release;
    } catch (error) {
      release();
      throw error;
    }
  }

  /** The SMSC asked to slow down: nothing goes out for a while, longer each time. */
  slowDown(): void {
    const now = this.#clock.monotonic();
    // The SMSC rejects a full window at once: that is one request to slow down, not one for each part.
    if (now < this.#pausedUntil) return;
    const longest = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** this.#pauses);
    this.#pausedUntil = now + longest / 2 + (longest / 2) * this.#random();
    this.#pauses = Math.min(this.#pauses + 1, MAX_DOUBLINGS);
  }

  /** The SMSC accepted a part. */
  accepted(): void {
    if (this.#clock.monotonic() >= this.#pausedUntil) this.#pauses = 0;
  }

  async #pace(signal: AbortSignal): Promise<void> {
    const now = this.#clock.monotonic();
    if (this.#gapMs > 0) {
      const at = Math.max(now, this.#nextAt);
      this.#nextAt = at + this.#gapMs;
      if (at > now) await sleep(this.#clock, Math.ceil(at - now), signal);
    }
    const left = () => this.#pausedUntil - this.#clock.monotonic();
    while (left() > 0) await sleep(this.#clock, Math.ceil(left()), signal);
  }
}

/** Waits at the end of the queue, and leaves the queue when `signal` aborts. */
function queued(queue: (() => void)[], signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  return new Promise((resolve, reject) => {
    const proceed = () => {
      signal.removeEventListener('abort', abandon);
      resolve();
    };
    const abandon = () => {
      const at = queue.indexOf(proceed);
      if (at >= 0) queue.splice(at, 1);
      reject(signal.reason);
    };
    queue.push(proceed);
    signal.addEventListener('abort', abandon, { once: true });
  });
}
