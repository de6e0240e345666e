import { describe, expect, it } from 'vitest';
import { deliveryWindow } from './window.js';

const forever = new AbortController().signal;
const settle = () => new Promise((resolve) => setImmediate(resolve));

describe('the window of unacknowledged messages', () => {
  it('gives repeats at most half of its slots, and never more slots than it has', async () => {
    const window = deliveryWindow({ slots: 4, bytes: 100 });
    const granted: string[] = [];
    const leave: (() => void)[] = [];
    const enter = (kind: 'new' | 'repeat', name: string) =>
      void (kind === 'new' ? window.enterNew(1, forever) : window.enterRepeat(1, forever)).then((release) => {
        granted.push(name);
        leave.push(release);
      });
    for (const name of ['r1', 'r2', 'r3', 'r4']) enter('repeat', name);
    for (const name of ['n1', 'n2', 'n3']) enter('new', name);
    await settle();
    expect(granted).toEqual(['r1', 'r2', 'n1', 'n2']);
    expect(window.used).toBe(4);
    leave[2]?.();
    await settle();
    expect(granted.at(-1)).toBe('n3');
    leave[0]?.();
    await settle();
    expect(granted.at(-1)).toBe('r3');
  });

  it('is bounded in bytes, but an empty window takes any message', async () => {
    const window = deliveryWindow({ slots: 4, bytes: 10 });
    const large = await window.enterNew(50, forever);
    let entered = false;
    void window.enterNew(1, forever).then(() => {
      entered = true;
    });
    await settle();
    expect(entered).toBe(false);
    large();
    await settle();
    expect(entered).toBe(true);
  });

  it('forgets an applicant whose signal aborts, and lets those behind it in', async () => {
    const window = deliveryWindow({ slots: 2, bytes: 10 });
    await window.enterNew(5, forever);
    const stop = new AbortController();
    const large = window.enterNew(9, stop.signal);
    const small = window.enterNew(5, forever);
    stop.abort(new Error('stopped'));
    await expect(large).rejects.toThrow('stopped');
    await small;
    expect(window.used).toBe(2);
  });
});
