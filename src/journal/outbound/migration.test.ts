// A journal of the version before attempts had rows of their own, with a message in every state.
import { DatabaseSync } from '@photostructure/sqlite';
import { Migrator } from 'kysely';
import { expect, test } from 'vitest';
import { outboundMessage, place } from '../../../test/fixtures/journal.js';
import { migrations, sqliteDialect } from '../db/migrations/index.js';
import { kyselyOver } from '../db/sqlite.js';

const OLD: [
  id: string,
  state: string,
  attempts: number,
  taken: string,
  owner: string | null,
  now: string,
  repeat: string,
][] = [
  ['new', 'accepted', 0, '[]', 'gone', 'accepted', 'retry'],
  ['again', 'accepted', 2, '[]', 'gone', 'failed', 'retry'],
  ['again-partly', 'accepted', 2, '["a@x"]', 'gone', 'partial', 'retry'],
  ['running', 'begun', 1, '[]', 'gone', 'unknown', 'unknown'],
  ['sent', 'sent', 1, '[]', null, 'sent', 'already-sent'],
  ['partly', 'partial', 1, '["a@x"]', null, 'partial', 'retry'],
  ['failed', 'failed', 3, '[]', null, 'failed', 'retry'],
  ['never-begun', 'failed', 0, '[]', null, 'failed', 'retry'],
  ['unknown', 'unknown', 1, '[]', null, 'unknown', 'unknown'],
];

test('every state of the old version goes on as what it means now', async () => {
  const { open, path } = place();
  const database = new DatabaseSync(path);
  const old = Object.fromEntries(Object.entries(migrations(sqliteDialect)).slice(0, 2));
  await new Migrator({ db: kyselyOver(database), provider: { getMigrations: async () => old } }).migrateToLatest();
  for (const [id, state, attempts, taken, owner] of OLD)
    database
      .prepare(
        `insert into orders (message_id, gateway_id, state, attempts, delivery_system_id, detail, taken, first_begun_at,
           remote_address, subject, bytes, asked, answered, asked_at, changed_at, owner)
         values (?, 'out', ?, ?, 'd@x', 'old words', ?, 5, 'a@x', '', 1, 1, 1, 5, 6, ?)`,
      )
      .run(id, state, attempts, taken, owner);
  database.close();
  const journal = await open();
  await journal.reclaimAbandoned(0);
  for (const [id, , attempts, taken, , now, repeat] of OLD) {
    const record = await journal.outboundMessage(id);
    expect(record, id).toMatchObject({ state: now, acceptedRecipients: JSON.parse(taken), firstAttemptAt: 5 });
    expect(record?.attempts.length, id).toBe(now === 'accepted' ? 0 : 1);
    if (attempts > 0) expect(record?.attempts[0]?.number, id).toBe(attempts);
    expect((await journal.accept(outboundMessage(id))).kind, id).toBe(repeat);
  }
  expect((await journal.unresolved()).map(({ messageId }) => messageId).sort()).toEqual(['running', 'unknown']);
});
