// The tracker of submitted jobs. A job is tracked from `track` on (or from its stored record after a restart) and goes through
//   tracked -> ended    the queue, or else xferfaxlog, shows its result
//   tracked -> gone     MAX_MISSED listings in a row without it, and xferfaxlog does not show it either
//   tracked -> dropped  `drop`: the job was deleted
// The result goes to the sends that wait for the job, or, where none waits, to the journal as a receipt. A job stays tracked
// until its result is delivered one way or the other, so a journal that is down only delays it.
import { type DeliveryReceipt, type GatewayContext, messageOf, sleep } from '../../src/driver/contract.js';
import { wakeSignal } from '../../src/driver/shared/wake-signal.js';
import type { WithClient } from './hfaxd-client.js';
import { endOf, type Job, type JobEnd, listJobs, progressOf, tagOf } from './job-list.js';
import type { JobRecord, JobStore } from './job-store.js';
import { count, reasonOf } from './protocol-text.js';
import type { Settings } from './settings.js';
import { type Call, lastCallOf, readCalls } from './xferfaxlog.js';

/** Least time between two listings, ms: events come in bursts. */
const GAP_MS = 300;
/** HylaFAX rewrites queue files, and a listing may miss a job at that moment. */
const MAX_MISSED = 2;

export type JobResult =
  | { is: 'ended'; end: JobEnd }
  /** In no queue any more, and not in xferfaxlog. */
  | { is: 'gone' };

export type JobStatus = JobResult | { is: 'in progress'; progress: string };

export interface JobTracker {
  /** Tracks the job until its end. Does nothing when the job is tracked already. */
  track(record: JobRecord): void;
  /** Resolves when the job ends, is gone, or `signal` aborts. A result that is returned here is not reported as a receipt. */
  waitFor(job: string, signal: AbortSignal, note: Waiter['note']): Promise<JobStatus>;
  /** Forgets a job that was deleted. */
  drop(job: string): void;
  /** A line of the event channel, '' when events may have been missed. */
  onEvent(line: string): void;
  /** Resolves when the tracker has stopped, which it does when the session closes. */
  readonly stopped: Promise<void>;
}

interface Waiter {
  settle(status: JobStatus): void;
  /** Called for every change of progress. */
  note(progress: string): void;
}

interface TrackedJob {
  readonly record: JobRecord;
  /** Listings in a row without the job. */
  missed: number;
  progress: string;
  /** The progress that was noted or reported last. */
  reported: string;
  readonly waiters: Set<Waiter>;
}

export interface TrackerOptions {
  readonly context: GatewayContext<Settings>;
  readonly withClient: WithClient;
  readonly store: JobStore;
  /** Jobs of earlier runs. */
  readonly followed: readonly JobRecord[];
  readonly closed: AbortSignal;
}

export function trackJobs(options: TrackerOptions): JobTracker {
  const { clock } = options.context;
  const tracked = new Map(options.followed.map((record) => [record.job, trackedJob(record)]));
  const events = wakeSignal(clock);
  return {
    track(record) {
      // HylaFAX reuses the ids of jobs.
      if (tracked.get(record.job)?.record.messageId === record.messageId) return;
      tracked.set(record.job, trackedJob(record));
      events.wake();
    },
    waitFor(job, signal, note) {
      const entry = tracked.get(job);
      if (!entry) return Promise.resolve({ is: 'gone' });
      return waitIn(entry, options.closed.aborted ? options.closed : signal, note);
    },
    drop: (job) => void tracked.delete(job),
    onEvent(line) {
      const id = /\bJOB (\d+) /.exec(line)?.[1];
      if (line === '' || (id !== undefined && tracked.has(id))) events.wake();
    },
    stopped: run({ ...options, tracked }, (ms) => events.pause(ms, options.closed)),
  };
}

interface Tracker extends TrackerOptions {
  readonly tracked: Map<string, TrackedJob>;
}

async function run(tracker: Tracker, pause: (ms: number) => Promise<void>): Promise<void> {
  const { closed, context, tracked } = tracker;
  while (!closed.aborted) {
    const untilNext = await pollOnce(tracker);
    if (untilNext !== Number.POSITIVE_INFINITY) await sleep(context.clock, GAP_MS, closed).catch(() => {});
    await pause(untilNext);
  }
  for (const entry of tracked.values()) settle(entry, { is: 'in progress', progress: entry.progress });
}

/** Ms until the next listing, if no event comes before. */
async function pollOnce(tracker: Tracker): Promise<number> {
  const { tracked, context, closed } = tracker;
  if (tracked.size === 0) return Number.POSITIVE_INFINITY;
  const pause = context.settings.PollSeconds * 1_000;
  try {
    const someMissing = await checkQueues(tracker);
    return someMissing ? GAP_MS : pause;
  } catch (error) {
    if (!closed.aborted) context.log.debug({ reason: reasonOf(error), retry_in_ms: pause }, 'job queues not listed');
    return pause;
  }
}

/** True when a job is missing and another listing has to confirm it. */
async function checkQueues(tracker: Tracker): Promise<boolean> {
  const { withClient, closed, tracked } = tracker;
  const jobs = await withClient(closed, listJobs);
  const missing: TrackedJob[] = [];
  for (const entry of [...tracked.values()]) {
    const job = jobs.get(entry.record.job);
    if (job?.tag !== tagOf(entry.record.messageId)) {
      entry.missed += 1;
      missing.push(entry);
      continue;
    }
    entry.missed = 0;
    const end = endOf(job, entry.record.pages);
    if (end) await conclude(tracker, entry, { is: 'ended', end });
    else await updateProgress(tracker, entry, job);
  }
  await searchLog(
    tracker,
    missing.filter(({ missed }) => missed >= MAX_MISSED),
  );
  return missing.some((entry) => tracked.get(entry.record.job) === entry);
}

/** HylaFAX removes ended jobs after a while, so the job may have ended while the gateway was down. */
async function searchLog(tracker: Tracker, missing: readonly TrackedJob[]): Promise<void> {
  if (missing.length === 0) return;
  const { withClient, closed, context } = tracker;
  const calls = (await withClient(closed, readCalls, 'useful')) ?? [];
  for (const entry of missing) {
    const { job, messageId, pages } = entry.record;
    const last = lastCallOf(calls, job, tagOf(messageId));
    if (!last) context.log.warn({ job, message_id: messageId }, 'job is in no queue of HylaFAX');
    await conclude(tracker, entry, last ? { is: 'ended', end: endOfCall(last, pages) } : { is: 'gone' });
  }
}

async function conclude(tracker: Tracker, entry: TrackedJob, result: JobResult): Promise<void> {
  const { tracked, store } = tracker;
  const { job } = entry.record;
  const delivered = entry.waiters.size > 0 || (await report(tracker, receiptFor(job, result)));
  // `drop`, or `track` for a reused id, may have come while the journal was writing.
  if (!delivered || tracked.get(job) !== entry) return;
  // No await between these two: a waiter that joined in between would wait for ever.
  tracked.delete(job);
  settle(entry, result);
  await store.ended(job);
}

async function updateProgress(tracker: Tracker, entry: TrackedJob, job: Job): Promise<void> {
  const progress = progressOf(job);
  entry.progress = progress ?? 'waiting for a free modem';
  if (progress === undefined || progress === entry.reported) return;
  for (const { note } of entry.waiters) note(progress);
  const receipt = { id: job.id, state: 'accepted', progress: true, detail: progress } as const;
  if (entry.waiters.size > 0 || (await report(tracker, receipt))) entry.reported = progress;
}

async function report({ context }: Tracker, receipt: Omit<DeliveryReceipt, 'at'>): Promise<boolean> {
  try {
    await context.reportReceipts([{ ...receipt, at: context.clock.now() }]);
    return true;
  } catch (error) {
    context.log.warn({ job: receipt.id, err: messageOf(error) }, 'receipt not stored, retried at next listing');
    return false;
  }
}

function waitIn(entry: TrackedJob, signal: AbortSignal, note: Waiter['note']): Promise<JobStatus> {
  return new Promise((resolve) => {
    const giveUp = () => waiter.settle({ is: 'in progress', progress: entry.progress });
    const waiter: Waiter = {
      note,
      settle(status) {
        signal.removeEventListener('abort', giveUp);
        entry.waiters.delete(waiter);
        resolve(status);
      },
    };
    entry.waiters.add(waiter);
    if (signal.aborted) giveUp();
    else signal.addEventListener('abort', giveUp, { once: true });
  });
}

function trackedJob(record: JobRecord): TrackedJob {
  return { record, missed: 0, progress: 'queued in HylaFAX', reported: '', waiters: new Set() };
}

function settle({ waiters }: TrackedJob, status: JobStatus): void {
  for (const waiter of [...waiters]) waiter.settle(status);
}

function receiptFor(job: string, result: JobResult): Omit<DeliveryReceipt, 'at'> {
  if (result.is === 'gone') return { id: job, state: 'accepted', progress: true, detail: goneDetail(job) };
  return { id: job, state: result.end.ok ? 'delivered' : 'undelivered', detail: result.end.detail };
}

export function goneDetail(job: string): string {
  return `job ${job} is in none of HylaFAX's queues, and its log of calls does not show how it ended`;
}

function endOfCall({ pages, reason }: Call, total: number): JobEnd {
  if (reason !== '') return { ok: false, sent: pages, detail: `failed; ${reason}` };
  if (pages === 0) return { ok: false, sent: 0, detail: 'done, but no page was sent' };
  return { ok: true, sent: pages, detail: `${count(total, 'page')} sent, by the log of calls` };
}
