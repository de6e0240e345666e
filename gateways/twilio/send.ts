// Owns sending. Point of no return: the first byte of the POST that creates the message (wire.ts calls `committed` right
// before it). Until then nothing can have gone out; from then on only Twilio's answer tells, or the message list.
import {
  type Attempt,
  type ComposedText,
  deadline,
  messageOf,
  type Outcome,
  sleep,
} from '../../src/driver/contract.js';
import { type Call, pages, type Sms, smsOf } from './api.js';
import { judge, type Progress, progressOf, refusalOf } from './codes.js';
import { fetchSms } from './follow.js';
import type { Session } from './session.js';
import type { Settings } from './settings.js';

/** Left of the attempt's time when the wait for the carrier ends: for the journal and the answer, ms. */
const ANSWER_MS = 3_000;
/** Pauses between two questions for the state, ms; the last one repeats. With states being pushed it is only the safety net. */
const ASKING = [500, 1_000, 2_000];
const ASKING_WHEN_PUSHED = [2_000, 5_000];
/** A list of the messages to one recipient that goes back this far is long enough, in pages of 50. */
const LOOKUP_PAGES = 20;
/** Twilio's times are whole seconds, and its machines' clocks differ a little, ms. */
const CLOCK_SLACK_MS = 5_000;
/** Put in front of every text by trial accounts. */
const TRIAL = 'Sent from your Twilio trial account - ';

export async function send(session: Session, message: ComposedText, attempt: Attempt): Promise<Outcome> {
  if (attempt.signal.aborted) return { kind: 'deferred', detail: 'the time for this try was over before it began' };
  let call: Call | undefined;
  let sms: Sms | undefined;
  try {
    const create = async (current: Call) => {
      call = current;
      return smsOf(await current.client.messages.create(creation(session, message)));
    };
    sms = await session.api.call(attempt.signal, create, attempt.remaining());
  } catch (error) {
    // "Server error" may come after the message was taken: the list knows.
    if (refusalOf(error).status >= 500) sms = await inTheList(session, message, attempt);
    if (!sms) return judge(error, call);
  }
  return settled(session, sms, attempt);
}

/** "Did that one go out?": by recipient, text and time, and not one that another order is known to own. */
export async function lookup(
  session: Session,
  message: ComposedText,
  attempt: Attempt,
): Promise<Outcome | 'not found'> {
  const found = await find(session, message, attempt);
  return found ? settled(session, found, attempt) : 'not found';
}

function creation({ context: { settings }, statusUrl }: Session, message: ComposedText) {
  return {
    to: message.to,
    body: message.text,
    ...senderOf(settings, message),
    ...(statusUrl && { statusCallback: statusUrl }),
  };
}

function senderOf({ Number: number, MessagingServiceSid }: Settings, { from }: ComposedText) {
  return MessagingServiceSid ? { messagingServiceSid: MessagingServiceSid } : { from: number ?? from ?? '' };
}

/** The message is Twilio's now; what is left is to learn in time what the carrier makes of it. */
async function settled(session: Session, sms: Sms, attempt: Attempt): Promise<Outcome> {
  const { following } = session;
  await following.claim(sms.sid, attempt.messageId);
  const progress = await awaitEnd(session, sms, attempt);
  if (progress.state === 'undelivered') {
    following.heard(sms.sid, progress);
    return { kind: 'rejected', detail: progress.detail, ...(progress.optedOut && { optedOut: true }) };
  }
  if (progress.final) following.heard(sms.sid, progress);
  else following.follow(sms.sid, progress.state);
  return { kind: 'sent', deliverySystemId: sms.sid, detail: progress.detail, state: progress.state };
}

const ACCEPTED: Progress = { state: 'accepted', final: false, detail: 'accepted', note: null, optedOut: false };

async function awaitEnd(session: Session, sms: Sms, attempt: Attempt): Promise<Progress> {
  const { context, watchers, statusUrl, closed } = session;
  const { clock, settings } = context;
  let known = progressOf(sms.status, sms.errorCode, sms.errorMessage) ?? ACCEPTED;
  const ms = Math.min(settings.AwaitDeliverySeconds * 1_000, attempt.remaining() - ANSWER_MS);
  if (known.final || ms <= 0) return known;
  const due = deadline(clock, ms, AbortSignal.any([attempt.signal, closed]));
  let ended = () => {};
  const hear = (progress: Progress) => {
    if (!known.final && rank(progress) > rank(known)) known = progress;
    if (known.final) ended();
  };
  const end = new Promise<void>((resolve) => {
    ended = resolve;
    due.signal.addEventListener('abort', () => resolve(), { once: true });
  });
  const unwatch = watchers.watch(sms.sid, hear);
  try {
    const over = new AbortController();
    const asking = ask(
      session,
      sms.sid,
      hear,
      statusUrl ? ASKING_WHEN_PUSHED : ASKING,
      AbortSignal.any([due.signal, over.signal]),
    );
    await end;
    over.abort();
    await asking;
  } finally {
    unwatch();
    due.dispose();
  }
  return known;
}

function rank({ state }: Progress): number {
  return ['accepted', 'sent', 'delivered', 'undelivered'].indexOf(state);
}

/** Asks for the state again and again until `signal` aborts. Never rejects: not knowing is no error here. */
async function ask(
  { api, context: { clock, log } }: Session,
  sid: string,
  hear: (progress: Progress) => void,
  pauses: readonly number[],
  signal: AbortSignal,
): Promise<void> {
  for (let round = 0; !signal.aborted; round++) {
    try {
      await sleep(clock, pauses[Math.min(round, pauses.length - 1)] ?? 0, signal);
      const sms = await fetchSms(api, sid, signal);
      const progress = sms && progressOf(sms.status, sms.errorCode, sms.errorMessage);
      if (progress) hear(progress);
    } catch (error) {
      if (!signal.aborted)
        log.debug({ sid, error: messageOf(error) }, 'the state of a sent message could not be asked for');
    }
  }
}

/** Not to be had is no proof of anything here: the caller has an answer already. */
function inTheList(session: Session, message: ComposedText, attempt: Attempt): Promise<Sms | undefined> {
  return find(session, message, attempt).catch(() => undefined);
}

/**
 * No filter by date: what is still queued has no date of sending. The list is newest first, so it ends with the first page
 * that is wholly older than the send request.
 */
async function find(session: Session, message: ComposedText, attempt: Attempt): Promise<Sms | undefined> {
  const { api, following, context } = session;
  const since = api.theirs(attempt.firstAttemptAt) - CLOCK_SLACK_MS;
  const { Number: from } = context.settings;
  const filter = { to: message.to, ...(from && { from }), pageSize: 50 };
  let count = 0;
  for await (const page of pages(api, filter, attempt.signal)) {
    const candidates = page.filter((sms) => sms.createdAt >= since && isSame(sms, message));
    const ours = candidates.find(({ sid }) => following.owner(sid) === attempt.messageId);
    const free = candidates.find(({ sid }) => following.owner(sid) === undefined);
    if (ours ?? free) return ours ?? free;
    if (page.every((sms) => sms.createdAt < since) || ++count >= LOOKUP_PAGES) return undefined;
  }
  return undefined;
}

function isSame(sms: Sms, { to, text }: ComposedText): boolean {
  const body = sms.body.startsWith(TRIAL) ? sms.body.slice(TRIAL.length) : sms.body;
  return !sms.inbound && sms.to === to && body.trim().normalize() === text.trim().normalize();
}
