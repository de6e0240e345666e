// Small durable records that are needed for some days. Every key begins with the span of time in which it was stored, so
// the oldest come first and are deleted by the page, without an index.
import type { DriverState } from '../../src/driver/contract.js';

export interface TtlRecord {
  readonly key: string;
  readonly value: unknown;
}

/**
 * A record is stored for at least this long, ms, and at most for twice as long. An SMSC tries to deliver a message for at
 * most 7 days, and sends no receipt afterwards.
 */
export const TTL_MS = 7 * 24 * 3_600_000;
/** Records deleted in one go. */
const PAGE = 1_000;
/** Records stored between two goes: fewer than a page, so that deleting is faster than storing. */
const PRUNE_EVERY = 500;
const SPAN_DIGITS = 8;

export class TtlStore {
  readonly #driverState: DriverState;
  readonly #collection: string;
  readonly #now: () => number;
  #sincePruned = 0;

  constructor(driverState: DriverState, collection: string, now: () => number) {
    this.#driverState = driverState;
    this.#collection = collection;
    this.#now = now;
  }

  async put(records: readonly TtlRecord[]): Promise<void> {
    const head = prefixOf(this.#span());
    await this.#driverState.putRecords(
      this.#collection,
      records.map(({ key, value }) => ({ key: head + key, value })),
    );
    this.#sincePruned += records.length;
    if (this.#sincePruned >= PRUNE_EVERY) await this.prune();
  }

  /** The records whose key begins with `prefix`, at most `limit` of each span, the newest span first. */
  async find(prefix: string, limit: number): Promise<readonly TtlRecord[]> {
    const pages = await Promise.all(
      this.#spans().map((span) => this.#driverState.listRecords(this.#collection, prefixOf(span) + prefix, limit)),
    );
    return pages.flat().map(({ key, value }) => ({ key: key.slice(SPAN_DIGITS + 1), value }));
  }

  async delete(keys: readonly string[]): Promise<void> {
    if (keys.length === 0) return;
    const all = this.#spans().flatMap((span) => keys.map((key) => prefixOf(span) + key));
    await this.#driverState.deleteRecords(this.#collection, all);
  }

  /** Deletes a page of expired records, the oldest first. `put` calls it from time to time. */
  async prune(): Promise<void> {
    this.#sincePruned = 0;
    const oldestNeeded = prefixOf(this.#span() - 1);
    const oldest = await this.#driverState.listRecords(this.#collection, '', PAGE);
    const expired = oldest.flatMap(({ key }) => (key < oldestNeeded ? [key] : []));
    if (expired.length > 0) await this.#driverState.deleteRecords(this.#collection, expired);
  }

  #span(): number {
    return Math.floor(this.#now() / TTL_MS);
  }

  #spans(): number[] {
    return [this.#span(), this.#span() - 1];
  }
}

/** Any text as part of a key, so that it holds no separator and prefixes of it are prefixes of the key. */
export function keyPart(text: string): string {
  return Buffer.from(text).toString('hex').slice(0, 300);
}

function prefixOf(span: number): string {
  return `${String(span).padStart(SPAN_DIGITS, '0')}.`;
}
