// The operations on outbound messages: one answer owed for each request, and nothing sent twice.
import { describe, expect, test } from 'vitest';
import { only, outboundMessage, place } from '../../../test/fixtures/journal.js';
import type { Outcome } from '../../model/outcome.js';
import type { Journal } from '../types/journal.js';

const SENT: Outcome = { kind: 'sent', deliverySystemId: 'sent-1@shop.example' };
const UNKNOWN: Outcome = { kind: 'unknown', detail: 'connection lost after the final dot' };

const PARTIAL: Outcome = {
  kind: 'partial',
  deliverySystemId: 'p@shop.example',
  accepted: ['Anna@x.example'],
  refused: [{ recipient: 'bob@x.example', temporary: true, detail: '450 busy' }],
};

async function started(changes: { instance?: string } = {}) {
  const where = place();
  const journal = await where.open(changes);
  await journal.accept(outboundMessage('A'));
  await journal.beginAttempt('A', 'try-1@shop.example');
  return { ...where, journal };
}

const events = async (journal: Journal) => only(await journal.traces('a')).entries.map(({ event }) => event);

describe('accepting', () => {
  test('a message that is requested for the first time is new', async () => {
    const journal = await place().open();
    const { kind, outboundMessage: record } = await journal.accept(outboundMessage('A-1'));
    expect(kind).toBe('new');
    expect(record).toEqual({
      messageId: 'a-1',
      gatewayId: 'out',
      state: 'accepted',
      attempts: [],
      deliverySystemId: null,
      detail: null,
      acceptedRecipients: [],
      firstAttemptAt: null,
    });
  });

  test('a repeat before the first attempt is a retry, in whatever case the id is written', async () => {
    const journal = await place().open();
    await journal.accept(outboundMessage('abc-DEF'));
    expect((await journal.accept(outboundMessage('ABC-def'))).kind).toBe('retry');
  });

  test('an attempt that is recorded as running has an unknown outcome, for the caller is not sending', async () => {
    const { journal } = await started();
    expect(await journal.accept(outboundMessage('A'))).toMatchObject({
      kind: 'unknown',
      outboundMessage: { state: 'unknown', detail: 'its outcome could not be recorded' },
    });
    expect(await events(journal)).toEqual(['requested', 'attempt_started', 'unknown', 'requested']);
  });

  test('a repeat that joins a running delivery owes one more answer and changes no attempt', async () => {
    const { journal, rows } = await started();
    await journal.requestedAgain(outboundMessage('A'));
    await journal.requestedAgain(outboundMessage('never requested'));
    expect(rows('select asked, state from outbound_messages')).toEqual([{ asked: 2, state: 'sending' }]);
  });

  test('a repeat after success is answered with the recorded result', async () => {
    const { journal } = await started();
    await journal.recordOutcome('A', 1, SENT);
    expect(await journal.accept(outboundMessage('A'))).toMatchObject({
      kind: 'already-sent',
      outboundMessage: { state: 'sent', deliverySystemId: 'sent-1@shop.example' },
    });
  });

  test('a repeat after failure is a fresh attempt', async () => {
    const { journal } = await started();
    await journal.recordOutcome('A', 1, { kind: 'rejected', detail: '550 no such user' });
    expect(await journal.accept(outboundMessage('A'))).toMatchObject({
      kind: 'retry',
      outboundMessage: { state: 'failed', attempts: [{ number: 1, state: 'rejected', detail: '550 no such user' }] },
    });
    expect(await journal.beginAttempt('A', 'try-1@shop.example')).toBe(2);
  });

  test('a repeat after partial success names the recipients that have the message', async () => {
    const { journal } = await started();
    await journal.recordOutcome('A', 1, PARTIAL);
    const { kind, outboundMessage: record } = await journal.accept(outboundMessage('A'));
    expect(kind).toBe('retry');
    expect(record).toMatchObject({
      state: 'partial',
      acceptedRecipients: ['anna@x.example'],
      detail: 'rejected by bob@x.example: 450 busy',
    });
    await journal.beginAttempt('A', 'p@shop.example');
    const acceptedRecipients = ['anna@x.example'];
    const deferred = await journal.recordOutcome('A', 2, { kind: 'deferred', detail: '450 still busy' });
    expect(deferred).toMatchObject({ state: 'partial', acceptedRecipients });
    await journal.accept(outboundMessage('A'));
    await journal.beginAttempt('A', 'p@shop.example');
    expect(await journal.recordOutcome('A', 3, SENT)).toMatchObject({ state: 'sent', acceptedRecipients });
  });

  test('the same MessageId through another gateway is the same message; its attempts go through the gateway they name', async () => {
    const journal = await place().open();
    await journal.accept(outboundMessage('A'));
    expect(await journal.accept(outboundMessage('A', { gatewayId: 'out-2' }))).toMatchObject({
      kind: 'retry',
      outboundMessage: { gatewayId: 'out' },
    });
    expect(only(await journal.traces('a')).entries.at(-1)?.detail).toContain('this time through gateway out-2');
    await journal.beginAttempt('A', 'x@y', { gatewayId: 'out-2' });
    await journal.recordOutcome('A', 1, { kind: 'sent', deliverySystemId: 'x@y', ids: ['SM1'] });
    expect(await journal.delivery('out', 'SM1')).toBeNull();
    expect(await journal.delivery('out-2', 'SM1')).toMatchObject({ messageId: 'a' });
  });
});

describe('after a process that is gone', () => {
  test('the outcome of its running attempt is unknown', async () => {
    const { journal, open } = await started();
    await journal.close();
    const next = await open();
    expect(await next.accept(outboundMessage('A'))).toMatchObject({
      kind: 'unknown',
      outboundMessage: { state: 'unknown', attempts: [{ number: 1, state: 'unknown' }] },
    });
  });

  test('a message without attempts is sent by the next repeat', async () => {
    const { open } = place();
    const journal = await open();
    await journal.accept(outboundMessage('A'));
    await journal.close();
    const next = await open();
    expect((await next.accept(outboundMessage('A'))).kind).toBe('retry');
    expect(await next.beginAttempt('A', 'x@y')).toBe(1);
  });

  test('reclaiming finds its running attempts, and the answers that are owed', async () => {
    const { open, clock } = place();
    const journal = await open();
    const request = (id: string, at: number) => journal.accept(outboundMessage(id, { at }));
    const now = clock.now();
    for (const id of ['running', 'accepted', 'sent', 'answered']) await request(id, now);
    await request('old', now - 200_000);
    for (const id of ['running', 'sent', 'answered', 'old']) await journal.beginAttempt(id, `${id}@shop.example`);
    await journal.requestedAgain(outboundMessage('running', { at: now }));
    await journal.recordOutcome('sent', 1, SENT);
    await journal.recordOutcome('answered', 1, SENT);
    await journal.answered('answered', null);
    await journal.close();

    const next = await open();
    const owing = await next.reclaimAbandoned(now - 85_000);
    const shown = owing.map(({ outboundMessage: { messageId, state }, owed }) => `${messageId} ${state} ${owed}`);
    expect(shown.sort()).toEqual(['accepted accepted 1', 'running unknown 2', 'sent sent 1']);
    expect(owing[0]?.askedAt).toBe(now);
    expect(await next.outboundMessage('old')).toMatchObject({ state: 'unknown' });
    await next.close();

    expect((await (await open()).reclaimAbandoned(now - 85_000)).length).toBe(3);
  });

  test('the running attempts of this process are left alone', async () => {
    const { journal, clock } = await started();
    const owed = await journal.reclaimAbandoned(clock.now() - 85_000);
    expect(owed).toMatchObject([{ outboundMessage: { messageId: 'a', state: 'sending' } }]);
  });
});

describe('starting an attempt', () => {
  test('numbers the attempts and keeps the time that the first one was composed with', async () => {
    const journal = await place().open();
    await journal.accept(outboundMessage('A'));
    await journal.beginAttempt('A', 'try-1@shop.example', { composedAt: 7 });
    await journal.recordOutcome('A', 1, { kind: 'deferred', detail: '421 busy' });
    expect(await journal.beginAttempt('A', 'try-2@shop.example', { composedAt: 8 })).toBe(2);
    expect(await journal.outboundMessage('A')).toMatchObject({
      state: 'sending',
      attempts: [{ state: 'deferred' }, { state: 'sending' }],
      firstAttemptAt: 7,
      deliverySystemId: 'try-2@shop.example',
    });
  });

  test('is allowed to one of two that want to', async () => {
    const journal = await place().open();
    await journal.accept(outboundMessage('A'));
    const results = await Promise.allSettled([journal.beginAttempt('A', 'x@y'), journal.beginAttempt('A', 'x@y')]);
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
    expect(results[1]).toMatchObject({ reason: { code: 'journal/attempt-not-allowed' } });
  });

  test('is not allowed for a message that was sent, or that was never requested', async () => {
    const { journal } = await started();
    await journal.recordOutcome('A', 1, SENT);
    await expect(journal.beginAttempt('A', 'x@y')).rejects.toMatchObject({ code: 'journal/attempt-not-allowed' });
    await expect(journal.beginAttempt('nobody', 'x@y')).rejects.toMatchObject({ code: 'journal/unknown-message' });
  });

  test('keeps what a lookup needs until the outcome is known', async () => {
    const journal = await place().open();
    await journal.accept(outboundMessage('A'));
    await journal.beginAttempt('A', 'x@y', { outline: '{"kind":"text"}' });
    await journal.recordOutcome('A', 1, UNKNOWN);
    expect((await journal.outboundMessage('A'))?.attempts[0]?.outline).toBe('{"kind":"text"}');
    await journal.recordOutcome('A', 1, SENT);
    expect((await journal.outboundMessage('A'))?.attempts[0]?.outline).toBeNull();
  });

  test('removes the oldest failures of a message that is repeated for months', async () => {
    const journal = await place().open();
    await journal.accept(outboundMessage('A'));
    await journal.beginAttempt('A', 'x@y');
    await journal.recordOutcome('A', 1, UNKNOWN);
    for (let repeat = 0; repeat < 150; repeat++)
      await journal.recordNotSent('A', 'out', { kind: 'rejected', detail: 'opted out' });
    const record = await journal.outboundMessage('A');
    expect(record?.attempts.length).toBeLessThan(110);
    expect(record?.state).toBe('unknown');
    expect(record?.attempts[0]).toMatchObject({ number: 1, state: 'unknown' });
  });
});

describe('the outcome', () => {
  test.each([
    [SENT, 'sent'],
    [{ kind: 'deferred', detail: '421' }, 'failed'],
    [{ kind: 'rejected', detail: '550' }, 'failed'],
    [UNKNOWN, 'unknown'],
  ] as const)('%o makes the message %s', async (outcome, state) => {
    const { journal } = await started();
    expect(await journal.recordOutcome('A', 1, outcome)).toMatchObject({ state });
    expect((await events(journal)).at(-1)).toBe(outcome.kind);
  });

  test('of an attempt that is known stays', async () => {
    const { journal } = await started();
    await journal.recordOutcome('A', 1, SENT);
    expect(await journal.recordOutcome('A', 1, { kind: 'rejected', detail: 'late' })).toMatchObject({ state: 'sent' });
    expect(await journal.recordOutcome('A', 1, UNKNOWN)).toMatchObject({ state: 'sent' });
  });

  test('that was unknown may become known', async () => {
    const { journal } = await started();
    await journal.recordOutcome('A', 1, UNKNOWN);
    expect(await journal.recordOutcome('A', 1, UNKNOWN)).toMatchObject({ state: 'unknown' });
    expect(await journal.recordOutcome('A', 1, SENT)).toMatchObject({
      state: 'sent',
      deliverySystemId: 'sent-1@shop.example',
    });
  });

  test('of an older attempt is recorded while a newer one is running', async () => {
    const { journal } = await started();
    await journal.recordOutcome('A', 1, UNKNOWN);
    await journal.beginAttempt('A', 'try-2@shop.example');
    expect(await journal.recordOutcome('A', 1, SENT)).toMatchObject({ state: 'sent' });
    expect(await journal.recordOutcome('A', 2, { kind: 'rejected', detail: '550' })).toMatchObject({
      state: 'sent',
      deliverySystemId: 'sent-1@shop.example',
      attempts: [{ state: 'sent' }, { state: 'rejected' }],
    });
  });

  test('that is unknown is hidden by no later failure', async () => {
    const { journal } = await started();
    await journal.recordOutcome('A', 1, UNKNOWN);
    expect(await journal.recordNotSent('A', 'out', { kind: 'rejected', detail: 'opted out' })).toMatchObject({
      state: 'unknown',
      detail: 'connection lost after the final dot',
    });
    await journal.beginAttempt('A', 'try-3@shop.example');
    expect(await journal.recordOutcome('A', 3, { kind: 'rejected', detail: '550' })).toMatchObject({
      state: 'unknown',
    });
    expect((await journal.accept(outboundMessage('A'))).kind).toBe('unknown');
  });

  test('survives a restart and can still become known', async () => {
    const { journal, open } = await started();
    await journal.close();
    const next = await open();
    await next.reclaimAbandoned(0);
    expect(await next.recordOutcome('A', 1, SENT)).toMatchObject({ state: 'sent' });
  });

  test('"nothing was sent" ends an attempt whose start was committed although this process was told otherwise', async () => {
    const { journal } = await started();
    const record = await journal.recordNotSent('A', 'out', {
      kind: 'deferred',
      detail: 'connection lost in the commit',
    });
    expect(record).toMatchObject({ state: 'failed', attempts: [{ number: 1, state: 'deferred' }] });
    expect((await journal.accept(outboundMessage('A'))).kind).toBe('retry');
    expect(await journal.beginAttempt('A', 'try-2@shop.example')).toBe(2);
  });

  test('"nothing was sent" does not end the attempt of another process', async () => {
    const { journal, open } = await started({ instance: 'one' });
    await journal.close();
    const other = await open({ instance: 'two' });
    const record = await other.recordNotSent('A', 'out', { kind: 'deferred', detail: 'too late' });
    expect(record).toMatchObject({ state: 'sending', attempts: [{ number: 1, state: 'sending' }] });
  });

  test('"nothing was sent" is not recorded for a message that was sent', async () => {
    const { journal } = await started();
    await journal.recordOutcome('A', 1, SENT);
    const record = await journal.recordNotSent('A', 'out', { kind: 'deferred', detail: 'too late' });
    expect(record).toMatchObject({ state: 'sent', attempts: [{ number: 1 }] });
  });
});

describe('a lookup', () => {
  const twice = async () => {
    const { journal } = await started();
    await journal.recordOutcome('A', 1, UNKNOWN);
    await journal.beginAttempt('A', 'try-2@shop.example');
    await journal.recordOutcome('A', 2, UNKNOWN);
    return journal;
  };

  test('that says "surely not sent" settles all unknown attempts of its gateway', async () => {
    const journal = await twice();
    await journal.beginAttempt('A', 'try-3@shop.example', { gatewayId: 'other' });
    await journal.recordOutcome('A', 3, UNKNOWN);
    const none = { kind: 'deferred', detail: 'no such message' } as const;
    expect(await journal.recordLookup('A', 'out', none)).toMatchObject({ state: 'unknown' });
    expect(await journal.recordLookup('A', 'other', none)).toMatchObject({ state: 'failed' });
  });

  test('that says "sent" settles the newest unknown attempt', async () => {
    const journal = await twice();
    expect(await journal.recordLookup('A', 'out', SENT)).toMatchObject({
      state: 'sent',
      attempts: [{ state: 'unknown' }, { state: 'sent' }],
    });
  });

  test('of a message that is known changes nothing', async () => {
    const { journal } = await started();
    await journal.recordOutcome('A', 1, { kind: 'rejected', detail: '550' });
    expect(await journal.recordLookup('A', 'out', SENT)).toMatchObject({ state: 'failed' });
  });
});

describe('an operator', () => {
  test.each([
    ['sent', 'sent', 'already-sent'],
    ['not-sent', 'failed', 'retry'],
  ] as const)('resolves an unknown outcome as %s: the message is %s', async (decision, state, repeat) => {
    const { journal, clock } = await started();
    await journal.recordOutcome('A', 1, UNKNOWN);
    expect(await journal.unresolved()).toEqual([
      {
        messageId: 'a',
        gatewayId: 'out',
        remoteAddress: 'carla@customers.example',
        subject: outboundMessage('A').subject,
        since: clock.now(),
        detail: 'connection lost after the final dot',
      },
    ]);
    expect(await journal.resolve('A', decision, 'asked the customer', clock.now())).toMatchObject({ state });
    expect(await journal.unresolved()).toEqual([]);
    expect((await journal.accept(outboundMessage('A'))).kind).toBe(repeat);
    const details = only(await journal.traces('a')).entries.map(({ detail }) => detail);
    expect(details).toContain(`resolved by an operator as ${decision}: asked the customer`);
  });

  test('cannot resolve what is known, or what is being sent', async () => {
    const { journal, clock } = await started();
    await expect(journal.resolve('A', 'sent', null, clock.now())).rejects.toMatchObject({
      code: 'journal/not-unknown',
    });
    await journal.recordOutcome('A', 1, SENT);
    await expect(journal.resolve('A', 'not-sent', null, 1)).rejects.toMatchObject({ code: 'journal/not-unknown' });
    await expect(journal.resolve('B', 'sent', null, 1)).rejects.toMatchObject({ code: 'journal/unknown-message' });
  });

  test('sees a message once, however many of its attempts are unknown', async () => {
    const { journal } = await started();
    await journal.recordOutcome('A', 1, UNKNOWN);
    await journal.beginAttempt('A', 'try-2@shop.example');
    await journal.recordOutcome('A', 2, { kind: 'unknown', detail: 'again' });
    expect(await journal.unresolved()).toMatchObject([{ messageId: 'a', detail: 'again' }]);
    expect(await journal.resolve('A', 'not-sent', null, 1)).toMatchObject({ state: 'failed' });
  });
});

describe('answering', () => {
  test('one answer may stand for several requests', async () => {
    const { journal, rows } = await started();
    await journal.requestedAgain(outboundMessage('A'));
    await journal.answered('A', null, 2);
    expect(rows('select asked, answered from outbound_messages')).toEqual([{ asked: 2, answered: 2 }]);
  });

  test('pays one debt at a time, and never more than are owed', async () => {
    const { journal, rows, clock } = await started();
    await journal.requestedAgain(outboundMessage('A'));
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
