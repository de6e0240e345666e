import { describe, expect, it } from 'vitest';
import { sharedByDevice } from './shared-state.js';

describe('shared state of the drivers of one service', () => {
  it('is made once and seen by every gateway of the same device', () => {
    const service = sharedByDevice();
    const made = service('Smpp')('accounts', () => new Map<string, number>());
    made.set('a', 1);
    expect(service('Smpp')('accounts', () => new Map<string, number>())).toBe(made);
  });

  it('is not seen by another device', () => {
    const service = sharedByDevice();
    expect(service('Smpp')('key', () => 'smpp')).toBe('smpp');
    expect(service('Twilio')('key', () => 'twilio')).toBe('twilio');
  });

  it('is not seen by another service', () => {
    expect(sharedByDevice()('Smpp')('key', () => 'one')).toBe('one');
    expect(sharedByDevice()('Smpp')('key', () => 'two')).toBe('two');
  });

  it('makes a value again when making it failed', () => {
    const shared = sharedByDevice()('Smpp');
    const fail = () => {
      throw new Error('no');
    };
    expect(() => shared('key', fail)).toThrow('no');
    expect(shared('key', () => 'made')).toBe('made');
  });
});
