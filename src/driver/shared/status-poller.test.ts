import { describe, expect, it } from 'vitest';
import { createDriverState } from '../../../test/fixtures/driver-state.js';
import { manualClock } from '../../../test/fixtures/manual-clock.js';
import { silentLog } from '../../kit/log.js';
import type { DeliveryReceipt, DeliveryState } from '../../model/receipt.js';
import { type Polled, type StatusPollerOptions, statusPoller } from './status-poller.js';

const never = new AbortController().signal;
const RANKS: readonly DeliveryState[] = ['accepted', 'sent', 'delivered', 'undelivered'];

const progress = (state: DeliveryState) => ({
  state,
  rank: RANKS.indexOf(state),
  final: state === 'delivered' || state === 'undelivered',
});

async function start(more: Partial<StatusPollerOptions> = {}, driverState = createDriverState()) {
  const clock = manualClock();
  const closing = new AbortController();
  const receipts: DeliveryReceipt[] = [];
  const states = new Map<string, DeliveryState | 'gone' | 'fails'>();
  const polls: string[] = [];
  const released: string[] = [];
  const poller = await statusPoller({
    context: {
      clock,
      driverState,
      log: silentLog,
      gateway: { direction: 'O' },
      reportReceipts: async (some) => void receipts.push(...some),
    },
    closed: closing.signal,
    maxTracked: 3,
    resumeMs: 1_000,
    retainMs: 0,
    nextPollMs: (age) => (age < 100_000 ? 10_000 : null),
    async poll(id): Promise<Polled | 'gone' | undefined> {
      polls.push(id);
      const state = states.get(id);
      if (state === 'fails') throw new Error('no answer');
      if (state === 'gone' || state === undefined) return state;
      return { progress: progress(state), receipt: { id, state, at: clock.now(), detail: null } };
    },
    onEnd: async (handle) => void released.push(handle),
    ...more,
  });
  const records = async () => (await driverState.listRecords('sent', '', 100)).map(({ key }) => key);
  const close = async () => {
    closing.abort();
    await poller.stopped;
  };
  return { poller, clock, receipts, states, polls, released, records, driverState, close };
}

describe('the status poller', () => {
  it('asks until the final state, reports each advance once, and leaves nothing behind', async () => {
    const { poller, clock, states, receipts, polls, released, records, close } = await start();
    await poller.track('a', 'message-a', 'file:a');
    states.set('a', 'accepted');
    await clock.advance(60_000);
    expect(polls).toEqual([]);
    poller.start('a', progress('accepted'));
    await clock.advance(10_000);
    states.set('a', 'sent');
    await clock.advance(20_000);
    states.set('a', 'delivered');
    await clock.advance(20_000);
    expect(receipts.map(({ state }) => state)).toEqual(['sent', 'delivered']);
    expect([polls.length, released, await records(), clock.armed]).toEqual([4, ['file:a'], [], 0]);
    await close();
  });

  it('stops asking when the message is gone, and when no state becomes final', async () => {
    const { poller, clock, states, receipts, records } = await start();
    for (const id of ['a', 'b', 'c']) await poller.track(id, id);
    states.set('a', 'gone').set('b', 'fails').set('c', 'sent');
    for (const id of ['a', 'b', 'c']) poller.start(id, progress('accepted'));
    for (let turn = 0; turn < 20; turn++) await clock.advance(10_000);
    expect(receipts.map(({ id }) => id)).toEqual(['c']);
    expect([await records(), clock.armed]).toEqual([[], 0]);
  });

  it('goes on after a restart, also with the records of version 0.1', async () => {
    const driverState = createDriverState();
    await driverState.putRecords('sent', [
      { key: 'a', value: { order: 'message-a', at: Date.UTC(2026, 10, 22, 10), handle: null } },
      { key: 'b', value: { messageId: 'message-b', at: Date.UTC(2026, 10, 22, 10), handle: 'file:b' } },
      { key: 'c', value: 'nonsense' },
    ]);
    const { poller, clock, states, receipts, released } = await start({}, driverState);
    expect([poller.ownerOf('a'), poller.ownerOf('b'), poller.idOf('message-b')]).toEqual([
      'message-a',
      'message-b',
      'b',
    ]);
    states.set('a', 'delivered').set('b', 'undelivered');
    await clock.advance(1_000);
    expect(receipts.map(({ id, state }) => [id, state])).toEqual([
      ['a', 'delivered'],
      ['b', 'undelivered'],
    ]);
    expect(released).toEqual(['file:b']);
  });

  it('verifies a pushed final state a little later, and does not repeat what was pushed before', async () => {
    const { poller, clock, states, receipts, polls } = await start({ nextPollMs: () => 1_000_000 });
    await poller.track('a', 'message-a');
    poller.start('a', progress('accepted'));
    poller.pushed('a', progress('sent'));
    poller.pushed('a', progress('delivered'));
    states.set('a', 'delivered');
    await clock.advance(10_000);
    expect([polls, receipts.map(({ state }) => state)]).toEqual([['a'], ['delivered']]);
  });

  it('forgets the oldest message beyond its bound', async () => {
    const { poller, records } = await start();
    for (const id of ['d', 'c', 'b', 'a']) await poller.track(id, `message-${id}`);
    expect([await records(), poller.ownerOf('d'), poller.ownerOf('a')]).toEqual([
      ['a', 'b', 'c'],
      undefined,
      'message-a',
    ]);
  });

  it('keeps the owner of an ended message for a while', async () => {
    const { poller, clock, records } = await start({ retainMs: 900_000 });
    await poller.track('a', 'message-a');
    await poller.end('a', never);
    poller.start('a', progress('accepted'));
    expect([poller.ownerOf('a'), poller.idOf('message-a')]).toEqual(['message-a', undefined]);
    await poller.track('b', 'message-b');
    poller.start('b', progress('accepted'));
    await clock.advance(1_000_000);
    expect([poller.ownerOf('a'), await records()]).toEqual([undefined, []]);
  });

  it('ends with the gateway, also in the middle of a question that is never answered', async () => {
    const { poller, clock, close } = await start({ poll: () => new Promise(() => {}) });
    await poller.track('a', 'message-a');
    poller.start('a', progress('accepted'));
    await clock.advance(10_000);
    await close();
    expect(clock.armed).toBe(0);
  });
});
