import type { AttemptState } from '../../model/state.js';
import { listStatement, type Sql, statement } from '../db/sql.js';
import type { AttemptRecord } from '../types/outbound.js';

/** An attempt as the operations change it: `owner` names the process that is sending. */
export interface Attempt extends AttemptRecord {
  owner: string | null;
}

const ATTEMPT = [
  'message_id',
  'number',
  'gateway_id',
  'delivery_system_id',
  'state',
  'accepted_recipients',
  'detail',
  'outline',
  'started_at',
  'ended_at',
  'owner',
] as const;

interface AttemptRow {
  message_id: string;
  number: number;
  gateway_id: string;
  delivery_system_id: string | null;
  state: AttemptState;
  accepted_recipients: string;
  detail: string | null;
  outline: string | null;
  started_at: number;
  ended_at: number | null;
  owner: string | null;
}

const select = statement<{ messageId: string }>()((db, slot) =>
  db.selectFrom('attempts').select(ATTEMPT).where('message_id', '=', slot('messageId')).orderBy('number'),
);

const insert = statement<AttemptRow>()((db, slot) =>
  db.insertInto('attempts').values({
    message_id: slot('message_id'),
    number: slot('number'),
    gateway_id: slot('gateway_id'),
    delivery_system_id: slot('delivery_system_id'),
    state: slot('state'),
    accepted_recipients: slot('accepted_recipients'),
    detail: slot('detail'),
    outline: slot('outline'),
    started_at: slot('started_at'),
    ended_at: slot('ended_at'),
    owner: slot('owner'),
  }),
);

const update = statement<AttemptRow>()((db, slot) =>
  db
    .updateTable('attempts')
    .set({
      delivery_system_id: slot('delivery_system_id'),
      state: slot('state'),
      accepted_recipients: slot('accepted_recipients'),
      detail: slot('detail'),
      outline: slot('outline'),
      ended_at: slot('ended_at'),
      owner: slot('owner'),
    })
    .where('message_id', '=', slot('message_id'))
    .where('number', '=', slot('number')),
);

/** Rows per message. A server that repeats a message for months adds a row each time; of the oldest failures nothing is needed. */
const MOST_ATTEMPTS = 100;

const removeOldFailures = statement<{ messageId: string; before: number }>()((db, slot) =>
  db
    .deleteFrom('attempts')
    .where('message_id', '=', slot('messageId'))
    .where('number', '<', slot('before'))
    .where('state', 'in', ['deferred', 'rejected'])
    .where('accepted_recipients', '=', '[]'),
);

const remove = listStatement<object, string>()((db, _slot, messageIds) =>
  db.deleteFrom('attempts').where('message_id', 'in', messageIds).returning('number'),
);

export async function attemptsOf(reads: Sql, messageId: string): Promise<Attempt[]> {
  return (await reads.all(select, { messageId })).map(attemptFrom);
}

export async function insertAttempt(sql: Sql, messageId: string, attempt: Attempt): Promise<void> {
  await sql.run(insert, rowOf(messageId, attempt));
  if (attempt.number > MOST_ATTEMPTS)
    await sql.run(removeOldFailures, { messageId, before: attempt.number - MOST_ATTEMPTS });
}

export async function updateAttempt(sql: Sql, messageId: string, attempt: Attempt): Promise<void> {
  await sql.run(update, rowOf(messageId, attempt));
}

/** For retention. */
export async function forgetAttempts(sql: Sql, messageIds: readonly string[]): Promise<void> {
  await sql.allOf(remove, {}, messageIds);
}

function attemptFrom(row: AttemptRow): Attempt {
  return {
    number: row.number,
    gatewayId: row.gateway_id,
    deliverySystemId: row.delivery_system_id,
    state: row.state,
    acceptedRecipients: recipientsFrom(row.accepted_recipients),
    detail: row.detail,
    outline: row.outline,
    startedAt: row.started_at,
    endedAt: row.ended_at,
    owner: row.owner,
  };
}

function rowOf(messageId: string, attempt: Attempt): AttemptRow {
  return {
    message_id: messageId,
    number: attempt.number,
    gateway_id: attempt.gatewayId,
    delivery_system_id: attempt.deliverySystemId,
    state: attempt.state,
    accepted_recipients: JSON.stringify(attempt.acceptedRecipients),
    detail: attempt.detail,
    outline: attempt.outline,
    started_at: attempt.startedAt,
    ended_at: attempt.endedAt,
    owner: attempt.owner,
  };
}

function recipientsFrom(json: string): string[] {
  const list: unknown = JSON.parse(json);
  return Array.isArray(list) ? list.map(String) : [];
}
