import type { InboundState } from '../../model/state.js';
import { listStatement, type Sql, statement } from '../db/sql.js';
import { writeEvent } from '../log/events.js';
import type { InboundRecord, ServerFields } from '../types/inbound.js';

/** The columns that every operation reads. */
export const INBOUND = [
  'id',
  'gateway_id',
  'key',
  'state',
  'request_id',
  'delivery_system_id',
  'rejections',
  'message_id',
  'remote_address',
  'day',
  'bytes',
  'received_at',
  'raw_sha256',
  'deferred_at',
  'server_fields',
  'spooled',
] as const;

export interface InboundRow {
  id: number;
  gateway_id: string;
  key: string;
  state: InboundState;
  request_id: string | null;
  delivery_system_id: string;
  rejections: number;
  message_id: string | null;
  remote_address: string;
  day: string;
  bytes: number;
  received_at: number;
  raw_sha256: string | null;
  deferred_at: number | null;
  server_fields: string | null;
  spooled: number;
}

export function recordFrom(row: InboundRow): InboundRecord {
  return {
    id: row.id,
    gatewayId: row.gateway_id,
    key: row.key,
    state: row.state,
    requestId: row.request_id ?? '',
    deliverySystemId: row.delivery_system_id,
    receivedAt: row.received_at,
    serverFields: fieldsFrom(row.server_fields),
    spooled: row.spooled === 1,
    bytes: row.bytes,
    rejections: row.rejections,
    messageId: row.message_id,
  };
}

/** Written by this program with the same type, so the JSON is trusted. */
function fieldsFrom(text: string | null): ServerFields | null {
  return text === null ? null : JSON.parse(text);
}

export async function recordsOf(
  reads: Sql,
  gatewayId: string,
  keys: readonly string[],
): Promise<Map<string, InboundRecord>> {
  const rows = await reads.allOf(inboundMessagesByKey, { gatewayId }, keys);
  return new Map(rows.map((row) => [row.key, recordFrom(row)]));
}

export async function inboundEvent(
  sql: Sql,
  row: InboundRow,
  event: string,
  at: number,
  detail: string | null = null,
): Promise<void> {
  await writeEvent(sql, {
    at,
    gatewayId: row.gateway_id,
    direction: 'I',
    event,
    subject: row.key,
    inboundId: row.id,
    deliverySystemId: row.delivery_system_id,
    messageId: row.message_id,
    remoteAddress: row.remote_address,
    detail,
  });
}

export const inboundById = statement<{ id: number }>()((db, slot) =>
  db.selectFrom('inbound_messages').select(INBOUND).where('id', '=', slot('id')),
);

export const inboundByKey = statement<{ gatewayId: string; key: string }>()((db, slot) =>
  db
    .selectFrom('inbound_messages')
    .select(INBOUND)
    .where('key', '=', slot('key'))
    .where('gateway_id', '=', slot('gatewayId')),
);

export const inboundByRequest = statement<{ requestId: string }>()((db, slot) =>
  db.selectFrom('inbound_messages').select(INBOUND).where('request_id', '=', slot('requestId')),
);

const inboundMessagesByKey = listStatement<{ gatewayId: string }, string>()((db, slot, keys) =>
  db
    .selectFrom('inbound_messages')
    .select(INBOUND)
    .where('key', 'in', keys)
    .where('gateway_id', '=', slot('gatewayId')),
);

export const inboundByFingerprint = listStatement<{ gatewayId: string }, string>()((db, slot, fingerprints) =>
  db
    .selectFrom('inbound_messages')
    .select(['fingerprint', 'key', 'state'])
    .where('fingerprint', 'in', fingerprints)
    .where('gateway_id', '=', slot('gatewayId')),
);
