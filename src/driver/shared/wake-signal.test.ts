import { describe, expect, it } from 'vitest';
import { manualClock } from '../../../test/fixtures/manual-clock.js';
import { wakeSignal } from './wake-signal.js';

const never = new AbortController().signal;

describe('a wake signal', () => {
  it('pauses for as long as it was asked to and leaves no timer behind', async () => {
    const clock = manualClock();
    const signal = wakeSignal(clock);
    const pause = signal.pause(1_000, never);
    await clock.advance(1_000);
    await pause;
    expect(clock.armed).toBe(0);
  });

  it('ends a running pause on a wake-up, and only that one', async () => {
    const clock = manualClock();
    const signal = wakeSignal(clock);
    const first = signal.pause(Number.POSITIVE_INFINITY, never);
    signal.wake();
    await first;
    const second = signal.pause(1_000, never);
    expect(await Promise.race([second.then(() => 'ended'), Promise.resolve('paused')])).toBe('paused');
    await clock.advance(1_000);
    await second;
  });

  it('keeps a wake-up that comes before the pause, and counts two as one', async () => {
    const clock = manualClock();
    const signal = wakeSignal(clock);
    signal.wake();
    signal.wake();
    await signal.pause(Number.POSITIVE_INFINITY, never);
    const second = signal.pause(5, never);
    await clock.advance(5);
    await second;
  });

  it('ends when its signal aborts', async () => {
    const stop = new AbortController();
    const pause = wakeSignal(manualClock()).pause(Number.POSITIVE_INFINITY, stop.signal);
    stop.abort();
    await pause;
  });
});
