// Receipts of ids that no message has: they wait a day for the outcome that names the id, and are then only shown.
import type { DeliveryReceipt, DeliveryState } from '../../model/receipt.js';
import { listStatement, type Sql, statement } from '../db/sql.js';
import { writeEvent } from '../log/events.js';
import { isFurther, worded } from './delivery-state.js';

/** How long unmatched receipts are stored, ms. An answer is owed in less than two minutes. */
export const UNMATCHED_MS = 24 * 60 * 60 * 1000;
/** Characters shown of an unmatched id. */
const LONGEST_SUBJECT = 500;

interface Unmatched {
  gatewayId: string;
  providerId: string;
  state: DeliveryState;
  at: number;
  detail: string | null;
  cameAt: number;
}

const insert = statement<Unmatched>()((db, slot) =>
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

const select = statement<{ gatewayId: string; providerId: string }>()((db, slot) =>
  db
    .selectFrom('unmatched_receipts')
    .select('state')
    .where('provider_id', '=', slot('providerId'))
    .where('gateway_id', '=', slot('gatewayId')),
);

const update = statement<Omit<Unmatched, 'cameAt'>>()((db, slot) =>
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

/** One row for each id, the furthest receipt of it, so that repetition costs no room. */
export async function storeUnmatched(
  sql: Sql,
  gatewayId: string,
  receipt: DeliveryReceipt,
  now: number,
): Promise<void> {
  const { id: providerId, state, at, detail } = receipt;
  if (await sql.first(insert, { gatewayId, providerId, state, at, detail, cameAt: now })) return;
  const stored = await sql.first(select, { gatewayId, providerId });
  if (!stored || !isFurther(state, stored.state)) return;
  await sql.run(update, { gatewayId, providerId, state, at, detail });
}

/** Receipts of these ids have found their message. */
export async function takeUnmatched(sql: Sql, gatewayId: string, ids: readonly string[]): Promise<DeliveryReceipt[]> {
  const rows = await sql.allOf(take, { gatewayId }, ids);
  return rows.map(({ provider_id: id, ...receipt }) => ({ id, ...receipt }));
}

export async function writeUnmatched(
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
    detail: worded(`${state}, but no message is known under this id`, detail),
  });
}

export const oldUnmatched = statement<{ before: number; limit: number }>()((db, slot) =>
  db
    .selectFrom('unmatched_receipts')
    .select(['gateway_id', 'provider_id'])
    .where('came_at', '<', slot('before'))
    .limit(slot('limit')),
);

const remove = statement<{ gatewayId: string; providerId: string }>()((db, slot) =>
  db
    .deleteFrom('unmatched_receipts')
    .where('provider_id', '=', slot('providerId'))
    .where('gateway_id', '=', slot('gatewayId'))
    .returning(['state', 'detail']),
);

/** Replaces each by one event of the delivery log. */
export async function giveUpUnmatched(
  sql: Sql,
  rows: readonly { gateway_id: string; provider_id: string }[],
  now: number,
): Promise<number> {
  let removed = 0;
  for (const { gateway_id: gatewayId, provider_id: id } of rows) {
    const receipt = await sql.first(remove, { gatewayId, providerId: id });
    if (!receipt) continue;
    await writeUnmatched(sql, gatewayId, { id, ...receipt }, now);
    removed += 1;
  }
  return removed;
}
