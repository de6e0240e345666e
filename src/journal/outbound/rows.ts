// Owns the rows of outbound messages as the verbs see them: which columns, which record, which step in the delivery log.

import type { DeliveryState } from '../../model/receipt.js';
import type { OutboundState } from '../../model/state.js';
import { type Sql, statement } from '../db/sql.js';
import { writeEvent } from '../log/events.js';
import type { OutboundRecord } from '../types/outbound.js';

/** What every verb reads and returns of an outbound message. */
export const OUTBOUND = [
  'message_id',
  'gateway_id',
  'state',
  'attempts',
  'delivery_system_id',
  'detail',
  'accepted_recipients',
  'first_attempt_at',
  'remote_address',
  'owner',
] as const;

export interface OutboundRow {
  message_id: string;
  gateway_id: string;
  state: OutboundState;
  attempts: number;
  delivery_system_id: string | null;
  detail: string | null;
  accepted_recipients: string;
  first_attempt_at: number | null;
  remote_address: string;
  owner: string | null;
}

export function outboundRecordFrom(row: OutboundRow): OutboundRecord {
  return {
    messageId: row.message_id,
    gatewayId: row.gateway_id,
    state: row.state,
    attempts: row.attempts,
    deliverySystemId: row.delivery_system_id,
    detail: row.detail,
    acceptedRecipients: acceptedOf(row),
    firstAttemptAt: row.first_attempt_at,
  };
}

/** Recipients that have taken it, as written by `settle`. */
export function acceptedOf({ accepted_recipients }: Pick<OutboundRow, 'accepted_recipients'>): string[] {
  const list: unknown = JSON.parse(accepted_recipients);
  return Array.isArray(list) ? list.map(String) : [];
}

export async function outboundEvent(
  sql: Sql,
  row: OutboundRow,
  event: string,
  at: number,
  detail: string | null = null,
): Promise<void> {
  await writeEvent(sql, {
    at,
    gatewayId: row.gateway_id,
    direction: 'O',
    event,
    subject: row.message_id,
    inboundId: null,
    deliverySystemId: row.delivery_system_id,
    messageId: row.message_id,
    remoteAddress: row.remote_address,
    detail,
  });
}

/** GUIDs are compared case-insensitively and written in lower case. */
export function messageIdOf(messageId: string): string {
  return messageId.trim().toLowerCase();
}

export async function outboundMessageOf(reads: Sql, messageId: string): Promise<OutboundRecord | null> {
  const row = await reads.first(outboundById, { messageId: messageIdOf(messageId) });
  return row ? outboundRecordFrom(row) : null;
}

export const outboundById = statement<{ messageId: string }>()((db, slot) =>
  db.selectFrom('outbound_messages').select(OUTBOUND).where('message_id', '=', slot('messageId')),
);

/** How an outbound message leaves the state `from`, provided that it is still in it. */
interface Settlement {
  messageId: string;
  attempt: number;
  from: OutboundState;
  to: OutboundState;
  deliverySystemId: string | null;
  detail: string | null;
  accepted_recipients: string;
  deliveryState: DeliveryState | null;
  at: number;
}

export const toSettled = statement<Settlement>()((db, slot) =>
  db
    .updateTable('outbound_messages')
    .set({
      state: slot('to'),
      delivery_system_id: slot('deliverySystemId'),
      detail: slot('detail'),
      accepted_recipients: slot('accepted_recipients'),
      delivery_state: slot('deliveryState'),
      owner: null,
      changed_at: slot('at'),
    })
    .where('message_id', '=', slot('messageId'))
    .where('attempts', '=', slot('attempt'))
    .where('state', '=', slot('from'))
    .returning(OUTBOUND),
);
