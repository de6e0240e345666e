// Delivery states: whatever order, repetition and delay the counterparty's receipts come in, a message only moves forward.
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DAY, only, outboundMessage, place } from '../../../test/fixtures/journal.js';
import type { Outcome } from '../../model/outcome.js';
import type { DeliveryReceipt, DeliveryState } from '../../model/receipt.js';
import type { Journal } from '../types/journal.js';
import type { MessageTrace } from '../types/log.js';

const RETENTION = { logDays: 10, orderDays: 20, attachmentDays: 5 };

function receipts(id: string, state: DeliveryState, detail: string | null = null): DeliveryReceipt {
  return { id, state, at: 1, detail };
}

type Sent = Extract<Outcome, { kind: 'sent' }>;

async function settle(journal: Journal, id: string, outcome: Outcome) {
  await journal.accept(outboundMessage(id));
  await journal.recordOutcome(id, await journal.beginAttempt(id, `${id}@shop.example`), outcome);
}

const send = (journal: Journal, id: string, more: Partial<Sent> = {}) =>
  settle(journal, id, { kind: 'sent', deliverySystemId: `${id}@shop.example`, ...more });

const labelOf = (trace: MessageTrace, label: string) => trace.ids.find((id) => id.label === label)?.value;
const delivery = async (journal: Journal, id: string) => labelOf(only(await journal.traces(id)), 'Delivery');
const receiptLines = async (journal: Journal, id: string) =>
  only(await journal.traces(id)).entries.flatMap(({ event, detail }) => (event === 'receipt' ? [detail] : []));

describe('an outbound message that was sent', () => {
  test('is accepted, and its receipts name its deliverySystemId when the driver names no other ids', async () => {
    const journal = await place().open();
    await send(journal, 'a');
    expect(await delivery(journal, 'a')).toBe('accepted');
    expect(await receiptLines(journal, 'a')).toEqual([]);
    await journal.applyReceipts('out', [
      receipts('a@shop.example', 'sent'),
      receipts('a@shop.example', 'delivered', 'stat:DELIVRD'),
    ]);
    expect(await delivery(journal, 'a')).toBe('delivered: stat:DELIVRD');
    expect(await receiptLines(journal, 'a')).toEqual(['sent', 'delivered: stat:DELIVRD']);
    expect(labelOf(only(await journal.traces('a')), 'Provider id')).toBeUndefined();
  });

  test('begins where the outcome says it is', async () => {
    const journal = await place().open();
    await send(journal, 'a', { state: 'delivered', ids: ['SM1'] });
    await journal.applyReceipts('out', [receipts('SM1', 'sent'), receipts('SM1', 'delivered', 'again')]);
    expect(await delivery(journal, 'a')).toBe('delivered');
    expect(await receiptLines(journal, 'a')).toEqual(['delivered']);
  });

  test('never moves backwards and never leaves an end, and only what changes is logged', async () => {
    const journal = await place().open();
    await send(journal, 'a', { ids: ['SM1'] });
    await journal.applyReceipts('out', [receipts('SM1', 'undelivered', '30003 unreachable handset')]);
    await journal.applyReceipts('out', [
      receipts('SM1', 'accepted'),
      receipts('SM1', 'sent'),
      receipts('SM1', 'delivered', 'too late'),
    ]);
    await journal.applyReceipts('out', [receipts('SM1', 'undelivered', 'once more')]);
    expect(await delivery(journal, 'a')).toBe('undelivered: 30003 unreachable handset');
    expect(await receiptLines(journal, 'a')).toEqual(['undelivered: 30003 unreachable handset']);
  });

  test('is found by the id that the counterparty gave, and by its beginning', async () => {
    const journal = await place().open();
    await send(journal, 'a', { ids: ['SM0123456789'] });
    await send(journal, 'b', { ids: ['part-1-of-b', 'part-2-of-b'] });
    const trace = only(await journal.traces('SM0123456789'));
    expect(labelOf(trace, 'MessageId')).toBe('a');
    expect(labelOf(trace, 'Provider id')).toBe('SM0123456789');
    expect(only(await journal.traces('SM012345')).ids).toEqual(trace.ids);
    const parts = only(await journal.traces('part-2-of-b'));
    expect(labelOf(parts, 'Part 1 of 2')).toBe('part-1-of-b');
    expect(labelOf(parts, 'Part 2 of 2')).toBe('part-2-of-b');
  });

  test('keeps its state over a restart, and a failed one has none', async () => {
    const { open } = place();
    const journal = await open();
    await send(journal, 'a', { ids: ['SM1'] });
    await journal.applyReceipts('out', [receipts('SM1', 'delivered')]);
    await settle(journal, 'b', { kind: 'rejected', detail: 'no' });
    await journal.close();
    const next = await open();
    expect(await delivery(next, 'a')).toBe('delivered');
    expect(await delivery(next, 'b')).toBeUndefined();
  });
});

describe('an outbound message whose outcome is unknown, but which the counterparty has under way', () => {
  const underWay = { kind: 'unknown', detail: 'the call is still under way', ids: ['job 7'] } as const;
  const state = async (journal: Journal) => (await journal.outboundMessage('a'))?.state;

  test.each([
    ['delivered', 'sent', '3 of 3 pages'],
    ['undelivered', 'failed', 'Busy signal detected'],
  ] as const)('is settled by a receipt that it is %s: %s', async (end, settled, words) => {
    const journal = await place().open();
    await settle(journal, 'a', underWay);
    expect(await state(journal)).toBe('unknown');
    await journal.applyReceipts('out', [receipts('job 7', 'accepted', 'dial 1')]);
    expect(await state(journal)).toBe('unknown');
    await journal.applyReceipts('out', [receipts('job 7', end, words)]);
    expect(await state(journal)).toBe(settled);
    expect((await journal.outboundMessage('a'))?.detail).toBe(words);
    expect(await delivery(journal, 'a')).toBe(`${end}: ${words}`);
    await journal.applyReceipts('out', [
      receipts('job 7', end === 'delivered' ? 'undelivered' : 'delivered', 'other words'),
    ]);
    expect(await state(journal)).toBe(settled);
  });

  test('is settled by a receipt that came before it was known to be unknown', async () => {
    const journal = await place().open();
    await journal.applyReceipts('out', [receipts('job 7', 'delivered', '1 of 1 page')]);
    await settle(journal, 'a', underWay);
    expect(await state(journal)).toBe('sent');
  });

  test('is settled by a later word of the same attempt, which takes the place of the first', async () => {
    const journal = await place().open();
    await settle(journal, 'a', underWay);
    const sent = { kind: 'sent', deliverySystemId: 'job 8', state: 'delivered' } as const;
    expect((await journal.recordOutcome('a', 1, sent)).state).toBe('sent');
    expect(await delivery(journal, 'a')).toBe('delivered');
    await journal.applyReceipts('out', [receipts('job 7', 'undelivered', 'nobody waits for this one')]);
    expect(await delivery(journal, 'a')).toBe('delivered');
  });

  test('is settled by a receipt also when a later attempt was rejected', async () => {
    const journal = await place().open();
    await settle(journal, 'a', underWay);
    await journal.recordNotSent('a', 'out', { kind: 'rejected', detail: 'opted out' });
    await journal.applyReceipts('out', [receipts('job 7', 'delivered', '1 of 1 page')]);
    expect(await state(journal)).toBe('sent');
    expect(await delivery(journal, 'a')).toBe('delivered: 1 of 1 page');
  });

  test('learns its ids later, when the first word had none', async () => {
    const journal = await place().open();
    await settle(journal, 'a', { kind: 'unknown', detail: 'the line broke' });
    expect((await journal.recordOutcome('a', 1, { kind: 'unknown', detail: 'again' })).detail).toBe('the line broke');
    expect((await journal.recordOutcome('a', 1, underWay)).detail).toBe('the call is still under way');
    await journal.applyReceipts('out', [receipts('job 7', 'delivered')]);
    expect(await state(journal)).toBe('sent');
  });

  test('keeps what receipts said about a part when a lookup names the ids anew', async () => {
    const journal = await place().open();
    await settle(journal, 'a', { kind: 'unknown', detail: 'the connection was lost', ids: ['1', 'unanswered:2'] });
    await journal.applyReceipts('out', [receipts('1', 'delivered', 'stat:DELIVRD')]);
    expect(await state(journal)).toBe('unknown');
    const found = { kind: 'sent', deliverySystemId: '1', ids: ['1', '2'] } as const;
    expect(await journal.recordLookup('a', 'out', found)).toMatchObject({ state: 'sent' });
    await journal.applyReceipts('out', [receipts('2', 'delivered', 'stat:DELIVRD')]);
    expect(await delivery(journal, 'a')).toBe('delivered (2 of 2 parts): stat:DELIVRD');
  });

  test('sent again after it failed, is not failed a second time by the first try', async () => {
    const journal = await place().open();
    await settle(journal, 'a', underWay);
    await journal.applyReceipts('out', [receipts('job 7', 'undelivered', 'Busy')]);
    await settle(journal, 'a', { kind: 'unknown', detail: 'on its way', ids: ['job 9'] });
    await journal.applyReceipts('out', [receipts('job 7', 'undelivered', 'Busy')]);
    expect(await state(journal)).toBe('unknown');
    await journal.applyReceipts('out', [receipts('job 9', 'delivered')]);
    expect(await state(journal)).toBe('sent');
  });
});

describe('progress', () => {
  test('is a line of the log each time, as long as there is no end, and moves nothing', async () => {
    const journal = await place().open();
    await send(journal, 'a', { ids: ['job 7'] });
    const dial = (n: number) => ({ ...receipts('job 7', 'accepted', `dial ${n}: busy`), progress: true });
    await journal.applyReceipts('out', [dial(1), dial(2), receipts('job 7', 'delivered', 'ok'), dial(3)]);
    expect(await receiptLines(journal, 'a')).toEqual(['dial 1: busy', 'dial 2: busy', 'delivered: ok']);
    expect(await delivery(journal, 'a')).toBe('delivered: ok');
  });

  test('of an id that no message has is not stored', async () => {
    const { open, rows } = place();
    const journal = await open();
    await journal.applyReceipts('out', [{ ...receipts('job 7', 'accepted', 'dial 1'), progress: true }]);
    await journal.close();
    expect(rows('select * from unmatched_receipts')).toEqual([]);
  });

  test('of an outbound message that is being sent is in its trace', async () => {
    const journal = await place().open();
    await journal.accept(outboundMessage('a'));
    await journal.noteProgress('a', 'dial 1: busy');
    await journal.noteProgress('nobody', 'dial 1: busy');
    expect(await receiptLines(journal, 'a')).toEqual(['dial 1: busy']);
  });
});

describe('the message that receipts are about', () => {
  test('is told with how far it has come', async () => {
    const journal = await place().open();
    expect(await journal.delivery('out', 'job 7')).toBeNull();
    await settle(journal, 'a', { kind: 'unknown', detail: 'on its way', ids: ['job 7'] });
    expect(await journal.delivery('out', 'job 7')).toMatchObject({ messageId: 'a', state: 'unknown' });
    expect(await journal.delivery('other', 'job 7')).toBeNull();
    await journal.applyReceipts('out', [receipts('job 7', 'undelivered', 'Busy')]);
    expect(await journal.delivery('out', 'job 7')).toMatchObject({ state: 'undelivered', detail: 'Busy' });
  });
});

describe('an outbound message in several parts', () => {
  test('is delivered only when all parts are', async () => {
    const journal = await place().open();
    await send(journal, 'a', { ids: ['1', '2', '2', '3'] });
    await journal.applyReceipts('out', [receipts('1', 'delivered', 'ok'), receipts('3', 'sent')]);
    expect(await delivery(journal, 'a')).toBe('accepted (1 of 3 parts delivered)');
    await journal.applyReceipts('out', [receipts('2', 'delivered', 'ok')]);
    expect(await delivery(journal, 'a')).toBe('sent (2 of 3 parts delivered)');
    await journal.applyReceipts('out', [receipts('3', 'delivered', 'ok')]);
    expect(await delivery(journal, 'a')).toBe('delivered (3 of 3 parts): ok');
    expect((await receiptLines(journal, 'a')).at(-1)).toBe('delivered (part 3 of 3): ok');
  });

  test('is undelivered as soon as one part is, with the words about that part', async () => {
    const journal = await place().open();
    await send(journal, 'a', { ids: ['1', '2'] });
    await journal.applyReceipts('out', [receipts('2', 'undelivered', 'stat:EXPIRED')]);
    await journal.applyReceipts('out', [receipts('1', 'delivered', 'ok')]);
    expect(await delivery(journal, 'a')).toBe('undelivered (1 of 2 parts): stat:EXPIRED');
  });
});

describe('receipts of an id that no message has', () => {
  test('wait for the outbound message to be settled, the furthest of each id', async () => {
    const { open, rows } = place();
    const journal = await open();
    await journal.applyReceipts('out', [
      receipts('1', 'sent'),
      receipts('1', 'delivered', 'ok'),
      receipts('1', 'sent'),
    ]);
    await journal.close();
    const next = await open();
    await next.applyReceipts('out', [receipts('2', 'sent')]);
    await send(next, 'a', { ids: ['1', '2'] });
    expect(await delivery(next, 'a')).toBe('sent (1 of 2 parts delivered)');
    expect(rows('select * from unmatched_receipts')).toEqual([]);
  });

  test('are those of another gateway, too', async () => {
    const journal = await place().open();
    await send(journal, 'a', { ids: ['1'] });
    await journal.applyReceipts('out-2', [receipts('1', 'delivered')]);
    await journal.applyReceipts('out', [receipts('01', 'delivered')]);
    expect(await delivery(journal, 'a')).toBe('accepted');
  });

  test('are given up after a day, with one line in the delivery log for each id', async () => {
    const { open, clock, rows } = place();
    const journal = await open();
    await journal.applyReceipts('out', [receipts('1', 'sent'), receipts('1', 'delivered', 'ok')]);
    await clock.advance(DAY - 1);
    expect(await journal.sweep(RETENTION)).toEqual({ removed: 0 });
    await clock.advance(2);
    expect(await journal.sweep(RETENTION)).toEqual({ removed: 1 });
    expect(rows('select * from unmatched_receipts')).toEqual([]);
    expect(only(await journal.entries({ event: 'receipt', limit: 9 }))).toMatchObject({
      gatewayId: 'out',
      direction: 'O',
      subject: '1',
      detail: 'delivered, but no message is known under this id: ok',
    });
  });

  test('leave nothing but a line when the id is absurdly long', async () => {
    const { open, rows } = place();
    const journal = await open();
    await journal.applyReceipts('out', [receipts('x'.repeat(100_000), 'delivered')]);
    expect(rows('select * from unmatched_receipts')).toEqual([]);
    expect(only(await journal.entries({ event: 'receipt', limit: 9 })).subject).toHaveLength(500);
  });
});

test('an id that the counterparty uses again means the newest message', async () => {
  const journal = await place().open();
  await send(journal, 'old', { ids: ['7'] });
  await journal.applyReceipts('out', [receipts('7', 'delivered')]);
  await send(journal, 'new', { ids: ['7'] });
  await journal.applyReceipts('out', [receipts('7', 'undelivered', 'gone')]);
  expect(await delivery(journal, 'old')).toBe('delivered');
  expect(await delivery(journal, 'new')).toBe('undelivered: gone');
});

test('thousands of receipts in one call are all applied', async () => {
  const { open, rows } = place();
  const journal = await open();
  const ids = Array.from({ length: 1_203 }, (_, index) => `id-${index}`);
  await send(journal, 'a', { ids });
  await journal.applyReceipts(
    'out',
    ids.map((id) => receipts(id, 'delivered')),
  );
  expect(rows("select count(*) as parts from delivery_parts where state = 'delivered'")).toEqual([{ parts: 1_203 }]);
  expect(rows('select delivery_state from outbound_messages')).toEqual([{ delivery_state: 'delivered' }]);
});

test('the ids of an outbound message go with the outbound message, and not before', async () => {
  const { open, clock, rows } = place();
  const journal = await open();
  await send(journal, 'a', { ids: ['1', '2'] });
  await send(journal, 'owing', { ids: ['3'] });
  await journal.answered('a', null);
  await clock.advance(19 * DAY);
  await journal.sweep(RETENTION);
  expect(rows('select provider_id from delivery_parts')).toHaveLength(3);
  await clock.advance(2 * DAY);
  await journal.sweep(RETENTION);
  expect(rows('select provider_id from delivery_parts')).toEqual([{ provider_id: '3' }]);
});

// ---------------------------------------------------------------- any order, repetition and delay

const RANK: Record<string, number> = { accepted: 0, sent: 1, delivered: 2, undelivered: 2 };
const PARTS = ['p1', 'p2', 'p3'];

/** What really becomes of the three parts. */
const truth = fc.tuple(
  ...PARTS.map(() => fc.constantFrom<DeliveryState>('accepted', 'sent', 'delivered', 'undelivered')),
);

/** Everything that is reported on the way there, some of it more than once, shuffled; and when the outbound message is settled. */
const history = truth.chain((ends) => {
  const told = ends.flatMap((end, index) => {
    const way: DeliveryState[] = ['accepted', 'sent', end];
    return way
      .filter((state) => state === end || (RANK[state] ?? 9) < (RANK[end] ?? 0))
      .map((state) => receipts(PARTS[index] ?? '', state));
  });
  return fc.record({
    ends: fc.constant(ends),
    told: fc
      .array(fc.nat(told.length - 1), { maxLength: 6 })
      .map((again) => [...told, ...again.flatMap((at) => told[at] ?? [])])
      .chain((all) => fc.shuffledSubarray(all, { minLength: all.length })),
    settledAfter: fc.nat(told.length),
  });
});

test('any order, repetition and delay of the same receipts ends in the same state and never moves backwards', async () => {
  const { open, rows } = place();
  const journal = await open();
  let run = 0;
  await fc.assert(
    fc.asyncProperty(history, async ({ ends, told, settledAfter }) => {
      const id = `o${++run}`;
      const own = (part: string) => `${id}-${part}`;
      let before = [-1, -1, -1];
      for (const [index, item] of [...told, null].entries()) {
        if (index === settledAfter) await send(journal, id, { ids: PARTS.map(own) });
        if (item) await journal.applyReceipts('out', [{ ...item, id: own(item.id) }]);
        const states = rows(`select state from delivery_parts where message_id = '${id}' order by part`);
        const ranks = states.map(({ state }) => RANK[String(state)] ?? 9);
        for (const [part, rank] of ranks.entries()) expect(rank).toBeGreaterThanOrEqual(before[part] ?? -1);
        if (ranks.length > 0) before = ranks;
      }
      const reached = rows(`select state from delivery_parts where message_id = '${id}' order by part`);
      expect(reached.map(({ state }) => state)).toEqual(ends);
      const lowest = ['accepted', 'sent', 'delivered'].find((state) => ends.some((end) => end === state));
      expect(rows(`select delivery_state from outbound_messages where message_id = '${id}'`)).toEqual([
        { delivery_state: ends.includes('undelivered') ? 'undelivered' : lowest },
      ]);
    }),
    { numRuns: 60 },
  );
});
