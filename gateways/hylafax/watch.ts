// Owns following jobs to their end: looks at the queues when something happened or time has passed, and tells what it finds
// to the send that waits, or else to the journal. A restart goes on with it.
import { type DeliveryReceipt, type GatewayContext, messageOf, sleep } from '../../src/driver/contract.js';
import { bell } from './bell.js';
import { type Call, lastCallOf, readCalls } from './calls.js';
import { count, type End, endOf, type Job, listJobs, progressOf, tagOf } from './jobs.js';
import type { JobRecord, Records } from './records.js';
import type { Converse } from './session.js';
import type { Settings } from './settings.js';
import { reasonOf } from './words.js';

/** Between two looks at least, ms: events come in bursts. */
const GAP_MS = 300;
/** Looks in a row in which a job has to be missing: one that HylaFAX is just rewriting may escape a listing. */
const MISSING_LOOKS = 2;

export type Known =
  | { is: 'ended'; end: End }
  /** In no queue any more, and the log of calls does not know it either. */
  | { is: 'gone' }
  | { is: 'under way'; words: string };

export interface Watch {
  /** From now on its end, and how it comes to it, is told. */
  follow(record: JobRecord): void;
  /** What is known of a followed job when it ends, is gone, or `signal` aborts. What is told here is not told elsewhere. */
  until(job: string, signal: AbortSignal, note: Waiter['note']): Promise<Known>;
  /** Nothing of it is told any more: it is sure that it is in no queue. */
  drop(job: string): void;
  /** A line of the live channel, '' for none in particular. */
  hear(line: string): void;
  /** Resolves when it has ended, which it does with the session. */
  readonly ended: Promise<void>;
}

interface Waiter {
  settle(known: Known): void;
  /** Told of every step on the way. */
  note(words: string): void;
}

interface Followed {
  readonly record: JobRecord;
  missing: number;
  /** How far it is, in words. */
  words: string;
  /** What was told of that. */
  told: string;
  readonly waiters: Set<Waiter>;
}

export interface WatchOptions {
  readonly context: GatewayContext<Settings>;
  readonly converse: Converse;
  readonly records: Records;
  readonly open: readonly JobRecord[];
  readonly closed: AbortSignal;
}

export function watch({ context, converse, records, open, closed }: WatchOptions): Watch {
  const { clock, log, settings } = context;
  const followed = new Map<string, Followed>(open.map((record) => [record.job, fresh(record)]));
  const call = bell(clock);

  async function report(receipts: Omit<DeliveryReceipt, 'at'>): Promise<boolean> {
    try {
      await context.reportReceipts([{ ...receipts, at: clock.now() }]);
      return true;
    } catch (error) {
      log.warn({ job: receipts.id, error: messageOf(error) }, 'what became of a fax cannot be told yet');
      return false;
    }
  }

  async function conclude(id: string, entry: Followed, known: Exclude<Known, { is: 'under way' }>): Promise<void> {
    // Told in one step with being forgotten, so that no waiter comes in between.
    const told = entry.waiters.size > 0 || (await report(receiptsOf(id, known)));
    if (!told) return;
    followed.delete(id);
    tell(entry, known);
    await records.ended(id);
  }

  async function progress(id: string, entry: Followed, job: Job): Promise<void> {
    const words = progressOf(job);
    entry.words = words ?? 'waiting for a free modem';
    if (words === undefined || words === entry.told) return;
    for (const { note } of entry.waiters) note(words);
    const receipts = { id, state: 'accepted', progress: true, detail: words } as const;
    if (entry.waiters.size > 0 || (await report(receipts))) entry.told = words;
  }

  async function look(): Promise<boolean> {
    const jobs = await converse(closed, listJobs);
    const lost: [string, Followed][] = [];
    for (const [id, entry] of followed) {
      const job = jobs.get(id);
      if (job?.tag !== tagOf(entry.record.sendRequest)) {
        lost.push([id, entry]);
        continue;
      }
      entry.missing = 0;
      const end = endOf(job, entry.record.pages);
      if (end) await conclude(id, entry, { is: 'ended', end });
      else await progress(id, entry, job);
    }
    for (const [, entry] of lost) entry.missing += 1;
    await searchLog(lost.filter(([, { missing }]) => missing >= MISSING_LOOKS));
    return lost.some(([id]) => followed.has(id));
  }

  /** HylaFAX removes what has ended after a while, so a job may be gone when nobody looked for an hour. */
  async function searchLog(gone: readonly [string, Followed][]): Promise<void> {
    if (gone.length === 0) return;
    const calls = (await converse(closed, readCalls, 'useful')) ?? [];
    for (const [id, entry] of gone) {
      const last = lastCallOf(calls, id, tagOf(entry.record.sendRequest));
      if (!last)
        log.warn({ job: id, sendRequest: entry.record.sendRequest }, "a job is in none of HylaFAX's queues any more");
      await conclude(id, entry, last ? { is: 'ended', end: endOfCall(last, entry.record.pages) } : { is: 'gone' });
    }
  }

  /** Ms until the next look, if nothing rings before. */
  async function round(): Promise<number> {
    if (followed.size === 0) return Number.POSITIVE_INFINITY;
    const pause = settings.PollSeconds * 1_000;
    try {
      return (await look()) ? GAP_MS : pause;
    } catch (error) {
      if (!closed.aborted) log.debug({ error: reasonOf(error) }, 'the queues of HylaFAX could not be looked at');
      return pause;
    } finally {
      await sleep(clock, GAP_MS, closed).catch(() => {});
    }
  }

  async function run(): Promise<void> {
    while (!closed.aborted) await call.heard(await round(), closed);
    for (const entry of followed.values()) tell(entry, { is: 'under way', words: entry.words });
  }

  return {
    follow(record) {
      // Ids of jobs come round again.
      if (followed.get(record.job)?.record.sendRequest === record.sendRequest) return;
      followed.set(record.job, fresh(record));
      call.ring();
    },
    until(job, signal, note) {
      const entry = followed.get(job);
      if (!entry) return Promise.resolve({ is: 'gone' });
      return new Promise((resolve) => {
        const leave = () => waiter.settle({ is: 'under way', words: entry.words });
        const waiter: Waiter = {
          note,
          settle(known) {
            signal.removeEventListener('abort', leave);
            entry.waiters.delete(waiter);
            resolve(known);
          },
        };
        entry.waiters.add(waiter);
        if (signal.aborted || closed.aborted) leave();
        else signal.addEventListener('abort', leave, { once: true });
      });
    },
    drop: (job) => void followed.delete(job),
    hear(line) {
      const id = /\bJOB (\d+) /.exec(line)?.[1];
      if (line === '' || (id !== undefined && followed.has(id))) call.ring();
    },
    ended: run(),
  };
}

function fresh(record: JobRecord): Followed {
  return { record, missing: 0, words: 'handed to HylaFAX', told: '', waiters: new Set() };
}

function tell({ waiters }: Followed, known: Known): void {
  for (const { settle } of [...waiters]) settle(known);
}

function receiptsOf(id: string, known: Exclude<Known, { is: 'under way' }>): Omit<DeliveryReceipt, 'at'> {
  if (known.is === 'ended')
    return { id, state: known.end.good ? 'delivered' : 'undelivered', detail: known.end.detail };
  return { id, state: 'accepted', progress: true, detail: goneWords(id) };
}

export function goneWords(id: string): string {
  return `job ${id} is in none of HylaFAX's queues, and its log of calls does not tell how it ended`;
}

function endOfCall({ pages, reason }: Call, whole: number): End {
  if (reason !== '') return { good: false, sent: pages, detail: `failed; ${reason}` };
  if (pages === 0) return { good: false, sent: 0, detail: 'done, but no page was sent' };
  return { good: true, sent: pages, detail: `${count(whole, 'page')} sent, by the log of calls` };
}
