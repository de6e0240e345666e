// Old rows and files are removed in slices, so that other operations run between them. Whatever is pending, unconfirmed, quarantined,
// without outcome or unanswered stays with its log entries, however old it is.
import { type Clock, yieldToEventLoop } from '../../kit/clock.js';
import type { Committer } from '../db/group-commit.js';
import { type Database, listStatement, type Sql, type Statement, statement } from '../db/sql.js';
import { longDeferred, removeDeferred } from '../inbound/deferred.js';
import { forgetReceived } from '../inbound/reconciliation.js';
import { forgetAttempts } from '../outbound/attempts.js';
import { forgetParts } from '../receipts/parts.js';
import { giveUpUnmatched, oldUnmatched, UNMATCHED_MS } from '../receipts/unmatched.js';
import type { Journal, Retention } from '../types/journal.js';
import { referredFiles } from './attachments.js';
import type { Blobs } from './blobs.js';

export interface RetentionDeps {
  database: Database;
  commits: Committer;
  blobs: Blobs;
  clock: Clock;
  /** False once the journal is closing: the rest is left to the next sweep. */
  goOn: () => boolean;
}

/** Rows per transaction, about 10 ms. */
const SLICE = 500;
const DAY_MS = 24 * 60 * 60 * 1000;
const CONFIRMED_TIMES = 10;

// Ids rise with time, so the sweep ends at the first slice without an old row.
const nextEvents = statement<{ after: number; limit: number }>()((db, slot) =>
  db.selectFrom('delivery_log').select(['id', 'at']).where('id', '>', slot('after')).orderBy('id').limit(slot('limit')),
);

const removeEvents = listStatement<object, number>()((db, _slot, ids) =>
  db
    .deleteFrom('delivery_log')
    .where('id', 'in', ids)
    .where(({ not, exists, selectFrom }) =>
      not(
        exists(
          selectFrom('inbound_messages')
            .select('inbound_messages.id')
            .whereRef('inbound_messages.id', '=', 'delivery_log.inbound_id')
            .where('inbound_messages.state', 'in', ['pending', 'acknowledged', 'quarantined']),
        ),
      ),
    )
    .where(({ not, exists, selectFrom }) =>
      not(
        exists(
          selectFrom('outbound_messages')
            .select('outbound_messages.message_id')
            .whereRef('outbound_messages.message_id', '=', 'delivery_log.subject')
            .where('delivery_log.inbound_id', 'is', null)
            .where(({ eb, or, ref }) =>
              or([
                eb('outbound_messages.state', 'in', ['accepted', 'sending', 'unknown']),
                eb('outbound_messages.asked', '>', ref('outbound_messages.answered')),
              ]),
            ),
        ),
      ),
    )
    .returning('id'),
);

const oldOutbound = statement<{ before: number; limit: number }>()((db, slot) =>
  db
    .selectFrom('outbound_messages')
    .select('message_id')
    .where('changed_at', '<', slot('before'))
    .where('asked_at', '<', slot('before'))
    .where('state', 'in', ['accepted', 'sent', 'failed', 'partial'])
    .whereRef('asked', '<=', 'answered')
    .limit(slot('limit')),
);

const removeOutbound = listStatement<object, string>()((db, _slot, ids) =>
  db
    .deleteFrom('outbound_messages')
    .where('message_id', 'in', ids)
    .where('state', 'in', ['accepted', 'sent', 'failed', 'partial'])
    .whereRef('asked', '<=', 'answered')
    .returning('message_id'),
);

// Counted from the confirmation: a message may have waited in quarantine, and its links must work for their whole time all the same.
const oldAttachments = statement<{ before: number; limit: number }>()((db, slot) =>
  db
    .selectFrom('attachments')
    .innerJoin('inbound_messages', 'inbound_messages.id', 'attachments.inbound_id')
    .select('attachments.id')
    .where('attachments.stored_at', '<', slot('before'))
    .where('inbound_messages.state', '=', 'confirmed')
    .where('inbound_messages.confirmed_at', '<', slot('before'))
    .limit(slot('limit')),
);

const removeAttachments = listStatement<object, string>()((db, _slot, ids) =>
  db.deleteFrom('attachments').where('id', 'in', ids).returning('id'),
);

// Skipped keys stay for ever: they name mails that are still in the mailbox and must not be received after some years.
const oldConfirmed = statement<{ before: number; limit: number }>()((db, slot) =>
  db
    .selectFrom('inbound_messages')
    .select('id')
    .where('confirmed_at', '<', slot('before'))
    .where('state', '=', 'confirmed')
    .where(({ not, exists, selectFrom }) =>
      not(
        exists(
          selectFrom('attachments')
            .select('attachments.id')
            .whereRef('attachments.inbound_id', '=', 'inbound_messages.id'),
        ),
      ),
    )
    .limit(slot('limit')),
);

const removeConfirmed = listStatement<object, number>()((db, _slot, ids) =>
  db
    .deleteFrom('inbound_messages')
    .where('id', 'in', ids)
    .where('state', '=', 'confirmed')
    .returning(['gateway_id', 'day']),
);

/** `removed` counts rows and files. */
export function retentionSweep(deps: RetentionDeps): Pick<Journal, 'sweep'> {
  const { clock, blobs, database, goOn } = deps;
  return {
    async sweep(retention: Retention) {
      const before = (days: number) => clock.now() - days * DAY_MS;
      // Before the log, which keeps the entries of messages that are still there.
      let removed = await sweepSlices(deps, longDeferred, before(retention.logDays), (sql, rows) =>
        removeDeferred(
          sql,
          rows.map(({ id }) => id),
          before(retention.logDays),
        ),
      );
      removed += await sweepEvents(deps, before(retention.logDays));
      removed += await sweepSlices(deps, oldOutbound, before(retention.orderDays), removeOutboundRows);
      removed += await sweepSlices(deps, oldUnmatched, clock.now() - UNMATCHED_MS, (sql, rows) =>
        giveUpUnmatched(sql, rows, clock.now()),
      );
      removed += await sweepSlices(deps, oldAttachments, before(retention.attachmentDays), async (sql, rows) => {
        const ids = rows.map(({ id }) => id);
        return (await sql.allOf(removeAttachments, {}, ids)).length;
      });
      removed += await sweepSlices(
        deps,
        oldConfirmed,
        before(CONFIRMED_TIMES * retention.logDays),
        removeConfirmedRows,
      );
      removed += await blobs.sweep((hashes) => referredFiles(database.reads, hashes), goOn);
      return { removed };
    },
  };
}

async function sweepEvents({ database, commits, goOn }: RetentionDeps, before: number): Promise<number> {
  let removed = 0;
  let after = 0;
  while (goOn()) {
    const events = await database.reads.all(nextEvents, { after, limit: SLICE });
    const old = events.filter(({ at }) => at < before).map(({ id }) => id);
    if (old.length === 0) break;
    after = events.at(-1)?.id ?? after;
    removed += (await commits.run((sql) => sql.allOf(removeEvents, {}, old), old.length)).length;
    await yieldToEventLoop();
  }
  return removed;
}

/** Removes slice after slice until there is nothing more to find, or nothing of what was found could be removed. */
async function sweepSlices<Row>(
  { database, commits, goOn }: RetentionDeps,
  find: Statement<{ before: number; limit: number }, Row>,
  before: number,
  remove: (sql: Sql, rows: readonly Row[]) => Promise<number>,
): Promise<number> {
  let removed = 0;
  while (goOn()) {
    const rows = await database.reads.all(find, { before, limit: SLICE });
    if (rows.length === 0) break;
    const gone = await commits.run((sql) => remove(sql, rows), rows.length);
    if (gone === 0) break;
    removed += gone;
    await yieldToEventLoop();
  }
  return removed;
}

async function removeOutboundRows(sql: Sql, rows: readonly { message_id: string }[]): Promise<number> {
  const ids = rows.map(({ message_id }) => message_id);
  const gone = (await sql.allOf(removeOutbound, {}, ids)).map(({ message_id }) => message_id);
  await forgetAttempts(sql, gone);
  return gone.length + (await forgetParts(sql, gone));
}

async function removeConfirmedRows(sql: Sql, rows: readonly { id: number }[]): Promise<number> {
  const ids = rows.map(({ id }) => id);
  const gone = await sql.allOf(removeConfirmed, {}, ids);
  const days = new Map<string, { gateway_id: string; day: string; count: number }>();
  for (const { gateway_id, day } of gone) {
    const name = `${day} ${gateway_id}`;
    days.set(name, { gateway_id, day, count: (days.get(name)?.count ?? 0) + 1 });
  }
  for (const { count, ...day } of days.values()) await forgetReceived(sql, day, count);
  return gone.length;
}
