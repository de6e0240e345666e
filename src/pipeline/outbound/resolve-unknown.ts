// An attempt with an unknown outcome: the counterparty is asked what became of it, and what it says is recorded before anything
// follows from it.
import type { ComposedMessage, Outcome } from '../../driver/contract.js';
import type { AttemptRecord, OutboundRecord } from '../../journal/types/outbound.js';
import { deadline, raceSignal } from '../../kit/deadline.js';
import { messageOf } from '../../kit/errors.js';
import { afterOutcome, attemptInfo, recordPersistently } from './attempt.js';
import { LEAST_MS } from './decide.js';
import { type DeliveryContext, latest } from './delivery-context.js';
import { redacted, withOurId } from './outcome.js';

export interface LookupResult {
  /** Null when the lookup found nothing, or failed. */
  outcome: Outcome | null;
  record: OutboundRecord;
}

export async function lookUp(
  context: DeliveryContext,
  attempt: AttemptRecord,
  sent: ComposedMessage,
): Promise<LookupResult> {
  const answer = await ask(context, attempt, sent);
  if (!answer) return { outcome: null, record: await latest(context) };
  const id = attempt.deliverySystemId ?? context.messageId;
  const outcome = withOurId(redacted(answer, context.redactor.redact), sent.kind, id);
  if (outcome.kind === 'unknown' && !outcome.ids) return { outcome, record: await latest(context) };
  const record = await recordPersistently(context, 'lookup could not be recorded yet', () =>
    context.journal.recordLookup(context.messageId, attempt.gatewayId, outcome),
  );
  await afterOutcome(context, outcome);
  return { outcome, record };
}

/** Leaves time for the attempt that may follow. */
async function ask(
  context: DeliveryContext,
  attempt: AttemptRecord,
  sent: ComposedMessage,
): Promise<Outcome | undefined> {
  const { clock, due, config, supervisor, messageId, log } = context;
  const { driver } = config;
  const asking = deadline(clock, due.remaining() - LEAST_MS / 2, due.signal);
  try {
    const session = await supervisor.session(asking.signal);
    const about = attemptInfo(context, attempt.number, attempt.startedAt);
    const found = await raceSignal(
      driver.lookup?.(session, sent, { ...about, signal: asking.signal, remaining: asking.remaining }) ??
        Promise.resolve('not found' as const),
      asking.signal,
      'looking it up',
    );
    return found === 'not found' ? undefined : found;
  } catch (error) {
    log.warn({ message_id: messageId, err: messageOf(error) }, 'lookup of an unknown outcome failed');
    return undefined;
  } finally {
    asking.dispose();
  }
}
