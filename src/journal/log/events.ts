import { type Sql, statement } from '../db/sql.js';
import type { LogEntry } from '../types/log.js';

/** Characters of a detail: long enough for any SMTP reply, short enough for a table on a screen. */
const LONGEST_DETAIL = 1_000;

/** An event as the operations write it. */
export interface DeliveryEvent extends Omit<LogEntry, 'id'> {
  /** Null for outbound messages and notes. */
  inboundId: number | null;
}

/** A row of `delivery_log`. */
export interface EventRow {
  id: number;
  at: number;
  gateway_id: string;
  direction: 'I' | 'O';
  event: string;
  subject: string;
  delivery_system_id: string | null;
  message_id: string | null;
  remote_address: string | null;
  detail: string | null;
}

const insertEvent = statement<DeliveryEvent>()((db, slot) =>
  db.insertInto('delivery_log').values({
    at: slot('at'),
    gateway_id: slot('gatewayId'),
    direction: slot('direction'),
    event: slot('event'),
    subject: slot('subject'),
    inbound_id: slot('inboundId'),
    delivery_system_id: slot('deliverySystemId'),
    message_id: slot('messageId'),
    remote_address: slot('remoteAddress'),
    detail: slot('detail'),
  }),
);

export async function writeEvent(sql: Sql, event: DeliveryEvent): Promise<void> {
  await sql.run(insertEvent, { ...event, detail: event.detail === null ? null : oneLine(event.detail) });
}

/** Folds white space and cuts to the longest detail, never through a surrogate pair. */
export function oneLine(text: string): string {
  const folded = text
    .slice(0, 2 * LONGEST_DETAIL)
    .replace(/\s+/g, ' ')
    .trim();
  if (folded.length <= LONGEST_DETAIL) return folded;
  return `${folded.slice(0, LONGEST_DETAIL - 1).replace(/[\uD800-\uDBFF]$/, '')}…`;
}

export function entryFrom(row: EventRow): LogEntry {
  return {
    id: row.id,
    at: row.at,
    gatewayId: row.gateway_id,
    direction: row.direction,
    event: row.event,
    subject: row.subject,
    deliverySystemId: row.delivery_system_id,
    messageId: row.message_id,
    remoteAddress: row.remote_address,
    detail: row.detail,
  };
}
