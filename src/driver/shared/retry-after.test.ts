import { expect, it } from 'vitest';
import { MAX_RETRY_AFTER_MS, retryAfterMs } from './retry-after.js';

const now = Date.UTC(2026, 10, 28, 12, 0, 0);

it.each([
  ['2', 2_000],
  [' 0 ', 0],
  ['Sat, 28 Nov 2026 12:00:30 GMT', 30_000],
  ['Sat, 28 Nov 2026 11:00:00 GMT', 0],
  ['99999999999', MAX_RETRY_AFTER_MS],
  ['Sun, 28 Nov 2027 12:00:00 GMT', MAX_RETRY_AFTER_MS],
  ['soon', undefined],
  ['', undefined],
  [null, undefined],
  [undefined, undefined],
])('Retry-After %j asks for %j ms', (value, ms) => expect(retryAfterMs(value, now)).toBe(ms));
