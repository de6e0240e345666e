// Owns handing a document to HylaFAX. Point of no return: the first byte of JSUBM. Up to then the job is a draft that hfaxd
// throws away with the connection; from then on only its answer tells, or the queues.
import { type Attempt, type ComposedFax, NotSent } from '../../src/driver/contract.js';
import { tagOf } from './jobs.js';
import type { JobRecord } from './records.js';
import type { Session } from './session.js';
import { modemName, type Settings } from './settings.js';
import type { Talk } from './talk.js';
import { isTemporary, quoted, reasonOf, refusal } from './words.js';

export type Submission =
  | { is: 'submitted'; record: JobRecord }
  /** Surely not in the queue. `final`: and another try would end the same. */
  | { is: 'refused'; detail: string; final: boolean }
  /** JSUBM may have been heard. */
  | { is: 'unknown'; detail: string; record: JobRecord };

/** Lines per inch of the three resolutions (T.4), as HylaFAX counts them. */
const LINES = { Standard: 98, Fine: 196, Superfine: 391 };
/** A line of T.4 is 215 mm long on every paper; how long the page is, in mm. */
const WIDTH = 216;
const LENGTHS = { A4: 297, Letter: 279, Legal: 356 };

export async function submit(session: Session, fax: ComposedFax, attempt: Attempt): Promise<Submission> {
  let record: JobRecord | undefined;
  try {
    return await session.converse(attempt.signal, async (talk) => {
      const document = await upload(talk, fax);
      const draft = await prepare(session, talk, fax, attempt, document);
      await begin(session, draft);
      if (attempt.signal.aborted || session.closed.aborted) throw new NotSent('the time for this try is over');
      record = draft;
      return hand(talk, draft, session);
    });
  } catch (error) {
    if (error instanceof Unfit) return { is: 'refused', detail: error.message, final: true };
    if (!record) return { is: 'refused', detail: reasonOf(error), final: false };
    return { is: 'unknown', detail: `no answer to the submission of job ${record.job}: ${reasonOf(error)}`, record };
  }
}

async function upload(talk: Talk, { tiff, pdf }: ComposedFax): Promise<string> {
  await talk.ask(`FORM ${tiff ? 'TIFF' : 'PDF'}`);
  return talk.store(tiff ?? pdf);
}

async function prepare(
  { context }: Session,
  talk: Talk,
  fax: ComposedFax,
  attempt: Attempt,
  document: string,
): Promise<JobRecord> {
  const created = await talk.ask('JNEW');
  const job = /jobid: (\d+)/.exec(created)?.[1];
  if (!job) throw new NotSent(`HylaFAX did not say which job it created: ${created}`);
  await insist(talk, `JPARM DIALSTRING ${quoted(fax.to)}`, `the number ${fax.to}`);
  for (const parameter of parametersOf(context.settings, fax, attempt)) await talk.ask(`JPARM ${parameter}`);
  // Older servers, and ones set up otherwise, refuse these; the fax goes out without them.
  for (const parameter of wishesOf(context.settings)) await talk.tryAsk(`JPARM ${parameter}`);
  await insist(talk, `JPARM DOCUMENT ${document}`, 'the document');
  return { job, sendRequest: attempt.messageId, pages: fax.pages, at: context.clock.now() };
}

/** The server will have none of this fax, now or later. */
class Unfit extends Error {}

async function insist(talk: Talk, command: string, what: string): Promise<void> {
  try {
    await talk.ask(command);
  } catch (error) {
    if (isTemporary(error)) throw error;
    throw new Unfit(`HylaFAX refuses ${what}: ${reasonOf(error)}`, { cause: error });
  }
}

function parametersOf(settings: Settings, fax: ComposedFax, attempt: Attempt): string[] {
  const { User, Modem, MaxDials, MaxTries, GiveUpMinutes, PageSize, Resolution } = settings;
  return [
    `EXTERNAL ${quoted(fax.to)}`,
    `FROMUSER ${quoted(fax.from?.trim() || User)}`,
    `NOTIFYADDR ${quoted(User)}`,
    'NOTIFY NONE',
    `JOBINFO ${quoted(tagOf(attempt.messageId))}`,
    `LASTTIME ${daysHoursMinutes(GiveUpMinutes)}`,
    `MAXDIALS ${MaxDials}`,
    `MAXTRIES ${MaxTries}`,
    `VRES ${LINES[Resolution]}`,
    `PAGEWIDTH ${WIDTH}`,
    `PAGELENGTH ${LENGTHS[PageSize]}`,
    ...(Modem === undefined ? [] : [`MODEM ${quoted(modemName(Modem))}`]),
  ];
}

function wishesOf({ Resolution, StationId, Header }: Settings): string[] {
  return [
    // Pages arrive as long as they were sent.
    'PAGECHOP NONE',
    ...(Resolution === 'Superfine' ? ['USEXVRES YES'] : []),
    ...(StationId === undefined ? [] : [`TSI ${quoted(StationId)}`]),
    // The header line is on the page already; a private one without text keeps HylaFAX from printing its own over it.
    ...(StationId === undefined && Header === undefined ? [] : ['TAGLINE ""', 'USETAGLINE YES']),
  ];
}

function daysHoursMinutes(minutes: number): string {
  const parts = [Math.floor(minutes / 1_440), Math.floor(minutes / 60) % 24, minutes % 60];
  return parts.map((part) => String(part).padStart(2, '0')).join('');
}

async function begin({ records }: Session, draft: JobRecord): Promise<void> {
  try {
    await records.begin(draft);
  } catch (error) {
    throw new NotSent(`the journal cannot note the job: ${reasonOf(error)}`, { cause: error });
  }
}

/** The step of no return. */
async function hand(talk: Talk, record: JobRecord, { records }: Session): Promise<Submission> {
  try {
    await talk.ask('JSUBM');
    return { is: 'submitted', record };
  } catch (error) {
    const no = refusal(error);
    if (!no) throw error;
    const detail = `HylaFAX does not take the job: ${reasonOf(error)}`;
    // 460: the scheduler did not answer, but may have heard.
    if (no.code === 460 && (await talk.tryAsk(`JDELE ${record.job}`)) === undefined)
      return { is: 'unknown', detail, record };
    await records.withdrawn(record);
    return { is: 'refused', detail, final: no.code >= 500 };
  }
}
