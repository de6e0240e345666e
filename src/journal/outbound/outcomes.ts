// What an attempt came to: by the driver's outcome, by a lookup, by a receipt. A known outcome is final; an unknown one may become
// known, or learn under which ids receipts will name the message.
import type { Outcome } from '../../model/outcome.js';
import type { Sql } from '../db/sql.js';
import { oneLine } from '../log/events.js';
import { firstState, registerParts } from '../receipts/receipts.js';
import type { OutboundRecord } from '../types/outbound.js';
import { type Attempt, updateAttempt } from './attempts.js';
import { decidingAttempt } from './fold.js';
import { type Loaded, loadedOrThrow, outboundEvent, outboundRecordFrom, writeFold } from './rows.js';

export async function recordOutcome(
  sql: Sql,
  messageId: string,
  number: number,
  outcome: Outcome,
  at: number,
): Promise<OutboundRecord> {
  const message = await loadedOrThrow(sql, messageId);
  const attempt = message.attempts.find((one) => one.number === number);
  if (!attempt || !mayRecord(attempt, outcome)) return outboundRecordFrom(message);
  return outboundRecordFrom(await settle(sql, message, attempt, outcome, at));
}

export async function recordLookup(
  sql: Sql,
  messageId: string,
  gatewayId: string,
  outcome: Outcome,
  at: number,
): Promise<OutboundRecord> {
  let message = await loadedOrThrow(sql, messageId);
  const unknown = message.attempts.filter((one) => one.state === 'unknown' && one.gatewayId === gatewayId);
  for (const attempt of outcome.kind === 'deferred' ? unknown : unknown.slice(-1))
    if (mayRecord(attempt, outcome)) message = await settle(sql, message, attempt, outcome, at);
  return outboundRecordFrom(message);
}

function mayRecord({ state }: Attempt, outcome: Outcome): boolean {
  const tellsMore = outcome.kind !== 'unknown' || outcome.ids !== undefined;
  return state === 'sending' || (state === 'unknown' && tellsMore);
}

async function settle(sql: Sql, message: Loaded, attempt: Attempt, outcome: Outcome, at: number): Promise<Loaded> {
  const settled = settledAttempt(attempt, outcome, at);
  const attempts = message.attempts.map((one) => (one === attempt ? settled : one));
  await updateAttempt(sql, message.row.message_id, settled);
  const folded = await writeFold(sql, message, attempts, at, deliveryAfter(attempts, settled, outcome));
  await outboundEvent(sql, folded.row, outcome.kind, at, settled.detail, settled);
  const traceable = outcome.kind === 'sent' || (outcome.kind === 'unknown' && outcome.ids !== undefined);
  if (!traceable) return folded;
  const again = attempt.state === 'unknown';
  return (await registerParts(sql, { message: folded, attempt: settled, outcome, again, at })) ?? folded;
}

function settledAttempt(attempt: Attempt, outcome: Outcome, at: number): Attempt {
  return {
    ...attempt,
    state: outcome.kind,
    deliverySystemId: 'deliverySystemId' in outcome ? outcome.deliverySystemId : attempt.deliverySystemId,
    acceptedRecipients: acceptedAfter(attempt, outcome),
    detail: detailOf(outcome),
    outline: outcome.kind === 'unknown' ? attempt.outline : null,
    endedAt: at,
    owner: null,
  };
}

/** How far the message has come is what the attempt says that decides; receipts carry it on. */
function deliveryAfter(attempts: readonly Attempt[], settled: Attempt, outcome: Outcome) {
  if (decidingAttempt(attempts) !== settled) return {};
  return { deliveryState: outcome.kind === 'sent' ? firstState(outcome) : null, deliveryDetail: null };
}

function acceptedAfter({ acceptedRecipients }: Attempt, outcome: Outcome): string[] {
  if (outcome.kind !== 'partial') return [...acceptedRecipients];
  return [...new Set([...acceptedRecipients, ...outcome.accepted.map((recipient) => recipient.toLowerCase())])];
}

function detailOf(outcome: Outcome): string | null {
  if (outcome.kind !== 'partial') return outcome.detail === undefined ? null : oneLine(outcome.detail);
  const rejections = outcome.refused.map(({ recipient, detail }) => `${recipient}: ${detail}`).join('; ');
  return oneLine(outcome.detail ?? `rejected by ${rejections}`);
}
