import { describe, expect, test } from 'vitest';
import type { AttemptState, OutboundState } from '../../model/state.js';
import { acceptedBy, decidingAttempt, foldAttempts } from './fold.js';

const attempts = (...states: AttemptState[]) =>
  states.map((state, index) => ({
    number: index + 1,
    state,
    acceptedRecipients: state === 'partial' ? ['ann@example.com'] : [],
  }));

/** Attempts, the state that follows from them, the number of the attempt that decides. */
const ROWS: [AttemptState[], OutboundState, number | undefined][] = [
  [[], 'accepted', undefined],
  [['sending'], 'sending', 1],
  [['sent'], 'sent', 1],
  [['unknown'], 'unknown', 1],
  [['partial'], 'partial', 1],
  [['deferred'], 'failed', 1],
  [['rejected'], 'failed', 1],
  [['deferred', 'rejected'], 'failed', 2],
  [['deferred', 'sent'], 'sent', 2],
  // Nothing takes "sent" back.
  [['sent', 'rejected'], 'sent', 1],
  [['sent', 'unknown'], 'sent', 1],
  [['sent', 'sending'], 'sent', 1],
  [['sent', 'sent'], 'sent', 2],
  // No later failure hides an unknown outcome.
  [['unknown', 'deferred'], 'unknown', 1],
  [['unknown', 'rejected'], 'unknown', 1],
  [['unknown', 'rejected', 'unknown', 'deferred'], 'unknown', 3],
  [['unknown', 'partial'], 'unknown', 1],
  [['unknown', 'sending'], 'sending', 2],
  [['unknown', 'sent'], 'sent', 2],
  // Some recipients have it.
  [['partial', 'rejected'], 'partial', 1],
  [['partial', 'deferred'], 'partial', 1],
  [['partial', 'unknown'], 'unknown', 2],
  [['partial', 'sent'], 'sent', 2],
];

describe('the state of a message', () => {
  test.each(ROWS)('after attempts %j is %s', (states, state, deciding) => {
    expect(foldAttempts(attempts(...states))).toBe(state);
    expect(decidingAttempt(attempts(...states))?.number).toBe(deciding);
  });

  test('is partial when an attempt that failed later had reached somebody', () => {
    const rejected = { number: 1, state: 'rejected' as const, acceptedRecipients: ['ann@example.com'] };
    expect(foldAttempts([rejected])).toBe('partial');
  });
});

test('a recipient that several attempts reached has the message once', () => {
  expect(acceptedBy(attempts('partial', 'partial'))).toEqual(['ann@example.com']);
});
