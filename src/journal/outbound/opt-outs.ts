import type { Committer } from '../db/group-commit.js';
import { type Sql, statement } from '../db/sql.js';
import { oneLine } from '../log/events.js';
import type { OptOut, OptOuts } from '../types/opt-outs.js';

const insert = statement<{ [Name in keyof OptOut]: OptOut[Name] }>()((db, slot) =>
  db
    .insertInto('opt_outs')
    .values({
      group_name: slot('group'),
      address: slot('address'),
      at: slot('at'),
      source: slot('source'),
      detail: slot('detail'),
    })
    .onConflict((conflict) => conflict.columns(['group_name', 'address']).doNothing()),
);

interface Entry {
  group: string;
  address: string;
}

const remove = statement<Entry>()((db, slot) =>
  db.deleteFrom('opt_outs').where('group_name', '=', slot('group')).where('address', '=', slot('address')),
);

const COLUMNS = ['group_name as group', 'address', 'at', 'source', 'detail'] as const;

const select = statement<Entry>()((db, slot) =>
  db
    .selectFrom('opt_outs')
    .select(COLUMNS)
    .where('group_name', '=', slot('group'))
    .where('address', '=', slot('address')),
);

const selectAll = statement<object>()((db) =>
  db.selectFrom('opt_outs').select(COLUMNS).orderBy('group_name').orderBy('address'),
);

const selectGroup = statement<{ group: string }>()((db, slot) =>
  db.selectFrom('opt_outs').select(COLUMNS).where('group_name', '=', slot('group')).orderBy('address'),
);

export function optOuts(reads: Sql, group?: string): Promise<OptOut[]> {
  return group === undefined ? reads.all(selectAll, {}) : reads.all(selectGroup, { group });
}

export function optOutRegistry(reads: Sql, commits: Committer): Omit<OptOuts, 'optOuts'> {
  return {
    optOut: (entry) =>
      commits.run(async (sql) => {
        const detail = entry.detail === null ? null : oneLine(entry.detail);
        return (await sql.run(insert, { ...entry, detail })) > 0;
      }),
    optIn: (group, address) => commits.run(async (sql) => (await sql.run(remove, { group, address })) > 0),
    optedOut: async (group, address) => (await reads.first(select, { group, address })) ?? null,
  };
}
