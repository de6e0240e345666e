// Our positive responses to the SMSC, to tell a message that is delivered again from a new one with the same text.
// deliver_sm has no identity (SMPP 3.4, 4.6.1), so only our response to the earlier delivery can tell, and whether the SMSC
// has read it. The cache outlives sessions, because a lost connection ends a session. It does not outlive the process:
// after a restart a message may arrive twice, which is better than never.
import type { GatewayContext } from '../../../src/driver/contract.js';
import { type BoundedMap, boundedMap } from '../../../src/driver/shared/bounded-map.js';
import type { Pdu } from '../pdu/pdu.js';
import { STATUS } from '../pdu/status.js';
import type { Connection } from '../session/connection.js';
import type { SmppSettings } from '../settings.js';

/**
 * Shortest time, ms, that an SMSC waits for a response before it delivers a message again while the connection is open. Two
 * equal messages that come closer together are two messages.
 */
export const REDELIVERY_AFTER_MS = 5_000;
/** After this long, ms, an equal message is a new one, whatever became of the earlier one: rather twice than never. */
export const REDELIVERY_WITHIN_MS = 3_600_000;
/** Different messages remembered for a gateway. */
const MOST_MESSAGES = 20_000;
/** Responses to equal messages remembered. More of them within an hour come from a machine, where a duplicate does no harm. */
const MOST_EQUAL = 100;

/** One delivery of a message by the SMSC. */
export interface Delivery {
  readonly pdu: Pdu;
  readonly connection: Connection;
  /** Of everything but the sequence number: an SMSC that does give an identity gives it in a parameter. */
  readonly hash: string;
  readonly at: number;
}

interface PositiveResponse {
  readonly connection: Connection;
  /** Its number among the responses on the connection. */
  readonly index: number;
  readonly receivedAt: number;
  readonly respondedAt: number;
}

interface CachedResponses {
  readonly byHash: BoundedMap<readonly PositiveResponse[]>;
  usedAt: number;
}

type Context = Pick<GatewayContext<SmppSettings>, 'gateway' | 'settings' | 'clock' | 'shared'>;

export class ResponseCache {
  readonly #now: () => number;
  readonly #cached: CachedResponses;

  constructor({ gateway, settings, clock, shared }: Context) {
    const { Host, Port, SystemId } = settings;
    this.#now = clock.now;
    this.#cached = cachedIn(
      shared('responses', () => new Map<string, CachedResponses>()),
      JSON.stringify([gateway.id, Host, Port, SystemId]),
      clock.now(),
    );
  }

  /** Returns false when the connection is closed and the SMSC got no response. */
  respond({ pdu, connection, hash, at }: Delivery, status: number): boolean {
    const index = connection.respond(pdu, status);
    if (index === undefined) return false;
    if (status === STATUS.ok) this.#add(hash, { connection, index, receivedAt: at, respondedAt: this.#now() });
    return true;
  }

  /** Whether this message was delivered before and the SMSC may not have read our positive response. Each response excuses
   *  one repeat. */
  isRepeat({ hash, at }: Delivery): boolean {
    const { byHash } = this.#cached;
    const responses = byHash.get(hash);
    const unread = responses?.find((response) => mayBeUnread(response, at));
    if (!responses || !unread) return false;
    const rest = responses.filter((other) => other !== unread);
    if (rest.length > 0) byHash.set(hash, rest);
    else byHash.delete(hash);
    return true;
  }

  #add(hash: string, response: PositiveResponse): void {
    const { byHash } = this.#cached;
    const now = response.respondedAt;
    this.#cached.usedAt = now;
    const equal = (byHash.get(hash) ?? []).filter((other) => isNeeded(other, now)).slice(1 - MOST_EQUAL);
    byHash.set(hash, [...equal, response]);
  }
}

/** The responses of a gateway and account. Those of others are deleted an hour after their last one. */
function cachedIn(caches: Map<string, CachedResponses>, key: string, now: number): CachedResponses {
  for (const [other, { usedAt }] of caches)
    if (other !== key && now - usedAt > REDELIVERY_WITHIN_MS) caches.delete(other);
  const cached = caches.get(key) ?? { byHash: boundedMap(MOST_MESSAGES), usedAt: now };
  caches.set(key, cached);
  return cached;
}

/** The SMSC answered a later request of ours on the same connection, and it reads a connection in order. */
function isRead({ connection, index }: PositiveResponse): boolean {
  return index <= connection.responsesRead;
}

/** Whether a repeat may still come that this response excuses. */
function isNeeded(response: PositiveResponse, now: number): boolean {
  return now - response.respondedAt <= REDELIVERY_WITHIN_MS && (!isRead(response) || mayHaveCrossed(response, now));
}

function mayBeUnread(response: PositiveResponse, now: number): boolean {
  if (now - response.respondedAt > REDELIVERY_WITHIN_MS) return false;
  // While the connection is open, only a late response can have crossed with the repeat.
  return response.connection.isOpen ? mayHaveCrossed(response, now) : !isRead(response);
}

function mayHaveCrossed({ receivedAt, respondedAt }: PositiveResponse, now: number): boolean {
  return respondedAt - receivedAt >= REDELIVERY_AFTER_MS && now - respondedAt < REDELIVERY_AFTER_MS;
}
