// The start after an end that may have been a crash: attempts of dead processes, and answers that were never written.
import { type Sql, statement } from '../db/sql.js';
import type { OwedAnswer } from '../types/outbound.js';
import { withoutRunning } from './accept.js';
import { attemptsOf } from './attempts.js';
import type { OutboundDeps } from './outbound.js';
import { loaded, OUTBOUND, type OutboundRow, outboundEvent, outboundRecordFrom } from './rows.js';

const NEVER_ANSWERED = 'no process was running that could have answered in time';

const abandoned = statement<{ instance: string }>()((db, slot) =>
  db
    .selectFrom('attempts')
    .select('message_id')
    .where('owner', 'is not', null)
    .where('owner', '<>', slot('instance'))
    .orderBy('message_id'),
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
export function reclaimAbandoned(
  { commits, clock, instance }: OutboundDeps,
  askedSince: number,
): Promise<readonly OwedAnswer[]> {
  return commits.run(async (sql) => {
    const at = clock.now();
    for (const { message_id } of await sql.all(abandoned, { instance })) {
      const message = await loaded(sql, message_id);
      if (message) await withoutRunning(sql, message, instance, at);
    }
    // The server waits 90 s for an answer and then asks again. An older debt can never be paid; it would only keep the message from
    // ever being removed.
    for (const row of await sql.all(writeOff, { askedSince }))
      await outboundEvent(sql, row, 'note', at, NEVER_ANSWERED);
    const owed: OwedAnswer[] = [];
    for (const row of await sql.all(owing, {})) owed.push(await owedAnswer(sql, row));
    return owed;
  });
}

async function owedAnswer(sql: Sql, row: OutboundRow): Promise<OwedAnswer> {
  const attempts = row.attempts === 0 ? [] : await attemptsOf(sql, row.message_id);
  return {
    outboundMessage: outboundRecordFrom({ row, attempts }),
    owed: row.asked - row.answered,
    askedAt: row.asked_at,
  };
}
