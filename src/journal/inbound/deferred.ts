// Owns arrivals whose sender was told to come again later: not waited for until it does, forgotten when it never does.
// A postponed arrival is out of the ledger on both sides of the sum, so whoever ends that counts it in again.
import { ARRIVAL, type ArrivalRow, arrivalStep } from './rows.js';
import type { InboundTools } from './inbound.js';
import type { InboundJournal } from '../types/journal.js';
import { countSeen, uncountSeen } from './reconciliation.js';
import { listStatement, type Sql, statement } from '../db/sql.js';

// What is kept here whole is ours to hand over, whether its sender comes again or not.
const toPostponed = statement<{ id: number; at: number }>()((db, slot) =>
  db
    .updateTable('arrivals')
    .set({ postponed_at: slot('at') })
    .where('id', '=', slot('id'))
    .where('state', '=', 'open')
    .where('postponed_at', 'is', null)
    .where('raw_sha256', 'is', null)
    .returning(ARRIVAL),
);

const notPostponed = statement<{ id: number }>()((db, slot) =>
  db
    .updateTable('arrivals')
    .set({ postponed_at: null })
    .where('id', '=', slot('id'))
    .where('postponed_at', 'is not', null),
);

export function postponing({ commits, clock }: InboundTools): Pick<InboundJournal, 'postponed'> {
  return {
    deferred: (id) =>
      commits.run(async (sql) => {
        const at = clock.now();
        const row = await sql.first(toPostponed, { id, at });
        if (!row) return;
        await uncountSeen(sql, row);
        await arrivalStep(sql, row, 'postponed', at, 'its sender was told to come again later');
      }),
  };
}

/** It came again, or the server has it after all. `row` as it was, or with `postponed_at` as it was. */
export async function comeBack(sql: Sql, row: ArrivalRow): Promise<void> {
  if (row.postponed_at === null) return;
  if ((await sql.run(notPostponed, { id: row.id })) > 0) await countSeen(sql, row);
}

export const longPostponed = statement<{ before: number; limit: number }>()((db, slot) =>
  db.selectFrom('arrivals').select('id').where('postponed_at', '<', slot('before')).limit(slot('limit')),
);

const removeArrivals = listStatement<{ before: number }, number>()((db, slot, ids) =>
  db
    .deleteFrom('arrivals')
    .where('id', 'in', ids)
    .where('postponed_at', '<', slot('before'))
    .where('state', '=', 'open')
    .returning('id'),
);

const removeTheirAttachments = listStatement<object, number>()((db, _slot, ids) =>
  db.deleteFrom('attachments').where('arrival_id', 'in', ids).returning('id'),
);

/** Those of `ids` that are still postponed since before then, with their attachments; returns how many rows. */
export async function removePostponed(sql: Sql, ids: readonly number[], before: number): Promise<number> {
  const gone = (await sql.allOf(removeArrivals, { before }, ids)).map(({ id }) => id);
  return gone.length + (await sql.allOf(removeTheirAttachments, {}, gone)).length;
}
