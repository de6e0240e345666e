// Owns how much goes out at once on one account: a window of unanswered parts, so many a second, a pause when the SMSC
// asks for one, and one message after the other to the same recipient, so that they arrive in the order of sending.
import { type Clock, type Random, semaphore, sleep } from '../../../src/driver/contract.js';

export interface Traffic {
  /** Waits until no other message to this recipient is on its way. Rejects when `signal` aborts. */
  recipient(address: string, signal: AbortSignal): Promise<() => void>;
  /** Waits until one more part may go out. Rejects when `signal` aborts. */
  part(signal: AbortSignal): Promise<() => void>;
  /** The SMSC asked to slow down: nothing goes out for a while, longer each time. */
  slowDown(): void;
  /** It took a part. */
  taken(): void;
}

export interface TrafficLimits {
  readonly WindowSize: number;
  readonly MaxPerSecond?: number | undefined;
}

/** Ms of the first pause after a throttle, and of the longest. */
const FIRST_HOLD_MS = 1_000;
const LONGEST_HOLD_MS = 30_000;

export function trafficOf(limits: TrafficLimits, clock: Clock, random: Random): Traffic {
  const places = semaphore({ places: limits.WindowSize, weight: Number.POSITIVE_INFINITY });
  const gapMs = limits.MaxPerSecond === undefined ? 0 : 1000 / limits.MaxPerSecond;
  /** Who has a message on its way, and who waits behind it. */
  const recipients = new Map<string, (() => void)[]>();
  let nextAt = 0;
  let heldUntil = 0;
  let holds = 0;

  async function pace(signal: AbortSignal): Promise<void> {
    if (gapMs > 0) {
      const now = clock.monotonic();
      const at = Math.max(now, nextAt);
      nextAt = at + gapMs;
      if (at > now) await sleep(clock, Math.ceil(at - now), signal);
    }
    for (let left = heldUntil - clock.monotonic(); left > 0; left = heldUntil - clock.monotonic())
      await sleep(clock, Math.ceil(left), signal);
  }

  return {
    async recipient(address, signal) {
      const line = recipients.get(address);
      if (!line) recipients.set(address, []);
      else await inLine(line, signal);
      return () => {
        const next = recipients.get(address)?.shift();
        if (next) next();
        else recipients.delete(address);
      };
    },
    async part(signal) {
      const leave = await places.enter(1, signal);
      try {
        await pace(signal);
        return leave;
      } catch (error) {
        leave();
        throw error;
      }
    },
    slowDown() {
      const now = clock.monotonic();
      // A window full of parts is refused at once: that is one request to slow down, not fifty.
      if (now < heldUntil) return;
      const longest = Math.min(LONGEST_HOLD_MS, FIRST_HOLD_MS * 2 ** holds);
      heldUntil = now + longest / 2 + (longest / 2) * random();
      holds = Math.min(holds + 1, 10);
    },
    taken() {
      if (clock.monotonic() >= heldUntil) holds = 0;
    },
  };
}

/** Waits for its turn at the end of the line, or leaves it. */
function inLine(line: (() => void)[], signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  return new Promise((resolve, reject) => {
    const come = () => {
      signal.removeEventListener('abort', leave);
      resolve();
    };
    const leave = () => {
      const at = line.indexOf(come);
      if (at >= 0) line.splice(at, 1);
      reject(signal.reason);
    };
    line.push(come);
    signal.addEventListener('abort', leave, { once: true });
  });
}
