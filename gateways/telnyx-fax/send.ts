// Owns sending. Point of no return: the POST that send requests the fax. Uploading the document before it send requests nothing; once the
// connection for that POST stands, only Telnyx's answer tells, or the list of faxes, where the mark of the send request is found.
import { type Attempt, type ComposedFax, deadline, messageOf, type Outcome, sleep } from '../../src/driver/contract.js';
import { type Answer, isGood, Refused, reasonOf, surelyUnread } from './api.js';
import { type Document, MAX_PAGES } from './document.js';
import { type Fax, faxIn, fetchFax, pages } from './faxes.js';
import { handleOf } from './follow.js';
import { markOf } from './identity.js';
import type { Session } from './session.js';
import { judge, type Progress, progressOf } from './states.js';

/** Left of the attempt's time when the wait for the end of the call is over: for the journal and the answer, ms. */
const ANSWER_MS = 3_000;
/** Pauses between two questions for the state, ms; the last one repeats. With progress being pushed it is the safety net. */
const ASKING = [1_000, 2_000, 3_000, 5_000];
const ASKING_WHEN_PUSHED = [3_000, 10_000];
/** Telnyx's machines' clocks differ a little, ms. */
const CLOCK_SLACK_MS = 60_000;
/** The same with the clocks compared a moment ago. */
const POST_SLACK_MS = 3_000;
/** A POST that was cut off may still be at work at the other end for this long, ms: no server keeps one for longer. */
const SURE_MS = 120_000;
/** A lookup that finds nothing asks again for this long, with this pause, ms. */
const LOOKING_MS = 15_000;
const LOOK_PAUSE_MS = 3_000;
/** Before a send request is tried again for want of a line, ms. */
const LINE_PAUSE_MS = 15_000;

export async function send(session: Session, fax: ComposedFax, attempt: Attempt): Promise<Outcome> {
  if (attempt.signal.aborted) return { kind: 'deferred', detail: 'the time for this try was over before it began' };
  const problem = unfit(session, fax);
  if (problem) return { kind: 'rejected', detail: problem };
  const signal = AbortSignal.any([attempt.signal, session.closed]);
  const mark = markOf(session.context.gateway.id, attempt, fax);
  let document: Document;
  try {
    document = await session.documents.publish(fax.pdf, mark, signal);
  } catch (error) {
    return notPublished(error);
  }
  const outcome = await place(session, fax, attempt, { mark, document, signal });
  if (outcome !== 'late') return outcome;
  await session.documents.withdraw(document.handle, signal);
  return { kind: 'deferred', detail: 'the time for this try was over when the document was with Telnyx' };
}

/** What Telnyx would refuse, in clearer words. */
function unfit({ documents }: Session, { to, pdf, pages }: ComposedFax): string | undefined {
  if (!/^\+[1-9]\d{4,14}$/.test(to))
    return `"${to}" is not a number with country code, which Telnyx needs: write it so, or set Region`;
  if (pdf.length > documents.most)
    return `the document has ${megabytes(pdf.length)} MB; up to ${megabytes(documents.most)} MB can be sent`;
  if (pages > MAX_PAGES) return `the document has ${pages} pages; up to ${MAX_PAGES} can be sent`;
  return undefined;
}

function megabytes(bytes: number): string {
  return (bytes / 1_000_000).toFixed(1).replace(/\.0$/, '');
}

/** Nothing was ordered, whatever became of the upload; what is left of it expires. */
function notPublished(error: unknown): Outcome {
  if (!(error instanceof Refused))
    return { kind: 'deferred', detail: `the document could not be handed over: ${reasonOf(error)}` };
  const judged = judge(error.answer);
  const detail = `the document was not taken: ${messageOf(error)}`;
  return judged.kind === 'unknown' ? { kind: 'deferred', detail } : { ...judged, detail };
}

interface Ordering {
  readonly mark: string;
  readonly document: Document;
  readonly signal: AbortSignal;
}

async function place(
  session: Session,
  fax: ComposedFax,
  attempt: Attempt,
  { mark, document, signal }: Ordering,
): Promise<Outcome | 'late'> {
  const { api, context, posted, documents } = session;
  if (attempt.signal.aborted || attempt.remaining() <= ANSWER_MS) return 'late';
  posted.set(attempt.messageId, context.clock.now());
  let answer: Answer;
  try {
    const json = sendRequestOf(session, fax, mark, document);
    answer = await api.ask({ method: 'POST', path: '/faxes', json }, signal, attempt.remaining());
  } catch (error) {
    if (!surelyUnread(error))
      return { kind: 'unknown', detail: `the fax was handed over, but Telnyx's answer is missing: ${reasonOf(error)}` };
    await documents.withdraw(document.handle, signal);
    return { kind: 'deferred', detail: `Telnyx could not be reached: ${reasonOf(error)}` };
  }
  const taken = isGood(answer) ? faxIn(answer.body) : undefined;
  if (taken) return settled(session, taken, attempt, document.handle);
  if (isGood(answer)) return { kind: 'unknown', detail: 'Telnyx took the fax without saying under which id' };
  // "Server error" may come after the fax was taken: the list knows.
  const found = answer.status >= 500 ? await find(session, fax, attempt, signal).catch(() => undefined) : undefined;
  if (found?.is === 'there') return settled(session, found.fax, attempt, document.handle);
  const outcome = judge(answer);
  if (outcome.kind !== 'unknown') await documents.withdraw(document.handle, signal);
  return outcome;
}

const QUALITIES = { Standard: 'normal', Fine: 'high', Superfine: 'very_high' } as const;

function sendRequestOf(
  { context: { settings }, hookUrl }: Session,
  { to }: ComposedFax,
  mark: string,
  { fields }: Document,
) {
  return {
    connection_id: settings.ConnectionId,
    from: settings.Number,
    to,
    quality: settings.Quality ?? QUALITIES[settings.Resolution],
    client_state: mark,
    ...fields,
    ...(hookUrl !== null && { webhook_url: hookUrl }),
  };
}

/** The fax is Telnyx's now; what is left is to learn in time how the call ends. */
async function settled(session: Session, fax: Fax, attempt: Attempt, handle: string | null): Promise<Outcome> {
  const { following, context } = session;
  await following.claim(fax.id, attempt.messageId, handle);
  const progress = await awaitEnd(session, fax, attempt);
  if (progress.final) {
    // Tidying up must not hold up the answer beyond its time.
    await following.ended(fax.id, attempt.signal);
    return endOf(fax.id, progress);
  }
  following.follow(fax.id, progress);
  if (context.settings.AnswerWhen === 'Done')
    return { kind: 'unknown', detail: `the call is still under way: ${progress.detail}`, ids: [fax.id] };
  const detail = `accepted for transmission; ${progress.detail}`;
  return { kind: 'sent', deliverySystemId: fax.id, ids: [fax.id], detail, state: 'accepted' };
}

function endOf(id: string, { state, detail, notNow }: Progress): Outcome {
  if (state === 'delivered') return { kind: 'sent', deliverySystemId: id, ids: [id], detail, state };
  return notNow ? { kind: 'deferred', detail, retryAfterMs: LINE_PAUSE_MS } : { kind: 'rejected', detail };
}

const ACCEPTED: Progress = { state: 'accepted', final: false, detail: 'queued', rank: 0, notNow: false };

async function awaitEnd(session: Session, fax: Fax, attempt: Attempt): Promise<Progress> {
  const { context, watchers, hookUrl, closed } = session;
  let known = progressOf(fax) ?? ACCEPTED;
  const ms = attempt.remaining() - ANSWER_MS;
  if (known.final || ms <= 0) return known;
  const due = deadline(context.clock, ms, AbortSignal.any([attempt.signal, closed]));
  const over = new AbortController();
  const hear = (progress: Progress) => {
    if (progress.rank <= known.rank) return;
    known = progress;
    if (progress.final) over.abort();
    else attempt.note(progress.detail);
  };
  watchers.set(fax.id, hear);
  try {
    await ask(session, fax.id, hear, hookUrl ? ASKING_WHEN_PUSHED : ASKING, AbortSignal.any([due.signal, over.signal]));
  } finally {
    watchers.delete(fax.id);
    due.dispose();
  }
  return known;
}

/** Asks for the state again and again until `signal` aborts. Never rejects: not knowing is no error here. */
async function ask(
  { api, context: { clock, log } }: Session,
  id: string,
  hear: (progress: Progress) => void,
  pauses: readonly number[],
  signal: AbortSignal,
): Promise<void> {
  for (let round = 0; !signal.aborted; round++) {
    try {
      await sleep(clock, pauses[Math.min(round, pauses.length - 1)] ?? 0, signal);
      const fax = await fetchFax(api, id, signal);
      const progress = fax && progressOf(fax);
      if (progress) hear(progress);
    } catch (error) {
      if (!signal.aborted) log.debug({ fax: id, error: reasonOf(error) }, 'the state of a fax could not be asked for');
    }
  }
}

/** "Did that one go out?": by the mark of the send request. Goes on waiting for the end of a call that is under way. */
export async function lookup(session: Session, fax: ComposedFax, attempt: Attempt): Promise<Outcome | 'not found'> {
  const { following, api, context } = session;
  const { clock } = context;
  const known = following.of(attempt.messageId);
  const followed = known === undefined ? undefined : await fetchFax(api, known, attempt.signal);
  if (followed) return settled(session, followed, attempt, null);
  const until = clock.monotonic() + LOOKING_MS;
  for (;;) {
    const found = await find(session, fax, attempt, attempt.signal);
    if (found.is === 'there') return settled(session, found.fax, attempt, handleOf(found.fax));
    // The list was read to its end, and whatever was on its way to it has arrived by now.
    if (found.is === 'absent' && clock.now() - lastPosted(session, attempt) >= SURE_MS)
      return { kind: 'deferred', detail: 'Telnyx has no fax of this order: it was never taken' };
    if (found.is === 'unclear' || clock.monotonic() >= until || attempt.remaining() <= ANSWER_MS + LOOK_PAUSE_MS)
      return 'not found';
    await sleep(clock, LOOK_PAUSE_MS, attempt.signal);
  }
}

/** Attempts of an earlier session ended when this one was opened at the latest. */
function lastPosted({ posted, openedAt }: Session, { messageId }: Attempt): number {
  return posted.get(messageId) ?? openedAt;
}

type Found = { is: 'there'; fax: Fax } | { is: 'absent' } | { is: 'unclear' };

/**
 * Looks for the mark of the send request. Without a filter for the number: Telnyx may show it otherwise than it was written, and
 * the mark is enough.
 */
async function find(
  session: Session,
  { to, ...fax }: ComposedFax,
  attempt: Attempt,
  signal: AbortSignal,
): Promise<Found> {
  const { api, context } = session;
  const mark = markOf(context.gateway.id, attempt, { to, ...fax });
  const since = api.theirs(attempt.firstAttemptAt) - CLOCK_SLACK_MS;
  const ours: Fax[] = [];
  let unmarked = false;
  for await (const page of pages(api, { direction: 'outbound', since }, signal)) {
    ours.push(...page.filter((one) => one.clientState === mark && !isPast(session, one, attempt)));
    // Ours always carry a mark. One without, to the same number, would mean that it was lost on the way.
    const from = context.settings.Number;
    unmarked ||= page.some((one) => one.clientState === null && one.to === to && one.from === from);
  }
  const best = ours.sort((one, other) => worth(other) - worth(one))[0];
  if (best) return { is: 'there', fax: best };
  return { is: unmarked ? 'unclear' : 'absent' };
}

/** The failure of an earlier try says nothing about the one that is in doubt. */
function isPast({ api, posted }: Session, fax: Fax, { messageId }: Attempt): boolean {
  const latest = posted.get(messageId);
  if (latest === undefined || progressOf(fax)?.state !== 'undelivered') return false;
  return (fax.createdAt ?? Number.POSITIVE_INFINITY) < api.theirs(latest) - POST_SLACK_MS;
}

/** Of several tries at one send request: the one that arrived, else one that still may, else the latest that failed. */
function worth(fax: Fax): number {
  const progress = progressOf(fax);
  const standing = progress?.state === 'delivered' ? 2 : progress?.final ? 0 : 1;
  return standing * 1e15 + (fax.createdAt ?? 0);
}
