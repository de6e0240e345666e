import { describe, expect, it } from 'vitest';
import { settledBy } from './settled.js';

describe('a result and its deadline', () => {
  it('the result counts when the event loop reads it in the turn in which the deadline passes', async () => {
    const due = new AbortController();
    const result = new Promise<string>((resolve) => setImmediate(() => resolve('arrived')));
    const settled = settledBy(result, due.signal, 'a response');
    due.abort(new Error('too late'));
    expect(await settled).toBe('arrived');
  });

  it('a fault that arrived in time counts, too', async () => {
    const due = new AbortController();
    const result = new Promise<string>((_, reject) => setImmediate(() => reject(new Error('rejected by the SMSC'))));
    const settled = settledBy(result, due.signal, 'a response');
    due.abort(new Error('too late'));
    await expect(settled).rejects.toThrow('rejected by the SMSC');
  });

  it('without a result the deadline counts', async () => {
    const due = new AbortController();
    const settled = settledBy(new Promise<string>(() => undefined), due.signal, 'a response');
    due.abort(new Error('too late'));
    await expect(settled).rejects.toThrow('too late');
  });
});
