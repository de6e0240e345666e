// Owns one inbound message on its way: which handle is alive, what the server said about it, and its place in the window.

import type { AnyInboundMessage, Content } from '../../driver/contract.js';
import type { Clock } from '../../kit/clock.js';
import type { Notice } from '../../model/content.js';
import type { AckResult } from '../server/ack-tracker.js';

/** An inbound message of a driver, or a notice of ours that goes the same way. */
export type InboundHandle = Omit<AnyInboundMessage, 'content'> & { readonly content: Content | Notice | null };

/** Without a reason of its own every abort would make an exception with its stack. */
const TAKEN = new Error('the server has taken it');

export interface InFlight {
  /** The inbound message's key; a new one when the counterparty renumbered. */
  key: string;
  /** Monotonic ms of the driver's yield. */
  readonly since: number;
  /** The handle to confirm on: the newest one the driver showed. */
  readonly message: InboundHandle;
  /** Aborted as soon as the server has taken it, whichever attempt the answer was for. */
  readonly accepted: AbortSignal;
  /** The server's words of its last answer. */
  readonly detail: string;
  replaceHandle(inboundMessage: InboundHandle): void;
  /** Told by the ack book. */
  resolve(answer: AckResult, detail: string): void;
  /** The next answer, `silent` after `ms`; rejects when `signal` aborts. */
  result(clock: Clock, ms: number, signal: AbortSignal): Promise<AckResult>;
  /** Gives the place in the window back; again after `stay`. */
  release(): void;
  reacquire(leave: () => void): void;
}

export function inFlight(first: InboundHandle, since: number, leaveFirst: () => void): InFlight {
  let inboundMessage = first;
  let leave = leaveFirst;
  let detail = '';
  let listener: ((answer: AckResult) => void) | undefined;
  const taken = new AbortController();
  return {
    key: first.key,
    since,
    get message() {
      return inboundMessage;
    },
    accepted: taken.signal,
    get detail() {
      return detail;
    },
    replaceHandle(next) {
      inboundMessage = next;
    },
    resolve(answer, words) {
      detail = words;
      if (answer === 'accepted') taken.abort(TAKEN);
      listener?.(answer);
    },
    result(clock, ms, signal) {
      if (taken.signal.aborted) return Promise.resolve('accepted');
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
          resolve('timeout');
        });
        listener = (answer) => {
          end();
          resolve(answer);
        };
        signal.addEventListener('abort', abandon, { once: true });
      });
    },
    release: () => leave(),
    reacquire(next) {
      leave = next;
    },
  };
}
