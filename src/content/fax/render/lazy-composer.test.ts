import { describe, expect, it } from 'vitest';
import type { FaxRules } from '../../../model/content.js';
import type { FaxComposer } from '../process/compose-task.js';
import { lazyFaxComposer } from './lazy-composer.js';

const request = { GatewayId: 'g' };
const rules: FaxRules = {
  ...{ region: undefined, header: undefined, station: undefined, coverPage: false },
  ...{ pageSize: 'A4', resolution: 'Fine', documents: 'pdf' },
};
const signal = new AbortController().signal;

function composerWith(closed: string[]): FaxComposer {
  return {
    compose: async () => ({ ok: false, problem: 'composed' }),
    close: async () => void closed.push('closed'),
  };
}

describe('the lazy fax composer', () => {
  it('is loaded once, with the first fax', async () => {
    let loads = 0;
    const lazy = lazyFaxComposer(async () => {
      loads += 1;
      return composerWith([]);
    });
    expect(loads).toBe(0);
    await Promise.all([lazy.compose(request, rules, signal), lazy.compose(request, rules, signal)]);
    expect(loads).toBe(1);
  });

  it('is loaded again after a failed load', async () => {
    let loads = 0;
    const lazy = lazyFaxComposer(async () => {
      loads += 1;
      if (loads === 1) throw new Error('too many open files');
      return composerWith([]);
    });
    await expect(lazy.compose(request, rules, signal)).rejects.toThrow('too many open files');
    expect(await lazy.compose(request, rules, signal)).toMatchObject({ problem: 'composed' });
  });

  it('is closed also when it is closed while it loads, and composes no more', async () => {
    const closed: string[] = [];
    let finish = (_: FaxComposer) => {};
    const lazy = lazyFaxComposer(() => new Promise((resolve) => (finish = resolve)));
    const composing = lazy.compose(request, rules, signal);
    const closing = lazy.close();
    finish(composerWith(closed));
    await Promise.all([composing, closing]);
    expect(closed).toEqual(['closed']);
    await expect(lazy.compose(request, rules, signal)).rejects.toThrow('the fax composer is closed');
  });

  it('loads nothing to be closed', async () => {
    await lazyFaxComposer(() => Promise.reject(new Error('loaded'))).close();
  });
});
