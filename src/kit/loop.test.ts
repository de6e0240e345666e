import { expect, test } from 'vitest';
import { manualClock } from '../../test/fixtures/manual-clock.js';
import { silentLog } from './log.js';
import { loop } from './loop.js';

function counting(round: (n: number) => Promise<number>) {
  const clock = manualClock();
  const counted = { rounds: 0 };
  const running = loop({ clock, log: silentLog, name: 'counting', failurePauseMs: 1_000 }, () =>
    round(++counted.rounds),
  );
  return { clock, running, counted };
}

test('a round follows the one before after as many ms as that returned', async () => {
  const { clock, running, counted } = counting(async () => 100);
  await clock.advance(99);
  expect(counted.rounds).toBe(1);
  await clock.advance(1);
  expect(counted.rounds).toBe(2);
  await running.stop();
});

test('waking cuts the pause short, and once only', async () => {
  const { clock, running, counted } = counting(async () => 100);
  await clock.advance(10);
  running.wake();
  await clock.advance(0);
  expect(counted.rounds).toBe(2);
  await clock.advance(99);
  expect(counted.rounds).toBe(2);
  await running.stop();
});

test('a round that fails is tried again, later each time, and a success forgets that', async () => {
  const { clock, running, counted } = counting(async (n) => {
    if (n <= 2) throw new Error('not yet');
    return 50;
  });
  await clock.advance(999);
  expect(counted.rounds).toBe(1);
  await clock.advance(1);
  expect(counted.rounds).toBe(2);
  await clock.advance(1_999);
  expect(counted.rounds).toBe(2);
  await clock.advance(1);
  expect(counted.rounds).toBe(3);
  await clock.advance(50);
  expect(counted.rounds).toBe(4);
  await running.stop();
});

test('stopping waits for the running round and leaves no timer', async () => {
  let finish = () => {};
  const { clock, running, counted } = counting(() => new Promise((resolve) => (finish = () => resolve(100))));
  let stopped = false;
  const stopping = running.stop().then(() => (stopped = true));
  await clock.advance(1_000);
  expect(stopped).toBe(false);
  finish();
  await stopping;
  await running.stop();
  await clock.advance(1_000);
  expect([counted.rounds, clock.armed]).toEqual([1, 0]);
});
