// Owns our answers to the SMSC, and with them telling a message that is sent again from a new one with the same words.
// deliver_sm has no identity (SMPP 3.4, 4.6.1), so all that can tell is what we said to the earlier one, and whether that
// was surely heard. The memory of it outlives sessions, because a broken link ends a session; a restart it does not outlive:
// then a message may arrive twice, which is better than never.
import type { GatewayContext } from '../../../src/driver/contract.js';
import { forgetOldest } from '../bounded-map.js';
import type { Pdu } from '../pdu/pdu.js';
import { STATUS } from '../pdu/status.js';
import type { Wire } from '../session/connection.js';
import type { SmppSettings } from '../settings.js';

/**
 * Ms that an SMSC waits for an answer at least before it sends a message again while the connection lives. Two equal
 * messages that come closer together are two.
 */
export const RESEND_AFTER_MS = 5_000;
/** Ms after which an equal message is a new one, whatever became of the earlier. Rather twice than never. */
export const RESEND_WITHIN_MS = 3_600_000;
/** Different messages remembered for a gateway, at least; the oldest go first. */
const REMEMBERED = 20_000;
/** Answers to equal messages remembered; more of them within an hour come from a machine, and one of its texts twice is no harm. */
const MOST_ALIKE = 100;
/** Positive answers between two looks at which of them are needed no more. */
const PRUNE_EVERY = 1_000;

/** One sending of a message. */
export interface Pushed {
  readonly pdu: Pdu;
  readonly wire: Wire;
  /** Over everything but the sequence number: an SMSC that gives any identity at all gives it in a parameter. */
  readonly hash: string;
  readonly at: number;
}

export interface Answers {
  /** False when the connection is gone and nothing could be said. */
  give(push: Pushed, status: number): boolean;
  /** Whether this is a message again whose positive answer may not have been heard. Each answer excuses one repeat. */
  isRepeat(push: Pushed): boolean;
}

interface Answered {
  readonly wire: Wire;
  readonly index: number;
  readonly receivedAt: number;
  readonly answeredAt: number;
}

interface Remembered {
  readonly byHash: Map<string, readonly Answered[]>;
  /** Positive answers so far, and when the last one was given. */
  given: number;
  usedAt: number;
}

/** By gateway and account; for an hour after its last answer. */
const memories = new Map<string, Remembered>();

export function answersOf({ gateway, settings, clock }: GatewayContext<SmppSettings>): Answers {
  const { Host, Port, SystemId } = settings;
  const key = JSON.stringify([gateway.id, Host, Port, SystemId]);
  const driverState: Remembered = memories.get(key) ?? { byHash: new Map(), given: 0, usedAt: clock.now() };
  const { byHash } = driverState;
  for (const [other, { usedAt }] of memories) if (clock.now() - usedAt > RESEND_WITHIN_MS) memories.delete(other);
  memories.set(key, driverState);

  /** From the oldest on, until one is still needed. */
  function prune(now: number): void {
    for (const [hash, list] of byHash) {
      if (list.some((answer) => isNeeded(answer, now))) break;
      byHash.delete(hash);
    }
    forgetOldest(byHash, REMEMBERED);
  }

  return {
    give({ pdu, wire, hash, at }, status) {
      const index = wire.answer(pdu, status);
      if (index === undefined) return false;
      if (status !== STATUS.ok) return true;
      const now = clock.now();
      driverState.given += 1;
      if (driverState.given % PRUNE_EVERY === 0) prune(now);
      const alike = (byHash.get(hash) ?? []).filter((answer) => isNeeded(answer, now)).slice(1 - MOST_ALIKE);
      byHash.delete(hash);
      byHash.set(hash, [...alike, { wire, index, receivedAt: at, answeredAt: now }]);
      driverState.usedAt = now;
      memories.set(key, driverState);
      return true;
    },
    isRepeat({ hash, at }) {
      const list = byHash.get(hash);
      const answered = list?.find((answer) => mayNotHaveHeard(answer, at));
      if (!list || !answered) return false;
      const rest = list.filter((other) => other !== answered);
      if (rest.length > 0) byHash.set(hash, rest);
      else byHash.delete(hash);
      return true;
    },
  };
}

/** A later request of ours on the same connection was answered, and a stream is read in order. */
function isHeard({ wire, index }: Answered): boolean {
  return index <= wire.read;
}

/** Whether a repeat may still come that it excuses. */
function isNeeded(answer: Answered, now: number): boolean {
  return now - answer.answeredAt <= RESEND_WITHIN_MS && (!isHeard(answer) || mayHaveCrossed(answer, now));
}

function mayNotHaveHeard(answer: Answered, now: number): boolean {
  if (now - answer.answeredAt > RESEND_WITHIN_MS) return false;
  // On a living connection only a late answer can have crossed with the repeat.
  return answer.wire.open ? mayHaveCrossed(answer, now) : !isHeard(answer);
}

function mayHaveCrossed({ receivedAt, answeredAt }: Answered, now: number): boolean {
  return answeredAt - receivedAt >= RESEND_AFTER_MS && now - answeredAt < RESEND_AFTER_MS;
}
