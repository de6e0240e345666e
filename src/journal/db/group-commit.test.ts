// Group commit: one transaction for what is asked for at the same moment, and no promise resolves before the work is durable.
import { expect, test } from 'vitest';
import { inboundMessage, later, place } from '../../../test/fixtures/journal.js';
import { manualClock } from '../../../test/fixtures/manual-clock.js';
import { committer } from '../db/group-commit.js';
import type { Database, Sql, Verdict, Work } from '../db/sql.js';

const unused = async () => {
  throw new Error('not asked for in this test');
};
const noSql: Sql = { all: unused, first: unused, run: unused, allOf: unused };

/** A database whose commits the test lets happen, one by one. */
function gated() {
  const batches: number[] = [];
  const gates: (() => void)[] = [];
  const database: Pick<Database, 'transaction'> = {
    async transaction(batch: readonly Work[]) {
      batches.push(batch.length);
      const verdicts: Verdict[] = [];
      for (const work of batch) {
        verdicts.push(
          await work(noSql).then(
            () => ({ is: 'done' }) as const,
            (error) => ({ is: 'failed', error }) as const,
          ),
        );
      }
      await new Promise<void>((resolve) => gates.push(resolve));
      return verdicts;
    },
  };
  const turn = () => new Promise<void>((resolve) => setImmediate(resolve));
  const untilGates = async (count: number) => {
    while (gates.length < count) await turn();
  };
  return { database, batches, gates, turn, untilGates };
}

test('what is asked for in one turn shares one transaction', async () => {
  const { database, batches, gates, untilGates } = gated();
  const commits = committer(database, manualClock());
  const results = Promise.all([
    commits.run(async () => 'a'),
    commits.run(async () => 'b'),
    commits.run(async () => 'c'),
  ]);
  await untilGates(1);
  gates[0]?.();
  expect(await results).toEqual(['a', 'b', 'c']);
  expect(batches).toEqual([3]);
});

test('nothing resolves before its transaction is committed, and what comes meanwhile waits for the next one', async () => {
  const { database, batches, gates, turn, untilGates } = gated();
  const commits = committer(database, manualClock());
  const done: string[] = [];
  const first = commits.run(async () => {}).then(() => done.push('first'));
  await untilGates(1);
  const second = commits.run(async () => {}).then(() => done.push('second'));
  await turn();
  expect(done).toEqual([]);
  gates[0]?.();
  await first;
  await untilGates(2);
  expect(done).toEqual(['first']);
  gates[1]?.();
  await second;
  expect(batches).toEqual([1, 1]);
});

test('one transaction is bounded by the weight of what is in it', async () => {
  const { database, batches, gates, untilGates } = gated();
  const commits = committer(database, manualClock());
  const all = Promise.all([600, 600, 300, 5_000, 1].map((weight) => commits.run(async () => {}, weight)));
  for (let count = 1; count <= 4; count++) {
    await untilGates(count);
    gates[count - 1]?.();
  }
  await all;
  expect(batches).toEqual([1, 2, 1, 1]);
});

test('a commit that fails rejects all that was in it, and the next one works again', async () => {
  let failing = true;
  const failingAtFirst: Pick<Database, 'transaction'> = {
    async transaction(batch) {
      if (failing) throw new Error('no room');
      for (const work of batch) await work(noSql);
      return batch.map(() => ({ is: 'done' }));
    },
  };
  const commits = committer(failingAtFirst, manualClock());
  const results = await Promise.allSettled([commits.run(async () => 1), commits.run(async () => 2)]);
  expect(results.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  failing = false;
  expect(await commits.run(async () => 3)).toBe(3);
});

test('closing waits for what was asked for and takes nothing more', async () => {
  const { database, gates, untilGates } = gated();
  const commits = committer(database, manualClock());
  const done: string[] = [];
  const last = commits.run(async () => {}).then(() => done.push('work'));
  const closed = commits.close().then(() => done.push('closed'));
  await expect(commits.run(async () => {})).rejects.toMatchObject({ code: 'journal/closed' });
  await untilGates(1);
  gates[0]?.();
  await Promise.all([last, closed]);
  expect(done).toEqual(['work', 'closed']);
});

test('an operation that fails, fails alone and leaves nothing behind', async () => {
  const { open, rows } = place();
  // The third is given the requestId of the first, also when the work is done once more with care.
  const guids = ['r-1', 'r-2', 'r-1', 'r-2', 'r-1', 'r-3'];
  const journal = await open({ guid: () => guids.shift() ?? '' });
  await journal.open(inboundMessage('first'));
  const results = await Promise.allSettled([
    journal.open(inboundMessage('before')),
    journal.open(inboundMessage('broken')),
    journal.open(inboundMessage('after')),
  ]);
  expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  expect([...(await journal.recordsOf('in', ['before', 'broken', 'after'])).keys()].sort()).toEqual([
    'after',
    'before',
  ]);
  expect(rows("select * from delivery_log where subject = 'broken'")).toEqual([]);
  expect(rows('select received from reconciliation')).toEqual([{ received: 3 }]);
});

test('a disk that is full rejects every operation of the transaction, nothing of it happened, and what was there stays', async () => {
  const { open, rows, path } = place();
  const small = await open({ maxBytes: 400 * 1024 });
  await small.open(inboundMessage('early'));
  const many = Array.from({ length: 300 }, (_, index) => inboundMessage(`m${index}`, { subject: 'x'.repeat(4_000) }));
  const results = await Promise.allSettled(many.map((each) => small.open(each)));
  const failed = results.filter((result) => result.status === 'rejected');
  expect(failed.length).toBeGreaterThan(0);
  expect(failed[0]?.reason).toMatchObject({ code: 'journal/disk-full', message: expect.stringContaining(path) });
  const stored = results.flatMap((result, index) => (result.status === 'fulfilled' ? [`m${index}`] : []));
  const there = rows("select key from inbound_messages where key <> 'early' order by id").map(({ key }) => key);
  expect(there).toEqual(stored);
  expect(rows('select sum(received) as received from reconciliation')).toEqual([{ received: stored.length + 1 }]);
  await small.close();

  const journal = await open();
  later(() => journal.close());
  expect((await journal.open(inboundMessage('early'))).state).toBe('pending');
  await journal.open(inboundMessage('m299'));
});
