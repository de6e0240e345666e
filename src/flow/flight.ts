// Owns one arrival on its way: which handle is alive, what the server said about it, and its place in the window.

import type { Notice } from '../content/reader.js';
import type { AnyArrival, Content } from '../driver/contract.js';
import type { Clock } from '../kit/clock.js';
import type { Answer } from './line.js';

/** An arrival of a driver, or a notice of ours that goes the same way. */
export type Handled = Omit<AnyArrival, 'content'> & { readonly content: Content | Notice | null };

/** Without a reason of its own every abort would make an exception with its stack. */
const TAKEN = new Error('the server has taken it');

export interface Flight {
  /** The arrival's key; a new one when the counterparty renumbered. */
  key: string;
  /** Monotonic ms of the driver's yield. */
  readonly since: number;
  /** The handle to confirm on: the newest one the driver showed. */
  readonly arrival: Handled;
  /** Aborted as soon as the server has taken it, whichever attempt the answer was for. */
  readonly taken: AbortSignal;
  /** The server's words of its last answer. */
  readonly detail: string;
  adopt(arrival: Handled): void;
  /** Told by the ack book. */
  hear(answer: Answer, detail: string): void;
  /** The next answer, `silent` after `ms`; rejects when `signal` aborts. */
  answer(clock: Clock, ms: number, signal: AbortSignal): Promise<Answer>;
  /** Gives the place in the window back; again after `stay`. */
  leave(): void;
  stay(leave: () => void): void;
}

export function flightOf(first: Handled, since: number, leaveFirst: () => void): Flight {
  let arrival = first;
  let leave = leaveFirst;
  let detail = '';
  let listener: ((answer: Answer) => void) | undefined;
  const taken = new AbortController();
  return {
    key: first.key,
    since,
    get arrival() {
      return arrival;
    },
    taken: taken.signal,
    get detail() {
      return detail;
    },
    adopt(next) {
      arrival = next;
    },
    hear(answer, words) {
      detail = words;
      if (answer === 'taken') taken.abort(TAKEN);
      listener?.(answer);
    },
    answer(clock, ms, signal) {
      if (taken.signal.aborted) return Promise.resolve('taken');
      if (signal.aborted) return Promise.reject(signal.reason);
      return new Promise((resolve, reject) => {
        const end = () => {
          cancel();
          listener = undefined;
          signal.removeEventListener('abort', abandon);
        };
        const abandon = () => {
          end();
          reject(signal.reason);
        };
        const cancel = clock.schedule(ms, () => {
          end();
          resolve('silent');
        });
        listener = (answer) => {
          end();
          resolve(answer);
        };
        signal.addEventListener('abort', abandon, { once: true });
      });
    },
    leave: () => leave(),
    stay(next) {
      leave = next;
    },
  };
}
