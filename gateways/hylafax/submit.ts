// Submitting a fax. Point of no return: the first byte of JSUBM. Before it the job is a draft that hfaxd deletes with the
// connection; after it only the reply, or the queues, show whether the job exists.
import { type Attempt, type ComposedFax, NotSent } from '../../src/driver/contract.js';
import type { HfaxdClient } from './hfaxd-client.js';
import { tagOf } from './job-list.js';
import type { JobRecord } from './job-store.js';
import { isTemporary, quoted, reasonOf, refusal } from './protocol-text.js';
import type { Session } from './session.js';
import { modemName, type Settings } from './settings.js';

export type Submission =
  | { is: 'submitted'; record: JobRecord }
  /** Not in the queue. `final`: another try would end the same way. */
  | { is: 'rejected'; detail: string; final: boolean }
  /** The server may have received JSUBM. */
  | { is: 'unknown'; detail: string; record: JobRecord };

/** Lines per inch of the three resolutions (T.4), as HylaFAX counts them. */
const LINES_PER_INCH = { Standard: 98, Fine: 196, Superfine: 391 };
/** Mm. A line of T.4 is 215 mm long on every paper. */
const PAGE_WIDTH = 216;
const PAGE_LENGTHS = { A4: 297, Letter: 279, Legal: 356 };

export async function submit(session: Session, fax: ComposedFax, attempt: Attempt): Promise<Submission> {
  let record: JobRecord | undefined;
  try {
    return await session.withClient(attempt.signal, async (client) => {
      const document = await upload(client, fax);
      const draft = await createJob(session, client, fax, attempt, document);
      await storePrepared(session, draft);
      if (attempt.signal.aborted || session.closed.aborted) throw new NotSent('the time for this attempt is over');
      record = draft;
      return submitJob(client, draft, session);
    });
  } catch (error) {
    if (error instanceof FaxRejected) return { is: 'rejected', detail: error.message, final: true };
    if (!record) return { is: 'rejected', detail: reasonOf(error), final: false };
    return { is: 'unknown', detail: `no reply to the submission of job ${record.job}: ${reasonOf(error)}`, record };
  }
}

async function upload(client: HfaxdClient, { tiff, pdf }: ComposedFax): Promise<string> {
  await client.ask(`FORM ${tiff ? 'TIFF' : 'PDF'}`);
  return client.store(tiff ?? pdf);
}

async function createJob(
  { context }: Session,
  client: HfaxdClient,
  fax: ComposedFax,
  attempt: Attempt,
  document: string,
): Promise<JobRecord> {
  const created = await client.ask('JNEW');
  const job = /jobid: (\d+)/.exec(created)?.[1];
  if (!job) throw new NotSent(`HylaFAX created a job without an id: ${created}`);
  await setOrReject(client, `JPARM DIALSTRING ${quoted(fax.to)}`, `the number ${fax.to}`);
  for (const parameter of parametersOf(context.settings, fax, attempt)) await client.ask(`JPARM ${parameter}`);
  // Older servers reject some of these; the fax is sent without them.
  for (const parameter of optionalParametersOf(context.settings)) await client.tryAsk(`JPARM ${parameter}`);
  await setOrReject(client, `JPARM DOCUMENT ${document}`, 'the document');
  return { job, messageId: attempt.messageId, pages: fax.pages, at: context.clock.now() };
}

/** HylaFAX rejects this fax permanently. */
class FaxRejected extends Error {}

async function setOrReject(client: HfaxdClient, command: string, what: string): Promise<void> {
  try {
    await client.ask(command);
  } catch (error) {
    if (isTemporary(error)) throw error;
    throw new FaxRejected(`HylaFAX rejects ${what}: ${reasonOf(error)}`, { cause: error });
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
    `VRES ${LINES_PER_INCH[Resolution]}`,
    `PAGEWIDTH ${PAGE_WIDTH}`,
    `PAGELENGTH ${PAGE_LENGTHS[PageSize]}`,
    ...(Modem === undefined ? [] : [`MODEM ${quoted(modemName(Modem))}`]),
  ];
}

function optionalParametersOf({ Resolution, StationId, Header }: Settings): string[] {
  return [
    // Without this, HylaFAX cuts the white end of a page.
    'PAGECHOP NONE',
    ...(Resolution === 'Superfine' ? ['USEXVRES YES'] : []),
    ...(StationId === undefined ? [] : [`TSI ${quoted(StationId)}`]),
    // The page has its header line already; an empty tag line keeps HylaFAX from printing its own over it.
    ...(StationId === undefined && Header === undefined ? [] : ['TAGLINE ""', 'USETAGLINE YES']),
  ];
}

function daysHoursMinutes(minutes: number): string {
  const parts = [Math.floor(minutes / 1_440), Math.floor(minutes / 60) % 24, minutes % 60];
  return parts.map((part) => String(part).padStart(2, '0')).join('');
}

async function storePrepared({ store }: Session, draft: JobRecord): Promise<void> {
  try {
    await store.begin(draft);
  } catch (error) {
    throw new NotSent(`the journal cannot store the job: ${reasonOf(error)}`, { cause: error });
  }
}

async function submitJob(client: HfaxdClient, record: JobRecord, { store }: Session): Promise<Submission> {
  try {
    await client.ask('JSUBM');
    return { is: 'submitted', record };
  } catch (error) {
    const reply = refusal(error);
    if (!reply) throw error;
    const detail = `HylaFAX does not accept the job: ${reasonOf(error)}`;
    // 460: the scheduler did not reply, but may have received the job.
    if (reply.code === 460 && (await client.tryAsk(`JDELE ${record.job}`)) === undefined)
      return { is: 'unknown', detail, record };
    await store.withdrawn(record);
    return { is: 'rejected', detail, final: reply.code >= 500 };
  }
}
