import { expect, test } from 'vitest';
import { rejectionLog } from './rejections.js';

test('rejected requests are logged ever more rarely, with their count', () => {
  const shown: unknown[] = [];
  const hidden: unknown[] = [];
  const reject = rejectionLog({
    warn: (fields) => void shown.push(fields),
    debug: (fields) => void hidden.push(fields),
  });
  for (let time = 0; time < 250; time++) reject({ reason: 'x' }, 'webhook request was rejected');
  expect(shown).toHaveLength(9 + 9 + 2);
  expect(shown.at(-1)).toEqual({ reason: 'x', count: 200 });
  expect(hidden).toHaveLength(230);
});
