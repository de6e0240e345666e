import { type Sql, statement } from './sql.js';

/** `owner`: the process that has the journal open, '' after a clean end. `proven`: when it was last shown to be writable. */
export type MetaName = 'owner' | 'proven';

const select = statement<{ name: MetaName }>()((db, slot) =>
  db.selectFrom('journal_meta').select('value').where('name', '=', slot('name')),
);

const upsert = statement<{ name: MetaName; value: string }>()((db, slot) =>
  db
    .insertInto('journal_meta')
    .values({ name: slot('name'), value: slot('value') })
    .onConflict((conflict) => conflict.column('name').doUpdateSet({ value: slot('value') })),
);

export async function readMeta(reads: Sql, name: MetaName): Promise<string | undefined> {
  return (await reads.first(select, { name }))?.value;
}

export async function writeMeta(sql: Sql, name: MetaName, value: string): Promise<void> {
  await sql.run(upsert, { name, value });
}
