// Owns the queues of faxes to send: the listing of jobs as hfaxd writes it, and what a job's state means to people.
import type { Talk } from './talk.js';
import { oneLine } from './words.js';

/** One letter, as faxstat(1) explains it: suspended, pending, sleeping, blocked, waiting, running, done, failed. */
export type JobState = '?' | 'T' | 'P' | 'S' | 'B' | 'W' | 'R' | 'D' | 'F';

export interface Job {
  readonly id: string;
  readonly state: JobState;
  /** Pages that are through, and all of them; 0 as long as HylaFAX has not counted them. */
  readonly sent: number;
  readonly pages: number;
  /** Calls made, and how many there may be. */
  readonly dials: number;
  readonly maxDials: number;
  /** What the sender marked it with. */
  readonly tag: string;
  /** Why the last try failed, or what it waits for; '' when there is nothing to say. */
  readonly status: string;
}

/** How a job has ended. */
export interface End {
  readonly good: boolean;
  /** Pages that are through. */
  readonly sent: number;
  /** For the delivery log, with HylaFAX's own words. */
  readonly detail: string;
}

/** Free text comes last: it may hold bars and line ends. */
const FORMAT = '#J|%j|%a|%p|%y|%d|%x|%J|%s';
const LINE = /^#J\|(\d+)\|(.)\|(\d+)\|(\d+)\|(\d+)\|(\d+)\|([^|]*)\|(.*)$/;
const STATES = '?TPSBWRDF';

/** All jobs, each once: one that moves on while they are listed counts as ended. */
export async function listJobs(talk: Talk): Promise<Map<string, Job>> {
  await talk.ask(`JOBFMT "${FORMAT}"`);
  // In this send request a job that ends in between is in both, and not in none.
  const waiting = await talk.list('LIST sendq');
  const ended = await talk.list('LIST doneq');
  return new Map([...waiting, ...ended].flatMap((_, at, all) => readJob(all, at)).map((job) => [job.id, job]));
}

function readJob(lines: readonly string[], at: number): Job[] {
  const found = LINE.exec(lines[at] ?? '');
  if (!found) return [];
  const [, id = '', state = '', sent, pages, dials, maxDials, tag = '', status = ''] = found;
  const more: string[] = [];
  for (let next = at + 1; next < lines.length && !lines[next]?.startsWith('#J|'); next++) more.push(lines[next] ?? '');
  const counts = { sent: Number(sent), pages: Number(pages), dials: Number(dials), maxDials: Number(maxDials) };
  return [{ id, state: isState(state) ? state : '?', ...counts, tag, status: oneLine([status, ...more].join(' ')) }];
}

function isState(letter: string): letter is JobState {
  return letter.length === 1 && STATES.includes(letter);
}

/** The tag of a send request's jobs: nothing in it may be taken for the end of a column. */
export function tagOf(messageId: string): string {
  return messageId.replace(/[^\w.{}-]/g, '_').slice(0, 80);
}

/** The end of a job; undefined while there is none. `pages`: what the document has, where HylaFAX did not count. */
export function endOf(job: Job, pages: number): End | undefined {
  const { state, sent, dials, status } = job;
  if (state !== 'D' && state !== 'F') return undefined;
  const whole = job.pages || pages;
  const because = status ? `; ${status}` : '';
  if (state === 'F') {
    const through = sent > 0 ? `failed with ${sent} of ${whole} pages sent` : 'failed';
    return {
      good: false,
      sent,
      detail: `${through} after ${count(dials, 'call')}${because || '; HylaFAX gave no reason'}`,
    };
  }
  if (sent === 0) return { good: false, sent, detail: `done, but no page was sent${because}` };
  if (sent < whole)
    return { good: false, sent, detail: `done, but only ${sent} of ${whole} pages were sent${because}` };
  return { good: true, sent, detail: `${count(sent, 'page')} sent in ${count(dials, 'call')}${because}` };
}

/** How far a job is that has not ended, for the delivery log; undefined when there is nothing to tell yet. */
export function progressOf({ state, sent, pages, dials, maxDials, status }: Job): string | undefined {
  const dial = `dial ${dials} of ${maxDials}`;
  if (state === 'T') return 'suspended by an operator';
  if (state === 'R' && sent > 0) return `page ${sent}${pages > 0 ? ` of ${pages}` : ''} sent`;
  // A call is counted when it is over.
  if (state === 'R') return `calling, dial ${dials + 1} of ${maxDials}`;
  if (dials === 0) return status || undefined;
  return status ? `${dial}: ${status}` : dial;
}

export function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`;
}
