// `gatepost trace`: finds a message by any id that an operator may have, and what belongs to it.
import { isoTime } from '../../kit/clock.js';
import { type Sql, type Statement, statement } from '../db/sql.js';
import { messageIdOf } from '../outbound/rows.js';
import { deliveryWords } from '../receipts/delivery-state.js';
import { outboundByPart, type Part, partsOf } from '../receipts/parts.js';
import type { MessageTrace } from '../types/log.js';
import { entryFrom } from './events.js';
import { relatedToInbound, relatedToOutbound } from './related.js';

/** Shorter beginnings of ids match too many messages. */
const SHORTEST_PREFIX = 8;
/** Messages shown at once. */
const MOST_TRACES = 10;
/** Events shown of one message. */
const MOST_EVENTS = 1_000;

const INBOUND_IDS = ['request_id', 'message_id', 'delivery_system_id', 'rfc_message_id', 'key'] as const;
const OUTBOUND_IDS = ['message_id', 'delivery_system_id'] as const;

interface Range {
  from: string;
  /** The same text for an exact id, else the end of the range of its beginnings. */
  to: string;
  limit: number;
}

const inboundBy = INBOUND_IDS.map((column) => ({
  column,
  query: statement<Range>()((db, slot) =>
    db
      .selectFrom('inbound_messages')
      .selectAll()
      .where(column, '>=', slot('from'))
      .where(column, '<=', slot('to'))
      .limit(slot('limit')),
  ),
}));

const outboundBy = OUTBOUND_IDS.map((column) => ({
  column,
  query: statement<Range>()((db, slot) =>
    db
      .selectFrom('outbound_messages')
      .selectAll()
      .where(column, '>=', slot('from'))
      .where(column, '<=', slot('to'))
      .limit(slot('limit')),
  ),
}));

const eventsOfInbound = statement<{ id: number; limit: number }>()((db, slot) =>
  db.selectFrom('delivery_log').selectAll().where('inbound_id', '=', slot('id')).orderBy('id').limit(slot('limit')),
);

const eventsOfOutbound = statement<{ messageId: string; limit: number }>()((db, slot) =>
  db
    .selectFrom('delivery_log')
    .selectAll()
    .where('subject', '=', slot('messageId'))
    .where('inbound_id', 'is', null)
    .where('direction', '=', 'O')
    .orderBy('id')
    .limit(slot('limit')),
);

type InboundFound = RowOf<(typeof inboundBy)[number]['query']>;
type OutboundFound = RowOf<(typeof outboundBy)[number]['query']>;
type RowOf<S> = S extends Statement<Range, infer Row> ? Row : never;

/** By the whole id first; only when that finds nothing, by a beginning of at least 8 characters. At most 10 messages. */
export async function traces(reads: Sql, id: string): Promise<MessageTrace[]> {
  const text = withoutBrackets(id.trim());
  if (text === '') return [];
  const exact = await find(reads, (asked) => ({ from: asked, to: asked, limit: MOST_TRACES }), text);
  if (exact.length > 0 || text.length < SHORTEST_PREFIX) return exact;
  return find(reads, (asked) => ({ from: asked, to: `${asked}\u{10FFFF}`, limit: MOST_TRACES }), text);
}

async function find(reads: Sql, range: (asked: string) => Range, id: string): Promise<MessageTrace[]> {
  const inboundMessages = new Map<number, InboundFound>();
  for (const { column, query } of inboundBy) {
    const asked = column === 'request_id' || column === 'message_id' ? messageIdOf(id) : id;
    for (const row of await reads.all(query, range(asked))) inboundMessages.set(row.id, row);
  }
  const outboundMessages = new Map<string, OutboundFound>();
  for (const { column, query } of outboundBy) {
    const asked = column === 'message_id' ? messageIdOf(id) : id;
    for (const row of await reads.all(query, range(asked))) outboundMessages.set(row.message_id, row);
  }
  for (const row of await reads.all(outboundByPart, range(id))) outboundMessages.set(row.message_id, row);
  const found = [
    ...[...inboundMessages.values()].map((row) => () => inboundTrace(reads, row)),
    ...[...outboundMessages.values()].map((row) => () => outboundTrace(reads, row)),
  ];
  return Promise.all(found.slice(0, MOST_TRACES).map((trace) => trace()));
}

async function inboundTrace(reads: Sql, row: InboundFound): Promise<MessageTrace> {
  const events = await reads.all(eventsOfInbound, { id: row.id, limit: MOST_EVENTS });
  return {
    is: 'inbound',
    gatewayId: row.gateway_id,
    state: row.state,
    ids: labelled([
      ['Key', row.key],
      ['RequestId', row.request_id],
      ['DeliverySystemId', row.delivery_system_id],
      ['Message-ID', row.rfc_message_id],
      ['MessageId', row.message_id],
      ['From', row.remote_address],
      ['Subject', row.subject],
      ['Received', isoTime(row.received_at)],
      ['Deferred', row.deferred_at === null ? null : isoTime(row.deferred_at)],
      ['Quarantined because', row.state === 'quarantined' ? row.quarantine_reason : null],
    ]),
    related: await relatedToInbound(reads, row),
    entries: events.map(entryFrom),
  };
}

async function outboundTrace(reads: Sql, row: OutboundFound): Promise<MessageTrace> {
  const events = await reads.all(eventsOfOutbound, { messageId: row.message_id, limit: MOST_EVENTS });
  const parts = await partsOf(reads, row.message_id);
  const { delivery_state: delivery, delivery_detail: detail } = row;
  return {
    is: 'outbound',
    gatewayId: row.gateway_id,
    state: row.state,
    ids: labelled([
      ['MessageId', row.message_id],
      ['DeliverySystemId', row.delivery_system_id],
      ...providerIds(parts, row.delivery_system_id),
      ['To', row.remote_address],
      ['Subject', row.subject],
      ['Requested', isoTime(row.asked_at)],
      ['Answers', `${row.answered} of ${row.asked}`],
      ['Delivery', delivery && deliveryWords(delivery, detail, parts)],
    ]),
    related: await relatedToOutbound(reads, row),
    entries: events.map(entryFrom),
  };
}

/** Most have just one, which is the DeliverySystemId. */
function providerIds(parts: readonly Part[], deliverySystemId: string | null): (readonly [string, string])[] {
  if (parts.length > 1) return parts.map(({ provider_id }, at) => [`Part ${at + 1} of ${parts.length}`, provider_id]);
  return parts.flatMap(({ provider_id }) => (provider_id === deliverySystemId ? [] : [['Provider id', provider_id]]));
}

function labelled(pairs: readonly (readonly [string, string | null])[]): { label: string; value: string }[] {
  return pairs.flatMap(([label, value]) => (value === null || value === '' ? [] : [{ label, value }]));
}

function withoutBrackets(id: string): string {
  return id.startsWith('<') && id.endsWith('>') ? id.slice(1, -1) : id;
}
