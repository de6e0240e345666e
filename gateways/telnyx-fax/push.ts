// What Telnyx pushes. A genuine push carries a fresh signature of the account's key over time and body; everything else is
// rejected. Pushes come in any order, more than once, and at the same time.
import { verify } from 'node:crypto';
import type { FaxDocument, RawRequest, WebhookReply, WebhookResult } from '../../src/driver/contract.js';
import { z } from '../../src/driver/settings.js';
import { type Fax, faxOf, timeOf } from './faxes.js';
import { readMark } from './identity.js';
import { documentOf, keyOf } from './inbound.js';
import { fetchDocument } from './media.js';
import { describeFailure, type Progress, progressOf } from './progress.js';
import type { Session } from './session.js';
import { receiptOf } from './status.js';

/** An older signature, s, may be a replay: the limit that Telnyx itself recommends. */
const TOLERANCE_S = 300;
/** Telnyx hangs up after some seconds; a document that takes longer is found by polling. */
const DOCUMENT_MS = 8_000;

type Result = WebhookResult<FaxDocument>;

const ACCEPTED: WebhookReply = { status: 200 };

export async function webhook(session: Session, request: RawRequest): Promise<Result> {
  const { settings, gateway } = session.context;
  // The other direction of the gateway may have Webhook switched on, so nothing is counted here.
  if (!settings.Webhook) return { ...reply(404, 'this gateway has Webhook switched off'), otherDirection: true };
  const forged = whyForged(session, request);
  if (forged) {
    session.logRejection({ reason: forged.why }, 'webhook request was rejected');
    return reject(session, forged.reason, 403, forged.why);
  }
  const event = eventOf(request.body);
  if (!event) return reject(session, 'malformed', 400, 'the body is not an event of a fax');
  if (event.fax.direction === 'inbound') return inbound(session, event, request.signal);
  // One fax application pushes to one address; the progress of a sent fax belongs to the outbound direction.
  return gateway.direction === 'I' ? { reply: ACCEPTED, otherDirection: true } : outbound(session, event);
}

function reject({ context }: Session, reason: string, status: number, why: string): Result {
  context.inputRejected(reason);
  return reply(status, why);
}

function reply(status: number, why: string): Result {
  return { reply: { status, headers: { 'content-type': 'text/plain; charset=utf-8' }, body: `${why}\n` } };
}

/** Undefined when the push is genuine and fresh. */
function whyForged({ publicKey, api }: Session, { headers, body }: RawRequest) {
  const signature = headers['telnyx-signature-ed25519'];
  const timestamp = headers['telnyx-timestamp'] ?? '';
  if (!signature || !/^\d{1,12}$/.test(timestamp)) return { reason: 'forged', why: 'the signature is missing' };
  const signed = Buffer.concat([Buffer.from(`${timestamp}|`), body]);
  if (publicKey === null || !verify(null, signed, publicKey, Buffer.from(signature, 'base64')))
    return { reason: 'forged', why: 'the signature is not valid: check PublicKey' };
  const age = api.clock.now() / 1_000 - Number(timestamp);
  if (Math.abs(age) > TOLERANCE_S)
    return { reason: 'stale', why: `the signature is not of the last ${TOLERANCE_S / 60} minutes` };
  return undefined;
}

interface Event {
  readonly type: string;
  readonly fax: Fax;
  /** Ms since the epoch; null when the event has no time. */
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

/** The progress of a fax that this gateway sent: other programs may use the account, too. */
function outbound({ context, pending, poller, pushedRanks }: Session, { type, fax, at }: Event): Result {
  const progress = progressIn(type, fax);
  if (readMark(fax.clientState)?.gatewayId !== context.gateway.id || !progress) return { reply: ACCEPTED };
  // Repeated and late pushes are dropped; a final state is reported each time, because the journal may have missed it.
  if (!progress.final && progress.rank <= (pushedRanks.get(fax.id) ?? 0)) return { reply: ACCEPTED };
  pushedRanks.set(fax.id, progress.rank);
  poller.pushed(fax.id, progress);
  // A send that waits reports the progress itself, in its notes or as its outcome.
  if (pending.report(fax.id, progress)) return { reply: ACCEPTED };
  return { reply: ACCEPTED, receipts: [receiptOf(fax.id, progress, at ?? context.clock.now())] };
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
  const { context, pushedDetails, pushed, pollWake } = session;
  const { settings, gateway, log } = context;
  if (fax.to !== settings.Number) {
    context.inputRejected('unknown_number');
    log.warn({ message_key: keyOf(fax.id), reason: `sent to ${fax.to}` }, 'pushed fax belongs to another number');
    return { reply: ACCEPTED };
  }
  if (type === 'fax.failed')
    log.info({ message_key: keyOf(fax.id), reason: describeFailure(fax) }, 'incoming fax failed');
  if (type !== 'fax.received') return { reply: ACCEPTED };
  // A 2xx here would lose the fax: the outbound half of a gateway cannot deliver it.
  if (gateway.direction === 'O') return reject(session, 'unwanted', 404, 'this gateway only sends');
  pushedDetails.set(fax.id, fax);
  const key = keyOf(fax.id);
  const known = await context.driverState.statesOf([key]);
  // The journal has the fax from an earlier push or from polling, so nothing is fetched again.
  if (known.has(key)) return { reply: ACCEPTED };
  try {
    const raw = await fetchDocument(session, fax, DOCUMENT_MS, AbortSignal.any([signal, session.closed]));
    pushed.set(fax.id, true);
    return {
      reply: ACCEPTED,
      messages: [{ key, fingerprint: '', content: documentOf(fax, raw, at ?? context.clock.now()) }],
    };
  } catch (error) {
    // Polling has more time; the reply is an error, so Telnyx pushes again, too.
    pollWake.wake();
    throw error;
  }
}
