// Owns how far sent outbound messages have come: the ids under which the counterparty knows their parts, what it reports of them, and
// the fold into one state of the outbound message. States only rise: accepted -> sent -> delivered | undelivered.
import type { Clock } from '../../kit/clock.js';
import type { Outcome } from '../../model/outcome.js';
import type { DeliveryReceipt, DeliveryState } from '../../model/receipt.js';
import { type Committer, inSlices } from '../db/group-commit.js';
import { listStatement, type Sql, statement } from '../db/sql.js';
import { oneLine } from '../log/events.js';
import { messageIdOf, type OutboundRow, outboundById, outboundEvent, toSettled } from '../outbound/rows.js';
import type { Delivery, ReceiptJournal } from '../types/receipts.js';
import { fold, isFurther, worded } from './delivery-state.js';
import { keepEarly, takeEarly, writeStrange } from './unmatched.js';

/** No id is longer than the keys of inbound messages; what is, was never ours and is not stored. */
const LONGEST_ID = 500;

interface NewPart {
  gatewayId: string;
  providerId: string;
  messageId: string;
  part: number;
  parts: number;
  state: DeliveryState;
  at: number;
}

const insertPart = statement<NewPart>()((db, slot) =>
  db.insertInto('delivery_parts').values({
    gateway_id: slot('gatewayId'),
    provider_id: slot('providerId'),
    message_id: slot('messageId'),
    part: slot('part'),
    parts: slot('parts'),
    state: slot('state'),
    at: slot('at'),
  }),
);

const newestPart = statement<{ gatewayId: string; providerId: string }>()((db, slot) =>
  db
    .selectFrom('delivery_parts')
    .select(['id', 'message_id', 'part', 'parts', 'state'])
    .where('provider_id', '=', slot('providerId'))
    .where('gateway_id', '=', slot('gatewayId'))
    .orderBy('id', 'desc')
    .limit(1),
);

const movePart = statement<{ id: number; state: DeliveryState; at: number; detail: string | null }>()((db, slot) =>
  db
    .updateTable('delivery_parts')
    .set({ state: slot('state'), at: slot('at'), detail: slot('detail') })
    .where('id', '=', slot('id')),
);

const statesOf = statement<{ messageId: string }>()((db, slot) =>
  db.selectFrom('delivery_parts').select('state').distinct().where('message_id', '=', slot('messageId')),
);

const moveOutbound = statement<{ messageId: string; state: DeliveryState; detail: string | null }>()((db, slot) =>
  db
    .updateTable('outbound_messages')
    .set({ delivery_state: slot('state'), delivery_detail: slot('detail') })
    .where('message_id', '=', slot('messageId'))
    .where(({ eb, or }) => or([eb('delivery_state', 'is', null), eb('delivery_state', '<>', slot('state'))])),
);

export function deliveries(commits: Committer, reads: Sql, clock: Clock): ReceiptJournal {
  return {
    delivery: (gatewayId, id) => deliveryOf(reads, gatewayId, id),
    noteProgress: (messageId, detail) =>
      commits.run(async (sql) => {
        const outboundMessage = await sql.first(outboundById, { messageId: messageIdOf(messageId) });
        if (outboundMessage) await outboundEvent(sql, outboundMessage, 'receipt', clock.now(), detail);
      }),
    applyReceipts: (gatewayId, items) =>
      inSlices(commits, items, (sql, item) => hear(sql, gatewayId, item, clock.now())),
  };
}

type Sent = Extract<Outcome, { kind: 'sent' }>;
/** Either is known to the counterparty under ids from now on. */
type Traceable = Sent | Extract<Outcome, { kind: 'unknown' }>;

/** How far an outbound message is at the moment of settling. */
export function firstState({ state }: Sent): DeliveryState {
  return state ?? 'accepted';
}

/** Part of `settle`: from here on news of these ids belong to the outbound message. What came too early is heard now. */
export async function registerParts(
  sql: Sql,
  outboundMessage: OutboundRow,
  outcome: Traceable,
  at: number,
): Promise<void> {
  const { ids = [] } = outcome;
  const state = outcome.kind === 'sent' ? firstState(outcome) : 'accepted';
  const providerIds = [...new Set(ids.length > 0 || outcome.kind === 'unknown' ? ids : [outcome.deliverySystemId])];
  const { gateway_id: gatewayId, message_id: messageId } = outboundMessage;
  const parts = providerIds.length;
  for (const [index, providerId] of providerIds.entries())
    await sql.run(insertPart, { gatewayId, providerId, messageId, part: index + 1, parts, state, at });
  if (state !== 'accepted') await outboundEvent(sql, outboundMessage, 'receipt', at, state);
  for (const early of await takeEarly(sql, gatewayId, providerIds)) await hear(sql, gatewayId, early, at);
}

async function hear(sql: Sql, gatewayId: string, given: DeliveryReceipt, now: number): Promise<void> {
  const receipts = { ...given, detail: given.detail === null ? null : oneLine(given.detail) };
  if (receipts.id.length > LONGEST_ID) return writeStrange(sql, gatewayId, receipts, now);
  const part = await sql.first(newestPart, { gatewayId, providerId: receipts.id });
  if (!part) return receipts.progress ? undefined : keepEarly(sql, gatewayId, receipts, now);
  if (!isFurther(receipts.state, part.state)) return receipts.progress ? remark(sql, part, receipts, now) : undefined;
  await sql.run(movePart, { id: part.id, state: receipts.state, at: receipts.at, detail: receipts.detail });
  const outboundMessage = await sql.first(outboundById, { messageId: part.message_id });
  if (!outboundMessage) return;
  const which = part.parts > 1 ? ` (part ${part.part} of ${part.parts})` : '';
  await outboundEvent(sql, outboundMessage, 'receipt', now, worded(`${receipts.state}${which}`, receipts.detail));
  const state = fold(await sql.all(statesOf, { messageId: part.message_id }));
  // The words belong to the outbound message's state only when they were said about that very state.
  const detail = state === receipts.state ? receipts.detail : null;
  await sql.run(moveOutbound, { messageId: part.message_id, state, detail });
  if (outboundMessage.state === 'unknown') await resolve(sql, outboundMessage, state, detail, now);
}

/** Progress of a part that has not ended. */
async function remark(
  sql: Sql,
  part: { message_id: string; state: DeliveryState },
  { detail }: DeliveryReceipt,
  now: number,
): Promise<void> {
  if (part.state === 'delivered' || part.state === 'undelivered' || detail === null) return;
  const outboundMessage = await sql.first(outboundById, { messageId: part.message_id });
  if (outboundMessage) await outboundEvent(sql, outboundMessage, 'receipt', now, detail);
}

/** Nobody could say whether it went out; now the counterparty says so itself. */
async function resolve(
  sql: Sql,
  outboundMessage: OutboundRow,
  state: DeliveryState,
  detail: string | null,
  at: number,
): Promise<void> {
  if (state === 'accepted') return;
  const sent = state !== 'undelivered';
  const settled = await sql.first(toSettled, {
    messageId: outboundMessage.message_id,
    attempt: outboundMessage.attempts,
    from: 'unknown',
    to: sent ? 'sent' : 'failed',
    deliverySystemId: outboundMessage.delivery_system_id,
    detail,
    accepted_recipients: outboundMessage.accepted_recipients,
    deliveryState: state,
    at,
  });
  if (settled) await outboundEvent(sql, settled, sent ? 'sent' : 'rejected', at, detail);
}

const outboundDelivery = statement<{ messageId: string }>()((db, slot) =>
  db
    .selectFrom('outbound_messages')
    .select([
      'message_id',
      'delivery_system_id',
      'remote_address',
      'subject',
      'state',
      'delivery_state',
      'delivery_detail',
      'detail',
    ])
    .where('message_id', '=', slot('messageId')),
);

async function deliveryOf(reads: Sql, gatewayId: string, id: string): Promise<Delivery | null> {
  const part = await reads.first(newestPart, { gatewayId, providerId: id });
  const row = part && (await reads.first(outboundDelivery, { messageId: part.message_id }));
  if (!row) return null;
  return {
    messageId: row.message_id,
    deliverySystemId: row.delivery_system_id,
    remoteAddress: row.remote_address,
    subject: row.subject,
    state: row.state === 'unknown' ? 'unknown' : (row.delivery_state ?? 'accepted'),
    detail: row.delivery_detail ?? row.detail,
  };
}

// ---------------------------------------------------------------- for the story of an outbound message

export interface Part {
  provider_id: string;
  state: DeliveryState;
}

/** Parts told of one outbound message: the longest text message has 255. */
const MOST_PARTS = 255;

const partsOfOutbound = statement<{ messageId: string; limit: number }>()((db, slot) =>
  db
    .selectFrom('delivery_parts')
    .select(['provider_id', 'state'])
    .where('message_id', '=', slot('messageId'))
    .orderBy('part')
    .limit(slot('limit')),
);

export function partsOf(reads: Sql, messageId: string): Promise<Part[]> {
  return reads.all(partsOfOutbound, { messageId, limit: MOST_PARTS });
}

export const outboundByPart = statement<{ from: string; to: string; limit: number }>()((db, slot) =>
  db
    .selectFrom('delivery_parts')
    .innerJoin('outbound_messages', 'outbound_messages.message_id', 'delivery_parts.message_id')
    .selectAll('outbound_messages')
    .where('delivery_parts.provider_id', '>=', slot('from'))
    .where('delivery_parts.provider_id', '<=', slot('to'))
    .limit(slot('limit')),
);

// ---------------------------------------------------------------- for retention

const removeParts = listStatement<object, string>()((db, _slot, messageIds) =>
  db.deleteFrom('delivery_parts').where('message_id', 'in', messageIds).returning('id'),
);

export async function forgetParts(sql: Sql, messageIds: readonly string[]): Promise<number> {
  return (await sql.allOf(removeParts, {}, messageIds)).length;
}
