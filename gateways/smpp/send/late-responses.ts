// Ids of parts whose outcome was unknown when the SMSC answered, stored for a lookup. A lookup does not delete them, because
// its result may never reach the journal; their age ends them.
import type { ComposedText, GatewayContext } from '../../../src/driver/contract.js';
import { keyPart, TtlStore } from '../ttl-store.js';

/** Collection of ids: `<reference>.<attempt>.<part>` -> id. */
const ANSWERED = 'answered';
/** Of all attempts at one message together; the longest message has 255 parts. */
const MOST_RESPONSES = 5_000;
const ATTEMPT_DIGITS = 6;

export interface AnsweredAttempt {
  readonly attempt: number;
  /** Ids by number of the part. */
  readonly ids: ReadonlyMap<number, string>;
}

export class LateResponses {
  readonly #store: TtlStore;

  private constructor(store: TtlStore) {
    this.#store = store;
  }

  static async open({ driverState, clock }: Pick<GatewayContext<unknown>, 'driverState' | 'clock'>) {
    const store = new TtlStore(driverState, ANSWERED, clock.now);
    await store.prune();
    return new LateResponses(store);
  }

  async record(reference: string, attempt: number, ids: ReadonlyMap<number, string>): Promise<void> {
    if (ids.size === 0) return;
    const head = `${prefixOf(reference)}${String(attempt).padStart(ATTEMPT_DIGITS, '0')}.`;
    await this.#store.put([...ids].map(([part, id]) => ({ key: `${head}${part}`, value: id })));
  }

  /** The attempts at a message, the newest first. */
  async attemptsAt({ reference }: ComposedText): Promise<AnsweredAttempt[]> {
    const prefix = prefixOf(reference);
    const attempts = new Map<number, Map<number, string>>();
    for (const { key, value } of await this.#store.find(prefix, MOST_RESPONSES)) {
      const [attempt = 0, part = 0] = key.slice(prefix.length).split('.').map(Number);
      const ids = attempts.get(attempt) ?? new Map<number, string>();
      attempts.set(attempt, ids.set(part, String(value)));
    }
    return [...attempts].map(([attempt, ids]) => ({ attempt, ids })).sort((one, other) => other.attempt - one.attempt);
  }
}

function prefixOf(reference: string): string {
  return `${keyPart(reference)}.`;
}
