// Sending. Point of no return: the first byte of the POST /faxes. The upload of the document before it sends nothing. After
// it only Telnyx's answer decides, or the list of faxes, where the mark of the send request identifies the fax.
import { type Attempt, type ComposedFax, messageOf, type Outcome } from '../../src/driver/contract.js';
import { surelyNotSent } from '../../src/driver/shared/http-client.js';
import { ANSWER_MS, acceptedOutcome } from './accepted.js';
import { type ApiAnswer, ApiRefusal, isSuccess, reasonOf } from './api.js';
import { type Document, MAX_PAGES } from './documents.js';
import { faxIn } from './faxes.js';
import { markOf } from './identity.js';
import { outcomeOf } from './progress.js';
import { searchList } from './search.js';
import type { Session } from './session.js';

export async function send(session: Session, fax: ComposedFax, attempt: Attempt): Promise<Outcome> {
  if (attempt.signal.aborted)
    return { kind: 'deferred', detail: 'the time for this attempt was over before it started' };
  const problem = unacceptable(session, fax);
  if (problem) return { kind: 'rejected', detail: problem };
  const signal = AbortSignal.any([attempt.signal, session.closed]);
  const mark = markOf(session.context.gateway.id, attempt, fax);
  let document: Document;
  try {
    document = await session.documents.publish(fax.pdf, mark, signal);
  } catch (error) {
    return notPublished(error);
  }
  if (attempt.signal.aborted || attempt.remaining() <= ANSWER_MS) {
    await session.documents.withdraw(document.handle, signal);
    return { kind: 'deferred', detail: 'the time for this attempt was over after the upload of the document' };
  }
  return post(session, fax, attempt, { mark, document, signal });
}

/** What Telnyx would refuse, in clearer words. */
function unacceptable({ documents }: Session, { to, pdf, pages }: ComposedFax): string | undefined {
  if (!/^\+[1-9]\d{4,14}$/.test(to))
    return `"${to}" is not a number with country code, which Telnyx needs: write it so, or set Region`;
  if (pdf.length > documents.maxBytes)
    return `the document has ${megabytes(pdf.length)} MB; up to ${megabytes(documents.maxBytes)} MB can be sent`;
  if (pages > MAX_PAGES) return `the document has ${pages} pages; up to ${MAX_PAGES} can be sent`;
  return undefined;
}

function megabytes(bytes: number): string {
  return (bytes / 1_000_000).toFixed(1).replace(/\.0$/, '');
}

/** No fax was sent, whatever became of the upload; a left-over upload expires. */
function notPublished(error: unknown): Outcome {
  if (!(error instanceof ApiRefusal))
    return { kind: 'deferred', detail: `the document could not be uploaded: ${reasonOf(error)}` };
  const outcome = outcomeOf(error.answer);
  const detail = `Telnyx did not accept the document: ${messageOf(error)}`;
  return outcome.kind === 'unknown' ? { kind: 'deferred', detail } : { ...outcome, detail };
}

interface Prepared {
  readonly mark: string;
  readonly document: Document;
  readonly signal: AbortSignal;
}

async function post(session: Session, fax: ComposedFax, attempt: Attempt, prepared: Prepared): Promise<Outcome> {
  const { api, context, posted, documents } = session;
  const { document, signal } = prepared;
  posted.set(attempt.messageId, context.clock.now());
  let answer: ApiAnswer;
  try {
    const json = faxRequest(session, fax, prepared);
    answer = await api.request({ method: 'POST', path: '/faxes', json }, signal, attempt.remaining());
  } catch (error) {
    if (!surelyNotSent(error))
      return { kind: 'unknown', detail: `the fax was sent to Telnyx, but no answer came: ${reasonOf(error)}` };
    await documents.withdraw(document.handle, signal);
    return { kind: 'deferred', detail: `Telnyx could not be reached: ${reasonOf(error)}` };
  }
  return isSuccess(answer)
    ? answered(session, answer, attempt, document)
    : refused(session, fax, answer, attempt, prepared);
}

function answered(session: Session, { body }: ApiAnswer, attempt: Attempt, { handle }: Document): Promise<Outcome> {
  const fax = faxIn(body);
  if (fax) return acceptedOutcome(session, fax, attempt, handle);
  return Promise.resolve({ kind: 'unknown', detail: 'Telnyx accepted the fax without naming its id' });
}

/** "Server error" may come after the fax was accepted: the list knows. */
async function refused(
  session: Session,
  fax: ComposedFax,
  answer: ApiAnswer,
  attempt: Attempt,
  { document, signal }: Prepared,
): Promise<Outcome> {
  if (answer.status >= 500) {
    const search = await searchList(session, fax, attempt, signal).catch(() => undefined);
    if (search?.is === 'found') return acceptedOutcome(session, search.fax, attempt, document.handle);
  }
  const outcome = outcomeOf(answer);
  if (outcome.kind !== 'unknown') await session.documents.withdraw(document.handle, signal);
  return outcome;
}

const QUALITIES = { Standard: 'normal', Fine: 'high', Superfine: 'very_high' } as const;

function faxRequest(
  { context: { settings }, webhookUrl }: Session,
  { to }: ComposedFax,
  { mark, document }: Prepared,
): object {
  return {
    connection_id: settings.ConnectionId,
    from: settings.Number,
    to,
    quality: settings.Quality ?? QUALITIES[settings.Resolution],
    client_state: mark,
    ...document.fields,
    ...(webhookUrl !== null && { webhook_url: webhookUrl }),
  };
}
