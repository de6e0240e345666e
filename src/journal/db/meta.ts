// Owns single facts about the journal itself: who has it open, and that it can be written.
import { type Sql, statement } from './sql.js';

/** `owner`: who has it open, '' after a clean end. `proven`: when it was last shown to be writable. */
export type FactName = 'owner' | 'proven';

const select = statement<{ name: FactName }>()((db, slot) =>
  db.selectFrom('facts').select('value').where('name', '=', slot('name')),
);

const upsert = statement<{ name: FactName; value: string }>()((db, slot) =>
  db
    .insertInto('facts')
    .values({ name: slot('name'), value: slot('value') })
    .onConflict((conflict) => conflict.column('name').doUpdateSet({ value: slot('value') })),
);

export async function readFact(reads: Sql, name: FactName): Promise<string | undefined> {
  return (await reads.first(select, { name }))?.value;
}

export async function writeFact(sql: Sql, name: FactName, value: string): Promise<void> {
  await sql.run(upsert, { name, value });
}
