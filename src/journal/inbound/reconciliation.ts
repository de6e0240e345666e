// `received` is counted when a message is opened, apart from the messages themselves; what became of them is counted from the
// messages. So a row that got lost shows as a sum that does not add up.
import { isoTime } from '../../kit/clock.js';
import type { InboundState } from '../../model/state.js';
import { type Sql, statement } from '../db/sql.js';
import { unsettled } from '../db/tables.js';
import type { GatewayBacklog, ReconciliationRow } from '../types/inbound.js';
import type { InboundRow } from './rows.js';

type Day = Pick<InboundRow, 'gateway_id' | 'day'>;

const addReceived = statement<Day>()((db, slot) =>
  db
    .insertInto('reconciliation')
    .values({ gateway_id: slot('gateway_id'), day: slot('day'), received: 1, duplicates: 0 })
    .onConflict((conflict) =>
      conflict
        .columns(['day', 'gateway_id'])
        .doUpdateSet(({ eb }) => ({ received: eb('reconciliation.received', '+', 1) })),
    ),
);

const addDuplicate = statement<Day>()((db, slot) =>
  db
    .updateTable('reconciliation')
    .set(({ eb }) => ({ duplicates: eb('duplicates', '+', 1) }))
    .where('day', '=', slot('day'))
    .where('gateway_id', '=', slot('gateway_id')),
);

const subtractReceived = statement<Day & { count: number }>()((db, slot) =>
  db
    .updateTable('reconciliation')
    .set(({ eb }) => ({ received: eb('received', '-', slot('count')) }))
    .where('day', '=', slot('day'))
    .where('gateway_id', '=', slot('gateway_id')),
);

const removeEmpty = statement<Day>()((db, slot) =>
  db
    .deleteFrom('reconciliation')
    .where('day', '=', slot('day'))
    .where('gateway_id', '=', slot('gateway_id'))
    .where('received', '<=', 0),
);

export async function countReceived(sql: Sql, day: Day): Promise<void> {
  await sql.run(addReceived, { gateway_id: day.gateway_id, day: day.day });
}

/** A deferred message leaves both sides of the sum; `countReceived` takes it back in. */
export async function uncountReceived(sql: Sql, day: Day): Promise<void> {
  await forgetReceived(sql, day, 1);
}

export async function countDuplicate(sql: Sql, day: Day): Promise<void> {
  await sql.run(addDuplicate, { gateway_id: day.gateway_id, day: day.day });
}

/** `count` messages of that day were removed by retention: they leave both sides of the sum. */
export async function forgetReceived(sql: Sql, day: Day, count: number): Promise<void> {
  const of = { gateway_id: day.gateway_id, day: day.day };
  await sql.run(subtractReceived, { ...of, count });
  await sql.run(removeEmpty, of);
}

const receivedPerDay = statement<{ since: string }>()((db, slot) =>
  db.selectFrom('reconciliation').selectAll().where('day', '>=', slot('since')).orderBy('day').orderBy('gateway_id'),
);

const statesPerDay = statement<{ since: string }>()((db, slot) =>
  db
    .selectFrom('inbound_messages')
    .select(['gateway_id', 'day', 'state'])
    .select(({ fn }) => fn.countAll<number>().as('count'))
    .where('day', '>=', slot('since'))
    .where('state', '<>', 'skipped')
    .where('deferred_at', 'is', null)
    .groupBy(['day', 'gateway_id', 'state']),
);

const COLUMN: Record<InboundState, 'delivered' | 'waiting' | 'quarantined' | null> = {
  pending: 'waiting',
  acknowledged: 'delivered',
  confirmed: 'delivered',
  quarantined: 'quarantined',
  skipped: null,
};

/** By day, then gateway; the day that `since` (ms) falls on is the first. */
export async function reconciliation(reads: Sql, since: number): Promise<ReconciliationRow[]> {
  const from = { since: isoTime(since).slice(0, 10) };
  const rows = new Map<string, ReconciliationRow>();
  for (const { gateway_id, day, received, duplicates } of await reads.all(receivedPerDay, from)) {
    rows.set(nameOf(day, gateway_id), { ...emptyRow(gateway_id, day), received, duplicates });
  }
  for (const { gateway_id, day, state, count } of await reads.all(statesPerDay, from)) {
    const row = rows.get(nameOf(day, gateway_id)) ?? emptyRow(gateway_id, day);
    rows.set(nameOf(day, gateway_id), row);
    const column = COLUMN[state];
    if (column) row[column] += count;
  }
  return [...rows.values()];
}

const nameOf = (day: string, gatewayId: string) => `${day} ${gatewayId}`;

function emptyRow(gatewayId: string, day: string): ReconciliationRow {
  return { gatewayId, day, received: 0, delivered: 0, waiting: 0, quarantined: 0, duplicates: 0 };
}

const unsettledCounts = statement<object>()((db) =>
  db
    .selectFrom('inbound_messages')
    .select(['gateway_id', 'state'])
    .select(({ fn }) => [fn.countAll<number>().as('count'), fn.min('received_at').as('oldest')])
    .where(unsettled)
    .where('deferred_at', 'is', null)
    .groupBy(['gateway_id', 'state'])
    .orderBy('gateway_id'),
);

/** Gateways with nothing unsettled are left out. */
export async function backlog(reads: Sql): Promise<GatewayBacklog[]> {
  const gateways = new Map<string, GatewayBacklog>();
  for (const { gateway_id: gatewayId, state, count, oldest } of await reads.all(unsettledCounts, {})) {
    const row = gateways.get(gatewayId) ?? {
      gatewayId,
      pending: 0,
      unconfirmed: 0,
      quarantined: 0,
      oldestPendingAt: null,
    };
    gateways.set(gatewayId, row);
    if (state === 'pending') {
      row.pending = count;
      row.oldestPendingAt = oldest;
    }
    if (state === 'acknowledged') row.unconfirmed = count;
    if (state === 'quarantined') row.quarantined = count;
  }
  return [...gateways.values()];
}
