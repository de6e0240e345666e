// The messages of one gateway that are under way. A key is reserved synchronously, before the first await: the same message cannot
// be under way twice.
import type { AnyInboundMessage, Content } from '../../driver/contract.js';
import type { Notice } from '../../model/content.js';
import type { Identity } from './identity.js';

/** A message of a driver, a stored message of the journal, or a notice of ours. */
export type InboundHandle = Omit<AnyInboundMessage, 'content'> & {
  readonly content: Content | Notice | null;
  /** True for the journal's own copy of a message that the counterparty still holds: the confirmation waits until the driver
   *  shows the key again. */
  readonly detached?: boolean;
};

export interface InFlight {
  /** Changes when the counterparty renumbers. */
  key: string;
  /** Monotonic ms of the reservation. */
  readonly since: number;
  /** The newest handle that the driver has shown: the one to confirm. */
  handle: InboundHandle;
  /** Of the first handle that had one. */
  content: Content | Notice | null;
  /** As the journal has it; null until the journal was asked. */
  identity: Identity | null;
  /** Releases the slot in the window, if the message holds one. */
  releaseSlot: () => void;
  /** When the server first left the message unanswered, ms since the epoch; null once it has answered. */
  unansweredSince: number | null;
}

export interface InFlightTable {
  has(key: string): boolean;
  /** Undefined when the key is under way already: that delivery goes on with the new handle. */
  reserve(handle: InboundHandle): InFlight | undefined;
  release(entry: InFlight): void;
  /** Messages go on under their new keys; the next session shows only those. */
  rekey(changes: readonly { from: string; to: string }[]): void;
  keys(): string[];
  /** Age of the oldest message, ms; 0 without one. */
  oldestMs(): number;
  /** Messages that the server left unanswered, and since when. */
  unanswered(): { count: number; since: number };
}

export function inFlightTable(monotonic: () => number): InFlightTable {
  const entries = new Map<string, InFlight>();
  return {
    has: (key) => entries.has(key),
    reserve(handle) {
      const running = entries.get(handle.key);
      if (running) {
        replaceHandle(running, handle);
        return undefined;
      }
      const { key, content } = handle;
      const entry: InFlight = {
        key,
        since: monotonic(),
        handle,
        content,
        identity: null,
        releaseSlot() {},
        unansweredSince: null,
      };
      entries.set(key, entry);
      return entry;
    },
    release(entry) {
      entry.releaseSlot();
      if (entries.get(entry.key) === entry) entries.delete(entry.key);
    },
    rekey(changes) {
      for (const { from, to } of changes) {
        const entry = entries.get(from);
        if (!entry || entries.has(to)) continue;
        entries.delete(from);
        entry.key = to;
        entries.set(to, entry);
      }
    },
    keys: () => [...entries.keys()],
    oldestMs() {
      let oldest = 0;
      for (const { since } of entries.values()) oldest = Math.max(oldest, monotonic() - since);
      return oldest;
    },
    unanswered() {
      const times = [...entries.values()].flatMap(({ unansweredSince: at }) => (at === null ? [] : [at]));
      return { count: times.length, since: Math.min(...times) };
    },
  };
}

function replaceHandle(entry: InFlight, handle: InboundHandle): void {
  entry.handle = handle;
  entry.content ??= handle.content;
}
