// Owns the start after an end that may have been a crash: what a process that is gone has left undone.

import type { OutboundState } from '../../model/state.js';
import { type Sql, statement } from '../db/sql.js';
import type { OutboundRecord } from '../types/outbound.js';
import { INTERRUPTED, type OutboundDeps } from './outbound.js';
import { OUTBOUND, type OutboundRow, outboundEvent, outboundRecordFrom } from './rows.js';

const NEVER_BEGUN = 'the process that had accepted it ended before it began to send';
const NEVER_ANSWERED = 'never answered: nobody was there to do it in time';

// The owner of an outbound message is the only one that moves it, so an order of another owner is safe to take once that one is gone.
const abandoned = statement<{ instance: string }>()((db, slot) =>
  db
    .selectFrom('outbound_messages')
    .select(OUTBOUND)
    .where('owner', 'is not', null)
    .where('owner', '<>', slot('instance'))
    .where('state', 'in', ['accepted', 'sending']),
);

const leave = statement<{ messageId: string; state: OutboundState; detail: string; at: number }>()((db, slot) =>
  db
    .updateTable('outbound_messages')
    .set({ state: slot('state'), owner: null, detail: slot('detail'), changed_at: slot('at') })
    .where('message_id', '=', slot('messageId')),
);

const writeOff = statement<{ askedSince: number }>()((db, slot) =>
  db
    .updateTable('outbound_messages')
    .set(({ ref }) => ({ answered: ref('asked') }))
    .whereRef('asked', '>', 'answered')
    .where('asked_at', '<', slot('askedSince'))
    .returning(OUTBOUND),
);

const owing = statement<object>()((db) =>
  db.selectFrom('outbound_messages').select(OUTBOUND).whereRef('asked', '>', 'answered').orderBy('asked_at'),
);

/** All in one transaction: it happens wholly or, after another crash, again. */
export function recover({ commits, clock, instance }: OutboundDeps, askedSince: number): Promise<OutboundRecord[]> {
  return commits.run(async (sql) => {
    const at = clock.now();
    for (const row of await sql.all(abandoned, { instance })) await takeOver(sql, row, at);
    // The server waits 90 s for an answer and then asks again; an older debt can never be paid and would only keep the
    // order from ever being removed.
    for (const row of await sql.all(writeOff, { askedSince }))
      await outboundEvent(sql, row, 'note', at, NEVER_ANSWERED);
    return (await sql.all(owing, {})).map(outboundRecordFrom);
  });
}

async function takeOver(sql: Sql, row: OutboundRow, at: number): Promise<void> {
  const begun = row.state === 'sending';
  const detail = begun ? INTERRUPTED : NEVER_BEGUN;
  const state = begun ? 'unknown' : row.accepted_recipients === '[]' ? 'failed' : 'partial';
  await sql.run(leave, { messageId: row.message_id, state, detail, at });
  await outboundEvent(sql, { ...row, state }, begun ? 'unknown' : 'deferred', at, detail);
}
