// Owns one outbound message on its way out: compose -> journal.begin -> driver.send -> journal.settle, again while that can help
// and the time allows.
import { composeMail } from '../../content/mail/compose/compose.js';
import { composeText } from '../../content/sms/compose.js';
import type { Attempt, ComposedMessage, Outcome } from '../../driver/contract.js';
import type { Acceptance, OutboundRecord } from '../../journal/types/outbound.js';
import { equalJitter } from '../../kit/backoff.js';
import { isoTime, sleep } from '../../kit/clock.js';
import { type Deadline, deadline, raceSignal } from '../../kit/deadline.js';
import { messageOf } from '../../kit/errors.js';
import { retry } from '../../kit/retry.js';
import type { Semaphore } from '../../kit/semaphore.js';
import type { MessageContentInfo } from '../../model/message.js';
import type { GatewayConfig } from '../gateways/config.js';
import type { OutboundDeps } from '../gateways/gateway.js';
import type { SessionSupervisor } from '../gateways/session-supervisor.js';
import { rulesOf } from '../gateways/text-rules.js';
import { defaultPolicy, done, type End, failed, partialWords, redacted, thrown } from './outcome.js';
import { faxRulesOf, type LateResults } from './receipts.js';

export type SendRequest = MessageContentInfo & { MessageId: string };

/** After the deadline a driver has this long to say what it knows; then its attempt counts as unknown. */
const GRACE_MS = 1_500;
/** Pause before a deferred order is tried again inside its window. */
const AGAIN = { first: 2_000, longest: 20_000 };
/** A try that has less time than this left is not begun: it would only end as unknown. */
const LEAST_MS = 3_000;
/** Blind repeats inside one window after an unknown outcome. More would not tell us more. */
const RESENDS = 2;

/** What is to be sent next: the whole mail, or the same mail for those who have not taken it. */
interface Composed {
  message: ComposedMessage;
  deliverySystemId: string;
}

/** Why there is nothing to send. */
interface ComposeFailure {
  problem: string;
  temporary?: boolean;
}

/** Where an outbound message stands between two tries. */
interface RetryState {
  parcel: Composed;
  /** Why it may have gone out already; null when it surely has not. */
  doubt: string | null;
  resends: number;
  tries: number;
}

export interface DeliverDeps extends OutboundDeps {
  config: GatewayConfig;
  keeper: SessionSupervisor;
  /** The sends that may run at once. */
  sends: Semaphore;
  reporting: LateResults;
}

/** Carries an accepted order to its end before `due`. Rejects only when the journal fails. */
export async function deliver(
  sendRequest: SendRequest,
  acceptance: Acceptance,
  due: Deadline,
  deps: DeliverDeps,
): Promise<End> {
  const { journal, clock, random, log, config, keeper } = deps;
  const { driver, settings } = config;

  const rules = rulesOf(config);
  const optOutGroup = rules.optOutGroup ?? config.info.Id;
  // The same at every try, also by another process: a mail that is sent again is the same mail, to the byte.
  const composedAt = acceptance.outboundMessage.firstAttemptAt ?? clock.now();

  async function run(): Promise<End> {
    const parcel = await parcelFor(acceptance.outboundMessage.acceptedRecipients);
    if ('problem' in parcel) return refuse(parcel);
    const doubt =
      acceptance.kind === 'uncertain'
        ? (acceptance.outboundMessage.detail ?? 'an earlier attempt has no known outcome')
        : null;
    let standing: RetryState = { parcel, doubt, resends: 0, tries: 0 };
    for (;;) {
      const next = standing.doubt === null ? await tryOnce(standing) : await resolveDoubt(standing, standing.doubt);
      if ('result' in next) return next;
      standing = next;
    }
  }

  /** `taken`: recipients that have the message already; the message itself stays as it was. */
  async function parcelFor(taken: readonly string[]): Promise<Composed | ComposeFailure> {
    if (driver.channel === 'SMS') return textParcel();
    if (driver.channel === 'Fax') return faxParcel();
    const thread = await journal.threadFor(sendRequest.RemoteAddress ?? '', sendRequest.SubjectField ?? '');
    const sender = driver.sender?.(settings) ?? {};
    const gatewayName = config.info.DisplayName ?? null;
    const result = await composeMail(sendRequest, { sender, gatewayName, thread, now: composedAt });
    if (!result.ok) return { problem: result.problem };
    const recipients = result.mail.recipients.filter((recipient) => !taken.includes(recipient.toLowerCase()));
    return { message: { ...result.mail, recipients }, deliverySystemId: result.deliverySystemId };
  }

  /** Who has opted out costs nothing: the outbound message ends before anything leaves. */
  async function textParcel(): Promise<Composed | ComposeFailure> {
    const result = composeText(sendRequest, rules);
    if (!result.ok) return { problem: result.problem };
    const optOut = await journal.optedOut(optOutGroup, result.message.to);
    if (optOut)
      return { problem: `${result.message.to} has opted out (${optOut.source}, ${isoTime(optOut.at)}): not sent` };
    return { message: result.message, deliverySystemId: result.message.reference };
  }

  async function faxParcel(): Promise<Composed | ComposeFailure> {
    try {
      const result = await deps.fax.compose(sendRequest, faxRulesOf(config), due.signal);
      if (!result.ok) return { problem: result.problem };
      return { message: result.fax, deliverySystemId: result.fax.reference };
    } catch (error) {
      return { problem: `not sent: the fax could not be laid out: ${messageOf(error)}`, temporary: true };
    }
  }

  /** Nothing was sent, and unless the reason is temporary, the outbound message itself is at fault and a repeat would not help. */
  async function refuse({ problem, temporary = false }: ComposeFailure): Promise<End> {
    const kind = temporary ? 'deferred' : 'rejected';
    const number = await journal.beginAttempt(
      sendRequest.MessageId,
      sendRequest.DeliverySystemId ?? sendRequest.MessageId,
    );
    await journal.recordOutcome(sendRequest.MessageId, number, { kind, detail: problem });
    return failed(kind, problem);
  }

  async function tryOnce(standing: RetryState): Promise<End | RetryState> {
    const { parcel, tries } = standing;
    const { outcome, record } = await attempt(parcel);
    const again = { ...standing, tries: tries + 1 };
    switch (outcome.kind) {
      case 'sent':
        return done(outcome.deliverySystemId);
      case 'rejected':
        return rejected(outcome, parcel);
      case 'unknown':
        return { ...again, doubt: outcome.detail };
      case 'deferred':
        return (await pauseFor(tries, outcome.retryAfterMs)) ? again : failed('deferred', outcome.detail);
      case 'partial':
        return rest(outcome, record, again);
    }
  }

  /** Some have it. Those who were only put off get another try; a final refusal is for the server to hear. */
  async function rest(
    outcome: Extract<Outcome, { kind: 'partial' }>,
    record: OutboundRecord,
    again: RetryState,
  ): Promise<End | RetryState> {
    const end = failed('partial', partialWords(outcome));
    if (!outcome.refused.every((refusal) => refusal.temporary) || !(await pauseFor(again.tries))) return end;
    const parcel = await parcelFor(record.acceptedRecipients);
    return 'problem' in parcel ? end : { ...again, parcel };
  }

  /** A counterparty that knows of an opt-out teaches the registry. */
  async function rejected(outcome: Extract<Outcome, { kind: 'rejected' }>, { message }: Composed): Promise<End> {
    if (outcome.optedOut && message.kind === 'text') {
      const entry = { group: optOutGroup, address: message.to, at: clock.now(), source: 'carrier' as const };
      await journal.optOut({ ...entry, detail: outcome.detail });
    }
    return failed('rejected', outcome.detail);
  }

  async function resolveDoubt(standing: RetryState, doubt: string): Promise<End | RetryState> {
    const { deliverySystemId } = standing.parcel;
    const found = await lookUp(standing.parcel);
    const words = found?.kind === 'unknown' ? found.detail : doubt;
    if (found?.kind === 'sent') return done(found.deliverySystemId);
    if (found?.kind === 'rejected') return failed('rejected', found.detail);
    // Surely not sent after all: then it is sent, as often as an uncertain one may be.
    if (found?.kind === 'deferred' && mayGoAgain(standing)) return again(standing);
    const policy = driver.whenUncertain?.(settings) ?? defaultPolicy(driver.channel);
    if (policy === 'AssumeSent') {
      await settle((await latest()).attempts, { kind: 'sent', deliverySystemId, detail: `assumed: ${words}` });
      return done(deliverySystemId);
    }
    if (policy === 'Hold') return failed('unknown', `delivery uncertain, held for a person to resolve: ${words}`);
    return mayGoAgain(standing) ? again(standing) : failed('unknown', `delivery uncertain: ${words}`);
  }

  /** What the counterparty knows of it is on record before anything follows from it. */
  async function lookUp(parcel: Composed): Promise<Outcome | undefined> {
    const answer = await lookup(parcel);
    const found = answer && named(answer, parcel);
    if (!found || (found.kind === 'unknown' && !found.ids)) return found;
    await settle((await latest()).attempts, found);
    await hearOut(found);
    return found;
  }

  function mayGoAgain({ resends }: RetryState): boolean {
    return resends < RESENDS && due.remaining() >= LEAST_MS && !due.signal.aborted;
  }

  function again(standing: RetryState): RetryState {
    return { ...standing, doubt: null, resends: standing.resends + 1 };
  }

  async function latest(): Promise<OutboundRecord> {
    return (await journal.outboundMessage(sendRequest.MessageId)) ?? acceptance.outboundMessage;
  }

  /** One try, journaled before and after. */
  async function attempt(parcel: Composed): Promise<{ outcome: Outcome; record: OutboundRecord }> {
    const session = await keeper.session(due.signal).then(
      (open) => ({ open }),
      () => null,
    );
    const number = await journal.beginAttempt(sendRequest.MessageId, parcel.deliverySystemId);
    const outcome = session ? await sendOnce(session.open, parcel, attemptOf(number)) : unavailable();
    const clean = named(redacted(outcome, deps.redactor.redact), parcel);
    const record = await settle(number, clean);
    await hearOut(clean);
    return { outcome: clean, record };
  }

  /** What the counterparty said of it while it was being settled has been waiting for that. */
  async function hearOut(outcome: Outcome): Promise<void> {
    if (outcome.kind === 'unknown') return deps.reporting.answered(outcome.ids ?? []);
    const ended = outcome.kind !== 'sent' || outcome.state === 'delivered' || outcome.state === 'undelivered';
    if (!ended) await deps.reporting.answered(outcome.ids ?? [outcome.deliverySystemId]);
  }

  /**
   * A mail is known outside under the Message-ID that we gave it, in the form that fits the server's column; a fax under its
   * outbound message's reference, because the numbers of jobs come round again. Their news still name the counterparty's own ids.
   */
  function named(outcome: Outcome, { message, deliverySystemId }: Composed): Outcome {
    if (message.kind === 'text' || !('deliverySystemId' in outcome)) return outcome;
    if (message.kind === 'mail' || outcome.kind !== 'sent') return { ...outcome, deliverySystemId };
    return { ...outcome, deliverySystemId, ids: outcome.ids ?? [outcome.deliverySystemId] };
  }

  function unavailable(): Outcome {
    const { problem } = keeper.view();
    return { kind: 'deferred', detail: `the gateway could not be used in time: ${problem ?? 'it is still starting'}` };
  }

  function attemptOf(number: number): Attempt {
    const firstAttemptAt = acceptance.outboundMessage.firstAttemptAt ?? clock.now();
    return {
      messageId: sendRequest.MessageId,
      number,
      firstAttemptAt,
      startedAt: clock.now(),
      signal: due.signal,
      remaining: due.remaining,
      note,
    };
  }

  function note(detail: string): void {
    journal
      .noteProgress(sendRequest.MessageId, deps.redactor.redact(detail))
      .catch((error) =>
        log.warn({ messageId: sendRequest.MessageId, error: messageOf(error) }, 'progress was not noted'),
      );
  }

  async function sendOnce(session: unknown, parcel: Composed, attempt: Attempt): Promise<Outcome> {
    if (!driver.send) return { kind: 'rejected', detail: `${driver.device} cannot send` };
    const { send } = driver;
    const leave = await deps.sends.enter(1, due.signal).catch(() => undefined);
    if (!leave) return { kind: 'deferred', detail: 'other orders of this gateway took all the time there was' };
    const sending = send(session, parcel.message, attempt).catch(thrown).finally(leave);
    const grace = graceOf(due);
    try {
      return await raceSignal(sending, grace.signal, 'sending');
    } catch {
      // A word that comes after all still counts: the server's repeat will be answered with it.
      void sending
        .then((late) => settle(attempt.number, named(redacted(late, deps.redactor.redact), parcel)))
        .catch((error) =>
          log.error({ messageId: sendRequest.MessageId, error: messageOf(error) }, 'a late outcome was not journaled'),
        );
      return { kind: 'unknown', detail: 'the counterparty did not say in time whether it took the message' };
    } finally {
      grace.dispose();
    }
  }

  /** Ends a moment after `due` does, whether its time ran out or it was cut short. */
  function graceOf(due: Deadline): { signal: AbortSignal; dispose(): void } {
    const over = new AbortController();
    let cancel = () => {};
    const start = () => {
      cancel = clock.schedule(GRACE_MS, () => over.abort());
    };
    if (due.signal.aborted) start();
    else due.signal.addEventListener('abort', start, { once: true });
    return {
      signal: over.signal,
      dispose() {
        cancel();
        due.signal.removeEventListener('abort', start);
      },
    };
  }

  /** The outcome is a fact already; a journal that cannot write now is asked again a few times. */
  function settle(number: number, outcome: Outcome): Promise<OutboundRecord> {
    return retry(() => journal.recordOutcome(sendRequest.MessageId, number, outcome), {
      clock,
      random,
      // Also while stopping: an outcome that is known must not be forgotten.
      signal: new AbortController().signal,
      retries: 5,
      backoff: { first: 100, longest: 2_000 },
      onFailure: (error) =>
        log.error(
          { messageId: sendRequest.MessageId, error: messageOf(error) },
          'the journal cannot take an outcome; trying again',
        ),
    });
  }

  async function lookup({ message }: Composed): Promise<Outcome | undefined> {
    if (!driver.lookup || due.remaining() < LEAST_MS) return undefined;
    const asking = deadline(clock, due.remaining() - LEAST_MS / 2, due.signal);
    try {
      const session = await keeper.session(asking.signal);
      const { attempts } = await latest();
      const found = await raceSignal(
        driver.lookup(session, message, attemptOf(attempts)),
        asking.signal,
        'looking it up',
      );
      return found === 'not found' ? undefined : found;
    } catch (error) {
      log.warn({ messageId: sendRequest.MessageId, error: messageOf(error) }, 'looking up an uncertain order failed');
      return undefined;
    } finally {
      asking.dispose();
    }
  }

  /** False when another try would not fit into the time left. */
  async function pauseFor(tries: number, asked?: number): Promise<boolean> {
    const pause = asked ?? equalJitter(AGAIN, tries + 1, random);
    if (due.remaining() - pause < LEAST_MS) return false;
    return sleep(clock, pause, due.signal).then(
      () => true,
      () => false,
    );
  }

  return run();
}
