// Owns the rows of orders as the verbs see them: which columns, which record, which step in the delivery log.
import type { DeliveryState, OutboundRecord, OutboundState } from '../types/journal.js';
import { type Sql, statement } from '../db/sql.js';
import { writeStep } from '../log/events.js';

/** What every verb reads and returns of an order. */
export const ORDER = [
  'message_id',
  'gateway_id',
  'state',
  'attempts',
  'delivery_system_id',
  'detail',
  'taken',
  'first_begun_at',
  'remote_address',
  'owner',
] as const;

export interface OrderRow {
  message_id: string;
  gateway_id: string;
  state: OutboundState;
  attempts: number;
  delivery_system_id: string | null;
  detail: string | null;
  taken: string;
  first_begun_at: number | null;
  remote_address: string;
  owner: string | null;
}

export function orderFrom(row: OrderRow): OutboundRecord {
  return {
    messageId: row.message_id,
    gatewayId: row.gateway_id,
    state: row.state,
    attempts: row.attempts,
    deliverySystemId: row.delivery_system_id,
    detail: row.detail,
    acceptedRecipients: takenOf(row),
    firstAttemptAt: row.first_begun_at,
  };
}

/** Recipients that have taken it, as written by `settle`. */
export function takenOf({ taken }: Pick<OrderRow, 'taken'>): string[] {
  const list: unknown = JSON.parse(taken);
  return Array.isArray(list) ? list.map(String) : [];
}

export async function orderStep(
  sql: Sql,
  row: OrderRow,
  step: string,
  at: number,
  detail: string | null = null,
): Promise<void> {
  await writeStep(sql, {
    at,
    gatewayId: row.gateway_id,
    direction: 'O',
    event,
    subject: row.message_id,
    arrivalId: null,
    deliverySystemId: row.delivery_system_id,
    messageId: row.message_id,
    remoteAddress: row.remote_address,
    detail,
  });
}

/** GUIDs are compared case-insensitively and written in lower case. */
export function orderIdOf(messageId: string): string {
  return messageId.trim().toLowerCase();
}

export async function orderOf(reads: Sql, messageId: string): Promise<OutboundRecord | null> {
  const row = await reads.first(orderById, { messageId: orderIdOf(messageId) });
  return row ? orderFrom(row) : null;
}

export const orderById = statement<{ messageId: string }>()((db, slot) =>
  db.selectFrom('orders').select(ORDER).where('message_id', '=', slot('messageId')),
);

/** How an order leaves the state `from`, provided that it is still in it. */
interface Settlement {
  messageId: string;
  attempt: number;
  from: OutboundState;
  to: OutboundState;
  deliverySystemId: string | null;
  detail: string | null;
  taken: string;
  deliveryState: DeliveryState | null;
  at: number;
}

export const toSettled = statement<Settlement>()((db, slot) =>
  db
    .updateTable('orders')
    .set({
      state: slot('to'),
      delivery_system_id: slot('deliverySystemId'),
      detail: slot('detail'),
      taken: slot('taken'),
      delivery_state: slot('deliveryState'),
      owner: null,
      changed_at: slot('at'),
    })
    .where('message_id', '=', slot('messageId'))
    .where('attempts', '=', slot('attempt'))
    .where('state', '=', slot('from'))
    .returning(ORDER),
);
