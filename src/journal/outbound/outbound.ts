// The operations on outbound messages. An attempt is inserted or changed, and in the same transaction `writeFold` writes the state
// of its message.
import type { Clock } from '../../kit/clock.js';
import { GatepostError } from '../../kit/errors.js';
import type { Committer } from '../db/group-commit.js';
import { type Sql, statement } from '../db/sql.js';
import { oneLine } from '../log/events.js';
import type { AttemptStart, NotSentOutcome, OutboundJournal, OutboundRecord } from '../types/outbound.js';
import { accept, requestedAgain } from './accept.js';
import { type Attempt, insertAttempt, updateAttempt } from './attempts.js';
import { recordLookup, recordOutcome } from './outcomes.js';
import { loadedOrThrow, messageIdOf, OUTBOUND, outboundEvent, outboundRecordFrom, writeFold } from './rows.js';

export interface OutboundDeps {
  commits: Committer;
  clock: Clock;
  /** Names this run of this process. An attempt of another name that is recorded as running was interrupted. */
  instance: string;
}

type OtherFiles = 'reclaimAbandoned' | 'outboundMessage' | 'resolve' | 'unresolved';

export function outbound({ commits, clock, instance }: OutboundDeps): Omit<OutboundJournal, OtherFiles> {
  return {
    accept: (request) => commits.run((sql) => accept(sql, request, instance, clock.now())),
    requestedAgain: (request) => commits.run((sql) => requestedAgain(sql, request, clock.now())),
    beginAttempt: (messageId, deliverySystemId, start = {}) =>
      commits.run((sql) => {
        const attempt = { ...start, deliverySystemId, owner: instance };
        return beginAttempt(sql, messageIdOf(messageId), attempt, clock.now());
      }),
    recordOutcome: (messageId, attempt, outcome) =>
      commits.run((sql) => recordOutcome(sql, messageIdOf(messageId), attempt, outcome, clock.now())),
    recordNotSent: (messageId, gatewayId, outcome) =>
      commits.run((sql) => {
        const ended = { gatewayId, instance, at: clock.now() };
        return recordNotSent(sql, messageIdOf(messageId), outcome, ended);
      }),
    recordLookup: (messageId, gatewayId, outcome) =>
      commits.run((sql) => recordLookup(sql, messageIdOf(messageId), gatewayId, outcome, clock.now())),
    answered: (messageId, error, owed = 1) =>
      commits.run(async (sql) => {
        const row = await sql.first(payAnswer, { messageId: messageIdOf(messageId), owed });
        if (row) await outboundEvent(sql, row, 'answered', clock.now(), error ?? 'success');
      }),
  };
}

const payAnswer = statement<{ messageId: string; owed: number }>()((db, slot) =>
  db
    .updateTable('outbound_messages')
    .set(({ eb, ref }) => ({
      answered: eb
        .case()
        .when(eb('answered', '+', slot('owed')), '>', ref('asked'))
        .then(ref('asked'))
        .else(eb('answered', '+', slot('owed')))
        .end(),
    }))
    .where('message_id', '=', slot('messageId'))
    .whereRef('answered', '<', 'asked')
    .returning(OUTBOUND),
);

async function beginAttempt(
  sql: Sql,
  messageId: string,
  start: AttemptStart & { deliverySystemId: string; owner: string },
  at: number,
): Promise<number> {
  const message = await loadedOrThrow(sql, messageId);
  const { state, gateway_id, attempts: last } = message.row;
  if (state === 'sending' || state === 'sent')
    throw new GatepostError(
      'journal/attempt-not-allowed',
      `outbound message ${messageId} cannot be sent: it is ${state === 'sent' ? 'sent already' : 'being sent'}`,
    );
  const attempt: Attempt = {
    number: last + 1,
    gatewayId: start.gatewayId ?? gateway_id,
    deliverySystemId: start.deliverySystemId,
    state: 'sending',
    acceptedRecipients: [],
    detail: null,
    outline: start.outline ?? null,
    startedAt: at,
    endedAt: null,
    owner: start.owner,
  };
  await insertAttempt(sql, messageId, attempt);
  const firstAttemptAt = start.composedAt ?? at;
  await writeFold(sql, message, [...message.attempts, attempt], at, { firstAttemptAt });
  const detail = attempt.number === 1 ? null : `attempt ${attempt.number}`;
  await outboundEvent(sql, message.row, 'attempt_started', at, detail, attempt);
  return attempt.number;
}

async function recordNotSent(
  sql: Sql,
  messageId: string,
  outcome: NotSentOutcome,
  { gatewayId, instance, at }: { gatewayId: string; instance: string; at: number },
): Promise<OutboundRecord> {
  const message = await loadedOrThrow(sql, messageId);
  const { state, attempts: last } = message.row;
  const running = message.attempts.find((one) => one.state === 'sending');
  if (state === 'sent' || (running && running.owner !== instance)) return outboundRecordFrom(message);
  const attempt: Attempt = {
    number: running?.number ?? last + 1,
    gatewayId,
    deliverySystemId: null,
    state: outcome.kind,
    acceptedRecipients: [],
    detail: oneLine(outcome.detail),
    outline: null,
    startedAt: running?.startedAt ?? at,
    endedAt: at,
    owner: null,
  };
  // The start of `running` was committed although its caller was told that it was not; the caller has sent nothing.
  if (running) await updateAttempt(sql, messageId, attempt);
  else await insertAttempt(sql, messageId, attempt);
  const others = message.attempts.filter((one) => one !== running);
  const folded = await writeFold(sql, message, [...others, attempt], at);
  await outboundEvent(sql, folded.row, outcome.kind, at, attempt.detail, attempt);
  return outboundRecordFrom(folded);
}
