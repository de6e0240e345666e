import { GatepostError } from '../../kit/errors.js';
import type { DeliveryState } from '../../model/receipt.js';
import type { OutboundState } from '../../model/state.js';
import { type Sql, statement } from '../db/sql.js';
import { writeEvent } from '../log/events.js';
import type { OutboundRecord } from '../types/outbound.js';
import { type Attempt, attemptsOf } from './attempts.js';
import { acceptedBy, decidingAttempt, foldAttempts } from './fold.js';

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
  'subject',
  'asked',
  'answered',
  'asked_at',
  'delivery_state',
  'delivery_detail',
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
  subject: string;
  asked: number;
  answered: number;
  asked_at: number;
  delivery_state: DeliveryState | null;
  delivery_detail: string | null;
}

/** A message and its attempts, oldest first. */
export interface Loaded {
  row: OutboundRow;
  attempts: readonly Attempt[];
}

export const outboundById = statement<{ messageId: string }>()((db, slot) =>
  db.selectFrom('outbound_messages').select(OUTBOUND).where('message_id', '=', slot('messageId')),
);

/** `messageId` in lower case. */
export async function loaded(sql: Sql, messageId: string): Promise<Loaded | undefined> {
  const row = await sql.first(outboundById, { messageId });
  return row && { row, attempts: row.attempts === 0 ? [] : await attemptsOf(sql, messageId) };
}

export async function loadedOrThrow(sql: Sql, messageId: string): Promise<Loaded> {
  const message = await loaded(sql, messageId);
  if (message) return message;
  throw new GatepostError('journal/unknown-message', `the journal has no outbound message ${messageId}`);
}

const update = statement<Folded>()((db, slot) =>
  db
    .updateTable('outbound_messages')
    .set({
      state: slot('state'),
      attempts: slot('attempts'),
      delivery_system_id: slot('deliverySystemId'),
      detail: slot('detail'),
      accepted_recipients: slot('acceptedRecipients'),
      first_attempt_at: slot('firstAttemptAt'),
      delivery_state: slot('deliveryState'),
      delivery_detail: slot('deliveryDetail'),
      changed_at: slot('at'),
    })
    .where('message_id', '=', slot('messageId'))
    .returning(OUTBOUND),
);

interface Folded {
  messageId: string;
  state: OutboundState;
  attempts: number;
  deliverySystemId: string | null;
  detail: string | null;
  acceptedRecipients: string;
  firstAttemptAt: number | null;
  deliveryState: DeliveryState | null;
  deliveryDetail: string | null;
  at: number;
}

/** What a fold leaves to its caller. */
interface FoldChanges {
  firstAttemptAt?: number;
  deliveryState?: DeliveryState | null;
  deliveryDetail?: string | null;
}

/** The one place that writes the state of a message, in the transaction that has changed its attempts. */
export async function writeFold(
  sql: Sql,
  { row }: Loaded,
  attempts: readonly Attempt[],
  at: number,
  changes: FoldChanges = {},
): Promise<Loaded> {
  const deciding = decidingAttempt(attempts);
  const folded = await sql.first(update, {
    messageId: row.message_id,
    state: foldAttempts(attempts),
    attempts: attempts.at(-1)?.number ?? 0,
    deliverySystemId: deciding?.deliverySystemId ?? row.delivery_system_id,
    detail: deciding?.detail ?? null,
    acceptedRecipients: JSON.stringify(acceptedBy(attempts)),
    firstAttemptAt: row.first_attempt_at ?? changes.firstAttemptAt ?? null,
    deliveryState: changes.deliveryState === undefined ? row.delivery_state : changes.deliveryState,
    deliveryDetail: changes.deliveryDetail === undefined ? row.delivery_detail : changes.deliveryDetail,
    at,
  });
  return { row: folded ?? row, attempts };
}

export function outboundRecordFrom({ row, attempts }: Loaded): OutboundRecord {
  return {
    messageId: row.message_id,
    gatewayId: row.gateway_id,
    state: row.state,
    attempts: attempts.map(({ owner, ...attempt }) => attempt),
    deliverySystemId: row.delivery_system_id,
    detail: row.detail,
    acceptedRecipients: acceptedBy(attempts),
    firstAttemptAt: row.first_attempt_at,
  };
}

/** `attempt`: the attempt that the event is about; its gateway and id go into the log. */
export async function outboundEvent(
  sql: Sql,
  row: Pick<OutboundRow, 'message_id' | 'gateway_id' | 'delivery_system_id' | 'remote_address'>,
  event: string,
  at: number,
  detail: string | null = null,
  attempt?: Attempt,
): Promise<void> {
  await writeEvent(sql, {
    at,
    gatewayId: attempt?.gatewayId ?? row.gateway_id,
    direction: 'O',
    event,
    subject: row.message_id,
    inboundId: null,
    deliverySystemId: attempt?.deliverySystemId ?? row.delivery_system_id,
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
  const message = await loaded(reads, messageIdOf(messageId));
  return message ? outboundRecordFrom(message) : null;
}
