// Owns what Twilio pushes: new messages at the gateway's address, delivery states at /status below it. Genuine is what
// carries a signature made with the auth token over the public address and the parameters; everything else is refused.
import {
  deadline,
  type RawRequest,
  type TextMessage,
  type WebhookReply,
  type WebhookResult,
} from '../../src/driver/contract.js';
import { keyOf, textOf } from './arrivals.js';
import { progressOf } from './codes.js';
import { type Fetched, fetchMedia, lostMedia } from './media.js';
import type { Session } from './session.js';

/** Twilio hangs up after 15 s; the journal needs a moment, too. */
const MEDIA_MS = 9_000;
/** `SM` for texts, `MM` for those with media. */
const SID = /^[A-Z]{2}\w{1,60}$/;
/** Says "taken, and nothing to answer". */
const TAKEN: WebhookReply = {
  status: 200,
  headers: { 'content-type': 'text/xml; charset=utf-8' },
  body: '<?xml version="1.0" encoding="UTF-8"?><Response/>',
};

export async function webhook(session: Session, request: RawRequest): Promise<WebhookResult> {
  const { settings, gateway, log } = session.context;
  if (!settings.Webhook) return refuse(session, 'unwanted', 404, 'this gateway has Webhook switched off');
  const signed = signedOf(request);
  if (!signed) return refuse(session, 'malformed', 400, 'Twilio asks by GET, or by POST with a form');
  if (!isGenuine(session, request, signed)) {
    log.warn({ path: request.path.slice(0, 200) }, 'a pushed request without a valid signature of Twilio was refused');
    const why = 'the signature is not valid: check that the public address is the one entered at Twilio';
    return refuse(session, 'forged', 403, why);
  }
  const form = request.method === 'GET' ? parametersOf(request.url.split('?')[1] ?? '') : signed;
  if (value(form, 'AccountSid') !== settings.AccountSid)
    return refuse(session, 'unknown_account', 403, 'this gateway belongs to another account');
  if (/^\/status\/?(\?|$)/.test(request.path)) return status(session, form);
  // Taking it and dropping it would lose it: the sending half of a gateway has nobody to hand it to.
  if (gateway.direction === 'O') return refuse(session, 'unwanted', 404, 'this gateway only sends');
  return message(session, request, form);
}

function refuse({ context }: Session, reason: string, status: number, why: string): WebhookResult {
  context.inputRejected(reason);
  return { reply: { status, headers: { 'content-type': 'text/plain; charset=utf-8' }, body: `${why}\n` } };
}

type Form = Readonly<Record<string, string | string[]>>;

/** The parameters that are signed besides the address; those of a GET are a part of it. */
function signedOf({ method, headers, body }: RawRequest): Form | undefined {
  if (method === 'GET') return {};
  const isForm = /^application\/x-www-form-urlencoded\b/i.test(headers['content-type'] ?? '');
  return method === 'POST' && isForm ? parametersOf(body.toString('utf8')) : undefined;
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
  return api.sdk.validateRequest(context.settings.AuthToken ?? '', signature, request.url, { ...signed });
}

function value(form: Form, name: string): string {
  const found = form[name];
  return (Array.isArray(found) ? found[0] : found) ?? '';
}

/** A status that is not known here says nothing about the message; Twilio need not repeat it. */
function status(session: Session, form: Form): WebhookResult {
  const { watchers, context } = session;
  const sid = value(form, 'MessageSid') || value(form, 'SmsSid');
  if (!SID.test(sid)) return refuse(session, 'malformed', 400, 'MessageSid is missing');
  const code = Number(value(form, 'ErrorCode')) || null;
  const word = value(form, 'MessageStatus') || value(form, 'SmsStatus');
  const progress = progressOf(word, code, value(form, 'ErrorMessage') || null);
  if (!progress) {
    context.inputRejected('unknown_state');
    return { reply: { status: 204 }, receipts: [] };
  }
  watchers.tell(sid, progress);
  return {
    reply: { status: 204 },
    receipts: [{ id: sid, state: progress.state, at: context.clock.now(), detail: progress.note }],
  };
}

async function message(session: Session, request: RawRequest, form: Form): Promise<WebhookResult> {
  const sid = value(form, 'MessageSid') || value(form, 'SmsSid');
  if (!SID.test(sid)) return refuse(session, 'malformed', 400, 'MessageSid is missing');
  const key = keyOf(sid);
  const known = await session.context.driverState.statesOf([key]);
  // Pushed before, or found by looking: the journal has it, so nothing is fetched again.
  if (known.has(key)) return { reply: TAKEN };
  const fetched = await mediaOf(session, sid, Number(value(form, 'NumMedia')) || 0, request.signal);
  const facts = { sid, from: value(form, 'From'), to: value(form, 'To'), body: value(form, 'Body'), sentAt: null };
  const text = textOf(facts, fetched, session.context.clock.now());
  const consent = consentOf(value(form, 'OptOutType'));
  session.pushed.add(sid);
  return { reply: TAKEN, messages: [{ key, fingerprint: '', content: consent ? { ...text, consent } : text }] };
}

/** Rejects when looking will find the message with its media later: Twilio then hears "not taken". */
async function mediaOf(session: Session, sid: string, count: number, signal: AbortSignal): Promise<Fetched> {
  if (count === 0) return { media: [], notes: [] };
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

/** What Twilio itself made of STOP, START and HELP, when it looks after them. */
function consentOf(optOutType: string): TextMessage['consent'] {
  const word = optOutType.toLowerCase();
  return word === 'stop' || word === 'start' || word === 'help' ? word : undefined;
}
