// Bounded concurrency: a number of slots, each with a weight, given out in the order of asking.
export interface Semaphore {
  readonly used: number;
  readonly weight: number;
  /** Resolves with the release function once there is room; one entry always fits, however heavy. Rejects when `signal` aborts. */
  enter(weight: number, signal?: AbortSignal): Promise<() => void>;
  /** Takes a slot only when there is room now. */
  tryEnter(weight: number): (() => void) | undefined;
  /** Resolves when no slot is taken. */
  empty(): Promise<void>;
}

export function semaphore(limit: { slots: number; weight: number }): Semaphore {
  let used = 0;
  let held = 0;
  const queue: { weight: number; admit: () => void }[] = [];
  const idle: (() => void)[] = [];

  const fits = (weight: number) => used === 0 || (used < limit.slots && held + weight <= limit.weight);
  const take = (weight: number) => {
    used += 1;
    held += weight;
    let inside = true;
    return () => {
      if (!inside) return;
      inside = false;
      used -= 1;
      held -= weight;
      for (let next = queue[0]; next && fits(next.weight); next = queue[0]) {
        queue.shift();
        next.admit();
      }
      if (used === 0) for (const wake of idle.splice(0)) wake();
    };
  };

  return {
    get used() {
      return used;
    },
    get weight() {
      return held;
    },
    tryEnter: (weight) => (queue.length === 0 && fits(weight) ? take(weight) : undefined),
    enter(weight, signal) {
      if (signal?.aborted) return Promise.reject(signal.reason);
      if (queue.length === 0 && fits(weight)) return Promise.resolve(take(weight));
      return new Promise((resolve, reject) => {
        const entry = {
          weight,
          admit: () => {
            signal?.removeEventListener('abort', leave);
            resolve(take(weight));
          },
        };
        const leave = () => {
          const at = queue.indexOf(entry);
          if (at >= 0) queue.splice(at, 1);
          reject(signal?.reason);
        };
        queue.push(entry);
        signal?.addEventListener('abort', leave, { once: true });
      });
    },
    empty: () => (used === 0 ? Promise.resolve() : new Promise((resolve) => idle.push(resolve))),
  };
}
