import type { Clock } from '../../kit/clock.js';
import { GatepostError } from '../../kit/errors.js';
import { type Committer, inSlices } from '../db/group-commit.js';
import { listStatement, type Sql, statement } from '../db/sql.js';
import type { DriverRecords } from '../types/driver-state.js';

interface Collection {
  gatewayId: string;
  collection: string;
}

/** Characters of JSON: a part of a message with everything around it, not a store of media. */
const LONGEST_VALUE = 256 * 1024;
/** Records returned at once, so that a driver does not hold up the event loop. */
const MOST_RECORDS = 10_000;

const insert = statement<Collection & { key: string; value: string; at: number }>()((db, slot) =>
  db
    .insertInto('driver_records')
    .values({
      gateway_id: slot('gatewayId'),
      collection: slot('collection'),
      key: slot('key'),
      value: slot('value'),
      at: slot('at'),
    })
    .onConflict((conflict) => conflict.columns(['gateway_id', 'collection', 'key']).doNothing()),
);

const select = statement<Collection & { from: string; to: string; limit: number }>()((db, slot) =>
  db
    .selectFrom('driver_records')
    .select(['key', 'value', 'at'])
    .where('gateway_id', '=', slot('gatewayId'))
    .where('collection', '=', slot('collection'))
    .where('key', '>=', slot('from'))
    .where('key', '<=', slot('to'))
    .orderBy('key')
    .limit(slot('limit')),
);

const remove = listStatement<Collection, string>()((db, slot, keys) =>
  db
    .deleteFrom('driver_records')
    .where('gateway_id', '=', slot('gatewayId'))
    .where('collection', '=', slot('collection'))
    .where('key', 'in', keys)
    .returning('key'),
);

export function driverRecords(reads: Sql, commits: Committer, clock: Clock): DriverRecords {
  return {
    async putRecords(gatewayId, collection, records) {
      const at = clock.now();
      const rows = records.map(({ key, value }) => ({ key, value: textOf(gatewayId, collection, key, value) }));
      await inSlices(commits, rows, async (sql, row) => {
        await sql.run(insert, { gatewayId, collection, ...row, at });
      });
    },
    async listRecords(gatewayId, collection, prefix, limit) {
      const most = Math.max(0, Math.min(MOST_RECORDS, Math.floor(limit)));
      const range = { from: prefix, to: `${prefix}\u{10FFFF}`, limit: most };
      const rows = await reads.all(select, { gatewayId, collection, ...range });
      return rows.map(({ key, value, at }) => ({ key, value: parsed(value), at }));
    },
    deleteRecords: (gatewayId, collection, keys) =>
      commits.run(async (sql) => {
        await sql.allOf(remove, { gatewayId, collection }, keys);
      }, keys.length),
  };
}

function parsed(text: string): unknown {
  return JSON.parse(text);
}

function textOf(gatewayId: string, collection: string, key: string, value: unknown): string {
  const text = JSON.stringify(value) ?? 'null';
  if (text.length <= LONGEST_VALUE) return text;
  throw new GatepostError(
    'journal/too-large',
    `the record "${key}" in "${collection}" of gateway ${gatewayId} has ${text.length} characters`,
    { advice: `A record may have ${LONGEST_VALUE} at most.` },
  );
}
