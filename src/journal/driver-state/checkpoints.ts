import { GatepostError } from '../../kit/errors.js';
import type { Committer } from '../db/group-commit.js';
import { type Sql, statement } from '../db/sql.js';
import type { Journal } from '../types/journal.js';

interface Checkpoint {
  gatewayId: string;
  direction: 'I' | 'O';
  name: string;
}

/** Characters of JSON: a cursor or a small table, not a store of its own. */
const LONGEST_VALUE = 1024 * 1024;

const select = statement<Checkpoint>()((db, slot) =>
  db
    .selectFrom('driver_checkpoints')
    .select('value')
    .where('gateway_id', '=', slot('gatewayId'))
    .where('direction', '=', slot('direction'))
    .where('name', '=', slot('name')),
);

const upsert = statement<Checkpoint & { value: string }>()((db, slot) =>
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

/** Checkpoint with the display name of a gateway, for the command line. */
export const DISPLAY_NAME = 'displayName';

/** Checkpoint with the opt-out group of a text gateway; '' when the gateway has opt-outs of its own. */
export const OPT_OUT_GROUP = 'optOutGroup';

const selectByName = statement<{ name: string }>()((db, slot) =>
  db.selectFrom('driver_checkpoints').select(['gateway_id', 'value']).where('name', '=', slot('name')),
);

/** Display names by gateway id, as the server last gave them. */
export function gatewayNames(reads: Sql): Promise<ReadonlyMap<string, string>> {
  return valuesByGateway(reads, DISPLAY_NAME);
}

/** The opt-out groups of the gateways that are in one, by id. */
export async function optOutGroups(reads: Sql): Promise<ReadonlyMap<string, string>> {
  return new Map([...(await valuesByGateway(reads, OPT_OUT_GROUP))].filter(([, group]) => group !== ''));
}

async function valuesByGateway(reads: Sql, name: string): Promise<ReadonlyMap<string, string>> {
  const rows = await reads.all(selectByName, { name });
  return new Map(rows.map(({ gateway_id, value }) => [gateway_id, String(JSON.parse(value))]));
}

export function driverCheckpoints(reads: Sql, commits: Committer): Pick<Journal, 'getCheckpoint' | 'putCheckpoint'> {
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
          `the checkpoint "${name}" of gateway ${gatewayId} has ${text.length} characters`,
          {
            advice: `A checkpoint may have ${LONGEST_VALUE} at most.`,
          },
        );
      }
      await commits.run((sql) => sql.run(upsert, { gatewayId, direction, name, value: text }));
    },
  };
}
