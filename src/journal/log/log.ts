import { sql } from 'kysely';
import type { Clock } from '../../kit/clock.js';
import type { Committer } from '../db/group-commit.js';
import { type Sql, type Statement, statement } from '../db/sql.js';
import type { DeliveryLog, LogFilter } from '../types/log.js';
import { type EventRow, entryFrom, writeEvent } from './events.js';

/** A larger `limit` is cut to this. */
const MOST_ENTRIES = 10_000;

export function notes(commits: Committer, clock: Clock): Pick<DeliveryLog, 'note'> {
  return {
    note: (gatewayId, direction, subject, detail) =>
      commits.run((writes) =>
        writeEvent(writes, {
          at: clock.now(),
          gatewayId,
          direction,
          event: 'note',
          subject,
          inboundId: null,
          deliverySystemId: null,
          messageId: null,
          remoteAddress: null,
          detail,
        }),
      ),
  };
}

type EntryQuery = Required<LogFilter>;

/** Oldest first. With `after` the next ones from there, else the newest `limit` of those that match. */
export function entries(reads: Sql): DeliveryLog['entries'] {
  const statementFor = entryStatements();
  return async (filter) => {
    const rows = await reads.all(statementFor(filter), {
      gatewayId: filter.gatewayId ?? '',
      event: filter.event ?? '',
      since: filter.since ?? 0,
      until: filter.until ?? 0,
      after: filter.after ?? 0,
      limit: Math.max(0, Math.min(MOST_ENTRIES, Math.floor(filter.limit))),
    });
    const found = rows.map(entryFrom);
    return filter.after === undefined ? found.reverse() : found;
  };
}

const newestId = statement<Record<string, never>>()((db) =>
  db.selectFrom('delivery_log').select('id').orderBy('id', 'desc').limit(1),
);

export async function lastEntryId(reads: Sql): Promise<number> {
  return (await reads.first(newestId, {}))?.id ?? 0;
}

const FILTERS = ['gatewayId', 'event', 'since', 'until', 'after'] as const;

/** One statement for each set of filters, 32 at most. An absent filter stays out of the SQL: even a condition that is always true
 *  would make SQLite choose that column's index instead of reading in order. */
function entryStatements(): (filter: LogFilter) => Statement<EntryQuery, EventRow> {
  const made = new Map<string, Statement<EntryQuery, EventRow>>();
  return (filter) => {
    const given = (name: keyof LogFilter) => filter[name] !== undefined;
    const name = FILTERS.map(given).join();
    const statement = made.get(name) ?? (given('after') ? followingStatement(given) : newestStatement(given));
    made.set(name, statement);
    return statement;
  };
}

type Given = (name: keyof LogFilter) => boolean;

const newestStatement = (given: Given) =>
  statement<EntryQuery>()((db, slot) =>
    db
      .selectFrom('delivery_log')
      .selectAll()
      .$if(given('gatewayId'), (query) => query.where('gateway_id', '=', slot('gatewayId')))
      .$if(given('event'), (query) => query.where('event', '=', slot('event')))
      .$if(given('since'), (query) => query.where('at', '>=', slot('since')))
      .$if(given('until'), (query) => query.where('at', '<=', slot('until')))
      .orderBy('at', 'desc')
      .orderBy('id', 'desc')
      .limit(slot('limit')),
  );

// Few rows are newer than the last one seen. Written as expressions, the other columns keep the database from fetching all
// rows of a gateway by its index and sorting them, every second.
const followingStatement = (given: Given) =>
  statement<EntryQuery>()((db, slot) =>
    db
      .selectFrom('delivery_log')
      .selectAll()
      .where('id', '>', slot('after'))
      .$if(given('gatewayId'), (query) => query.where(sql<string>`gateway_id || ''`, '=', slot('gatewayId')))
      .$if(given('event'), (query) => query.where(sql<string>`event || ''`, '=', slot('event')))
      .$if(given('since'), (query) => query.where(sql<number>`at + 0`, '>=', slot('since')))
      .$if(given('until'), (query) => query.where(sql<number>`at + 0`, '<=', slot('until')))
      .orderBy('id', 'asc')
      .limit(slot('limit')),
  );
