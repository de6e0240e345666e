// Sending. Point of no return: the first byte of the POST that creates the message (Call.written). Before it nothing can have
// gone out; after it only Twilio's answer decides, or the message list.
import { type Attempt, type ComposedText, messageOf, type Outcome } from '../../src/driver/contract.js';
import { awaitFinal } from '../../src/driver/shared/pending-sends.js';
import type { Call } from './api.js';
import { ACCEPTED, outcomeOf, type Progress, refusalOf } from './codes.js';
import { fetchSms, pages, type Sms, smsOf } from './messages.js';
import type { Session } from './session.js';
import type { Settings } from './settings.js';
import { progressIn } from './status.js';

/** Left of the attempt's time when the wait for the carrier ends: for the journal and the answer, ms. */
const ANSWER_MS = 3_000;
/** Pauses before each question for the state, ms; the last one repeats. With states being pushed it is only the safety net. */
const PAUSES = [500, 1_000, 2_000];
const PAUSES_WHEN_PUSHED = [2_000, 5_000];
/** A list of the messages to one recipient that goes back this far is long enough, in pages of 50. */
const LOOKUP_PAGES = 20;
/** Twilio's times are whole seconds, and its machines' clocks differ a little, ms. */
const CLOCK_SLACK_MS = 5_000;
/** Put in front of every text by trial accounts. */
const TRIAL = 'Sent from your Twilio trial account - ';

export async function send(session: Session, message: ComposedText, attempt: Attempt): Promise<Outcome> {
  if (attempt.signal.aborted)
    return { kind: 'deferred', detail: 'the time for this attempt was over before it started' };
  let call: Call | undefined;
  let sms: Sms | undefined;
  try {
    const create = async (current: Call) => {
      call = current;
      return smsOf(await current.client.messages.create(creation(session, message)));
    };
    sms = await session.api.call(attempt.signal, create, attempt.remaining());
  } catch (error) {
    // "Server error" may come after the message was created: the list knows.
    if (refusalOf(error).status >= 500) sms = await find(session, message, attempt).catch(() => undefined);
    if (!sms) return outcomeOf(error, call);
  }
  return accepted(session, sms, attempt);
}

/** Searches for a message with this recipient, text and time that no other send request owns. */
export async function lookup(
  session: Session,
  message: ComposedText,
  attempt: Attempt,
): Promise<Outcome | 'not found'> {
  const found = await find(session, message, attempt);
  return found ? accepted(session, found, attempt) : 'not found';
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

/** Twilio has the message; the attempt waits as long as it may for the carrier's word. */
async function accepted(session: Session, sms: Sms, attempt: Attempt): Promise<Outcome> {
  const { poller } = session;
  await poller.track(sms.sid, attempt.messageId);
  const progress = await awaitCarrier(session, sms, attempt);
  if (progress.final) await poller.end(sms.sid, attempt.signal);
  else poller.start(sms.sid, progress);
  if (progress.state === 'undelivered')
    return { kind: 'rejected', detail: progress.detail, ...(progress.optedOut && { optedOut: true }) };
  return { kind: 'sent', deliverySystemId: sms.sid, detail: progress.detail, state: progress.state };
}

function awaitCarrier(session: Session, sms: Sms, attempt: Attempt): Promise<Progress> {
  const { api, context, pending, statusUrl, closed } = session;
  const { clock, settings, log } = context;
  return awaitFinal<Progress>({
    clock,
    pending,
    id: sms.sid,
    known: progressIn(sms) ?? ACCEPTED,
    ms: Math.min(settings.AwaitDeliverySeconds * 1_000, attempt.remaining() - ANSWER_MS),
    signal: AbortSignal.any([attempt.signal, closed]),
    pauses: statusUrl ? PAUSES_WHEN_PUSHED : PAUSES,
    async fetchProgress(signal) {
      const now = await fetchSms(api, sms.sid, signal);
      return now && progressIn(now);
    },
    onError: (error) =>
      log.debug(
        { provider_id: sms.sid, message_id: attempt.messageId, err: messageOf(error) },
        'delivery state could not be fetched',
      ),
  });
}

/**
 * No filter by date: a queued message has no date of sending yet. The list is newest first, so the search ends with the first
 * page that is wholly older than the send request.
 */
async function find(session: Session, message: ComposedText, attempt: Attempt): Promise<Sms | undefined> {
  const { api, poller, context } = session;
  const since = api.clock.at(attempt.firstAttemptAt) - CLOCK_SLACK_MS;
  const { Number: from } = context.settings;
  const filter = { to: message.to, ...(from && { from }), pageSize: 50 };
  let count = 0;
  for await (const page of pages(api, filter, attempt.signal)) {
    const candidates = page.filter((sms) => sms.createdAt >= since && isSame(sms, message));
    const own = candidates.find(({ sid }) => poller.ownerOf(sid) === attempt.messageId);
    const free = candidates.find(({ sid }) => poller.ownerOf(sid) === undefined);
    if (own ?? free) return own ?? free;
    if (page.every((sms) => sms.createdAt < since) || ++count >= LOOKUP_PAGES) return undefined;
  }
  return undefined;
}

function isSame(sms: Sms, { to, text }: ComposedText): boolean {
  const body = sms.body.startsWith(TRIAL) ? sms.body.slice(TRIAL.length) : sms.body;
  return !sms.inbound && sms.to === to && body.trim().normalize() === text.trim().normalize();
}
