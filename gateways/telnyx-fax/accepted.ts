import type { Attempt, Outcome } from '../../src/driver/contract.js';
import { awaitFinal } from '../../src/driver/shared/pending-sends.js';
import { reasonOf } from './api.js';
import { type Fax, fetchFax } from './faxes.js';
import { type Progress, progressOf } from './progress.js';
import type { Session } from './session.js';

/** Left of the attempt's time when the wait for the end of the call is over: for the journal and the answer, ms. */
export const ANSWER_MS = 3_000;
/** Pauses before each question for the state, ms; the last one repeats. With progress being pushed it is the safety net. */
const PAUSES = [1_000, 2_000, 3_000, 5_000];
const PAUSES_WHEN_PUSHED = [3_000, 10_000];
/** Before another attempt when no line was free, ms. */
const LINE_PAUSE_MS = 15_000;

const QUEUED: Progress = { state: 'accepted', final: false, detail: 'queued', rank: 0, deferrable: false };

/** Telnyx has the fax; the attempt waits as long as it may for the end of the call. */
export async function acceptedOutcome(
  session: Session,
  fax: Fax,
  attempt: Attempt,
  handle: string | null,
): Promise<Outcome> {
  const { poller, context } = session;
  await poller.track(fax.id, attempt.messageId, handle);
  const progress = await awaitCallEnd(session, fax, attempt);
  if (progress.final) {
    // The signal bounds the clean-up, so that it cannot delay the answer beyond its time.
    await poller.end(fax.id, attempt.signal);
    return finalOutcome(fax.id, progress);
  }
  poller.start(fax.id, progress);
  if (context.settings.AnswerWhen === 'Done')
    return { kind: 'unknown', detail: `the call is still in progress: ${progress.detail}`, ids: [fax.id] };
  const detail = `accepted for transmission; ${progress.detail}`;
  return { kind: 'sent', deliverySystemId: fax.id, ids: [fax.id], detail, state: 'accepted' };
}

function finalOutcome(id: string, { state, detail, deferrable }: Progress): Outcome {
  if (state === 'delivered') return { kind: 'sent', deliverySystemId: id, ids: [id], detail, state };
  return deferrable ? { kind: 'deferred', detail, retryAfterMs: LINE_PAUSE_MS } : { kind: 'rejected', detail };
}

function awaitCallEnd(session: Session, fax: Fax, attempt: Attempt): Promise<Progress> {
  const { api, context, pending, webhookUrl, closed } = session;
  return awaitFinal<Progress>({
    clock: context.clock,
    pending,
    id: fax.id,
    known: progressOf(fax) ?? QUEUED,
    ms: attempt.remaining() - ANSWER_MS,
    signal: AbortSignal.any([attempt.signal, closed]),
    pauses: webhookUrl ? PAUSES_WHEN_PUSHED : PAUSES,
    async fetchProgress(signal) {
      const now = await fetchFax(api, fax.id, signal);
      return now && progressOf(now);
    },
    onProgress: ({ detail }) => attempt.note(detail),
    onError: (error) =>
      context.log.debug(
        { provider_id: fax.id, message_id: attempt.messageId, err: reasonOf(error) },
        'delivery state could not be fetched',
      ),
  });
}
