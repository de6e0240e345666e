// Owns the rows of arrivals as the verbs see them: which columns, which record, which step in the delivery log.
import type { InboundRecord, InboundState } from '../types/journal.js';
import { listStatement, type Sql, statement } from '../db/sql.js';
import { writeStep } from '../log/events.js';

/** What every verb reads and returns of an arrival. */
export const ARRIVAL = [
  'id',
  'gateway_id',
  'key',
  'state',
  'request_id',
  'delivery_system_id',
  'refusals',
  'message_id',
  'remote_address',
  'day',
  'raw_sha256',
  'postponed_at',
] as const;

export interface ArrivalRow {
  id: number;
  gateway_id: string;
  key: string;
  state: InboundState;
  request_id: string | null;
  delivery_system_id: string;
  refusals: number;
  message_id: string | null;
  remote_address: string;
  day: string;
  raw_sha256: string | null;
  postponed_at: number | null;
}

/** Ignored arrivals have no requestId: theirs is ''. */
export function recordFrom(row: ArrivalRow): InboundRecord {
  return {
    id: row.id,
    gatewayId: row.gateway_id,
    key: row.key,
    state: row.state,
    requestId: row.request_id ?? '',
    deliverySystemId: row.delivery_system_id,
    rejections: row.refusals,
    messageId: row.message_id,
  };
}

export async function known(
  reads: Sql,
  gatewayId: string,
  keys: readonly string[],
): Promise<Map<string, InboundRecord>> {
  const rows = await reads.allOf(arrivalsByKey, { gatewayId }, keys);
  return new Map(rows.map((row) => [row.key, recordFrom(row)]));
}

export async function arrivalStep(
  sql: Sql,
  row: ArrivalRow,
  step: string,
  at: number,
  detail: string | null = null,
): Promise<void> {
  await writeStep(sql, {
    at,
    gatewayId: row.gateway_id,
    direction: 'I',
    event,
    subject: row.key,
    arrivalId: row.id,
    deliverySystemId: row.delivery_system_id,
    messageId: row.message_id,
    remoteAddress: row.remote_address,
    detail,
  });
}

export const arrivalById = statement<{ id: number }>()((db, slot) =>
  db.selectFrom('arrivals').select(ARRIVAL).where('id', '=', slot('id')),
);

export const arrivalByKey = statement<{ gatewayId: string; key: string }>()((db, slot) =>
  db.selectFrom('arrivals').select(ARRIVAL).where('key', '=', slot('key')).where('gateway_id', '=', slot('gatewayId')),
);

export const arrivalByRequest = statement<{ requestId: string }>()((db, slot) =>
  db.selectFrom('arrivals').select(ARRIVAL).where('request_id', '=', slot('requestId')),
);

const arrivalsByKey = listStatement<{ gatewayId: string }, string>()((db, slot, keys) =>
  db.selectFrom('arrivals').select(ARRIVAL).where('key', 'in', keys).where('gateway_id', '=', slot('gatewayId')),
);

export const arrivalsByFingerprint = listStatement<{ gatewayId: string }, string>()((db, slot, fingerprints) =>
  db
    .selectFrom('arrivals')
    .select(['fingerprint', 'key', 'state'])
    .where('fingerprint', 'in', fingerprints)
    .where('gateway_id', '=', slot('gatewayId')),
);
