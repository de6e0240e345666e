// Owns inbound messages whose sender was told to come again later: not waited for until it does, forgotten when it never does.
// A postponed inbound message is out of the ledger on both sides of the sum, so whoever ends that counts it in again.

import { listStatement, type Sql, statement } from '../db/sql.js';
import type { InboundJournal } from '../types/inbound.js';
import type { InboundDeps } from './inbound.js';
import { countSeen, uncountSeen } from './reconciliation.js';
import { INBOUND, type InboundRow, inboundEvent } from './rows.js';

// What is kept here whole is ours to hand over, whether its sender comes again or not.
const toPostponed = statement<{ id: number; at: number }>()((db, slot) =>
  db
    .updateTable('inbound_messages')
    .set({ deferred_at: slot('at') })
    .where('id', '=', slot('id'))
    .where('state', '=', 'pending')
    .where('deferred_at', 'is', null)
    .where('raw_sha256', 'is', null)
    .returning(INBOUND),
);

const notPostponed = statement<{ id: number }>()((db, slot) =>
  db
    .updateTable('inbound_messages')
    .set({ deferred_at: null })
    .where('id', '=', slot('id'))
    .where('deferred_at', 'is not', null),
);

export function postponing({ commits, clock }: InboundDeps): Pick<InboundJournal, 'deferred'> {
  return {
    deferred: (id) =>
      commits.run(async (sql) => {
        const at = clock.now();
        const row = await sql.first(toPostponed, { id, at });
        if (!row) return;
        await uncountSeen(sql, row);
        await inboundEvent(sql, row, 'deferred', at, 'its sender was told to come again later');
      }),
  };
}

/** It came again, or the server has it after all. `row` as it was, or with `postponed_at` as it was. */
export async function comeBack(sql: Sql, row: InboundRow): Promise<void> {
  if (row.deferred_at === null) return;
  if ((await sql.run(notPostponed, { id: row.id })) > 0) await countSeen(sql, row);
}

export const longPostponed = statement<{ before: number; limit: number }>()((db, slot) =>
  db.selectFrom('inbound_messages').select('id').where('deferred_at', '<', slot('before')).limit(slot('limit')),
);

const removeInboundMessages = listStatement<{ before: number }, number>()((db, slot, ids) =>
  db
    .deleteFrom('inbound_messages')
    .where('id', 'in', ids)
    .where('deferred_at', '<', slot('before'))
    .where('state', '=', 'pending')
    .returning('id'),
);

const removeTheirAttachments = listStatement<object, number>()((db, _slot, ids) =>
  db.deleteFrom('attachments').where('inbound_id', 'in', ids).returning('id'),
);

/** Those of `ids` that are still postponed since before then, with their attachments; returns how many rows. */
export async function removePostponed(sql: Sql, ids: readonly number[], before: number): Promise<number> {
  const gone = (await sql.allOf(removeInboundMessages, { before }, ids)).map(({ id }) => id);
  return gone.length + (await sql.allOf(removeTheirAttachments, {}, gone)).length;
}
