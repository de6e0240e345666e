import { describe, expect, test } from 'vitest';
import { resolutionOf } from './resolution.js';

type Given = [width: number, height: number, xDpi: number | null, yDpi: number | null];

/** How many times as high as wide the page is on paper. */
function shape([width, height, xDpi, yDpi]: Given, bilevel = true): number {
  const dpi = resolutionOf({ width, height, xDpi, yDpi, bilevel });
  return (height * (dpi.xDpi ?? 1)) / (width * (dpi.yDpi ?? 1));
}

const SHEET = 1.38;

describe('the shape of a fax page', () => {
  test.each<[string, Given]>([
    ['without a resolution, standard', [1728, 1146, null, null]],
    ['without a resolution, fine', [1728, 2292, null, null]],
    ['without a resolution, superfine', [1728, 4584, null, null]],
    ['without a resolution, B4', [2048, 1357, null, null]],
    ['without a resolution, A3', [2432, 1612, null, null]],
    ['without a resolution, A5', [1216, 806, null, null]],
    ['without a resolution, A6', [864, 573, null, null]],
    ['without a resolution, 16 dots per mm', [3456, 4571, null, null]],
    ['without a resolution, 300 dots per inch', [2592, 3577, null, null]],
    ['without a resolution, a line padded to whole bytes', [1736, 1146, null, null]],
    ['with zeros for one of the two', [1728, 1146, 204, null]],
    ['with the lines only', [1728, 1146, null, 98]],
    ['with the default of software', [1728, 1146, 1, 1]],
    ['with the resolution of a screen', [1728, 1146, 72, 72]],
    ['with an absurd resolution', [1728, 1146, 25_400, 25_400]],
    ['with an absurd oblong resolution', [1728, 1146, 204, 9.8]],
    ['with both values swapped', [1728, 1146, 98, 204]],
    ['with both values swapped, fine', [1728, 2292, 196, 204]],
    ['with both values swapped, superfine', [1728, 4584, 391, 204]],
    ['with dots per inch said to be per centimetre', [1728, 1146, 204 * 2.54, 98 * 2.54]],
    ['with dots per centimetre said to be per inch', [1728, 1146, 80, 38.5]],
    ['with swapped dots per centimetre said to be per inch', [1728, 1146, 38.5, 80]],
    ['with a bare ratio', [1728, 1146, 2, 1]],
    ['as declared, standard', [1728, 1146, 204, 98]],
    ['as declared, fine', [1728, 2292, 204, 196]],
    ['as declared, superfine', [1728, 4584, 203, 392]],
  ])('%s is that of a sheet', (_, given) => {
    expect(Math.abs(shape(given) - SHEET)).toBeLessThan(0.08);
  });

  test.each<[string, Given, number]>([
    ['a short page at 200x200', [1728, 1146, 200, 200], 0.663],
    ['a roll without a resolution', [1728, 20_000, null, null], 12.05],
    ['a picture of another width', [1000, 1000, null, null], 1],
    ['a picture of another width with oblong dots', [1000, 500, 200, 100], 1],
  ])('%s stays as it is', (_, given, expected) => {
    expect(shape(given)).toBeCloseTo(expected, 1);
  });

  test('a photograph of 1728 dots is no fax', () => {
    expect(resolutionOf({ width: 1728, height: 1146, xDpi: null, yDpi: null, bilevel: false })).toEqual({
      xDpi: null,
      yDpi: null,
    });
  });

  test('the width on paper follows the unit that was meant', () => {
    const { xDpi } = resolutionOf({ width: 1728, height: 1146, xDpi: 518.16, yDpi: 248.92, bilevel: true });
    expect(xDpi).toBeCloseTo(204, 0);
  });
});
