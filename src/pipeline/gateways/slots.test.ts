import { describe, expect, it } from 'vitest';
import type { GatewayInfo } from '../../model/message.js';
import { createSlots, type ListState, lookUp, type Slot } from './slots.js';

const info: GatewayInfo = { Id: 'g', Direction: 'O', Channel: 'Email', Device: 'Test {}' };
const running = { direction: 'O', gateway: { config: { info } } } as never;
const slots: Record<string, Slot | undefined> = {
  none: undefined,
  starting: { info, is: 'starting' },
  running: { info, is: 'running', running },
  draining: { info, is: 'draining', running, reason: 'changed', drained: Promise.resolve() },
  skipped: { info, is: 'skipped', problem: 'Host is missing', since: 0 },
};
const lists: Record<string, ListState> = {
  'an outdated list with it': { keys: new Set(['g|O']), current: false },
  'an outdated list without it': { keys: new Set(), current: false },
  'a current list with it': { keys: new Set(['g|O']), current: true },
  'a current list without it': { keys: new Set(), current: true },
};

describe('whether a gateway runs', () => {
  const table: [slot: string, list: string, result: string][] = [
    [
      'none',
      'an outdated list with it',
      'pending: the list of gateways has not been received since the last login to the server',
    ],
    [
      'none',
      'an outdated list without it',
      'pending: the list of gateways has not been received since the last login to the server',
    ],
    ['none', 'a current list with it', 'pending: it is still starting'],
    [
      'none',
      'a current list without it',
      'absent: this connector runs no such gateway, the list of the server does not contain it',
    ],
    ['starting', 'a current list with it', 'pending: it is still starting'],
    ['running', 'a current list with it', 'running'],
    ['running', 'an outdated list with it', 'running'],
    ['draining', 'a current list with it', 'pending: it restarts because its settings changed'],
    [
      'draining',
      'an outdated list with it',
      'pending: the list of gateways has not been received since the last login to the server',
    ],
    [
      'draining',
      'a current list without it',
      'absent: this connector runs no such gateway, the list of the server does not contain it',
    ],
    ['skipped', 'a current list with it', 'absent: it is skipped: Host is missing'],
    [
      'skipped',
      'an outdated list with it',
      'pending: the list of gateways has not been received since the last login to the server',
    ],
  ];
  for (const [slot, name, result] of table) {
    it(`with slot ${slot} and ${name}: ${result.split(':')[0]}`, () => {
      const list = lists[name] as ListState;
      const found = lookUp(slots[slot], list, 'g|O');
      expect('reason' in found ? `${found.is}: ${found.reason}` : found.is).toBe(result);
    });
  }
});

describe('waiting for a change of the slots', () => {
  it('ends with the first answer', async () => {
    const table = createSlots();
    const waiting = table.until(() => table.get('g|O')?.is, new AbortController().signal);
    table.set('other|O', { info, is: 'starting' });
    table.set('g|O', { info, is: 'starting' });
    expect(await waiting).toBe('starting');
  });

  it('ends without an answer when its signal aborts, also when it was aborted before', async () => {
    const table = createSlots();
    const stop = new AbortController();
    const waiting = table.until(() => undefined, stop.signal);
    stop.abort();
    expect(await waiting).toBeUndefined();
    expect(await table.until(() => undefined, stop.signal)).toBeUndefined();
  });
});
