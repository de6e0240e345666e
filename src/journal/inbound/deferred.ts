// A deferred message is out of both sides of the reconciliation; each transition that ends the deferral takes it back in.
import { listStatement, type Sql, statement } from '../db/sql.js';
import type { InboundJournal } from '../types/inbound.js';
import type { InboundDeps } from './deps.js';
import { countReceived, uncountReceived } from './reconciliation.js';
import { INBOUND, type InboundRow, inboundEvent } from './rows.js';

// A message whose raw form is stored here is handed over whether its sender comes again or not.
const toDeferred = statement<{ id: number; at: number }>()((db, slot) =>
  db
    .updateTable('inbound_messages')
    .set({ deferred_at: slot('at') })
    .where('id', '=', slot('id'))
    .where('state', '=', 'pending')
    .where('deferred_at', 'is', null)
    .where('raw_sha256', 'is', null)
    .returning(INBOUND),
);

const notDeferred = statement<{ id: number }>()((db, slot) =>
  db
    .updateTable('inbound_messages')
    .set({ deferred_at: null })
    .where('id', '=', slot('id'))
    .where('deferred_at', 'is not', null),
);

export function deferral({ commits, clock }: InboundDeps): Pick<InboundJournal, 'deferred'> {
  return {
    deferred: (id) =>
      commits.run(async (sql) => {
        const at = clock.now();
        const row = await sql.first(toDeferred, { id, at });
        if (!row) return;
        await uncountReceived(sql, row);
        await inboundEvent(sql, row, 'deferred', at, 'its sender was told to come again later');
      }),
  };
}

/** The message came again, or the server has accepted it after all. `row` with `deferred_at` as it was before. */
export async function takeBackIn(sql: Sql, row: InboundRow): Promise<void> {
  if (row.deferred_at === null) return;
  if ((await sql.run(notDeferred, { id: row.id })) > 0) await countReceived(sql, row);
}

export const longDeferred = statement<{ before: number; limit: number }>()((db, slot) =>
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

/** Removes those of `ids` that are still deferred since before then, with their attachments; returns the number of rows. */
export async function removeDeferred(sql: Sql, ids: readonly number[], before: number): Promise<number> {
  const gone = (await sql.allOf(removeInboundMessages, { before }, ids)).map(({ id }) => id);
  return gone.length + (await sql.allOf(removeTheirAttachments, {}, gone)).length;
}
