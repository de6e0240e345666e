// Owns the straight way of an outbound message: accepted -> begun -> what became of it, and the debt of one answer for every time it
// was asked for. Every change of state is a conditional UPDATE, so that of two that want to send only one may.
import type { Clock } from '../../kit/clock.js';
import { GatepostError } from '../../kit/errors.js';
import type { Outcome } from '../../model/outcome.js';
import type { OutboundState } from '../../model/state.js';
import type { Committer } from '../db/group-commit.js';
import { type Sql, statement } from '../db/sql.js';
import { oneLine } from '../log/events.js';
import { firstState, forgetParts, registerParts } from '../receipts/receipts.js';
import type { Acceptance, NewOutboundMessage, OutboundJournal } from '../types/outbound.js';
import {
  acceptedOf,
  messageIdOf,
  OUTBOUND,
  type OutboundRow,
  outboundById,
  outboundEvent,
  outboundRecordFrom,
  toSettled,
} from './rows.js';

export interface OutboundDeps {
  commits: Committer;
  clock: Clock;
  /** Names this run of this process. What another name owns and is not alive any more was interrupted. */
  instance: string;
}

const insertOutbound = statement<Omit<NewOutboundMessage, 'at'> & { at: number; owner: string; now: number }>()(
  (db, slot) =>
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
        owner: slot('owner'),
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

const move = statement<{
  messageId: string;
  state: OutboundState;
  owner: string | null;
  detail: string | null;
  at: number;
}>()((db, slot) =>
  db
    .updateTable('outbound_messages')
    .set({ state: slot('state'), owner: slot('owner'), detail: slot('detail'), changed_at: slot('at') })
    .where('message_id', '=', slot('messageId'))
    .returning(OUTBOUND),
);

// An outbound message that another running instance has accepted is that one's to begin.
const toBegun = statement<{ messageId: string; deliverySystemId: string; owner: string; at: number }>()((db, slot) =>
  db
    .updateTable('outbound_messages')
    .set(({ eb, fn }) => ({
      state: 'sending',
      attempts: eb('attempts', '+', 1),
      delivery_system_id: slot('deliverySystemId'),
      first_attempt_at: fn.coalesce('first_attempt_at', slot('at')),
      owner: slot('owner'),
      changed_at: slot('at'),
    }))
    .where('message_id', '=', slot('messageId'))
    .where('state', 'in', ['accepted', 'failed', 'partial', 'unknown'])
    .where(({ eb, or }) => or([eb('owner', 'is', null), eb('owner', '=', slot('owner'))]))
    .returning(OUTBOUND),
);

const payAnswer = statement<{ messageId: string }>()((db, slot) =>
  db
    .updateTable('outbound_messages')
    .set(({ eb }) => ({ answered: eb('answered', '+', 1) }))
    .where('message_id', '=', slot('messageId'))
    .whereRef('answered', '<', 'asked')
    .returning(OUTBOUND),
);

export function outbound({
  commits,
  clock,
  instance,
}: OutboundDeps): Omit<OutboundJournal, 'reclaimAbandoned' | 'outboundMessage'> {
  return {
    accept: (outboundMessage) => commits.run((sql) => accept(sql, outboundMessage, instance, clock.now())),
    beginAttempt: (messageId, deliverySystemId) =>
      commits.run(async (sql) => {
        const at = clock.now();
        const id = messageIdOf(messageId);
        const row = await sql.first(toBegun, { messageId: id, deliverySystemId, owner: instance, at });
        if (!row) throw await notToBegin(sql, id);
        await outboundEvent(sql, row, 'sending', at, row.attempts === 1 ? null : `attempt ${row.attempts}`);
        return row.attempts;
      }),
    recordOutcome: (messageId, attempt, outcome) =>
      commits.run((sql) => settle(sql, { id: messageIdOf(messageId), attempt, outcome, at: clock.now() })),
    answered: (messageId, error) =>
      commits.run(async (sql) => {
        const row = await sql.first(payAnswer, { messageId: messageIdOf(messageId) });
        if (row) await outboundEvent(sql, row, 'answered', clock.now(), error ?? 'success');
      }),
  };
}

async function accept(
  sql: Sql,
  outboundMessage: NewOutboundMessage,
  instance: string,
  now: number,
): Promise<Acceptance> {
  const messageId = messageIdOf(outboundMessage.messageId);
  const created = await sql.first(insertOutbound, { ...outboundMessage, messageId, owner: instance, now });
  if (created) {
    await outboundEvent(sql, created, 'requested', now);
    return { kind: 'new', outboundMessage: outboundRecordFrom(created) };
  }
  const row = await sql.first(askAgain, { messageId, at: outboundMessage.at });
  if (!row) throw new Error(`order ${messageId} is neither new nor known`);
  const { kind, next } = decide(row, instance);
  await outboundEvent(sql, row, 'requested', now, repeatDetail(row, outboundMessage.gatewayId, kind));
  if (!next) return { kind, outboundMessage: outboundRecordFrom(row) };
  const owner = next === 'accepted' ? instance : null;
  const detail = next === 'unknown' ? INTERRUPTED : row.detail;
  const moved = (await sql.first(move, { messageId, state: next, owner, detail, at: now })) ?? row;
  if (next === 'unknown') await outboundEvent(sql, moved, 'unknown', now, INTERRUPTED);
  return { kind, outboundMessage: outboundRecordFrom(moved) };
}

export const INTERRUPTED = 'the process that was sending it ended before the outcome was known';

/** What a repeat means, and the state it moves the outbound message to, if any. */
function decide({ state, owner }: OutboundRow, instance: string): { kind: Acceptance['kind']; next?: OutboundState } {
  const ours = owner === instance;
  switch (state) {
    case 'accepted':
      return ours ? { kind: 'joins' } : { kind: 'again', next: 'accepted' };
    case 'sending':
      return ours ? { kind: 'joins' } : { kind: 'uncertain', next: 'unknown' };
    case 'sent':
      return { kind: 'answered' };
    case 'failed':
    case 'partial':
      return { kind: 'again', next: 'accepted' };
    case 'unknown':
      return { kind: 'uncertain' };
  }
}

const MEANING: Record<Acceptance['kind'], string> = {
  new: 'first asked for',
  again: 'asked for again: a fresh attempt',
  joins: 'asked for again while it is being sent',
  answered: 'asked for again after it was sent',
  uncertain: 'asked for again while its outcome is unknown',
};

/** The same MessageId is the same outbound message, whichever gateway it names this time. */
function repeatDetail(row: OutboundRow, gatewayId: string, kind: Acceptance['kind']): string {
  if (row.gateway_id === gatewayId) return MEANING[kind];
  return `${MEANING[kind]}; this time through gateway ${gatewayId}, but it stays with ${row.gateway_id}`;
}

async function notToBegin(sql: Sql, messageId: string): Promise<GatepostError> {
  const row = await sql.first(outboundById, { messageId });
  if (!row) return unknownOutboundMessage(messageId);
  const owner = row.owner === null ? '' : `, held by ${row.owner}`;
  return new GatepostError('journal/not-to-begin', `order ${messageId} cannot be begun: it is ${row.state}${owner}`);
}

function unknownOutboundMessage(messageId: string): GatepostError {
  return new GatepostError('journal/unknown-order', `the journal holds no order ${messageId}`);
}

async function settle(
  sql: Sql,
  { id, attempt, outcome, at }: { id: string; attempt: number; outcome: Outcome; at: number },
) {
  const row = await sql.first(outboundById, { messageId: id });
  if (!row) throw unknownOutboundMessage(id);
  if (!counts(row, attempt, outcome)) return outboundRecordFrom(row);
  const taken = acceptedAfter(acceptedOf(row), outcome);
  const settled = await sql.first(toSettled, {
    messageId: id,
    attempt,
    from: row.state,
    to: stateAfter(outcome, taken.length > 0),
    deliverySystemId: 'deliverySystemId' in outcome ? outcome.deliverySystemId : row.delivery_system_id,
    detail: detailOf(outcome),
    accepted_recipients: JSON.stringify(taken),
    deliveryState: outcome.kind === 'sent' ? firstState(outcome) : null,
    at,
  });
  if (!settled) return outboundRecordFrom(row);
  await outboundEvent(sql, settled, outcome.kind, at, settled.detail);
  const traceable = outcome.kind === 'sent' || (outcome.kind === 'unknown' && outcome.ids !== undefined);
  // What an earlier settlement of the same outbound message was waiting for (unknown, with ids) is over.
  if (traceable && (row.attempts > 1 || row.state === 'unknown')) await forgetParts(sql, [id]);
  if (traceable) await registerParts(sql, settled, outcome, at);
  return outboundRecordFrom(settled);
}

/** An attempt settles once; afterwards only a word is heard that turns unknown into something known, or names who will know. */
function counts(row: OutboundRow, attempt: number, outcome: Outcome): boolean {
  if (row.attempts !== attempt) return false;
  const tellsMore = outcome.kind !== 'unknown' || outcome.ids !== undefined;
  return row.state === 'sending' || (row.state === 'unknown' && tellsMore);
}

function acceptedAfter(before: readonly string[], outcome: Outcome): string[] {
  if (outcome.kind !== 'partial') return [...before];
  return [...new Set([...before, ...outcome.accepted.map((recipient) => recipient.toLowerCase())])];
}

/** Refused by the others after some have taken it is still partial: the next repeat must not go to those again. */
function stateAfter(outcome: Outcome, someTook: boolean): OutboundState {
  if (outcome.kind === 'deferred' || outcome.kind === 'rejected') return someTook ? 'partial' : 'failed';
  return outcome.kind;
}

function detailOf(outcome: Outcome): string | null {
  if (outcome.kind !== 'partial') return outcome.detail === undefined ? null : oneLine(outcome.detail);
  const rejections = outcome.refused.map(({ recipient, detail }) => `${recipient}: ${detail}`).join('; ');
  return oneLine(outcome.detail ?? `refused by ${rejections}`);
}
