// One attempt: session -> journal.beginAttempt -> slot -> driver.send -> journal.recordOutcome. Before `send` every failure means
// that nothing was sent, and is recorded so. After it the outcome is the driver's; a driver that says nothing leaves it unknown, and
// what it says later is recorded for this attempt.
import type { Attempt, Outcome } from '../../driver/contract.js';
import type { OutboundRecord } from '../../journal/types/outbound.js';
import { type Deadline, deadline, raceSignal } from '../../kit/deadline.js';
import { messageOf } from '../../kit/errors.js';
import { retry } from '../../kit/retry.js';
import { withoutRecipients } from './compose/compose.js';
import { outlineOf } from './compose/outline.js';
import { optOutGroupOf } from './compose/text.js';
import type { Composed } from './compose/types.js';
import { LEAST_MS } from './decide.js';
import { behind, type DeliveryContext, stopReason } from './delivery-context.js';
import { redacted, thrown, withOurId } from './outcome.js';

/** After the deadline a driver has this long to say what it knows; then the outcome of its attempt is unknown. Ms. */
const GRACE_MS = 1_500;
/** A journal that cannot record an outcome is asked again this often. */
const RECORD_RETRIES = 5;
const RECORD_BACKOFF = { first: 100, longest: 2_000 };

export type AttemptResult =
  | { is: 'outcome'; outcome: Outcome; record: OutboundRecord }
  /** `record`: null while the journal does not have it. */
  | { is: 'not-sent'; kind: 'deferred'; detail: string; record: OutboundRecord | null };

const notStarted = (detail: string): AttemptResult => ({ is: 'not-sent', kind: 'deferred', detail, record: null });

export async function makeAttempt(context: DeliveryContext, composed: Composed): Promise<AttemptResult> {
  const { clock, due, message } = context;
  const startBy = deadline(clock, Math.max(0, due.remaining() - LEAST_MS), due.signal);
  try {
    const session = await openSession(context, startBy);
    if (!session) return notStarted(sessionProblem(context));
    const remaining = withoutRecipients(composed, message().acceptedRecipients);
    const number = await begin(context, remaining);
    if (typeof number !== 'number') return notStarted(number.problem);
    const release = await context.slots.enter(1, startBy.signal).catch(() => undefined);
    if (!release) return await gaveUp(context, number);
    const outcome = await send(context, session.open, remaining, number, release);
    return { is: 'outcome', outcome, record: await record(context, number, outcome) };
  } finally {
    startBy.dispose();
  }
}

async function openSession({ supervisor }: DeliveryContext, startBy: Deadline): Promise<{ open: unknown } | undefined> {
  return supervisor.session(startBy.signal).then(
    (open) => ({ open }),
    () => undefined,
  );
}

function sessionProblem(context: DeliveryContext): string {
  const stopped = stopReason(context.due);
  if (stopped) return stopped;
  const { problem } = context.supervisor.view();
  return `not sent: the gateway could not be used in time: ${problem ?? 'it is still starting'}`;
}

/** Nothing may leave before the journal has the attempt. */
async function begin(context: DeliveryContext, composed: Composed): Promise<number | { problem: string }> {
  const { journal, config, messageId, composedAt, log } = context;
  const start = { gatewayId: config.info.Id, composedAt, outline: outlineOf(composed.message) };
  return journal.beginAttempt(messageId, composed.deliverySystemId, start).catch((error) => {
    log.error({ message_id: messageId, err: messageOf(error) }, 'attempt could not be recorded');
    return { problem: `not sent: the journal could not record the attempt: ${messageOf(error)}` };
  });
}

async function gaveUp(context: DeliveryContext, number: number): Promise<AttemptResult> {
  const detail = stopReason(context.due) ?? behind(context.slots.used);
  return {
    is: 'not-sent',
    kind: 'deferred',
    detail,
    record: await record(context, number, { kind: 'deferred', detail }),
  };
}

async function send(
  context: DeliveryContext,
  session: unknown,
  composed: Composed,
  number: number,
  release: () => void,
): Promise<Outcome> {
  const { clock, due, config } = context;
  const { driver } = config;
  const clean = (outcome: Outcome) =>
    withOurId(redacted(outcome, context.redactor.redact), composed.message.kind, composed.deliverySystemId);
  const attempt = attemptInfo(context, number, clock.now());
  const rejected: Outcome = { kind: 'rejected', detail: `${driver.device} cannot send` };
  const sending = (driver.send?.(session, composed.message, attempt) ?? Promise.resolve(rejected))
    .catch(thrown)
    .finally(release)
    .then(clean);
  const grace = graceAfter(context);
  try {
    return await raceSignal(sending, grace.signal, 'sending');
  } catch {
    recordLate(context, number, sending);
    return { kind: 'unknown', detail: 'the counterparty did not say in time whether it took the message' };
  } finally {
    grace.dispose();
    due.signal.removeEventListener('abort', grace.start);
  }
}

/** Ends a moment after the delivery is due, whether its time ran out or it was cut short. */
function graceAfter({ clock, due }: DeliveryContext) {
  const over = new AbortController();
  let grace: Deadline | undefined;
  const start = () => {
    grace = deadline(clock, GRACE_MS);
    grace.signal.addEventListener('abort', () => over.abort(grace?.signal.reason), { once: true });
  };
  if (due.signal.aborted) start();
  else due.signal.addEventListener('abort', start, { once: true });
  return { signal: over.signal, start, dispose: () => grace?.dispose() };
}

function recordLate(context: DeliveryContext, number: number, sending: Promise<Outcome>): void {
  const { messageId, log } = context;
  void sending
    .then((outcome) => record(context, number, outcome))
    .catch((error) => log.error({ message_id: messageId, err: messageOf(error) }, 'late outcome was not recorded'));
}

/** The outcome cannot change any more: when the journal cannot write it now, the write is repeated a few times, also while stopping. */
async function record(context: DeliveryContext, number: number, outcome: Outcome): Promise<OutboundRecord> {
  const record = await recordPersistently(context, 'outcome could not be recorded yet', () =>
    context.journal.recordOutcome(context.messageId, number, outcome),
  );
  await afterOutcome(context, outcome);
  return record;
}

export function recordPersistently<T>(context: DeliveryContext, event: string, work: () => Promise<T>): Promise<T> {
  const { clock, random, log, messageId } = context;
  return retry(work, {
    clock,
    random,
    signal: new AbortController().signal,
    retries: RECORD_RETRIES,
    backoff: RECORD_BACKOFF,
    onFailure: (error, pause) => log.error({ message_id: messageId, err: messageOf(error), retry_in_ms: pause }, event),
  });
}

/** Opt-outs that the counterparty knows of are learned; ends that receipts told while the outcome was recorded are reported.
 *  The outcome is in the journal and stands, whatever fails here. */
export async function afterOutcome(context: DeliveryContext, outcome: Outcome): Promise<void> {
  const { log, messageId } = context;
  await learnOptOut(context, outcome).catch((error) =>
    log.error({ message_id: messageId, err: messageOf(error) }, 'opt-out could not be recorded'),
  );
  await reportEnds(context, outcome).catch((error) =>
    log.error({ message_id: messageId, err: messageOf(error) }, 'late result could not be reported'),
  );
}

async function learnOptOut(context: DeliveryContext, outcome: Outcome): Promise<void> {
  const { journal, clock, config } = context;
  const address = context.recipient();
  if (outcome.kind !== 'rejected' || !outcome.optedOut || config.driver.channel !== 'SMS' || !address) return;
  const entry = { group: optOutGroupOf(config), address, at: clock.now(), source: 'carrier' as const };
  await recordPersistently(context, 'opt-out could not be recorded yet', () =>
    journal.optOut({ ...entry, detail: outcome.detail }),
  );
}

async function reportEnds({ lateResults }: DeliveryContext, outcome: Outcome): Promise<void> {
  if (outcome.kind === 'unknown') return lateResults.afterOutcome(outcome.ids ?? []);
  const open = outcome.kind === 'sent' && outcome.state !== 'delivered' && outcome.state !== 'undelivered';
  if (open) await lateResults.afterOutcome(outcome.ids ?? [outcome.deliverySystemId]);
}

/** What the driver is told about an attempt; of a lookup, about the attempt that is looked up. */
export function attemptInfo(context: DeliveryContext, number: number, startedAt: number): Attempt {
  const { due, messageId, composedAt } = context;
  return {
    messageId,
    number,
    firstAttemptAt: composedAt,
    startedAt,
    signal: due.signal,
    remaining: due.remaining,
    note: (detail) => noteProgress(context, detail),
  };
}

function noteProgress({ journal, redactor, log, messageId }: DeliveryContext, detail: string): void {
  journal
    .noteProgress(messageId, redactor.redact(detail))
    .catch((error) => log.warn({ message_id: messageId, err: messageOf(error) }, 'progress was not recorded'));
}
