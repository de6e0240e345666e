// Counterparties that cannot wait, and those that were told to come again.
import { describe, expect, test } from 'vitest';
import { acknowledged, DAY, inboundMessage, only, place } from '../../../test/fixtures/journal.js';

const RETENTION = { logDays: 10, orderDays: 20, attachmentDays: 5 };
const raw = (text: string) => Buffer.from(text);

describe('a spooled message', () => {
  test('is pending and stored whole until the server has accepted it, also over a restart', async () => {
    const { open } = place();
    const journal = await open();
    const attachments = [{ id: 'link-1', name: 'a', type: 'b', bytes: raw('photo') }];
    const record = await journal.spool(inboundMessage('1', { attachments }), raw('the whole message'));
    expect(record).toMatchObject({ key: '1', state: 'pending' });
    await journal.close();

    const next = await open();
    expect(await next.requeued('in')).toEqual([record]);
    expect(await next.requeued('in-2')).toEqual([]);
    expect(String(await next.quarantinedRaw(record.id))).toBe('the whole message');
    expect(await next.attachment('link-1')).toMatchObject({ size: 5 });
    await next.sweep(RETENTION);
    expect(String(await next.quarantinedRaw(record.id))).toBe('the whole message');

    await next.acknowledge(record.requestId, { messageId: 'm', at: 1 });
    expect(await next.requeued('in')).toEqual([]);
    expect(await next.quarantinedRaw(record.id)).toBeNull();
  });

  test('counts once however often it is pushed, and its first form stays', async () => {
    const { open, clock } = place();
    const journal = await open();
    const [first, ...others] = await Promise.all(
      [1, 2, 3].map((n) => journal.spool(inboundMessage('1'), raw(`push ${n}`))),
    );
    expect(others).toEqual([first, first]);
    expect(await journal.open(inboundMessage('1', { subject: 'read again' }))).toEqual(first);
    expect(only(await journal.reconciliation(clock.now()))).toMatchObject({ received: 1, waiting: 1, duplicates: 0 });
    await journal.acknowledge(String(first?.requestId), { messageId: null, at: 1 });
    expect(await journal.spool(inboundMessage('1'), raw('push 4'))).toMatchObject({ state: 'acknowledged' });
    expect(await journal.quarantinedRaw(first?.id ?? 0)).toBeNull();
    expect(only(await journal.reconciliation(clock.now()))).toMatchObject({
      received: 1,
      delivered: 1,
      waiting: 0,
      duplicates: 1,
    });
  });

  test('gets the attachments that are made only when it is opened, and keeps those it has', async () => {
    const journal = await place().open();
    const made = (text: string) => [{ id: 'link-1', name: 'a', type: 'b', bytes: raw(text) }];
    const record = await journal.spool(inboundMessage('1'), raw('whole'));
    expect(await journal.open(inboundMessage('1', { attachments: made('pages') }))).toEqual(record);
    expect(await journal.attachment('link-1')).toMatchObject({ size: 5 });
    await journal.open(inboundMessage('1', { attachments: made('other pages') }));
    expect(await journal.attachment('link-1')).toMatchObject({ size: 5 });
    await journal.acknowledge(record.requestId, { messageId: 'm', at: 1 });
    await journal.open(
      inboundMessage('1', { attachments: [{ id: 'link-2', name: 'a', type: 'b', bytes: raw('late') }] }),
    );
    expect(await journal.attachment('link-2')).toBeNull();
  });

  test('that was pending without a stored raw message gets one', async () => {
    const journal = await place().open();
    const record = await journal.open(inboundMessage('1'));
    expect(await journal.spool(inboundMessage('1'), raw('whole'))).toEqual({ ...record, spooled: true });
    expect(await journal.requeued('in')).toEqual([{ ...record, spooled: true }]);
    expect(String(await journal.quarantinedRaw(record.id))).toBe('whole');
  });

  test('that the server accepts while it is being stored is not stored after all', async () => {
    const journal = await place().open();
    const { id, requestId } = await journal.open(inboundMessage('1'));
    const spooling = journal.spool(inboundMessage('1'), raw('whole'));
    await journal.acknowledge(requestId, { messageId: 'm', at: 1 });
    expect(await spooling).toMatchObject({ state: 'acknowledged' });
    expect(await journal.quarantinedRaw(id)).toBeNull();
  });

  test('can go to quarantine and come back', async () => {
    const { open, clock } = place();
    const journal = await open();
    const { id } = await journal.spool(inboundMessage('1'), raw('whole'));
    await journal.quarantine(id, 'rejected 8 times', raw('whole'));
    expect(await journal.requeued('in')).toEqual([]);
    expect(only(await journal.reconciliation(clock.now()))).toMatchObject({ received: 1, waiting: 0, quarantined: 1 });
    await journal.requeue(id);
    expect(await journal.requeued('in')).toMatchObject([{ id }]);
  });
});

describe('a deferred inbound message', () => {
  const sums = async (journal: Awaited<ReturnType<ReturnType<typeof place>['open']>>) => ({
    reconciliation: (await journal.reconciliation(0)).map(({ received, delivered, waiting, quarantined }) => [
      received,
      delivered,
      waiting,
      quarantined,
    ]),
    open: (await journal.backlog()).map(({ pending }) => pending),
  });

  test('is in neither side of the sum until it comes again', async () => {
    const { open } = place();
    const journal = await open();
    await acknowledged(journal, 'other');
    const record = await journal.open(inboundMessage('1'));
    await journal.deferred(record.id);
    await journal.deferred(record.id);
    expect(await sums(journal)).toEqual({ reconciliation: [[1, 1, 0, 0]], open: [0] });
    expect((await journal.recordsOf('in', ['1'])).get('1')).toEqual(record);
    const trace = only(await journal.traces('1'));
    expect(trace.entries.map(({ event }) => event)).toEqual(['received', 'deferred']);
    await journal.close();

    const next = await open();
    expect(await next.open(inboundMessage('1'))).toEqual(record);
    expect(await sums(next)).toEqual({ reconciliation: [[2, 1, 1, 0]], open: [1] });
    await next.acknowledge(record.requestId, { messageId: 'm', at: 1 });
    expect(await sums(next)).toEqual({ reconciliation: [[2, 2, 0, 0]], open: [0] });
  });

  test('alone on its day leaves no empty row behind and comes back to the same day', async () => {
    const { open, clock } = place();
    const journal = await open();
    const record = await journal.open(inboundMessage('1'));
    await journal.deferred(record.id);
    expect(await sums(journal)).toEqual({ reconciliation: [], open: [] });
    await clock.advance(DAY);
    await journal.open(inboundMessage('1'));
    expect(only(await journal.reconciliation(0))).toMatchObject({ day: '2026-11-22', received: 1, waiting: 1 });
  });

  test('that the server accepts late is delivered', async () => {
    const journal = await place().open();
    const record = await journal.open(inboundMessage('1'));
    await journal.deferred(record.id);
    expect(await journal.acknowledge(record.requestId, { messageId: 'm', at: 1 })).toMatchObject({
      state: 'acknowledged',
    });
    await journal.acknowledge(record.requestId, { messageId: 'm', at: 1 });
    expect(await sums(journal)).toEqual({ reconciliation: [[1, 1, 0, 0]], open: [0] });
    await journal.deferred(record.id);
    expect(await sums(journal)).toEqual({ reconciliation: [[1, 1, 0, 0]], open: [0] });
  });

  test('that goes to quarantine is in the sum again', async () => {
    const journal = await place().open();
    const { id } = await journal.open(inboundMessage('1'));
    await journal.deferred(id);
    await journal.quarantine(id, 'no', raw('whole'));
    expect(await sums(journal)).toEqual({ reconciliation: [[1, 0, 0, 1]], open: [0] });
    await journal.requeue(id);
    expect(await sums(journal)).toEqual({ reconciliation: [[1, 0, 1, 0]], open: [1] });
  });

  test('is never one whose raw form is stored here', async () => {
    const journal = await place().open();
    const spooled = await journal.spool(inboundMessage('1'), raw('whole'));
    await journal.deferred(spooled.id);
    expect(await sums(journal)).toEqual({ reconciliation: [[1, 0, 1, 0]], open: [1] });
    const { id } = await journal.open(inboundMessage('2'));
    await journal.deferred(id);
    await journal.spool(inboundMessage('2'), raw('whole'));
    expect(await sums(journal)).toEqual({ reconciliation: [[2, 0, 2, 0]], open: [2] });
  });

  test('is removed after the days of the log, with its log and attachments; one that came again is not', async () => {
    const { open, clock, rows } = place();
    const journal = await open();
    const attachments = (id: string) => [{ id, name: 'a', type: 'b', bytes: raw(id) }];
    const gone = await journal.open(inboundMessage('gone', { attachments: attachments('link-gone') }));
    const back = await journal.open(inboundMessage('back', { attachments: attachments('link-back') }));
    for (const { id } of [gone, back]) await journal.deferred(id);
    await clock.advance(9 * DAY);
    expect(await journal.sweep(RETENTION)).toEqual({ removed: 0 });
    await journal.open(inboundMessage('back'));
    await clock.advance(2 * DAY);
    // The row, its attachment with the file, and two events.
    expect(await journal.sweep(RETENTION)).toEqual({ removed: 5 });
    expect(rows('select key from inbound_messages')).toEqual([{ key: 'back' }]);
    expect(await journal.attachment('link-gone')).toBeNull();
    expect(await journal.attachment('link-back')).not.toBeNull();
    expect(await sums(journal)).toEqual({ reconciliation: [[1, 0, 1, 0]], open: [1] });
  });
});
