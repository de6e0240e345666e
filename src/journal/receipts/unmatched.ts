// Owns news of ids that no order has: they wait a day for the outbound message to be settled, and are then only shown.

import type { DeliveryReceipt, DeliveryState } from '../../model/receipt.js';
import { listStatement, type Sql, statement } from '../db/sql.js';
import { writeEvent } from '../log/events.js';
import { isFurther, worded } from './delivery-state.js';

/** How long news wait for their order to be settled, ms. An answer is owed in less than two minutes. */
export const EARLY_MS = 24 * 60 * 60 * 1000;

/** Of an id that is none of ours this much is shown. */
const LONGEST_SUBJECT = 500;

interface Early {
  gatewayId: string;
  providerId: string;
  state: DeliveryState;
  at: number;
  detail: string | null;
  cameAt: number;
}

const insertEarly = statement<Early>()((db, slot) =>
  db
    .insertInto('unmatched_receipts')
    .values({
      gateway_id: slot('gatewayId'),
      provider_id: slot('providerId'),
      state: slot('state'),
      at: slot('at'),
      detail: slot('detail'),
      came_at: slot('cameAt'),
    })
    .onConflict((conflict) => conflict.columns(['provider_id', 'gateway_id']).doNothing())
    .returning('state'),
);

const earlyOf = statement<{ gatewayId: string; providerId: string }>()((db, slot) =>
  db
    .selectFrom('unmatched_receipts')
    .select('state')
    .where('provider_id', '=', slot('providerId'))
    .where('gateway_id', '=', slot('gatewayId')),
);

const moveEarly = statement<Omit<Early, 'cameAt'>>()((db, slot) =>
  db
    .updateTable('unmatched_receipts')
    .set({ state: slot('state'), at: slot('at'), detail: slot('detail') })
    .where('provider_id', '=', slot('providerId'))
    .where('gateway_id', '=', slot('gatewayId')),
);

const take = listStatement<{ gatewayId: string }, string>()((db, slot, ids) =>
  db
    .deleteFrom('unmatched_receipts')
    .where('provider_id', 'in', ids)
    .where('gateway_id', '=', slot('gatewayId'))
    .returning(['provider_id', 'state', 'at', 'detail']),
);

/** One row for each id, the furthest news of it, so that repetition costs no room. */
export async function keepEarly(sql: Sql, gatewayId: string, receipts: DeliveryReceipt, now: number): Promise<void> {
  const { id: providerId, state, at, detail } = receipts;
  if (await sql.first(insertEarly, { gatewayId, providerId, state, at, detail, cameAt: now })) return;
  const kept = await sql.first(earlyOf, { gatewayId, providerId });
  if (!kept || !isFurther(state, kept.state)) return;
  await sql.run(moveEarly, { gatewayId, providerId, state, at, detail });
}

/** News of these ids are no longer early. */
export async function takeEarly(sql: Sql, gatewayId: string, ids: readonly string[]): Promise<DeliveryReceipt[]> {
  const rows = await sql.allOf(take, { gatewayId }, ids);
  return rows.map(({ provider_id: id, ...receipts }) => ({ id, ...receipts }));
}

/** News of nobody's id: all that can be done is to show them. */
export async function writeStrange(
  sql: Sql,
  gatewayId: string,
  { id, state, detail }: Pick<DeliveryReceipt, 'id' | 'state' | 'detail'>,
  now: number,
): Promise<void> {
  await writeEvent(sql, {
    at: now,
    gatewayId,
    direction: 'O',
    event: 'receipt',
    subject: id.slice(0, LONGEST_SUBJECT),
    inboundId: null,
    deliverySystemId: null,
    messageId: null,
    remoteAddress: null,
    detail: worded(`${state}, but no order is known under this id`, detail),
  });
}

export const oldEarly = statement<{ before: number; limit: number }>()((db, slot) =>
  db
    .selectFrom('unmatched_receipts')
    .select(['gateway_id', 'provider_id'])
    .where('came_at', '<', slot('before'))
    .limit(slot('limit')),
);

const removeEarly = statement<{ gatewayId: string; providerId: string }>()((db, slot) =>
  db
    .deleteFrom('unmatched_receipts')
    .where('provider_id', '=', slot('providerId'))
    .where('gateway_id', '=', slot('gatewayId'))
    .returning(['state', 'detail']),
);

/** Nobody has claimed them: one line each in the delivery log is what remains. */
export async function giveUpEarly(
  sql: Sql,
  rows: readonly { gateway_id: string; provider_id: string }[],
  now: number,
): Promise<number> {
  let gone = 0;
  for (const { gateway_id: gatewayId, provider_id: id } of rows) {
    const receipts = await sql.first(removeEarly, { gatewayId, providerId: id });
    if (!receipts) continue;
    await writeStrange(sql, gatewayId, { id, ...receipts }, now);
    gone += 1;
  }
  return gone;
}
