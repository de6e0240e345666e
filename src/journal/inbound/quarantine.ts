// Owns quarantine: where a message waits that the server keeps refusing or that could not be read. Whole, visible, retryable.

import { type Sql, statement } from '../db/sql.js';
import { unsettled } from '../db/tables.js';
import type { Files } from '../storage/blobs.js';
import type { InboundJournal, QuarantinedMessage } from '../types/inbound.js';
import { comeBack } from './deferred.js';
import type { InboundDeps } from './inbound.js';
import { INBOUND, inboundEvent, recordFrom } from './rows.js';

const toQuarantined = statement<{ id: number; reason: string; sha256: string; at: number; bytes: number }>()(
  (db, slot) =>
    db
      .updateTable('inbound_messages')
      .set({
        state: 'quarantined',
        quarantined_at: slot('at'),
        quarantine_reason: slot('reason'),
        raw_sha256: slot('sha256'),
        bytes: slot('bytes'),
      })
      .where('id', '=', slot('id'))
      .where('state', '=', 'pending')
      .returning(INBOUND),
);

const toOpen = statement<{ id: number }>()((db, slot) =>
  db
    .updateTable('inbound_messages')
    .set({ state: 'pending', rejections: 0 })
    .where('id', '=', slot('id'))
    .where('state', '=', 'quarantined')
    .returning(INBOUND),
);

const COLUMNS = [...INBOUND, 'quarantine_reason', 'quarantined_at', 'bytes'] as const;

const inQuarantine = statement<object>()((db) =>
  db.selectFrom('inbound_messages').select(COLUMNS).where('state', '=', 'quarantined').where(unsettled),
);

const inQuarantineOf = statement<{ gatewayId: string }>()((db, slot) =>
  db
    .selectFrom('inbound_messages')
    .select(COLUMNS)
    .where('state', '=', 'quarantined')
    .where(unsettled)
    .where('gateway_id', '=', slot('gatewayId')),
);

const rawOf = statement<{ id: number }>()((db, slot) =>
  db.selectFrom('inbound_messages').select('raw_sha256').where('id', '=', slot('id')),
);

const releasedOf = statement<{ gatewayId: string }>()((db, slot) =>
  db
    .selectFrom('inbound_messages')
    .select(INBOUND)
    .where('state', '=', 'pending')
    .where(unsettled)
    .where('raw_sha256', 'is not', null)
    .where('gateway_id', '=', slot('gatewayId'))
    .orderBy('id'),
);

/** Of one gateway, or of all. */
export async function quarantined(reads: Sql, gatewayId?: string): Promise<QuarantinedMessage[]> {
  const rows = await (gatewayId === undefined ? reads.all(inQuarantine, {}) : reads.all(inQuarantineOf, { gatewayId }));
  // Sorted here, because sorting there would lure the database away from its small index.
  return rows
    .sort((one, other) => one.id - other.id)
    .map((row) => ({
      inboundMessage: recordFrom(row),
      reason: row.quarantine_reason ?? '',
      at: row.quarantined_at ?? 0,
      bytes: row.bytes,
    }));
}

/** The whole message, as long as it is kept; null when nothing is kept under this id. */
export async function quarantinedRaw(reads: Sql, files: Files, id: number): Promise<Buffer | null> {
  const row = await reads.first(rawOf, { id });
  return row?.raw_sha256 ? files.read(row.raw_sha256) : null;
}

type Verbs = Pick<InboundJournal, 'quarantine' | 'quarantinedRaw' | 'requeue' | 'requeued'>;

export function quarantine({ database, commits, files, clock }: InboundDeps): Verbs {
  const { reads } = database;
  return {
    quarantine: (id, reason, raw) =>
      files.store([raw], ([sha256 = '']) =>
        commits.run(async (sql) => {
          const at = clock.now();
          const row = await sql.first(toQuarantined, { id, reason, sha256, at, bytes: raw.length });
          if (row) await comeBack(sql, row);
          if (row) await inboundEvent(sql, row, 'quarantined', at, reason);
        }),
      ),
    quarantinedRaw: (id) => quarantinedRaw(reads, files, id),
    async requeued(gatewayId) {
      const rows = await reads.all(releasedOf, { gatewayId });
      return rows.map(recordFrom);
    },
    requeue: (id) =>
      commits.run(async (sql) => {
        const row = await sql.first(toOpen, { id });
        if (!row) return null;
        await inboundEvent(sql, row, 'requeued', clock.now());
        return recordFrom(row);
      }),
  };
}
