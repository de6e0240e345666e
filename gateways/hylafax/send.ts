// Sending: a fax is submitted once, and its call is awaited as long as the attempt allows. Point of no return: see submit.ts.
import { type Attempt, type ComposedFax, deadline, type Outcome } from '../../src/driver/contract.js';
import { endOf, type Job, listJobs, tagOf } from './job-list.js';
import type { JobRecord } from './job-store.js';
import { goneDetail, type JobStatus } from './job-tracker.js';
import { isDialable, reasonOf } from './protocol-text.js';
import type { Session } from './session.js';
import { submit } from './submit.js';
import { lastCallOf, readCalls } from './xferfaxlog.js';

/** Part of the attempt's time that is left for the journal and the answer, ms. */
const ANSWER_MS = 3_000;
/** Ended jobs stay in doneq for at least a quarter of an hour (faxqclean): a job prepared within this time that is in no queue
 *  never existed, ms. */
const MIN_RETENTION_MS = 10 * 60_000;

export async function send(session: Session, fax: ComposedFax, attempt: Attempt): Promise<Outcome> {
  if (attempt.signal.aborted)
    return { kind: 'deferred', detail: 'the time for this attempt was over before it started' };
  if (!isDialable(fax.to))
    return {
      kind: 'rejected',
      detail: `"${fax.to}" is not a fax number: write digits, with a + in front of a country code`,
    };
  const earlier = attempt.number > 1 ? await earlierJob(session, attempt) : undefined;
  if (earlier && !('id' in earlier)) return earlier;
  if (earlier) return answer(session, recordOf(earlier, fax, attempt), attempt);

  const submission = await submit(session, fax, attempt);
  if (submission.is === 'rejected')
    return { kind: submission.final ? 'rejected' : 'deferred', detail: submission.detail };
  const { record } = submission;
  if (submission.is === 'submitted') return answer(session, record, attempt);
  session.tracker.track(record);
  return { kind: 'unknown', detail: submission.detail, ids: [record.job] };
}

/** The job of an earlier attempt that is in progress or succeeded; an outcome when the queues cannot be listed. */
async function earlierJob(session: Session, attempt: Attempt): Promise<Job | Outcome | undefined> {
  try {
    return best(await jobsOf(session, attempt));
  } catch (error) {
    return { kind: 'deferred', detail: reasonOf(error) };
  }
}

async function jobsOf({ withClient }: Session, { messageId, signal }: Attempt): Promise<Job[]> {
  const jobs = await withClient(signal, listJobs);
  return [...jobs.values()].filter(({ tag }) => tag === tagOf(messageId));
}

/** A job that succeeded, else one in progress. A failed job does not prevent another attempt. */
function best(jobs: readonly Job[]): Job | undefined {
  return jobs.find((job) => endOf(job, 0)?.ok) ?? jobs.find((job) => !endOf(job, 0));
}

function recordOf({ id }: Job, { pages }: ComposedFax, { messageId, firstAttemptAt }: Attempt): JobRecord {
  return { job: id, messageId, pages, at: firstAttemptAt };
}

/** Waits until the job ends or the time of the attempt is over. */
async function answer({ context, tracker, store }: Session, record: JobRecord, attempt: Attempt): Promise<Outcome> {
  const due = deadline(context.clock, Math.max(0, attempt.remaining() - ANSWER_MS), attempt.signal);
  try {
    await store.submitted(record);
    // No await between these two: the tracker would report the end as a receipt.
    tracker.track(record);
    const status = await tracker.waitFor(record.job, due.signal, (progress) => attempt.note(progress));
    // Another attempt gets a job of its own.
    if (status.is === 'ended' && !status.end.ok) await store.withdrawn(record);
    return outcomeOf(record.job, status, context.settings.AnswerWhen);
  } finally {
    due.dispose();
  }
}

function outcomeOf(job: string, status: JobStatus, answerWhen: 'Accepted' | 'Done'): Outcome {
  const ids = [job];
  if (status.is === 'gone') return { kind: 'unknown', detail: goneDetail(job), ids };
  if (status.is === 'ended') {
    const detail = `HylaFAX job ${job}: ${status.end.detail}`;
    if (!status.end.ok) return { kind: 'rejected', detail };
    return { kind: 'sent', deliverySystemId: job, ids, state: 'delivered', detail };
  }
  const progress = `HylaFAX job ${job}: ${status.progress}`;
  if (answerWhen === 'Done') return { kind: 'unknown', detail: `the call is still in progress; ${progress}`, ids };
  return {
    kind: 'sent',
    deliverySystemId: job,
    ids,
    state: 'accepted',
    detail: `accepted for transmission; ${progress}`,
  };
}

/** Searches for the job by its tag in the queues, then in xferfaxlog. */
export async function lookup(session: Session, fax: ComposedFax, attempt: Attempt): Promise<Outcome | 'not found'> {
  const prepared = await session.store.preparedFor(attempt.messageId);
  const found = await jobsOf(session, attempt);
  const job = best(found) ?? found.findLast(({ id }) => prepared.some((record) => record.job === id));
  if (job?.state === 'T' && job.dials === 0 && (await deleteDraft(session, job.id, attempt))) return notSent();
  if (job) return answer(session, recordOf(job, fax, attempt), attempt);
  if (prepared.length === 0) return notSent();
  return lookupInLog(session, prepared, attempt);
}

function notSent(): Outcome {
  return { kind: 'deferred', detail: 'HylaFAX has no job for this message that is in progress or done' };
}

/** A suspended job without a `submitted` record is a draft whose connection broke. A submitted one was suspended by an operator. */
async function deleteDraft(session: Session, job: string, { messageId, signal }: Attempt): Promise<boolean> {
  if (await session.store.isSubmitted(job, messageId)) return false;
  const deleted = await session.withClient(signal, (client) => client.tryAsk(`JDELE ${job}`));
  if (deleted !== undefined) session.tracker.drop(job);
  return deleted !== undefined;
}

async function lookupInLog(
  session: Session,
  prepared: readonly JobRecord[],
  attempt: Attempt,
): Promise<Outcome | 'not found'> {
  const { withClient, store, tracker, context } = session;
  const calls = (await withClient(attempt.signal, readCalls, 'useful')) ?? [];
  const called = prepared.find(({ job, messageId }) => lastCallOf(calls, job, tagOf(messageId)));
  if (called) return answer(session, called, attempt);
  const submitted = await Promise.all(prepared.map(({ job, messageId }) => store.isSubmitted(job, messageId)));
  const [oldest] = prepared;
  if (submitted.includes(true) || !oldest || context.clock.now() - oldest.at > MIN_RETENTION_MS) return 'not found';
  // Another connection may still hold the job as a draft.
  for (const record of prepared) {
    await withClient(attempt.signal, (client) => client.tryAsk(`JDELE ${record.job}`));
    tracker.drop(record.job);
    await store.withdrawn(record);
  }
  return notSent();
}
