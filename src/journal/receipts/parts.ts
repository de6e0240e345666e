// The parts of messages as the counterparty knows them: the ids that receipts name, and how far each part has come.
import type { DeliveryState } from '../../model/receipt.js';
import { listStatement, type Sql, statement } from '../db/sql.js';

export interface NewPart {
  gatewayId: string;
  providerId: string;
  messageId: string;
  attempt: number;
  part: number;
  parts: number;
  state: DeliveryState;
  at: number;
}

export const insertPart = statement<NewPart>()((db, slot) =>
  db.insertInto('delivery_parts').values({
    gateway_id: slot('gatewayId'),
    provider_id: slot('providerId'),
    message_id: slot('messageId'),
    attempt: slot('attempt'),
    part: slot('part'),
    parts: slot('parts'),
    state: slot('state'),
    at: slot('at'),
  }),
);

export const newestPart = statement<{ gatewayId: string; providerId: string }>()((db, slot) =>
  db
    .selectFrom('delivery_parts')
    .select(['id', 'message_id', 'attempt', 'part', 'parts', 'state'])
    .where('provider_id', '=', slot('providerId'))
    .where('gateway_id', '=', slot('gatewayId'))
    .orderBy('id', 'desc')
    .limit(1),
);

export const movePart = statement<{ id: number; state: DeliveryState; at: number; detail: string | null }>()(
  (db, slot) =>
    db
      .updateTable('delivery_parts')
      .set({ state: slot('state'), at: slot('at'), detail: slot('detail') })
      .where('id', '=', slot('id')),
);

export const statesOfAttempt = statement<{ messageId: string; attempt: number }>()((db, slot) =>
  db
    .selectFrom('delivery_parts')
    .select('state')
    .distinct()
    .where('message_id', '=', slot('messageId'))
    .where('attempt', '=', slot('attempt')),
);

/** Parts of an attempt that receipts have moved. */
export const movedParts = statement<{ messageId: string; attempt: number }>()((db, slot) =>
  db
    .selectFrom('delivery_parts')
    .select(['provider_id', 'state', 'at', 'detail'])
    .where('message_id', '=', slot('messageId'))
    .where('attempt', '=', slot('attempt'))
    .where('state', '<>', 'accepted'),
);

/** When an attempt learns its ids anew, the old ones stand for nothing. */
export const removeAttemptParts = statement<{ messageId: string; attempt: number }>()((db, slot) =>
  db.deleteFrom('delivery_parts').where('message_id', '=', slot('messageId')).where('attempt', '=', slot('attempt')),
);

// ---------------------------------------------------------------- for the trace of a message

export interface Part {
  provider_id: string;
  state: DeliveryState;
}

/** Parts shown of one message: the longest text message has 255. */
const MOST_PARTS = 255;

const newestAttempt = statement<{ messageId: string }>()((db, slot) =>
  db
    .selectFrom('delivery_parts')
    .select('attempt')
    .where('message_id', '=', slot('messageId'))
    .orderBy('attempt', 'desc')
    .limit(1),
);

const partsOfAttempt = statement<{ messageId: string; attempt: number; limit: number }>()((db, slot) =>
  db
    .selectFrom('delivery_parts')
    .select(['provider_id', 'state'])
    .where('message_id', '=', slot('messageId'))
    .where('attempt', '=', slot('attempt'))
    .orderBy('part')
    .limit(slot('limit')),
);

/** Of the newest attempt that the counterparty has given ids. */
export async function partsOf(reads: Sql, messageId: string): Promise<Part[]> {
  const newest = await reads.first(newestAttempt, { messageId });
  return newest ? reads.all(partsOfAttempt, { messageId, attempt: newest.attempt, limit: MOST_PARTS }) : [];
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
