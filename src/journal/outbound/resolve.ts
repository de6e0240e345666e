// The operator's part: which outcomes are unknown, and the decision about one.
import { sql as raw } from 'kysely';
import { GatepostError } from '../../kit/errors.js';
import type { Committer } from '../db/group-commit.js';
import { type Sql, statement } from '../db/sql.js';
import { oneLine } from '../log/events.js';
import type { OutboundJournal, UnresolvedMessage } from '../types/outbound.js';
import { type Attempt, updateAttempt } from './attempts.js';
import { loadedOrThrow, messageIdOf, outboundEvent, outboundRecordFrom, writeFold } from './rows.js';

/** More than an operator looks at in one go. */
const MOST_UNRESOLVED = 1_000;

// Written out: SQLite uses the partial index attempts_unknown only for a constant.
const unknownAttempts = statement<{ limit: number }>()((db, slot) =>
  db
    .selectFrom('attempts')
    .innerJoin('outbound_messages', 'outbound_messages.message_id', 'attempts.message_id')
    .select([
      'attempts.message_id as messageId',
      'attempts.gateway_id as gatewayId',
      'outbound_messages.remote_address as remoteAddress',
      'outbound_messages.subject as subject',
      'attempts.started_at as since',
      'attempts.detail as detail',
    ])
    .where(raw<boolean>`attempts.state = 'unknown'`)
    .where('outbound_messages.state', '=', 'unknown')
    .orderBy('attempts.started_at', 'desc')
    .orderBy('attempts.number', 'desc')
    .limit(slot('limit')),
);

export async function unresolved(reads: Sql): Promise<UnresolvedMessage[]> {
  const newest = new Map<string, UnresolvedMessage>();
  for (const row of await reads.all(unknownAttempts, { limit: MOST_UNRESOLVED }))
    if (!newest.has(row.messageId)) newest.set(row.messageId, row);
  return [...newest.values()].reverse();
}

export function resolution(commits: Committer): Pick<OutboundJournal, 'resolve'> {
  return {
    resolve: (messageId, decision, note, at) =>
      commits.run(async (sql) => {
        const message = await loadedOrThrow(sql, messageIdOf(messageId));
        const { row } = message;
        if (row.state !== 'unknown') throw notUnknown(row);
        const unknown = message.attempts.filter(({ state }) => state === 'unknown');
        const state = decision === 'sent' ? 'sent' : 'deferred';
        const detail = oneLine(`resolved by an operator as ${decision}${note ? `: ${note}` : ''}`);
        const decided = new Map<Attempt, Attempt>();
        // One of several unknown attempts is enough to have sent the message; not sent means that none of them did.
        for (const attempt of decision === 'sent' ? unknown.slice(-1) : unknown)
          decided.set(attempt, { ...attempt, state, detail, outline: null });
        for (const attempt of decided.values()) await updateAttempt(sql, row.message_id, attempt);
        const attempts = message.attempts.map((attempt) => decided.get(attempt) ?? attempt);
        const folded = await writeFold(sql, message, attempts, at);
        await outboundEvent(sql, folded.row, state, at, detail, [...decided.values()].at(-1));
        return outboundRecordFrom(folded);
      }),
  };
}

function notUnknown({ message_id, state }: { message_id: string; state: string }): GatepostError {
  return new GatepostError(
    'journal/not-unknown',
    `outbound message ${message_id} is ${state}; only a message whose outcome is unknown can be resolved`,
  );
}
