// Owns small durable records that are needed for some days only. Every key begins with the span of time it was kept in, so
// that the oldest come first and are forgotten by the page, and nothing else has to remember what there is.
import type { DriverState } from '../../src/driver/contract.js';

export interface Lasting {
  keep(records: readonly { key: string; value: unknown }[]): Promise<void>;
  /** Those whose key begins with `prefix`, at most `limit` of each span, the newest span first. */
  find(prefix: string, limit: number): Promise<readonly { key: string; value: unknown }[]>;
  /** Forgets a page of those whose time is over, the oldest first. `keep` does it now and then by itself. */
  prune(): Promise<void>;
}

/**
 * Ms that a record is kept at least; at most twice that. No SMSC tries longer to deliver a message than 7 days, and
 * after that its receipts do not come any more.
 */
export const KEPT_FOR_MS = 7 * 24 * 3_600_000;
/** Records forgotten in one go. */
const PAGE = 1_000;
/** Records kept between two of these goes: fewer than a page, so that forgetting is the faster of the two. */
const PRUNE_EVERY = 500;
const SPAN_DIGITS = 8;

export function lasting(driverState: DriverState, collection: string, now: () => number): Lasting {
  let sincePruned = 0;
  const span = () => Math.floor(now() / KEPT_FOR_MS);
  const stamp = (of: number) => `${String(of).padStart(SPAN_DIGITS, '0')}.`;

  async function prune(): Promise<void> {
    sincePruned = 0;
    const oldestNeeded = stamp(span() - 1);
    const oldest = await driverState.listRecords(collection, '', PAGE);
    const over = oldest.flatMap(({ key }) => (key < oldestNeeded ? [key] : []));
    if (over.length > 0) await driverState.deleteRecords(collection, over);
  }

  return {
    async keep(records) {
      const head = stamp(span());
      await driverState.putRecords(
        collection,
        records.map(({ key, value }) => ({ key: head + key, value })),
      );
      sincePruned += records.length;
      if (sincePruned >= PRUNE_EVERY) await prune();
    },
    async find(prefix, limit) {
      const newest = span();
      const pages = await Promise.all(
        [newest, newest - 1].map((of) => driverState.listRecords(collection, stamp(of) + prefix, limit)),
      );
      return pages.flat().map(({ key, value }) => ({ key: key.slice(SPAN_DIGITS + 1), value }));
    },
    prune,
  };
}
