// Owns the straight way of an order: accepted -> begun -> what became of it, and the debt of one answer for every time it
// was asked for. Every change of state is a conditional UPDATE, so that of two that want to send only one may.
import type { Clock } from '../../kit/clock.js';
import { GatepostError } from '../../kit/errors.js';
import type { Committer } from '../db/group-commit.js';
import { firstState, forgetParts, registerParts } from '../receipts/receipts.js';
import type { Acceptance, NewOutboundMessage, OutboundState, OutboundJournal, RecordedOutcome } from '../types/journal.js';
import { ORDER, type OrderRow, orderById, orderFrom, orderIdOf, orderStep, takenOf, toSettled } from './rows.js';
import { type Sql, statement } from '../db/sql.js';
import { oneLine } from '../log/events.js';

export interface OutboundTools {
  commits: Committer;
  clock: Clock;
  /** Names this run of this process. What another name owns and is not alive any more was interrupted. */
  instance: string;
}

const insertOrder = statement<Omit<NewOutboundMessage, 'at'> & { at: number; owner: string; now: number }>()((db, slot) =>
  db
    .insertInto('orders')
    .values({
      message_id: slot('messageId'),
      gateway_id: slot('gatewayId'),
      state: 'accepted',
      attempts: 0,
      taken: '[]',
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
    .returning(ORDER),
);

const askAgain = statement<{ messageId: string; at: number }>()((db, slot) =>
  db
    .updateTable('orders')
    .set(({ eb }) => ({ asked: eb('asked', '+', 1), asked_at: slot('at') }))
    .where('message_id', '=', slot('messageId'))
    .returning(ORDER),
);

const move = statement<{
  messageId: string;
  state: OutboundState;
  owner: string | null;
  detail: string | null;
  at: number;
}>()((db, slot) =>
  db
    .updateTable('orders')
    .set({ state: slot('state'), owner: slot('owner'), detail: slot('detail'), changed_at: slot('at') })
    .where('message_id', '=', slot('messageId'))
    .returning(ORDER),
);

// An order that another running instance has accepted is that one's to begin.
const toBegun = statement<{ messageId: string; deliverySystemId: string; owner: string; at: number }>()((db, slot) =>
  db
    .updateTable('orders')
    .set(({ eb, fn }) => ({
      state: 'begun',
      attempts: eb('attempts', '+', 1),
      delivery_system_id: slot('deliverySystemId'),
      first_begun_at: fn.coalesce('first_begun_at', slot('at')),
      owner: slot('owner'),
      changed_at: slot('at'),
    }))
    .where('message_id', '=', slot('messageId'))
    .where('state', 'in', ['accepted', 'failed', 'partial', 'unknown'])
    .where(({ eb, or }) => or([eb('owner', 'is', null), eb('owner', '=', slot('owner'))]))
    .returning(ORDER),
);

const payAnswer = statement<{ messageId: string }>()((db, slot) =>
  db
    .updateTable('orders')
    .set(({ eb }) => ({ answered: eb('answered', '+', 1) }))
    .where('message_id', '=', slot('messageId'))
    .whereRef('answered', '<', 'asked')
    .returning(ORDER),
);

export function outbound({ commits, clock, instance }: OutboundTools): Omit<OutboundJournal, 'recover' | 'order'> {
  return {
    accept: (order) => commits.run((sql) => accept(sql, order, instance, clock.now())),
    beginAttempt: (messageId, deliverySystemId) =>
      commits.run(async (sql) => {
        const at = clock.now();
        const id = orderIdOf(messageId);
        const row = await sql.first(toBegun, { messageId: id, deliverySystemId, owner: instance, at });
        if (!row) throw await notToBegin(sql, id);
        await orderStep(sql, row, 'begun', at, row.attempts === 1 ? null : `attempt ${row.attempts}`);
        return row.attempts;
      }),
    recordOutcome: (messageId, attempt, outcome) =>
      commits.run((sql) => settle(sql, { id: orderIdOf(messageId), attempt, outcome, at: clock.now() })),
    answered: (messageId, error) =>
      commits.run(async (sql) => {
        const row = await sql.first(payAnswer, { messageId: orderIdOf(messageId) });
        if (row) await orderStep(sql, row, 'answered', clock.now(), error ?? 'success');
      }),
  };
}

async function accept(sql: Sql, order: NewOutboundMessage, instance: string, now: number): Promise<Acceptance> {
  const messageId = orderIdOf(order.messageId);
  const created = await sql.first(insertOrder, { ...order, messageId, owner: instance, now });
  if (created) {
    await orderStep(sql, created, 'ordered', now);
    return { kind: 'new', order: orderFrom(created) };
  }
  const row = await sql.first(askAgain, { messageId, at: order.at });
  if (!row) throw new Error(`order ${messageId} is neither new nor known`);
  const { kind, next } = decide(row, instance);
  await orderStep(sql, row, 'ordered', now, repeatDetail(row, order.gatewayId, kind));
  if (!next) return { kind, order: orderFrom(row) };
  const owner = next === 'accepted' ? instance : null;
  const detail = next === 'unknown' ? INTERRUPTED : row.detail;
  const moved = (await sql.first(move, { messageId, state: next, owner, detail, at: now })) ?? row;
  if (next === 'unknown') await orderStep(sql, moved, 'unknown', now, INTERRUPTED);
  return { kind, order: orderFrom(moved) };
}

export const INTERRUPTED = 'the process that was sending it ended before the outcome was known';

/** What a repeat means, and the state it moves the order to, if any. */
function decide({ state, owner }: OrderRow, instance: string): { kind: Acceptance['kind']; next?: OutboundState } {
  const ours = owner === instance;
  switch (state) {
    case 'accepted':
      return ours ? { kind: 'joins' } : { kind: 'again', next: 'accepted' };
    case 'begun':
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

/** The same MessageId is the same order, whichever gateway it names this time. */
function repeatDetail(row: OrderRow, gatewayId: string, kind: Acceptance['kind']): string {
  if (row.gateway_id === gatewayId) return MEANING[kind];
  return `${MEANING[kind]}; this time through gateway ${gatewayId}, but it stays with ${row.gateway_id}`;
}

async function notToBegin(sql: Sql, messageId: string): Promise<GatepostError> {
  const row = await sql.first(orderById, { messageId });
  if (!row) return unknownOrder(messageId);
  const owner = row.owner === null ? '' : `, held by ${row.owner}`;
  return new GatepostError('journal/not-to-begin', `order ${messageId} cannot be begun: it is ${row.state}${owner}`);
}

function unknownOrder(messageId: string): GatepostError {
  return new GatepostError('journal/unknown-order', `the journal holds no order ${messageId}`);
}

async function settle(
  sql: Sql,
  { id, attempt, outcome, at }: { id: string; attempt: number; outcome: RecordedOutcome; at: number },
) {
  const row = await sql.first(orderById, { messageId: id });
  if (!row) throw unknownOrder(id);
  if (!counts(row, attempt, outcome)) return orderFrom(row);
  const taken = takenAfter(takenOf(row), outcome);
  const settled = await sql.first(toSettled, {
    messageId: id,
    attempt,
    from: row.state,
    to: stateAfter(outcome, taken.length > 0),
    deliverySystemId: 'deliverySystemId' in outcome ? outcome.deliverySystemId : row.delivery_system_id,
    detail: detailOf(outcome),
    taken: JSON.stringify(taken),
    deliveryState: outcome.kind === 'sent' ? firstState(outcome) : null,
    at,
  });
  if (!settled) return orderFrom(row);
  await orderStep(sql, settled, outcome.kind, at, settled.detail);
  const traceable = outcome.kind === 'sent' || (outcome.kind === 'unknown' && outcome.ids !== undefined);
  // What an earlier settlement of the same order was waiting for (unknown, with ids) is over.
  if (traceable && (row.attempts > 1 || row.state === 'unknown')) await forgetParts(sql, [id]);
  if (traceable) await registerParts(sql, settled, outcome, at);
  return orderFrom(settled);
}

/** An attempt settles once; afterwards only a word is heard that turns unknown into something known, or names who will know. */
function counts(row: OrderRow, attempt: number, outcome: RecordedOutcome): boolean {
  if (row.attempts !== attempt) return false;
  const tellsMore = outcome.kind !== 'unknown' || outcome.ids !== undefined;
  return row.state === 'begun' || (row.state === 'unknown' && tellsMore);
}

function takenAfter(before: readonly string[], outcome: RecordedOutcome): string[] {
  if (outcome.kind !== 'partial') return [...before];
  return [...new Set([...before, ...outcome.accepted.map((recipient) => recipient.toLowerCase())])];
}

/** Refused by the others after some have taken it is still partial: the next repeat must not go to those again. */
function stateAfter(outcome: RecordedOutcome, someTook: boolean): OutboundState {
  if (outcome.kind === 'deferred' || outcome.kind === 'rejected') return someTook ? 'partial' : 'failed';
  return outcome.kind;
}

function detailOf(outcome: RecordedOutcome): string | null {
  if (outcome.kind !== 'partial') return outcome.detail === undefined ? null : oneLine(outcome.detail);
  const refusals = outcome.refused.map(({ recipient, detail }) => `${recipient}: ${detail}`).join('; ');
  return oneLine(outcome.detail ?? `refused by ${refusals}`);
}
