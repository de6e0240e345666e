import { type Sql, statement } from '../db/sql.js';
import { unsettled } from '../db/tables.js';
import type { Blobs } from '../storage/blobs.js';
import type { InboundJournal, QuarantinedMessage } from '../types/inbound.js';
import { takeBackIn } from './deferred.js';
import type { InboundDeps } from './deps.js';
import { required } from './inbound.js';
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

const toPending = statement<{ id: number }>()((db, slot) =>
  db
    .updateTable('inbound_messages')
    .set({ state: 'pending', rejections: 0 })
    .where('id', '=', slot('id'))
    .where('state', '=', 'quarantined')
    .returning(INBOUND),
);

/** Rows of one page of `requeued`. */
const PAGE = 200;

const COLUMNS = [...INBOUND, 'quarantine_reason', 'quarantined_at'] as const;

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

const requeuedOf = statement<{ gatewayId: string; after: number; limit: number }>()((db, slot) =>
  db
    .selectFrom('inbound_messages')
    .select(INBOUND)
    .where('state', '=', 'pending')
    .where(unsettled)
    .where('raw_sha256', 'is not', null)
    .where('gateway_id', '=', slot('gatewayId'))
    .where('id', '>', slot('after'))
    .orderBy('id')
    .limit(slot('limit')),
);

/** Of one gateway, or of all. */
export async function quarantined(reads: Sql, gatewayId?: string): Promise<QuarantinedMessage[]> {
  const rows = await (gatewayId === undefined ? reads.all(inQuarantine, {}) : reads.all(inQuarantineOf, { gatewayId }));
  // Sorted here: an ORDER BY would make SQLite walk the whole table instead of its small partial index.
  return rows
    .sort((one, other) => one.id - other.id)
    .map((row) => ({
      inboundMessage: recordFrom(row),
      reason: row.quarantine_reason ?? '',
      at: row.quarantined_at ?? 0,
      bytes: row.bytes,
    }));
}

/** The raw message; null when none is stored under this id. */
export async function quarantinedRaw(reads: Sql, blobs: Blobs, id: number): Promise<Buffer | null> {
  const row = await reads.first(rawOf, { id });
  return row?.raw_sha256 ? blobs.read(row.raw_sha256) : null;
}

type Operations = Pick<InboundJournal, 'quarantine' | 'quarantinedRaw' | 'requeue' | 'requeued'>;

export function quarantine({ database, commits, blobs, clock }: InboundDeps): Operations {
  const { reads } = database;
  return {
    quarantine: (id, reason, raw) =>
      blobs.store([raw], ([sha256 = '']) =>
        commits.run(async (sql) => {
          const at = clock.now();
          const row = await sql.first(toQuarantined, { id, reason, sha256, at, bytes: raw.length });
          if (!row) return recordFrom(await required(sql, id));
          await takeBackIn(sql, row);
          await inboundEvent(sql, row, 'quarantined', at, reason);
          return recordFrom(row);
        }),
      ),
    quarantinedRaw: (id) => quarantinedRaw(reads, blobs, id),
    async requeued(gatewayId, after = 0, limit = PAGE) {
      const rows = await reads.all(requeuedOf, { gatewayId, after, limit });
      return rows.map(recordFrom);
    },
    requeue: (id) =>
      commits.run(async (sql) => {
        const row = await sql.first(toPending, { id });
        if (!row) return null;
        await inboundEvent(sql, row, 'requeued', clock.now());
        return recordFrom(row);
      }),
  };
}
