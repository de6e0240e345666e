// Owns the small durable notes of drivers (cursors and the like): JSON under gateway, direction and name.

import { GatepostError } from '../../kit/errors.js';
import type { Committer } from '../db/group-commit.js';
import { type Sql, statement } from '../db/sql.js';
import type { Journal } from '../types/journal.js';

interface Place {
  gatewayId: string;
  direction: 'I' | 'O';
  name: string;
}

/** Characters of JSON: a cursor or a small table, not a store of its own. */
const LONGEST_VALUE = 1024 * 1024;

const select = statement<Place>()((db, slot) =>
  db
    .selectFrom('driver_checkpoints')
    .select('value')
    .where('gateway_id', '=', slot('gatewayId'))
    .where('direction', '=', slot('direction'))
    .where('name', '=', slot('name')),
);

const upsert = statement<Place & { value: string }>()((db, slot) =>
  db
    .insertInto('driver_checkpoints')
    .values({
      gateway_id: slot('gatewayId'),
      direction: slot('direction'),
      name: slot('name'),
      value: slot('value'),
    })
    .onConflict((conflict) =>
      conflict.columns(['gateway_id', 'direction', 'name']).doUpdateSet({ value: slot('value') }),
    ),
);

/** Under this name the connector notes what a gateway is called, so that whoever reads the log can show it. */
export const DISPLAY_NAME = 'displayName';

/** Under this one, which group's opt-outs a text gateway heeds; '' when it has a registry of its own. */
export const OPT_OUT_GROUP = 'optOutGroup';

const selectNoted = statement<{ name: string }>()((db, slot) =>
  db.selectFrom('driver_checkpoints').select(['gateway_id', 'value']).where('name', '=', slot('name')),
);

/** What the gateways are called, by id, as the server last named them. */
export function gatewayNames(reads: Sql): Promise<ReadonlyMap<string, string>> {
  return noted(reads, DISPLAY_NAME);
}

/** The opt-out groups of the gateways that are in one, by id. */
export async function optOutGroups(reads: Sql): Promise<ReadonlyMap<string, string>> {
  return new Map([...(await noted(reads, OPT_OUT_GROUP))].filter(([, group]) => group !== ''));
}

async function noted(reads: Sql, name: string): Promise<ReadonlyMap<string, string>> {
  const rows = await reads.all(selectNoted, { name });
  return new Map(rows.map(({ gateway_id, value }) => [gateway_id, String(JSON.parse(value))]));
}

export function memory(reads: Sql, commits: Committer): Pick<Journal, 'getCheckpoint' | 'putCheckpoint'> {
  return {
    async getCheckpoint(gatewayId, direction, name) {
      const row = await reads.first(select, { gatewayId, direction, name });
      if (!row) return undefined;
      const value: unknown = JSON.parse(row.value);
      return value;
    },
    async putCheckpoint(gatewayId, direction, name, value) {
      const text = JSON.stringify(value) ?? 'null';
      if (text.length > LONGEST_VALUE) {
        throw new GatepostError(
          'journal/too-large',
          `the note "${name}" of gateway ${gatewayId} has ${text.length} characters`,
          {
            advice: `A driver may note ${LONGEST_VALUE} at most.`,
          },
        );
      }
      await commits.run((sql) => sql.run(upsert, { gatewayId, direction, name, value: text }));
    },
  };
}
