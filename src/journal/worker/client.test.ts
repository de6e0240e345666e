// The journal as the service uses it: the same operations, on a thread of its own.
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { inboundMessage, later, place } from '../../../test/fixtures/journal.js';
import { manualClock } from '../../../test/fixtures/manual-clock.js';
import { silentLog } from '../../kit/log.js';
import { openJournalThread } from './client.js';

async function opened(url: string) {
  const journal = await openJournalThread(url, { clock: manualClock(), log: silentLog });
  later(() => journal.close());
  return journal;
}

test('operations work over the thread as they do here: records, maps, attachments, and what is there after closing', async () => {
  const here = place();
  const journal = await opened(here.url);
  const bytes = Buffer.alloc(100_000, 'x');
  // A view on a larger memory: the caller's memory must still be whole afterwards.
  const view = bytes.subarray(10, 60_010);
  const attachments = [{ id: 'a', name: 'a.txt', type: 'text/plain', bytes: view }];
  const record = await journal.open(inboundMessage('1', { attachments }));
  expect(bytes.length).toBe(100_000);
  const found = await journal.attachment('a');
  expect(found && readFileSync(found.path).length).toBe(60_000);
  await journal.acknowledge(record.requestId, { messageId: null, at: 1 });
  await journal.confirmed([record.id]);
  expect((await journal.recordsOf('in', ['1', '2'])).get('1')?.state).toBe('confirmed');
  await journal.close();
  const again = await here.open();
  expect((await again.recordsOf('in', ['1'])).get('1')?.state).toBe('confirmed');
});

test('operations asked for in one turn are each answered with their own result', async () => {
  const journal = await opened(place().url);
  const records = await Promise.all(Array.from({ length: 200 }, (_, at) => journal.open(inboundMessage(String(at)))));
  expect(records.map(({ key }) => key)).toEqual(Array.from({ length: 200 }, (_, at) => String(at)));
});

test('after the end of the thread an operation rejects instead of waiting for ever', async () => {
  const journal = await opened(place().url);
  await journal.close();
  await expect(journal.outboundMessage('a')).rejects.toMatchObject({ code: 'journal/closed' });
});

test('a fault keeps its code, its sentence and its advice', async () => {
  const here = place();
  const journal = await opened(here.url);
  await expect(opened(here.url)).rejects.toMatchObject({
    code: 'journal/busy',
    advice: expect.stringContaining('Stop'),
  });
  await expect(journal.beginAttempt('99999999-9999-4999-8999-999999999999', 'x')).rejects.toThrow();
});
