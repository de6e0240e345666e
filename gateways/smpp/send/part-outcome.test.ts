import { describe, expect, it } from 'vitest';
import type { ComposedText, Outcome } from '../../../src/driver/contract.js';
import { outcomeOf, type PartOutcome } from './part-outcome.js';

const message: ComposedText = {
  kind: 'text',
  to: '+420777123456',
  from: '12345',
  text: 'hello',
  encoding: 'GSM-7',
  segments: 1,
  reference: 'our reference',
};
const accepted = (id: string): PartOutcome => ({ kind: 'accepted', id });
const temporary: PartOutcome = { kind: 'rejected', temporary: true, detail: 'later' };
const permanent: PartOutcome = { kind: 'rejected', temporary: false, detail: 'never' };
const optedOut: PartOutcome = { kind: 'rejected', temporary: false, detail: 'stop', optedOut: true };
const unanswered: PartOutcome = { kind: 'unanswered', detail: 'no response' };

describe('the outcome of a message follows from its parts', () => {
  it.each<[string, PartOutcome[], number, Partial<Outcome>]>([
    ['accepted', [accepted('1')], 1, { kind: 'sent', deliverySystemId: '1', ids: ['1'] }],
    ['accepted without an id', [accepted('')], 1, { kind: 'sent', deliverySystemId: 'our reference', ids: [] }],
    ['all parts accepted', [accepted('1'), accepted('2')], 2, { kind: 'sent', ids: ['1', '2'], detail: '2 parts' }],
    ['rejected for now', [temporary], 1, { kind: 'deferred', detail: 'later' }],
    ['rejected for good', [permanent], 1, { kind: 'rejected', detail: 'never' }],
    ['rejected because of an opt-out', [optedOut], 1, { kind: 'rejected', detail: 'stop', optedOut: true }],
    ['a part rejected for good says more', [temporary, permanent], 2, { kind: 'rejected', detail: 'never' }],
    [
      'a part rejected for now after an accepted one',
      [accepted('1'), temporary],
      2,
      { kind: 'rejected', detail: expect.stringMatching(/^1 of 2 parts were accepted, part 2 was not: later/) },
    ],
    ['no response', [unanswered], 1, { kind: 'unknown', detail: 'no response', ids: ['part 1'] }],
    [
      'no response to a part',
      [accepted('1'), unanswered],
      2,
      { kind: 'unknown', detail: '1 of 2 parts accepted; no response', ids: ['1', 'part 2'] },
    ],
  ])('%s', (_name, parts, total, expected) => {
    expect(outcomeOf(parts, total, message, (part) => `part ${part}`)).toMatchObject(expected);
  });

  it.each<[string, PartOutcome[], number]>([
    ['a part was rejected', [unanswered, permanent], 2],
    ['a part was never written', [accepted('1'), unanswered], 3],
  ])('no receipt can settle a message of which %s', (_name, parts, total) => {
    const outcome = outcomeOf(parts, total, message, (part) => `part ${part}`);
    expect(outcome.kind).toBe('unknown');
    expect(outcome).not.toHaveProperty('ids');
  });
});
