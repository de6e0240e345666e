// The operations on inbound messages and the diagram of their states.
import { describe, expect, test } from 'vitest';
import { acknowledged, inboundMessage, later, only, place } from '../../../test/fixtures/journal.js';

describe('opening', () => {
  test('records the message as pending with a RequestId of its own', async () => {
    const journal = await place().open();
    const [one, two] = await Promise.all([journal.open(inboundMessage('1')), journal.open(inboundMessage('2'))]);
    expect(one).toMatchObject({ gatewayId: 'in', key: '1', state: 'pending', rejections: 0, messageId: null });
    expect(one.requestId).toMatch(/^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$/);
    expect(two.requestId).not.toBe(one.requestId);
  });

  test('one key keeps its requestId and DeliverySystemId for ever, also over a restart', async () => {
    const { open } = place();
    const journal = await open();
    const first = await journal.open(inboundMessage('1'));
    const [again, atOnce] = await Promise.all([
      journal.open(inboundMessage('1', { deliverySystemId: 'other' })),
      journal.open(inboundMessage('1')),
    ]);
    expect(again).toEqual(first);
    expect(atOnce).toEqual(first);
    await journal.close();
    const restarted = await open();
    expect(await restarted.open(inboundMessage('1', { subject: 'changed' }))).toEqual(first);
  });

  test('the same key of another gateway is another inbound message', async () => {
    const journal = await place().open();
    const here = await journal.open(inboundMessage('1'));
    const there = await journal.open(inboundMessage('1', { gatewayId: 'in-2' }));
    expect(there.requestId).not.toBe(here.requestId);
    expect((await journal.recordsOf('in-2', ['1'])).get('1')).toEqual(there);
  });
});

describe('known keys', () => {
  test('are found among thousands, the unknown ones left out', async () => {
    const journal = await place().open();
    const keys = Array.from({ length: 1_203 }, (_, index) => `INBOX/7/${index}`);
    await Promise.all(keys.filter((_, index) => index % 2 === 0).map((key) => journal.open(inboundMessage(key))));
    const known = await journal.recordsOf('in', keys);
    expect(known.size).toBe(602);
    expect(known.get('INBOX/7/1202')?.state).toBe('pending');
    expect(known.has('INBOX/7/1201')).toBe(false);
    expect(await journal.recordsOf('in', [])).toEqual(new Map());
  });

  test('include the skipped ones; skipping leaves known keys as they are', async () => {
    const journal = await place().open();
    await journal.open(inboundMessage('1'));
    const entries = Array.from({ length: 1_100 }, (_, index) => ({ key: `${index}`, fingerprint: `f${index}` }));
    await journal.skip('in', entries);
    const known = await journal.recordsOf('in', ['0', '1', '1099']);
    expect([...known.values()].map(({ key, state }) => `${key} ${state}`).sort()).toEqual([
      '0 skipped',
      '1 pending',
      '1099 skipped',
    ]);
    expect((await journal.open(inboundMessage('0'))).state).toBe('skipped');
  });

  test('are found by fingerprint', async () => {
    const journal = await place().open();
    await journal.open(inboundMessage('1', { fingerprint: 'same' }));
    await journal.open(inboundMessage('2', { fingerprint: 'same' }));
    await journal.open(inboundMessage('3', { gatewayId: 'in-2', fingerprint: 'same' }));
    await journal.skip('in', [{ key: '4', fingerprint: 'old' }]);
    const found = await journal.byFingerprint('in', ['same', 'old', 'unknown']);
    expect(found.map(({ key, state }) => `${key} ${state}`).sort()).toEqual(['1 pending', '2 pending', '4 skipped']);
  });

  test('get new keys with all their history, but never a key that another message has', async () => {
    const journal = await place().open();
    const one = await acknowledged(journal, 'INBOX/1/1');
    await journal.open(inboundMessage('INBOX/2/9'));
    await journal.open(inboundMessage('INBOX/1/2'));
    await journal.rekey('in', [
      { from: 'INBOX/1/1', to: 'INBOX/2/1' },
      { from: 'INBOX/1/2', to: 'INBOX/2/9' },
      { from: 'unknown', to: 'INBOX/2/3' },
    ]);
    const known = await journal.recordsOf('in', ['INBOX/1/1', 'INBOX/2/1', 'INBOX/1/2', 'INBOX/2/9', 'INBOX/2/3']);
    expect([...known.keys()].sort()).toEqual(['INBOX/1/2', 'INBOX/2/1', 'INBOX/2/9']);
    expect(known.get('INBOX/2/1')).toEqual({ ...one, key: 'INBOX/2/1' });
    const trace = only(await journal.traces('INBOX/2/1'));
    expect(trace.entries.map(({ event }) => event)).toEqual(['received', 'acknowledged', 'rekeyed']);
    expect(trace.entries[2]?.detail).toBe('was INBOX/1/1');
  });
});

describe('acknowledging', () => {
  test('pending -> acknowledged, once; a repeat changes nothing', async () => {
    const journal = await place().open();
    const { requestId } = await journal.open(inboundMessage('1'));
    const record = await journal.acknowledge(requestId.toUpperCase(), { messageId: 'ABC-1', at: 5 });
    expect(record).toMatchObject({ state: 'acknowledged', messageId: 'abc-1' });
    expect(await journal.acknowledge(requestId, { messageId: 'other', at: 6 })).toEqual(record);
    expect((await journal.entries({ event: 'acknowledged', limit: 9 })).length).toBe(1);
  });

  test('an unknown requestId gives null', async () => {
    const journal = await place().open();
    await journal.open(inboundMessage('1'));
    expect(await journal.acknowledge('unknown', { messageId: null, at: 1 })).toBeNull();
  });

  test('survives a restart', async () => {
    const { open } = place();
    const journal = await open();
    await acknowledged(journal, '1');
    await journal.close();
    expect((await (await open()).recordsOf('in', ['1'])).get('1')).toMatchObject({
      state: 'acknowledged',
      messageId: 'msg-1',
    });
  });
});

describe('confirming', () => {
  test('acknowledged -> confirmed for many at once; others are left as they are', async () => {
    const journal = await place().open();
    const ids: number[] = [];
    for (let index = 0; index < 700; index++)
      ids.push(index % 100 === 0 ? (await journal.open(inboundMessage(`${index}`))).id : 0);
    const records = await Promise.all(Array.from({ length: 600 }, (_, index) => acknowledged(journal, `t${index}`)));
    await journal.confirmed([...records.map(({ id }) => id), ...ids, 987_654]);
    const states = await journal.recordsOf('in', ['t0', 't599', '100']);
    expect([...states.values()].map(({ state }) => state).sort()).toEqual(['confirmed', 'confirmed', 'pending']);
    expect((await journal.entries({ event: 'confirmed', limit: 5_000 })).length).toBe(600);
  });

  test('a confirmed inbound message stays confirmed whatever is said about it later', async () => {
    const journal = await place().open();
    const { id, requestId } = await acknowledged(journal, '1');
    await journal.confirmed([id]);
    await journal.acknowledge(requestId, { messageId: 'late', at: 9 });
    await journal.quarantine(id, 'too late', Buffer.from('x'));
    expect(await journal.requeue(id)).toBeNull();
    expect(await journal.rejected(id, 'late false')).toBe(0);
    await journal.confirmed([id]);
    expect((await journal.recordsOf('in', ['1'])).get('1')).toMatchObject({ state: 'confirmed', messageId: 'msg-1' });
    expect(only(await journal.traces('1')).entries.map(({ event }) => event)).toEqual([
      'received',
      'acknowledged',
      'confirmed',
    ]);
  });
});

describe('rejections and quarantine', () => {
  test('rejections count up, in the delivery log with the reason', async () => {
    const journal = await place().open();
    const { id } = await journal.open(inboundMessage('1'));
    await journal.dispatched(id, 1);
    expect(await journal.rejected(id, 'no such\r\n queue')).toBe(1);
    await journal.dispatched(id, 2);
    expect(await journal.rejected(id, 'again')).toBe(2);
    const trace = only(await journal.traces('1'));
    expect(trace.entries.map(({ event, detail }) => [event, detail])).toEqual([
      ['received', null],
      ['dispatched', null],
      ['rejected', 'no such queue'],
      ['dispatched', 'attempt 2'],
      ['rejected', 'again'],
    ]);
  });

  test('a rejection that comes after the acknowledgement does not count', async () => {
    const journal = await place().open();
    const { id } = await acknowledged(journal, '1');
    expect(await journal.rejected(id, 'late')).toBe(0);
  });

  test('dispatching or rejecting a message that is not there is an error', async () => {
    const journal = await place().open();
    await expect(journal.dispatched(77, 1)).rejects.toMatchObject({ code: 'journal/unknown-inbound' });
    await expect(journal.rejected(77, '')).rejects.toMatchObject({ code: 'journal/unknown-inbound' });
  });

  test('a quarantined message is stored whole, visible and retryable, also over a restart', async () => {
    const { open, clock } = place();
    const journal = await open();
    const { id } = await journal.open(inboundMessage('1'));
    const raw = Buffer.from(Uint8Array.from({ length: 70_000 }, (_, index) => (index * 7) % 256));
    for (let count = 0; count < 8; count++) await journal.rejected(id, 'no');
    await journal.quarantine(id, 'rejected 8 times', raw);
    await journal.close();

    const restarted = await open();
    const waiting = only(await restarted.quarantined('in'));
    expect(waiting).toMatchObject({
      reason: 'rejected 8 times',
      at: clock.now(),
      bytes: 70_000,
      inboundMessage: { key: '1', rejections: 8 },
    });
    expect(await restarted.quarantined('in-2')).toEqual([]);
    expect(await restarted.quarantinedRaw(id)).toEqual(raw);

    expect(await restarted.requeue(id)).toMatchObject({ state: 'pending', rejections: 0 });
    expect(await restarted.requeue(id)).toBeNull();
    expect(await restarted.quarantinedRaw(id)).toEqual(raw);
    expect(await restarted.quarantined()).toEqual([]);
  });

  test('a late ack takes a message out of quarantine, and its raw form is removed', async () => {
    const { open, clock } = place();
    const journal = await open();
    const { id, requestId } = await journal.open(inboundMessage('1'));
    await journal.quarantine(id, 'no answer', Buffer.from('raw'));
    expect(await journal.acknowledge(requestId, { messageId: 'm', at: clock.now() })).toMatchObject({
      state: 'acknowledged',
    });
    expect(await journal.quarantinedRaw(id)).toBeNull();
    expect(await journal.quarantined()).toEqual([]);
  });
});

describe('the reconciliation', () => {
  test('adds up: received = delivered + waiting + quarantined; duplicates and skipped ones apart', async () => {
    const { open, clock } = place();
    const journal = await open();
    const delivered = await acknowledged(journal, 'd1');
    await acknowledged(journal, 'd2');
    await journal.confirmed([delivered.id]);
    await journal.open(inboundMessage('w'));
    const { id } = await journal.open(inboundMessage('q'));
    await journal.quarantine(id, 'no', Buffer.from('q'));
    await journal.skip('in', [{ key: 'old', fingerprint: 'old' }]);
    await journal.open(inboundMessage('d1'));
    await journal.open(inboundMessage('d2'));
    await journal.open(inboundMessage('w'));
    await journal.open(inboundMessage('other', { gatewayId: 'in-2' }));
    expect(await journal.reconciliation(clock.now())).toEqual([
      { gatewayId: 'in', day: '2026-11-22', received: 4, delivered: 2, waiting: 1, quarantined: 1, duplicates: 2 },
      { gatewayId: 'in-2', day: '2026-11-22', received: 1, delivered: 0, waiting: 1, quarantined: 0, duplicates: 0 },
    ]);
  });

  test('keeps a message on the day of its first opening', async () => {
    const { open, clock } = place();
    const journal = await open();
    await journal.open(inboundMessage('1'));
    await clock.advance(24 * 60 * 60 * 1000);
    await acknowledged(journal, '1');
    await acknowledged(journal, '2');
    expect((await journal.reconciliation(0)).map(({ day, delivered }) => [day, delivered])).toEqual([
      ['2026-11-22', 1],
      ['2026-11-23', 1],
    ]);
    expect((await journal.reconciliation(clock.now())).map(({ day }) => day)).toEqual(['2026-11-23']);
  });

  test('a row that got lost shows as a sum that does not add up', async () => {
    const { open, path } = place();
    const journal = await open();
    await journal.open(inboundMessage('1'));
    await journal.open(inboundMessage('2'));
    await journal.close();
    const { DatabaseSync } = await import('@photostructure/sqlite');
    const database = new DatabaseSync(path);
    later(() => database.close());
    database.exec("delete from inbound_messages where key = '1'");
    const row = only(await (await open()).reconciliation(0));
    expect(row.received - row.delivered - row.waiting - row.quarantined).toBe(1);
  });

  test('what is waiting is counted per gateway, with the age of the oldest', async () => {
    const { open, clock } = place();
    const journal = await open();
    const since = clock.now();
    await journal.open(inboundMessage('1'));
    await clock.advance(1_000);
    await journal.open(inboundMessage('2'));
    await acknowledged(journal, '3');
    const { id } = await journal.open(inboundMessage('4'));
    await journal.quarantine(id, 'no', Buffer.from('x'));
    const done = await acknowledged(journal, '5', { gatewayId: 'in-2' });
    expect(await journal.backlog()).toEqual([
      { gatewayId: 'in', pending: 2, unconfirmed: 1, quarantined: 1, oldestPendingAt: since },
      { gatewayId: 'in-2', pending: 0, unconfirmed: 1, quarantined: 0, oldestPendingAt: null },
    ]);
    await journal.confirmed([done.id]);
    expect((await journal.backlog()).map(({ gatewayId }) => gatewayId)).toEqual(['in']);
  });
});

describe('driver checkpoints', () => {
  test('is read back after a restart, apart by gateway and direction', async () => {
    const { open } = place();
    const journal = await open();
    expect(await journal.getCheckpoint('in', 'I', 'cursor')).toBeUndefined();
    await journal.putCheckpoint('in', 'I', 'cursor', { uid: 1 });
    await journal.putCheckpoint('in', 'I', 'cursor', { uid: 2, name: 'Grüße' });
    await journal.putCheckpoint('in', 'O', 'cursor', null);
    await journal.close();
    const restarted = await open();
    expect(await restarted.getCheckpoint('in', 'I', 'cursor')).toEqual({ uid: 2, name: 'Grüße' });
    expect(await restarted.getCheckpoint('in', 'O', 'cursor')).toBeNull();
    expect(await restarted.getCheckpoint('in-2', 'I', 'cursor')).toBeUndefined();
  });

  test('has a bound', async () => {
    const journal = await place().open();
    await expect(journal.putCheckpoint('in', 'I', 'cursor', 'x'.repeat(2 ** 20))).rejects.toMatchObject({
      code: 'journal/too-large',
    });
  });
});
