import type { HfaxdClient } from './hfaxd-client.js';
import { count, oneLine } from './protocol-text.js';

/** One letter, as faxstat(1) explains it: suspended, pending, sleeping, blocked, waiting, running, done, failed. */
type JobState = '?' | 'T' | 'P' | 'S' | 'B' | 'W' | 'R' | 'D' | 'F';

export interface Job {
  readonly id: string;
  readonly state: JobState;
  /** Pages sent, and all pages; 0 until HylaFAX has counted them. */
  readonly sent: number;
  readonly pages: number;
  /** Calls made, and how many are allowed. */
  readonly dials: number;
  readonly maxDials: number;
  /** JOBINFO: the mark that the sender gave the job. */
  readonly tag: string;
  /** Why the last try failed, or what the job waits for; '' when HylaFAX gives no reason. */
  readonly status: string;
}

/** The result of a job. */
export interface JobEnd {
  readonly ok: boolean;
  /** Pages sent. */
  readonly sent: number;
  /** For the delivery log, with the status text of HylaFAX. */
  readonly detail: string;
}

/** Free text comes last: it may hold bars and line ends. */
const FORMAT = '#J|%j|%a|%p|%y|%d|%x|%J|%s';
const LINE = /^#J\|(\d+)\|(.)\|(\d+)\|(\d+)\|(\d+)\|(\d+)\|([^|]*)\|(.*)$/;
const STATES = '?TPSBWRDF';

/** All jobs, each once. A job that ends between the two listings is in both of them, and counts as ended. */
export async function listJobs(client: HfaxdClient): Promise<Map<string, Job>> {
  await client.ask(`JOBFMT "${FORMAT}"`);
  // In the other order such a job would be in neither.
  const waiting = await client.list('LIST sendq');
  const ended = await client.list('LIST doneq');
  return new Map([...waiting, ...ended].flatMap((_, at, all) => parseJob(all, at)).map((job) => [job.id, job]));
}

function parseJob(lines: readonly string[], at: number): Job[] {
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

/** JOBINFO of the jobs of a send request; no character in it can end a column of the listing. */
export function tagOf(messageId: string): string {
  return messageId.replace(/[^\w.{}-]/g, '_').slice(0, 80);
}

/** Undefined while the job has not ended. `pages`: those of the document, used where HylaFAX did not count. */
export function endOf(job: Job, pages: number): JobEnd | undefined {
  if (job.state === 'F') return failureOf(job, pages);
  if (job.state !== 'D') return undefined;
  const { sent, dials, status } = job;
  const total = job.pages || pages;
  const because = status ? `; ${status}` : '';
  if (sent === 0) return { ok: false, sent, detail: `done, but no page was sent${because}` };
  if (sent < total) return { ok: false, sent, detail: `done, but only ${sent} of ${total} pages were sent${because}` };
  return { ok: true, sent, detail: `${count(sent, 'page')} sent in ${count(dials, 'call')}${because}` };
}

function failureOf({ sent, dials, status, ...job }: Job, pages: number): JobEnd {
  const through = sent > 0 ? `failed with ${sent} of ${job.pages || pages} pages sent` : 'failed';
  const because = status || 'HylaFAX gave no reason';
  return { ok: false, sent, detail: `${through} after ${count(dials, 'call')}; ${because}` };
}

/** The progress of a job that has not ended, for the delivery log; undefined before the first call. */
export function progressOf({ state, sent, pages, dials, maxDials, status }: Job): string | undefined {
  const dial = `dial ${dials} of ${maxDials}`;
  if (state === 'T') return 'suspended by an operator';
  if (state === 'R' && sent > 0) return `page ${sent}${pages > 0 ? ` of ${pages}` : ''} sent`;
  // HylaFAX counts a call when it is over.
  if (state === 'R') return `calling, dial ${dials + 1} of ${maxDials}`;
  if (dials === 0) return status || undefined;
  return status ? `${dial}: ${status}` : dial;
}
