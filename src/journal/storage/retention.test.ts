// Old rows are removed; whatever is not settled stays, with its log entries.
import { expect, test } from 'vitest';
import { acknowledged, DAY, inboundMessage, outboundMessage, place } from '../../../test/fixtures/journal.js';

const DAYS = { logDays: 10, orderDays: 20, attachmentDays: 5 };

async function confirmedInboundMessage(journal: Awaited<ReturnType<ReturnType<typeof place>['open']>>, key: string) {
  const { id } = await acknowledged(journal, key, {
    attachments: [{ id: `link-${key}`, name: 'a', type: 'b', bytes: Buffer.from(key) }],
  });
  await journal.confirmed([id]);
}

async function settledOutboundMessage(journal: Awaited<ReturnType<ReturnType<typeof place>['open']>>, id: string) {
  await journal.accept(outboundMessage(id));
  await journal.beginAttempt(id, `${id}@shop.example`);
  await journal.recordOutcome(id, 1, { kind: 'sent', deliverySystemId: `${id}@shop.example` });
}

test('attachments, log, outbound messages and receipts go when their time has come, one after the other', async () => {
  const { open, clock, rows } = place();
  const journal = await open();
  await confirmedInboundMessage(journal, '1');
  await settledOutboundMessage(journal, 'a');
  await journal.answered('a', null);
  const left = () =>
    ['attachments', 'delivery_log', 'outbound_messages', 'inbound_messages', 'reconciliation'].map(
      (table) => rows(`select * from ${table}`).length,
    );
  expect(await journal.sweep(DAYS)).toEqual({ removed: 0 });
  expect(left()).toEqual([1, 7, 1, 1, 1]);
  await clock.advance(6 * DAY);
  expect(await journal.sweep(DAYS)).toEqual({ removed: 2 });
  expect(left()).toEqual([0, 7, 1, 1, 1]);
  await clock.advance(5 * DAY);
  expect(await journal.sweep(DAYS)).toEqual({ removed: 7 });
  expect(left()).toEqual([0, 0, 1, 1, 1]);
  await clock.advance(10 * DAY);
  await journal.sweep(DAYS);
  expect(left()).toEqual([0, 0, 0, 1, 1]);
  await clock.advance(78 * DAY);
  await journal.sweep(DAYS);
  expect(left()).toEqual([0, 0, 0, 1, 1]);
  await clock.advance(2 * DAY);
  await journal.sweep(DAYS);
  expect(left()).toEqual([0, 0, 0, 0, 0]);
});

test('what is open, unconfirmed, quarantined, without outcome or owed an answer stays, with its log and attachments', async () => {
  const { open, clock } = place();
  const journal = await open();
  const attachments = (id: string) => [{ id, name: 'a', type: 'b', bytes: Buffer.from(id) }];
  await journal.open(inboundMessage('open', { attachments: attachments('link-open') }));
  await acknowledged(journal, 'unconfirmed', { attachments: attachments('link-unconfirmed') });
  const { id } = await journal.open(inboundMessage('quarantined', { attachments: attachments('link-quarantined') }));
  await journal.quarantine(id, 'no', Buffer.from('raw'));
  await journal.skip('in', [{ key: 'ignored', fingerprint: 'x' }]);
  await settledOutboundMessage(journal, 'owing');
  await journal.accept(outboundMessage('accepted'));
  for (const open of ['begun', 'unknown']) {
    await journal.accept(outboundMessage(open));
    await journal.beginAttempt(open, 'x@y');
    await journal.answered(open, null);
  }
  await journal.recordOutcome('unknown', 1, { kind: 'unknown', detail: 'cut' });
  await clock.advance(3_000 * DAY);
  const before = await journal.entries({ limit: 1_000 });

  expect(await journal.sweep(DAYS)).toEqual({ removed: 0 });
  expect(await journal.entries({ limit: 1_000 })).toEqual(before);
  const known = await journal.recordsOf('in', ['open', 'unconfirmed', 'quarantined', 'ignored']);
  expect(known.size).toBe(4);
  expect(String(await journal.quarantinedRaw(id))).toBe('raw');
  for (const link of ['link-open', 'link-unconfirmed', 'link-quarantined'])
    expect(await journal.attachment(link)).not.toBeNull();
  for (const outboundMessage of ['owing', 'accepted', 'begun', 'unknown'])
    expect(await journal.outboundMessage(outboundMessage)).not.toBeNull();
  const [row] = await journal.reconciliation(0);
  expect(row).toMatchObject({ received: 3, delivered: 1, waiting: 1, quarantined: 1 });
});

test('a deferred message that comes again while its old row is removed has its attachments', async () => {
  const { open, clock } = place();
  const journal = await open();
  const again = inboundMessage('again', {
    attachments: [{ id: 'link', name: 'a', type: 'b', bytes: Buffer.from('x') }],
  });
  await journal.deferred((await journal.open(again)).id);
  await clock.advance((DAYS.logDays + 1) * DAY);
  const sweeping = journal.sweep(DAYS);
  await journal.open(again).catch(() => journal.open(again));
  await sweeping;
  expect(await journal.attachment('link')).not.toBeNull();
});

test('attachments of a message that waited in quarantine are stored for their whole time after the confirmation', async () => {
  const { open, clock } = place();
  const journal = await open();
  const attachments = [{ id: 'link', name: 'a', type: 'b', bytes: Buffer.from('x') }];
  const { id, requestId } = await journal.open(inboundMessage('waiting', { attachments }));
  await journal.quarantine(id, 'no', Buffer.from('raw'));
  await clock.advance(30 * DAY);
  await journal.requeue(id);
  expect(await journal.attachment('link')).toMatchObject({ waitedMs: Number.POSITIVE_INFINITY });
  await journal.acknowledge(requestId, { messageId: 'm', at: clock.now() });
  expect(await journal.attachment('link')).toMatchObject({ waitedMs: 30 * DAY });
  await journal.confirmed([id]);
  await clock.advance((DAYS.attachmentDays - 1) * DAY);
  await journal.sweep(DAYS);
  expect(await journal.attachment('link')).not.toBeNull();
  await clock.advance(2 * DAY);
  await journal.sweep(DAYS);
  expect(await journal.attachment('link')).toBeNull();
});

test('thousands of rows go in slices, and the reconciliation still adds up afterwards', async () => {
  const { open, clock } = place();
  const journal = await open();
  const records = await Promise.all(Array.from({ length: 1_700 }, (_, index) => acknowledged(journal, `${index}`)));
  await journal.confirmed(records.slice(0, 1_650).map(({ id }) => id));
  await clock.advance(101 * DAY);
  const sweeping = journal.sweep(DAYS);
  await journal.open(inboundMessage('meanwhile'));
  expect(await sweeping).toEqual({ removed: 1_650 * 3 + 1_650 });
  const rows = await journal.reconciliation(0);
  expect(rows.map(({ received, delivered, waiting }) => ({ received, delivered, waiting }))).toEqual([
    { received: 50, delivered: 50, waiting: 0 },
    { received: 1, delivered: 0, waiting: 1 },
  ]);
});

test('closing ends a sweep between two slices', async () => {
  const { open, clock } = place();
  const journal = await open();
  await Promise.all(Array.from({ length: 1_200 }, (_, index) => journal.note('in', 'I', `${index}`, 'x')));
  await clock.advance(50 * DAY);
  const sweeping = journal.sweep(DAYS).catch((error: unknown) => error);
  await journal.close();
  await sweeping;
  const left = (await (await open()).entries({ limit: 5_000 })).length;
  expect(left).toBeGreaterThan(0);
});
