// A journal of the version before the present vocabulary, killed in the middle of its work with messages in every state.
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DatabaseSync } from '@photostructure/sqlite';
import { expect, test } from 'vitest';
import { inboundMessage, only, outboundMessage, place } from '../../test/fixtures/journal.js';

const DUMP = fileURLToPath(new URL('../../test/fixtures/journal-0002.sql', import.meta.url));
const FILES = ['attachment', 'raw of quarantined', 'raw of released', 'raw of spooled'];
const hex = (number: number) => `00000000-0000-4000-8000-${String(number).padStart(12, '0')}`;

function oldJournal() {
  const where = place();
  const database = new DatabaseSync(where.path);
  database.exec(readFileSync(DUMP, 'utf8'));
  database.close();
  for (const content of FILES) {
    const hash = createHash('sha256').update(content).digest('hex');
    const folder = join(where.dir, 'attachments', hash.slice(0, 2));
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, hash), content);
  }
  return where;
}

test('every row of an old journal is there under the new words', async () => {
  const { open, rows } = oldJournal();
  const journal = await open();
  const states = (sql: string) => Object.fromEntries(rows(sql).map(({ key, state }) => [key, state]));
  expect(states('select key, state from inbound_messages')).toEqual({
    ignored: 'skipped',
    open: 'pending',
    acknowledged: 'acknowledged',
    confirmed: 'confirmed',
    quarantined: 'quarantined',
    released: 'pending',
    postponed: 'pending',
    spooled: 'pending',
    'renamed-to': 'pending',
  });
  expect(states('select message_id as key, state from outbound_messages')).toEqual({
    [hex(101)]: 'accepted',
    [hex(102)]: 'sending',
    [hex(103)]: 'sent',
    [hex(104)]: 'partial',
    [hex(105)]: 'failed',
    [hex(106)]: 'unknown',
  });
  expect(rows('select distinct event from delivery_log order by event').map(({ event }) => event)).toEqual(
    expect.arrayContaining(['deferred', 'dispatched', 'rejected', 'requeued', 'rekeyed', 'requested']),
  );
  expect(
    rows("select 1 from delivery_log where event in ('handed', 'refused', 'postponed', 'released', 'ordered')"),
  ).toEqual([]);
  expect(await journal.getCheckpoint('in', 'I', 'cursor')).toEqual({ uid: 12 });
  expect(await journal.listRecords('in', 'parts', '', 9)).toMatchObject([{ key: 'k1', value: { order: 7, part: 1 } }]);
  expect((await journal.optOuts()).map(({ source }) => source).sort()).toEqual(['keyword', 'operator']);
  expect(rows('select provider_id from unmatched_receipts')).toEqual([{ provider_id: 'early-id' }]);
  expect(await journal.attachment('link-open')).toMatchObject({ name: 'a.txt', size: 10 });
  for (const { received, delivered, waiting, quarantined } of await journal.reconciliation(0))
    expect(received).toBe(delivered + waiting + quarantined);
});

test('inbound work goes on where the old version stopped', async () => {
  const { open } = oldJournal();
  const journal = await open();
  const known = await journal.recordsOf('in', ['open', 'quarantined', 'released']);
  const pending = known.get('open');
  const serverFields = {
    DeliverySystemId: 'made anew',
    RemoteAddress: 'x',
    ReceivedSentTime: '2026-11-22T10:00:00.000Z',
  };
  const opened = await journal.open(inboundMessage('open', { serverFields }));
  expect(opened).toMatchObject({
    requestId: pending?.requestId,
    deliverySystemId: 'open@customers.example',
    serverFields,
  });
  expect(await journal.open(inboundMessage('open', { serverFields: { ...serverFields, RemoteAddress: 'y' } }))).toEqual(
    opened,
  );
  await journal.acknowledge(opened.requestId, { messageId: 'm', at: 1 });

  const [released] = await journal.requeued('in');
  expect(released).toMatchObject({ key: 'released', spooled: false });
  expect(String(await journal.quarantinedRaw(released?.id ?? 0))).toBe('raw of released');
  expect(only(await journal.requeued('sms'))).toMatchObject({ key: 'spooled', spooled: true });
  expect(await journal.requeue(known.get('quarantined')?.id ?? 0)).toMatchObject({ state: 'pending' });
  expect((await journal.requeued('in')).map(({ key }) => key).sort()).toEqual(['quarantined', 'released']);

  expect(await journal.open(inboundMessage('postponed'))).toMatchObject({ state: 'pending' });
  expect(await journal.settleAbsent('in', Number.MAX_SAFE_INTEGER, ['open'])).toBe(1);
  for (const { received, delivered, waiting, quarantined } of await journal.reconciliation(0))
    expect(received).toBe(delivered + waiting + quarantined);
});

test('outbound work goes on where the old version stopped', async () => {
  const { open } = oldJournal();
  const journal = await open();
  await journal.reclaimAbandoned(0);
  expect(await journal.outboundMessage(hex(102))).toMatchObject({ state: 'unknown' });
  expect(await journal.outboundMessage(hex(104))).toMatchObject({ state: 'partial' });
  expect(await journal.accept(outboundMessage(hex(103)))).toMatchObject({ outboundMessage: { state: 'sent' } });
  await journal.accept(outboundMessage('new'));
  expect(await journal.beginAttempt('new', 'new@shop.example')).toBe(1);
});
