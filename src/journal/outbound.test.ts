// The verbs of outbound messages: one answer owed for each time it was asked for, and nothing sent twice.
import { describe, expect, test } from 'vitest';
import { only, outboundMessage, place } from '../../test/fixtures/journal.js';
import type { Outcome } from '../model/outcome.js';

const SENT: Outcome = { kind: 'sent', deliverySystemId: 'sent-1@shop.example' };
const UNKNOWN: Outcome = { kind: 'unknown', detail: 'connection lost after the final dot' };

async function begun(changes: { instance?: string } = {}) {
  const where = place();
  const journal = await where.open(changes);
  await journal.accept(outboundMessage('A'));
  await journal.beginAttempt('A', 'try-1@shop.example');
  return { ...where, journal };
}

describe('accepting', () => {
  test('an outbound message seen first is new', async () => {
    const journal = await place().open();
    const { kind, outboundMessage: record } = await journal.accept(outboundMessage('A-1'));
    expect(kind).toBe('new');
    expect(record).toEqual({
      messageId: 'a-1',
      gatewayId: 'out',
      state: 'accepted',
      attempts: 0,
      deliverySystemId: null,
      detail: null,
      taken: [],
      firstBegunAt: null,
    });
  });

  test('a repeat joins while this process is at it, in whatever case the id is written', async () => {
    const journal = await place().open();
    await journal.accept(outboundMessage('abc-DEF'));
    expect((await journal.accept(outboundMessage('ABC-def'))).kind).toBe('joins');
    await journal.beginAttempt('ABC-DEF', 'x@y');
    expect((await journal.accept(outboundMessage('abc-def'))).kind).toBe('joins');
  });

  test('two that ask at the same moment get one "new"', async () => {
    const journal = await place().open();
    const kinds = await Promise.all(
      Array.from({ length: 5 }, async () => (await journal.accept(outboundMessage('A'))).kind),
    );
    expect(kinds).toEqual(['new', 'joins', 'joins', 'joins', 'joins']);
  });

  test('a repeat after success is answered with the recorded result', async () => {
    const { journal } = await begun();
    await journal.recordOutcome('A', 1, SENT);
    expect(await journal.accept(outboundMessage('A'))).toMatchObject({
      kind: 'answered',
      outboundMessage: { state: 'sent', deliverySystemId: 'sent-1@shop.example' },
    });
  });

  test('a repeat after failure is a fresh attempt', async () => {
    const { journal } = await begun();
    await journal.recordOutcome('A', 1, { kind: 'rejected', detail: '550 no such user' });
    expect(await journal.accept(outboundMessage('A'))).toMatchObject({
      kind: 'again',
      outboundMessage: { state: 'accepted', attempts: 1 },
    });
    expect(await journal.beginAttempt('A', 'try-1@shop.example')).toBe(2);
  });

  test('a repeat after partial success knows who has it already', async () => {
    const { journal } = await begun();
    await journal.recordOutcome('A', 1, {
      kind: 'partial',
      deliverySystemId: 'p@shop.example',
      accepted: ['Anna@x.example'],
      refused: [{ recipient: 'bob@x.example', temporary: true, detail: '450 busy' }],
    });
    const { kind, outboundMessage: record } = await journal.accept(outboundMessage('A'));
    expect(kind).toBe('again');
    expect(record).toMatchObject({
      state: 'accepted',
      taken: ['anna@x.example'],
      detail: 'refused by bob@x.example: 450 busy',
    });
    await journal.beginAttempt('A', 'p@shop.example');
    expect(await journal.recordOutcome('A', 2, { kind: 'deferred', detail: '450 still busy' })).toMatchObject({
      state: 'partial',
      taken: ['anna@x.example'],
    });
    await journal.accept(outboundMessage('A'));
    await journal.beginAttempt('A', 'p@shop.example');
    expect(await journal.recordOutcome('A', 3, SENT)).toMatchObject({ state: 'sent', taken: ['anna@x.example'] });
  });

  test('a repeat of an unknown outcome is uncertain', async () => {
    const { journal } = await begun();
    await journal.recordOutcome('A', 1, UNKNOWN);
    expect(await journal.accept(outboundMessage('A'))).toMatchObject({
      kind: 'uncertain',
      outboundMessage: { state: 'unknown' },
    });
  });

  test('the same MessageId through another gateway is the same outbound message, and the log says so', async () => {
    const journal = await place().open();
    await journal.accept(outboundMessage('A'));
    expect(await journal.accept(outboundMessage('A', { gatewayId: 'out-2' }))).toMatchObject({
      kind: 'joins',
      outboundMessage: { gatewayId: 'out' },
    });
    expect(only(await journal.traces('a')).entries.at(-1)?.detail).toContain('this time through gateway out-2');
  });
});

describe('after a process that is gone', () => {
  test('its begun order is uncertain, never joined and never sent blindly', async () => {
    const { journal, open } = await begun();
    await journal.close();
    const next = await open();
    expect(await next.accept(outboundMessage('A'))).toMatchObject({
      kind: 'uncertain',
      outboundMessage: { state: 'unknown', attempts: 1 },
    });
  });

  test('its accepted order is taken up again', async () => {
    const { open } = place();
    const journal = await open();
    await journal.accept(outboundMessage('A'));
    await journal.close();
    const next = await open();
    expect((await next.accept(outboundMessage('A'))).kind).toBe('again');
    expect((await next.accept(outboundMessage('A'))).kind).toBe('joins');
  });

  test('recover finds what it left: begun is unknown, accepted failed; and who is owed an answer', async () => {
    const { open, clock } = place();
    const journal = await open();
    const asked = (id: string, at: number) => journal.accept(outboundMessage(id, { at }));
    const now = clock.now();
    for (const id of ['begun', 'accepted', 'sent', 'answered']) await asked(id, now);
    await asked('old', now - 200_000);
    for (const id of ['begun', 'sent', 'answered', 'old']) await journal.beginAttempt(id, `${id}@shop.example`);
    await journal.recordOutcome('sent', 1, SENT);
    await journal.recordOutcome('answered', 1, SENT);
    await journal.answered('answered', null);
    await journal.close();

    const next = await open();
    const owing = await next.reclaimAbandoned(now - 85_000);
    expect(owing.map(({ messageId, state }) => `${messageId} ${state}`).sort()).toEqual([
      'accepted failed',
      'begun unknown',
      'sent sent',
    ]);
    expect(await next.outboundMessage('old')).toMatchObject({ state: 'unknown' });
    await next.close();

    expect((await (await open()).reclaimAbandoned(now - 85_000)).length).toBe(3);
  });

  test('what this process has at hand is left alone by recover', async () => {
    const { journal, clock } = await begun();
    expect(await journal.reclaimAbandoned(clock.now() - 85_000)).toMatchObject([{ messageId: 'a', state: 'begun' }]);
  });
});

describe('beginning', () => {
  test('counts the attempts and keeps when it was begun first', async () => {
    const { journal, clock } = await begun();
    const first = clock.now();
    await journal.recordOutcome('A', 1, { kind: 'deferred', detail: '421 busy' });
    await clock.advance(5_000);
    expect(await journal.beginAttempt('A', 'try-2@shop.example')).toBe(2);
    expect(await journal.outboundMessage('A')).toMatchObject({
      state: 'begun',
      attempts: 2,
      firstBegunAt: first,
      deliverySystemId: 'try-2@shop.example',
    });
  });

  test('of two that want to begin only one may', async () => {
    const journal = await place().open();
    await journal.accept(outboundMessage('A'));
    const results = await Promise.allSettled([journal.beginAttempt('A', 'x@y'), journal.beginAttempt('A', 'x@y')]);
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
    expect(results[1]).toMatchObject({ reason: { code: 'journal/not-to-begin' } });
  });

  test('what was sent cannot be begun', async () => {
    const { journal } = await begun();
    await journal.recordOutcome('A', 1, SENT);
    await expect(journal.beginAttempt('A', 'x@y')).rejects.toMatchObject({ code: 'journal/not-to-begin' });
    await expect(journal.beginAttempt('nobody', 'x@y')).rejects.toMatchObject({ code: 'journal/unknown-order' });
  });

  test('an outbound message that another instance holds cannot be begun here', async () => {
    const { open } = place();
    const journal = await open({ instance: 'one' });
    await journal.accept(outboundMessage('A'));
    await journal.close();
    const other = await open({ instance: 'two' });
    await expect(other.beginAttempt('A', 'x@y')).rejects.toThrow('accepted, held by one');
  });
});

describe('settling', () => {
  test.each([
    [SENT, 'sent'],
    [{ kind: 'deferred', detail: '421' }, 'failed'],
    [{ kind: 'rejected', detail: '550' }, 'failed'],
    [UNKNOWN, 'unknown'],
  ] as const)('%o makes it %s', async (outcome, state) => {
    const { journal } = await begun();
    expect(await journal.recordOutcome('A', 1, outcome)).toMatchObject({ state });
    expect(only(await journal.traces('a')).entries.at(-1)?.event).toBe(outcome.kind);
  });

  test('an attempt settles once', async () => {
    const { journal } = await begun();
    await journal.recordOutcome('A', 1, SENT);
    expect(await journal.recordOutcome('A', 1, { kind: 'rejected', detail: 'late' })).toMatchObject({ state: 'sent' });
    expect(await journal.recordOutcome('A', 1, UNKNOWN)).toMatchObject({ state: 'sent' });
  });

  test('a later word counts when it turns unknown into something known', async () => {
    const { journal } = await begun();
    await journal.recordOutcome('A', 1, UNKNOWN);
    expect(await journal.recordOutcome('A', 1, UNKNOWN)).toMatchObject({ state: 'unknown' });
    expect(await journal.recordOutcome('A', 1, SENT)).toMatchObject({
      state: 'sent',
      deliverySystemId: 'sent-1@shop.example',
    });
  });

  test('a word about an earlier attempt does not touch the present one', async () => {
    const { journal } = await begun();
    await journal.recordOutcome('A', 1, { kind: 'deferred', detail: '421' });
    await journal.beginAttempt('A', 'try-2@shop.example');
    expect(await journal.recordOutcome('A', 1, SENT)).toMatchObject({ state: 'begun', attempts: 2 });
    expect(await journal.recordOutcome('A', 2, SENT)).toMatchObject({ state: 'sent' });
  });

  test('the outcome of an attempt survives a restart and can still resolve it', async () => {
    const { journal, open } = await begun();
    await journal.close();
    const next = await open();
    await next.reclaimAbandoned(0);
    expect(await next.recordOutcome('A', 1, SENT)).toMatchObject({ state: 'sent' });
  });
});

describe('answering', () => {
  test('pays one debt at a time, and never more than are owed', async () => {
    const { journal, rows, clock } = await begun();
    await journal.accept(outboundMessage('A'));
    await journal.recordOutcome('A', 1, SENT);
    await journal.answered('A', null);
    expect((await journal.reclaimAbandoned(clock.now() - 1_000)).length).toBe(1);
    await journal.answered('A', null);
    await journal.answered('A', 'one too many');
    expect(await journal.reclaimAbandoned(clock.now() - 1_000)).toEqual([]);
    expect(rows('select asked, answered from outbound_messages')).toEqual([{ asked: 2, answered: 2 }]);
    expect((await journal.entries({ event: 'answered', limit: 9 })).map(({ detail }) => detail)).toEqual([
      'success',
      'success',
    ]);
  });
});
