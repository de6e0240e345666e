// What a send request means. A message is new, or its attempts say what a repeat of it may do (fold.ts).
import { type Sql, statement } from '../db/sql.js';
import type { Acceptance, NewOutboundMessage } from '../types/outbound.js';
import { type Attempt, attemptsOf, updateAttempt } from './attempts.js';
import {
  type Loaded,
  messageIdOf,
  OUTBOUND,
  type OutboundRow,
  outboundEvent,
  outboundRecordFrom,
  writeFold,
} from './rows.js';

const insertOutbound = statement<NewOutboundMessage & { now: number }>()((db, slot) =>
  db
    .insertInto('outbound_messages')
    .values({
      message_id: slot('messageId'),
      gateway_id: slot('gatewayId'),
      state: 'accepted',
      attempts: 0,
      accepted_recipients: '[]',
      remote_address: slot('remoteAddress'),
      subject: slot('subject'),
      bytes: slot('bytes'),
      asked: 1,
      answered: 0,
      asked_at: slot('at'),
      changed_at: slot('now'),
    })
    .onConflict((conflict) => conflict.column('message_id').doNothing())
    .returning(OUTBOUND),
);

const askAgain = statement<{ messageId: string; at: number }>()((db, slot) =>
  db
    .updateTable('outbound_messages')
    .set(({ eb }) => ({ asked: eb('asked', '+', 1), asked_at: slot('at') }))
    .where('message_id', '=', slot('messageId'))
    .returning(OUTBOUND),
);

export const INTERRUPTED = 'the process that was sending it ended before the outcome was known';
const UNRECORDED = 'its outcome could not be recorded';

const MEANING: Record<Exclude<Acceptance['kind'], 'new'>, string> = {
  retry: 'requested again: a fresh attempt',
  'already-sent': 'requested again after it was sent',
  unknown: 'requested again while its outcome is unknown',
};
const JOINED = 'requested again while it is being sent';

export async function accept(
  sql: Sql,
  request: NewOutboundMessage,
  instance: string,
  now: number,
): Promise<Acceptance> {
  const messageId = messageIdOf(request.messageId);
  const created = await sql.first(insertOutbound, { ...request, messageId, now });
  if (created) {
    await outboundEvent(sql, created, 'requested', now);
    return { kind: 'new', outboundMessage: outboundRecordFrom({ row: created, attempts: [] }) };
  }
  const row = await sql.first(askAgain, { messageId, at: request.at });
  if (!row) throw new Error(`outbound message ${messageId} is neither new nor known`);
  const attempts = row.attempts === 0 ? [] : await attemptsOf(sql, messageId);
  const message = await withoutRunning(sql, { row, attempts }, instance, now);
  const kind = repeatKind(message.row);
  await outboundEvent(sql, row, 'requested', now, repeatDetail(row, request.gatewayId, MEANING[kind]));
  return { kind, outboundMessage: outboundRecordFrom(message) };
}

function repeatKind({ state }: OutboundRow): Exclude<Acceptance['kind'], 'new'> {
  if (state === 'sent') return 'already-sent';
  return state === 'unknown' ? 'unknown' : 'retry';
}

/** An attempt that is recorded as running although no process sends the message: its outcome is unknown. */
export async function withoutRunning(sql: Sql, message: Loaded, instance: string, now: number): Promise<Loaded> {
  const { row, attempts } = message;
  if (!attempts.some(({ state }) => state === 'sending')) return message;
  const ended = attempts.map((attempt) =>
    attempt.state === 'sending' ? interrupted(attempt, instance, now) : attempt,
  );
  for (const [index, attempt] of ended.entries()) {
    if (attempt === attempts[index]) continue;
    await updateAttempt(sql, row.message_id, attempt);
    await outboundEvent(sql, row, 'unknown', now, attempt.detail, attempt);
  }
  return writeFold(sql, message, ended, now);
}

function interrupted(attempt: Attempt, instance: string, now: number): Attempt {
  const detail = attempt.owner === instance ? UNRECORDED : INTERRUPTED;
  return { ...attempt, state: 'unknown', detail, endedAt: now, owner: null };
}

/** A message that is not in the journal, because its first request could not be stored, owes nothing. */
export async function requestedAgain(sql: Sql, request: NewOutboundMessage, now: number): Promise<void> {
  const row = await sql.first(askAgain, { messageId: messageIdOf(request.messageId), at: request.at });
  if (row) await outboundEvent(sql, row, 'requested', now, repeatDetail(row, request.gatewayId, JOINED));
}

function repeatDetail(row: OutboundRow, gatewayId: string, meaning: string): string {
  if (row.gateway_id === gatewayId) return meaning;
  return `${meaning}; this time through gateway ${gatewayId}, first through ${row.gateway_id}`;
}
