// Delivery receipts. The ids of a sent message's parts are registered with its outcome; a receipt moves the part that it names, and
// the part states fold into one delivery state: accepted -> sent -> delivered | undelivered, never back. A receipt also settles the
// attempt that its part belongs to when the outcome of that attempt is unknown.
import type { Clock } from '../../kit/clock.js';
import type { Outcome } from '../../model/outcome.js';
import type { DeliveryReceipt, DeliveryState } from '../../model/receipt.js';
import { type Committer, inSlices } from '../db/group-commit.js';
import type { Sql } from '../db/sql.js';
import { oneLine } from '../log/events.js';
import { type Attempt, updateAttempt } from '../outbound/attempts.js';
import { decidingAttempt } from '../outbound/fold.js';
import { type Loaded, loaded, messageIdOf, outboundById, outboundEvent, writeFold } from '../outbound/rows.js';
import type { Delivery, ReceiptJournal } from '../types/receipts.js';
import { fold, isFurther, worded } from './delivery-state.js';
import { insertPart, movedParts, movePart, newestPart, removeAttemptParts, statesOfAttempt } from './parts.js';
import { storeUnmatched, takeUnmatched, writeUnmatched } from './unmatched.js';

/** No id is longer than the keys of inbound messages; a longer one was never given to us and is not stored. */
const LONGEST_ID = 500;

export function receipts(commits: Committer, reads: Sql, clock: Clock): ReceiptJournal {
  return {
    delivery: (gatewayId, id) => deliveryOf(reads, gatewayId, id),
    noteProgress: (messageId, detail) =>
      commits.run(async (sql) => {
        const row = await sql.first(outboundById, { messageId: messageIdOf(messageId) });
        if (row) await outboundEvent(sql, row, 'receipt', clock.now(), detail);
      }),
    applyReceipts: (gatewayId, items) =>
      inSlices(commits, items, (sql, item) => applyReceipt(sql, gatewayId, item, clock.now())),
  };
}

type Sent = Extract<Outcome, { kind: 'sent' }>;
type Traceable = Sent | Extract<Outcome, { kind: 'unknown' }>;

/** How far a message has come at the moment its outcome is recorded. */
export function firstState({ state }: Sent): DeliveryState {
  return state ?? 'accepted';
}

interface Registration {
  message: Loaded;
  attempt: Attempt;
  outcome: Traceable;
  /** True when the attempt may have registered ids before. */
  again: boolean;
  at: number;
}

/** From here on receipts of these ids belong to the attempt. Those that came too early are applied now; then the message as they
 *  leave it is returned. */
export async function registerParts(sql: Sql, registration: Registration): Promise<Loaded | undefined> {
  const { message, attempt, outcome, again, at } = registration;
  const messageId = message.row.message_id;
  const { gatewayId, number } = attempt;
  const state = outcome.kind === 'sent' ? firstState(outcome) : 'accepted';
  const ids = providerIds(outcome);
  const known = again ? await sql.all(movedParts, { messageId, attempt: number }) : [];
  if (again) await sql.run(removeAttemptParts, { messageId, attempt: number });
  const shared = { gatewayId, messageId, attempt: number, parts: ids.length, state, at };
  for (const [index, providerId] of ids.entries())
    await sql.run(insertPart, { ...shared, providerId, part: index + 1 });
  if (state !== 'accepted') await outboundEvent(sql, message.row, 'receipt', at, state, attempt);
  // A receipt comes once: what it said about an id stands, also when the attempt learns its ids anew.
  const same = known.filter(({ provider_id }) => ids.includes(provider_id));
  const applied = same.map(({ provider_id: id, ...receipt }) => ({ id, ...receipt }));
  const early = [...applied, ...(await takeUnmatched(sql, gatewayId, ids))];
  for (const receipt of early) await applyReceipt(sql, gatewayId, receipt, at);
  return early.length > 0 ? loaded(sql, messageId) : undefined;
}

function providerIds(outcome: Traceable): string[] {
  const { ids = [] } = outcome;
  return [...new Set(ids.length > 0 || outcome.kind === 'unknown' ? ids : [outcome.deliverySystemId])];
}

async function applyReceipt(sql: Sql, gatewayId: string, given: DeliveryReceipt, now: number): Promise<void> {
  const receipt = { ...given, detail: given.detail === null ? null : oneLine(given.detail) };
  if (receipt.id.length > LONGEST_ID) return writeUnmatched(sql, gatewayId, receipt, now);
  const part = await sql.first(newestPart, { gatewayId, providerId: receipt.id });
  if (!part) return receipt.progress ? undefined : storeUnmatched(sql, gatewayId, receipt, now);
  if (!isFurther(receipt.state, part.state)) return receipt.progress ? noteOf(sql, part, receipt, now) : undefined;
  await sql.run(movePart, { id: part.id, state: receipt.state, at: receipt.at, detail: receipt.detail });
  const message = await loaded(sql, part.message_id);
  if (!message) return;
  const attempt = message.attempts.find(({ number }) => number === part.attempt);
  const which = part.parts > 1 ? ` (part ${part.part} of ${part.parts})` : '';
  const text = worded(`${receipt.state}${which}`, receipt.detail);
  await outboundEvent(sql, message.row, 'receipt', now, text, attempt);
  if (attempt) await applyToAttempt(sql, message, attempt, receipt, now);
}

/** Progress of a part that has not ended. */
async function noteOf(
  sql: Sql,
  part: { message_id: string; state: DeliveryState },
  { detail }: DeliveryReceipt,
  now: number,
): Promise<void> {
  if (part.state === 'delivered' || part.state === 'undelivered' || detail === null) return;
  const row = await sql.first(outboundById, { messageId: part.message_id });
  if (row) await outboundEvent(sql, row, 'receipt', now, detail);
}

async function applyToAttempt(
  sql: Sql,
  message: Loaded,
  attempt: Attempt,
  receipt: DeliveryReceipt,
  now: number,
): Promise<void> {
  const { row } = message;
  const state = fold(await sql.all(statesOfAttempt, { messageId: row.message_id, attempt: attempt.number }));
  // The words belong to the message's state only when they were said about that very state.
  const detail = state === receipt.state ? receipt.detail : null;
  const settled = settledBy(attempt, state, detail, now);
  const attempts = message.attempts.map((one) => (one === attempt ? settled : one));
  const decides = decidingAttempt(attempts) === settled;
  if (!decides && settled === attempt) return;
  const moved = decides && row.delivery_state !== state;
  if (settled !== attempt) await updateAttempt(sql, row.message_id, settled);
  if (settled === attempt && !moved) return;
  const changes = moved ? { deliveryState: state, deliveryDetail: detail } : {};
  const folded = await writeFold(sql, message, attempts, now, changes);
  if (settled !== attempt) await outboundEvent(sql, folded.row, settled.state, now, detail, settled);
}

function settledBy(attempt: Attempt, state: DeliveryState, detail: string | null, now: number): Attempt {
  if (attempt.state !== 'unknown' || state === 'accepted') return attempt;
  const known = state === 'undelivered' ? 'rejected' : 'sent';
  return { ...attempt, state: known, detail, outline: null, endedAt: now };
}

async function deliveryOf(reads: Sql, gatewayId: string, id: string): Promise<Delivery | null> {
  const part = await reads.first(newestPart, { gatewayId, providerId: id });
  const message = part && (await loaded(reads, part.message_id));
  if (!message || decidingAttempt(message.attempts)?.number !== part.attempt) return null;
  const { row } = message;
  return {
    messageId: row.message_id,
    deliverySystemId: row.delivery_system_id,
    remoteAddress: row.remote_address,
    subject: row.subject,
    state: row.state === 'unknown' ? 'unknown' : (row.delivery_state ?? 'accepted'),
    detail: row.delivery_detail ?? row.detail,
  };
}
