// What Twilio pushes: new messages to the webhook's address, delivery states to /status below it. A genuine push carries a
// signature made with the auth token over the public URL and the parameters; everything else is rejected.
import {
  deadline,
  type RawRequest,
  type TextMessage,
  type WebhookReply,
  type WebhookResult,
} from '../../src/driver/contract.js';
import { isSignedAddress } from '../../src/driver/shared/signed-address.js';
import { progressOf } from './codes.js';
import { keyOf, textOf } from './inbound.js';
import { type FetchedMedia, fetchMedia, lostMedia, NO_MEDIA } from './media.js';
import type { Session } from './session.js';

/** Twilio hangs up after 15 s; the journal needs a moment, too. */
const MEDIA_MS = 9_000;
/** `SM` for texts, `MM` for those with media. */
const SID = /^[A-Z]{2}\w{1,60}$/;
/** A push has some thirty parameters. A stranger's are sorted for every spelling of the address. */
const MOST_PARAMETERS = 500;
/** Accepted, with no text to answer the customer. */
const ACCEPTED_REPLY: WebhookReply = {
  status: 200,
  headers: { 'content-type': 'text/xml; charset=utf-8' },
  body: '<?xml version="1.0" encoding="UTF-8"?><Response/>',
};

export async function webhook(session: Session, request: RawRequest): Promise<WebhookResult> {
  const { settings, gateway } = session.context;
  if (!settings.Webhook) return reject(session, 'unwanted', 404, 'this gateway has Webhook switched off');
  const signed = signedOf(request);
  if (!signed) return reject(session, 'malformed', 400, 'a push of Twilio is a GET, or a POST with a short form');
  if (!isGenuine(session, request, signed)) {
    const why = 'the signature is not valid: check that the public address is the one entered at Twilio';
    session.logRejection({ path: request.path.slice(0, 200), reason: why }, 'webhook request was rejected');
    return reject(session, 'forged', 403, why);
  }
  const form = request.method === 'GET' ? parametersOf(request.url.split('?')[1] ?? '') : signed;
  if (value(form, 'AccountSid') !== settings.AccountSid)
    return reject(session, 'unknown_account', 403, 'this gateway belongs to another account');
  if (/^\/status\/?(\?|$)/.test(request.path)) return status(session, form);
  // A 2xx here would lose the message: the outbound half of a gateway cannot deliver it.
  if (gateway.direction === 'O') return reject(session, 'unwanted', 404, 'this gateway only sends');
  return message(session, request, form);
}

function reject({ context }: Session, reason: string, status: number, why: string): WebhookResult {
  context.inputRejected(reason);
  return { reply: { status, headers: { 'content-type': 'text/plain; charset=utf-8' }, body: `${why}\n` } };
}

type Form = Readonly<Record<string, string | string[]>>;

/** The parameters that are signed besides the address; those of a GET are a part of it. */
function signedOf({ method, headers, body }: RawRequest): Form | undefined {
  if (method === 'GET') return {};
  const isForm = /^application\/x-www-form-urlencoded\b/i.test(headers['content-type'] ?? '');
  return method === 'POST' && isForm && isShort(body) ? parametersOf(body.toString('utf8')) : undefined;
}

function isShort(body: Buffer): boolean {
  let at = -1;
  for (let count = 0; count < MOST_PARAMETERS; count++) {
    at = body.indexOf(0x26, at + 1);
    if (at < 0) return true;
  }
  return false;
}

function parametersOf(text: string): Form {
  const form = new Map<string, string[]>();
  for (const [name, one] of new URLSearchParams(text)) {
    const before = form.get(name);
    if (before) before.push(one);
    else form.set(name, [one]);
  }
  return Object.fromEntries([...form].map(([name, all]) => [name, all.length === 1 ? (all[0] ?? '') : all]));
}

function isGenuine({ api, context }: Session, request: RawRequest, signed: Form): boolean {
  const signature = request.headers['x-twilio-signature'];
  if (!signature || !URL.canParse(request.url)) return false;
  const verify = (address: string) =>
    api.sdk.validateRequest(context.settings.AuthToken ?? '', signature, address, { ...signed });
  return isSignedAddress(request.url, verify);
}

function value(form: Form, name: string): string {
  const found = form[name];
  return (Array.isArray(found) ? found[0] : found) ?? '';
}

/** An unknown status says nothing about the message; Twilio need not repeat it. */
function status(session: Session, form: Form): WebhookResult {
  const { pending, context } = session;
  const sid = value(form, 'MessageSid') || value(form, 'SmsSid');
  if (!SID.test(sid)) return reject(session, 'malformed', 400, 'MessageSid is missing');
  const code = Number(value(form, 'ErrorCode')) || null;
  const word = value(form, 'MessageStatus') || value(form, 'SmsStatus');
  const progress = progressOf(word, code, value(form, 'ErrorMessage') || null);
  if (!progress) {
    context.inputRejected('unknown_state');
    return { reply: { status: 204 }, receipts: [] };
  }
  pending.report(sid, progress);
  return {
    reply: { status: 204 },
    receipts: [{ id: sid, state: progress.state, at: context.clock.now(), detail: progress.note }],
  };
}

async function message(session: Session, request: RawRequest, form: Form): Promise<WebhookResult> {
  const sid = value(form, 'MessageSid') || value(form, 'SmsSid');
  if (!SID.test(sid)) return reject(session, 'malformed', 400, 'MessageSid is missing');
  const key = keyOf(sid);
  const known = await session.context.driverState.statesOf([key]);
  // The journal has the message from an earlier push or from polling, so nothing is fetched again.
  if (known.has(key)) return { reply: ACCEPTED_REPLY };
  const fetched = await mediaOf(session, sid, Number(value(form, 'NumMedia')) || 0, request.signal);
  const pushed = { sid, from: value(form, 'From'), to: value(form, 'To'), body: value(form, 'Body'), sentAt: null };
  const text = textOf(pushed, fetched, session.context.clock.now());
  const consent = consentOf(value(form, 'OptOutType'));
  session.pushed.set(sid, true);
  return {
    reply: ACCEPTED_REPLY,
    messages: [{ key, fingerprint: '', content: consent ? { ...text, consent } : text }],
  };
}

/** Rejects when polling will find the message with its media later: the reply to Twilio is then an error. */
async function mediaOf(session: Session, sid: string, count: number, signal: AbortSignal): Promise<FetchedMedia> {
  if (count === 0) return NO_MEDIA;
  const { clock, settings } = session.context;
  const due = deadline(clock, MEDIA_MS, AbortSignal.any([signal, session.closed]));
  try {
    return await fetchMedia(session.api, sid, due.signal);
  } catch (error) {
    if (settings.PollSeconds > 0) throw error;
    return lostMedia(count, error);
  } finally {
    due.dispose();
  }
}

/** What Twilio itself did about STOP, START and HELP, when it handles them. */
function consentOf(optOutType: string): TextMessage['consent'] {
  const word = optOutType.toLowerCase();
  return word === 'stop' || word === 'start' || word === 'help' ? word : undefined;
}
