// Owns sending: a fax is submitted once, and then waited for as long as its time allows. Point of no return: see submit.ts.
import { type Attempt, type ComposedFax, deadline, type Outcome } from '../../src/driver/contract.js';
import { lastCallOf, readCalls } from './calls.js';
import { endOf, type Job, listJobs, tagOf } from './jobs.js';
import type { JobRecord } from './records.js';
import type { Session } from './session.js';
import { submit } from './submit.js';
import { goneWords, type Known } from './watch.js';
import { isDialable, reasonOf } from './words.js';

/** Left of the attempt's time when the wait for the call ends: for the journal and the answer, ms. */
const ANSWER_MS = 3_000;
/** HylaFAX keeps ended jobs in its queue for at least a quarter of an hour (faxqclean), so within this a job that is in no
 *  queue was never there, ms. */
const SURELY_THERE_MS = 10 * 60_000;

export async function send(session: Session, fax: ComposedFax, attempt: Attempt): Promise<Outcome> {
  if (attempt.signal.aborted) return { kind: 'deferred', detail: 'the time for this try was over before it began' };
  if (!isDialable(fax.to))
    return {
      kind: 'rejected',
      detail: `"${fax.to}" is no fax number: digits, with a + in front where it is international`,
    };
  const earlier = attempt.number > 1 ? await earlierJob(session, attempt) : undefined;
  if (earlier && !('id' in earlier)) return earlier;
  if (earlier) return answer(session, recordOf(earlier, fax, attempt), attempt);

  const submission = await submit(session, fax, attempt);
  if (submission.is === 'refused')
    return { kind: submission.final ? 'rejected' : 'deferred', detail: submission.detail };
  const { record } = submission;
  if (submission.is === 'submitted') return answer(session, record, attempt);
  session.jobs.follow(record);
  return { kind: 'unknown', detail: submission.detail, ids: [record.job] };
}

/** A job of an earlier try that is under way or has done its work; an outcome when that cannot be found out. */
async function earlierJob(session: Session, attempt: Attempt): Promise<Job | Outcome | undefined> {
  try {
    return best(await jobsOf(session, attempt));
  } catch (error) {
    return { kind: 'deferred', detail: reasonOf(error) };
  }
}

async function jobsOf({ converse }: Session, { messageId, signal }: Attempt): Promise<Job[]> {
  const jobs = await converse(signal, listJobs);
  return [...jobs.values()].filter(({ tag }) => tag === tagOf(messageId));
}

/** One that failed is no reason not to try again. */
function best(jobs: readonly Job[]): Job | undefined {
  return jobs.find((job) => endOf(job, 0)?.good) ?? jobs.find((job) => !endOf(job, 0));
}

function recordOf({ id }: Job, { pages }: ComposedFax, { messageId, firstAttemptAt }: Attempt): JobRecord {
  return { job: id, sendRequest: messageId, pages, at: firstAttemptAt };
}

/** The job is in the queue; what is left is to learn in time how it ends. */
async function answer({ context, jobs, records }: Session, record: JobRecord, attempt: Attempt): Promise<Outcome> {
  const due = deadline(context.clock, Math.max(0, attempt.remaining() - ANSWER_MS), attempt.signal);
  try {
    // So that a restart follows it, too.
    await records.submitted(record);
    // Without a pause before the wait: its end would be told elsewhere.
    jobs.follow(record);
    const known = await jobs.until(record.job, due.signal, (words) => attempt.note(words));
    // Another try will be a job of its own.
    if (known.is === 'ended' && !known.end.good) await records.withdrawn(record);
    return outcomeOf(record.job, known, context.settings.AnswerWhen);
  } finally {
    due.dispose();
  }
}

function outcomeOf(job: string, known: Known, answerWhen: 'Accepted' | 'Done'): Outcome {
  const ids = [job];
  if (known.is === 'gone') return { kind: 'unknown', detail: goneWords(job), ids };
  if (known.is === 'ended') {
    const detail = `HylaFAX job ${job}: ${known.end.detail}`;
    if (!known.end.good) return { kind: 'rejected', detail };
    return { kind: 'sent', deliverySystemId: job, ids, state: 'delivered', detail };
  }
  const words = `HylaFAX job ${job}: ${known.words}`;
  if (answerWhen === 'Done') return { kind: 'unknown', detail: `the call is still under way; ${words}`, ids };
  return { kind: 'sent', deliverySystemId: job, ids, state: 'accepted', detail: `accepted for transmission; ${words}` };
}

/** "Did that one go out?": by the tag in the queues, then by the log of calls. */
export async function lookup(session: Session, fax: ComposedFax, attempt: Attempt): Promise<Outcome | 'not found'> {
  const begun = await session.records.begunFor(attempt.messageId);
  const found = await jobsOf(session, attempt);
  const job = best(found) ?? found.findLast(({ id }) => begun.some((record) => record.job === id));
  if (job?.state === 'T' && job.dials === 0 && (await withdraw(session, job.id, attempt))) return surelyNot();
  if (job) return answer(session, recordOf(job, fax, attempt), attempt);
  if (begun.length === 0) return surelyNot();
  return byTheLog(session, begun, attempt);
}

function surelyNot(): Outcome {
  return { kind: 'deferred', detail: 'HylaFAX has no job of this order that is under way or done' };
}

/**
 * A job that is suspended and was never submitted, as far as we know, is a draft whose conversation broke off: without it
 * there is nothing left that could be sent. One that was submitted was suspended by an operator, and stays.
 */
async function withdraw(session: Session, job: string, { messageId, signal }: Attempt): Promise<boolean> {
  if (await session.records.isSubmitted(job, messageId)) return false;
  const deleted = await session.converse(signal, (talk) => talk.tryAsk(`JDELE ${job}`));
  if (deleted !== undefined) session.jobs.drop(job);
  return deleted !== undefined;
}

async function byTheLog(
  session: Session,
  begun: readonly JobRecord[],
  attempt: Attempt,
): Promise<Outcome | 'not found'> {
  const { converse, records, jobs, context } = session;
  const calls = (await converse(attempt.signal, readCalls, 'useful')) ?? [];
  const called = begun.find(({ job, sendRequest }) => lastCallOf(calls, job, tagOf(sendRequest)));
  if (called) return answer(session, called, attempt);
  const submitted = await Promise.all(begun.map(({ job, sendRequest }) => records.isSubmitted(job, sendRequest)));
  const [oldest] = begun;
  if (submitted.includes(true) || !oldest || context.clock.now() - oldest.at > SURELY_THERE_MS) return 'not found';
  // What another conversation may still hold as a draft is nothing anybody waits for.
  for (const record of begun) {
    await converse(attempt.signal, (talk) => talk.tryAsk(`JDELE ${record.job}`));
    jobs.drop(record.job);
    await records.withdrawn(record);
  }
  return surelyNot();
}
