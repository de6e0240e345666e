// Owns what Telnyx pushes. Genuine is what carries a fresh signature of the account's key over time and body; everything
// else is refused. Pushes come in any order, more than once, and at the same time.
import { verify } from 'node:crypto';
import type { FaxDocument, RawRequest, WebhookReply, WebhookResult } from '../../src/driver/contract.js';
import { z } from '../../src/driver/settings.js';
import { documentOf, keyOf } from './arrivals.js';
import { type Fax, faxOf, timeOf } from './faxes.js';
import { receiptsOf } from './follow.js';
import { readMark } from './identity.js';
import { fetchDocument } from './media.js';
import type { Session } from './session.js';
import { failureWords, type Progress, progressOf } from './states.js';

/** What was signed longer ago, s, may be a recording: the limit that Telnyx itself recommends. */
const TOLERANCE_S = 300;
/** Telnyx hangs up after some seconds; what takes longer is found by looking. */
const DOCUMENT_MS = 8_000;

type Result = WebhookResult<FaxDocument>;

const TAKEN: WebhookReply = { status: 200 };

export async function webhook(session: Session, request: RawRequest): Promise<Result> {
  const { settings, gateway, log } = session.context;
  // Its other half may have it switched on, so this is nothing to count yet.
  if (!settings.Webhook) return { ...no(404, 'this gateway has Webhook switched off'), otherDirection: true };
  const forged = whyForged(session, request);
  if (forged) {
    log.warn({ reason: forged.reason }, `a pushed request was refused: ${forged.words}`);
    return refuse(session, forged.reason, 403, forged.words);
  }
  const event = eventOf(request.body);
  if (!event) return refuse(session, 'malformed', 400, 'the body is not an event of a fax');
  if (event.fax.direction === 'inbound') return inbound(session, event, request.signal);
  // One fax application pushes to one address; what became of a fax is for the half that sent it.
  return gateway.direction === 'I' ? { reply: TAKEN, otherDirection: true } : outbound(session, event);
}

function refuse({ context }: Session, reason: string, status: number, why: string): Result {
  context.inputRejected(reason);
  return no(status, why);
}

function no(status: number, why: string): Result {
  return { reply: { status, headers: { 'content-type': 'text/plain; charset=utf-8' }, body: `${why}\n` } };
}

/** Undefined when it is genuine and fresh. */
function whyForged({ publicKey, api, context }: Session, { headers, body }: RawRequest) {
  const signature = headers['telnyx-signature-ed25519'];
  const timestamp = headers['telnyx-timestamp'] ?? '';
  if (!signature || !/^\d{1,12}$/.test(timestamp)) return { reason: 'forged', words: 'the signature is missing' };
  const signed = Buffer.concat([Buffer.from(`${timestamp}|`), body]);
  if (publicKey === null || !verify(null, signed, publicKey, Buffer.from(signature, 'base64')))
    return { reason: 'forged', words: 'the signature is not valid: check PublicKey' };
  const age = api.theirs(context.clock.now()) / 1_000 - Number(timestamp);
  if (Math.abs(age) > TOLERANCE_S)
    return { reason: 'stale', words: `the signature is not of the last ${TOLERANCE_S / 60} minutes` };
  return undefined;
}

interface Event {
  readonly type: string;
  readonly fax: Fax;
  /** Ms since the epoch; null when it does not say. */
  readonly at: number | null;
}

const eventSchema = z.object({
  data: z.object({
    event_type: z.string(),
    occurred_at: z.string().nullish().catch(null),
    payload: z.looseObject({ fax_id: z.string() }),
  }),
});

function eventOf(body: Buffer): Event | undefined {
  const parsed = eventSchema.safeParse(json(body));
  if (!parsed.success) return undefined;
  const { event_type: type, occurred_at, payload } = parsed.data.data;
  const fax = faxOf({ ...payload, id: payload.fax_id });
  return fax && type.startsWith('fax.') ? { type, fax, at: timeOf(occurred_at) } : undefined;
}

function json(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    return undefined;
  }
}

/** The progress of a fax that was sent: of ours only, for others use the account, too. */
function outbound({ context, watchers, following, heard }: Session, { type, fax, at }: Event): Result {
  const progress = progressIn(type, fax);
  if (readMark(fax.clientState)?.gatewayId !== context.gateway.id || !progress) return { reply: TAKEN };
  // Repeats and latecomers; an end is told each time, for the journal may have missed it.
  if (!progress.final && progress.rank <= (heard.get(fax.id) ?? 0)) return { reply: TAKEN };
  heard.set(fax.id, progress.rank);
  following.heard(fax.id, progress);
  const watcher = watchers.get(fax.id);
  watcher?.(progress);
  // A send that is waiting tells it itself, in its notes or as its outcome.
  if (watcher) return { reply: TAKEN };
  return { reply: TAKEN, receipts: [receiptsOf(fax.id, progress, at ?? context.clock.now())] };
}

/** The event names of two states differ from the states themselves. */
const STATUSES: Readonly<Record<string, string>> = {
  'fax.queued': 'queued',
  'fax.media.processed': 'media.processed',
  'fax.sending.started': 'sending',
  'fax.delivered': 'delivered',
  'fax.failed': 'failed',
};

function progressIn(type: string, fax: Fax): Progress | undefined {
  return progressOf({ ...fax, status: STATUSES[type] ?? fax.status });
}

async function inbound(session: Session, { type, fax, at }: Event, signal: AbortSignal): Promise<Result> {
  const { context, told, pushed, bell } = session;
  const { settings, gateway, log } = context;
  if (fax.to !== settings.Number) {
    context.inputRejected('unknown_number');
    log.warn({ to: fax.to }, 'a fax to another number was pushed here: the gateway of that number has to look for it');
    return { reply: TAKEN };
  }
  if (type === 'fax.failed') log.info({ fax: fax.id }, failureWords(fax));
  if (type !== 'fax.received') return { reply: TAKEN };
  // Taking it and dropping it would lose it: the sending half of a gateway has nobody to hand it to.
  if (gateway.direction === 'O') return refuse(session, 'unwanted', 404, 'this gateway only sends');
  told.set(fax.id, fax);
  const key = keyOf(fax.id);
  const known = await context.driverState.statesOf([key]);
  // Pushed before, or found by looking: the journal has it, so nothing is fetched again.
  if (known.has(key)) return { reply: TAKEN };
  try {
    const raw = await fetchDocument(session, fax, DOCUMENT_MS, AbortSignal.any([signal, session.closed]));
    pushed.set(fax.id, true);
    return {
      reply: TAKEN,
      messages: [{ key, fingerprint: '', content: documentOf(fax, raw, at ?? context.clock.now()) }],
    };
  } catch (error) {
    // Looking has more time; Telnyx hears "not taken" and comes again, too.
    bell.ring();
    throw error;
  }
}
