// What a delivery does next. Pure; decide.test.ts has a row for every case.
//
// start ──► send ──► sent                                      finish: success
//             │ ───► deferred, or partial with temporary ones  wait while the time allows, then send again; else finish
//             │ ───► rejected, or partial with final ones      finish
//             └────► unknown ──► look up ──► known             as above; "surely not sent" is sent again
//                                  └──► still unknown          policy: hold, assume sent, or send again (RESENDS times);
//                                                              before it holds, one more look up when a receipt had its time
// A message that was unknown at the start begins with the lookup. As long as one attempt is unknown, no end is "not sent".
import type { Outcome, WhenUncertain } from '../../driver/contract.js';
import { decidingAttempt, foldAttempts } from '../../journal/outbound/fold.js';
import type { AttemptRecord } from '../../journal/types/outbound.js';
import {
  done,
  type End,
  heldForOperator,
  newestUnknown,
  notSent,
  partly,
  uncertain,
  unknownDetail,
} from './answers.js';

/** An attempt that has less time than this is not started, ms: it would only end as unknown. */
export const LEAST_MS = 3_000;
/** Blind repeats inside one window after an unknown outcome. More would not tell us more. */
export const RESENDS = 2;

/** Under Hold, a second lookup follows the first after this time, ms: receipts often come seconds after a lost connection or a
 *  restart, and spare an operator the decision. The delivery stays in its place among those under way for so long. */
export const LOOK_AGAIN_MS = 15_000;

/** What happened last in this delivery. */
export type Last =
  | { is: 'start' }
  /** An attempt ended. */
  | { is: 'outcome'; outcome: Outcome }
  /** Nothing could be sent: composition, opt-out, queue, session, journal. The delivery ends. */
  | { is: 'not-sent'; kind: 'deferred' | 'rejected'; detail: string }
  /** Null: the lookup found nothing, or failed. */
  | { is: 'lookup'; outcome: Outcome | null }
  /** The pause after a deferral is over; `detail` is the deferral's. */
  | { is: 'waited'; detail: string };

export interface Situation {
  /** As the journal has them, oldest first. */
  attempts: readonly AttemptRecord[];
  last: Last;
  policy: WhenUncertain;
  /** Ms until the answer is due; 0 when the delivery was cut short. */
  remaining: number;
  /** Repeats after an unknown outcome so far. */
  resends: number;
  /** The second lookup was made. */
  lookedAgain: boolean;
  /** The pause before another attempt, unless the counterparty asks for one, ms. */
  pause: number;
  /** False after a restart: the journal has no contents. */
  canSend: boolean;
  /** The driver has a lookup, and it can be told what to look for. */
  canLookUp: boolean;
}

export type Decision =
  | { do: 'send'; resend: boolean }
  /** `after`: ms to wait before. */
  | { do: 'look up'; after: number }
  | { do: 'wait'; ms: number; detail: string }
  | { do: 'assume sent'; attempt: number; detail: string }
  | { do: 'finish'; end: End };

const finish = (end: End): Decision => ({ do: 'finish', end });

export function decide(situation: Situation): Decision {
  const { attempts, last } = situation;
  const state = foldAttempts(attempts);
  if (state === 'sent') return finish(done(decidingAttempt(attempts)?.deliverySystemId ?? null));
  if (last.is === 'not-sent') return finish(notSent(attempts, last.kind, last.detail));
  const unknown = newestUnknown(attempts);
  return unknown ? whileUnknown(situation, unknown) : whileKnown(situation);
}

function whileUnknown(situation: Situation, unknown: AttemptRecord): Decision {
  const { last } = situation;
  if (last.is === 'outcome' && last.outcome.kind !== 'unknown') return afterRepeat(situation, unknown, last.outcome);
  if (last.is === 'waited') return mayResend(situation) ? resend() : finish(stillUnknown(unknown, last.detail));
  // A lookup that settled one attempt says nothing about an older one yet.
  const settledOne = last.is === 'lookup' && last.outcome !== null && last.outcome.kind !== 'unknown';
  if (situation.canLookUp && situation.remaining >= LEAST_MS && (last.is !== 'lookup' || settledOne))
    return { do: 'look up', after: 0 };
  return byPolicy(situation, unknown, detailAfter(last, unknown));
}

function detailAfter(last: Last, unknown: AttemptRecord): string {
  return last.is === 'lookup' && last.outcome?.kind === 'unknown' ? last.outcome.detail : unknownDetail(unknown);
}

function byPolicy(situation: Situation, unknown: AttemptRecord, detail: string): Decision {
  if (situation.policy === 'AssumeSent') return { do: 'assume sent', attempt: unknown.number, detail };
  if (situation.policy === 'Hold')
    return mayLookAgain(situation) ? lookAgain(situation) : finish(heldForOperator(detail));
  return mayResend(situation) ? resend() : finish(uncertain(detail));
}

function mayLookAgain({ canLookUp, lookedAgain, last, remaining }: Situation): boolean {
  return canLookUp && !lookedAgain && last.is === 'lookup' && remaining >= 2 * LEAST_MS;
}

function lookAgain({ remaining }: Situation): Decision {
  return { do: 'look up', after: Math.min(LOOK_AGAIN_MS, remaining - LEAST_MS) };
}

/** A repeat came to a known end, but an earlier attempt may still have gone out. */
function afterRepeat(situation: Situation, unknown: AttemptRecord, outcome: Outcome): Decision {
  const detail = outcome.detail ?? `the repeat was ${outcome.kind}`;
  if (outcome.kind === 'deferred' && situation.resends < RESENDS && fits(situation, pauseOf(situation, outcome)))
    return { do: 'wait', ms: pauseOf(situation, outcome), detail };
  return finish(stillUnknown(unknown, detail));
}

function stillUnknown(unknown: AttemptRecord, repeat: string): End {
  return uncertain(`${unknownDetail(unknown)}; a repeat was not accepted: ${repeat}`);
}

function whileKnown(situation: Situation): Decision {
  const { attempts, last } = situation;
  switch (last.is) {
    case 'start':
      return atStart(situation);
    case 'waited':
      return mayStart(situation) ? { do: 'send', resend: false } : finish(notSent(attempts, 'deferred', last.detail));
    case 'lookup':
      return afterLookup(situation, last.outcome);
    case 'outcome':
      return afterOutcome(situation, last.outcome);
    case 'not-sent':
      return finish(notSent(attempts, last.kind, last.detail));
  }
}

function atStart(situation: Situation): Decision {
  const { attempts, canSend } = situation;
  if (mayStart(situation)) return { do: 'send', resend: false };
  const last = attempts.at(-1)?.detail;
  if (!canSend) return finish(notSent(attempts, 'deferred', `not sent: ${last ?? STOPPED_BEFORE}`));
  return finish(
    notSent(attempts, 'deferred', 'not sent: the time for the answer was over before an attempt could start'),
  );
}

const STOPPED_BEFORE = 'Gatepost was stopped before it could send';

function afterLookup(situation: Situation, outcome: Outcome | null): Decision {
  const { attempts } = situation;
  if (outcome?.kind === 'rejected') return finish(notSent(attempts, 'rejected', outcome.detail));
  if (outcome?.kind === 'partial') return finish(partly(attempts, outcome));
  if (mayResend(situation)) return resend();
  const detail = outcome?.detail ?? attempts.at(-1)?.detail ?? 'the lookup found that nothing was sent';
  return finish(notSent(attempts, 'deferred', `not sent: ${detail}`));
}

function afterOutcome(situation: Situation, outcome: Outcome): Decision {
  const { attempts } = situation;
  switch (outcome.kind) {
    case 'deferred':
      return waitOr(situation, outcome, outcome.detail, notSent(attempts, 'deferred', outcome.detail));
    case 'rejected':
      return finish(notSent(attempts, 'rejected', outcome.detail));
    case 'partial': {
      const end = partly(attempts, outcome);
      // One recipient that is refused for good must not cost the others the attempt that may reach them.
      const temporary = outcome.refused.some((refusal) => refusal.temporary);
      return temporary ? waitOr(situation, outcome, 'some recipients deferred the message', end) : finish(end);
    }
    case 'sent':
    case 'unknown':
      return finish(afterReceipt(attempts, outcome));
  }
}

/** The attempt is neither sent nor unknown in the journal: a receipt has settled it before this outcome was recorded. */
function afterReceipt(
  attempts: readonly AttemptRecord[],
  outcome: Extract<Outcome, { kind: 'sent' | 'unknown' }>,
): End {
  const last = attempts.at(-1);
  if (outcome.kind === 'sent' && last?.state !== 'rejected') return done(outcome.deliverySystemId);
  return notSent(attempts, 'rejected', last?.detail ?? outcome.detail ?? 'a receipt says that it was not delivered');
}

function waitOr(situation: Situation, outcome: Outcome, detail: string, otherwise: End): Decision {
  const ms = pauseOf(situation, outcome);
  return fits(situation, ms) ? { do: 'wait', ms, detail } : finish(otherwise);
}

function pauseOf({ pause }: Situation, outcome: Outcome): number {
  return (outcome.kind === 'deferred' ? outcome.retryAfterMs : undefined) ?? pause;
}

function fits({ canSend, remaining }: Situation, pause: number): boolean {
  return canSend && remaining - pause >= LEAST_MS;
}

function mayStart(situation: Situation): boolean {
  return fits(situation, 0);
}

function mayResend(situation: Situation): boolean {
  return situation.resends < RESENDS && mayStart(situation);
}

function resend(): Decision {
  return { do: 'send', resend: true };
}
