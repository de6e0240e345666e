import { describe, expect, test } from 'vitest';
import { gsmDecode } from './gsm.js';
import { lockingTable, singleTable } from './gsm-national.js';

const decode = (codes: readonly number[], shift: { locking?: number; single?: number }) =>
  gsmDecode(Uint8Array.from(codes), shift);

describe('national language tables', () => {
  test.each([
    ['Turkish, locking', { locking: 1 }, [0x40, 0x07, 0x0b, 0x0c, 0x1c, 0x1d, 0x60, 0x04, 0x41, 0x00], 'İıĞğŞşç€A@'],
    ['Turkish, single', { single: 1 }, [0x1b, 0x53, 0x1b, 0x67, 0x1b, 0x65, 0x1b, 0x28, 0x61], 'Şğ€{a'],
    ['Spanish, single', { single: 2 }, [0x1b, 0x41, 0x1b, 0x75, 0x1b, 0x09, 0x7d, 0x1b, 0x65], 'Áúçñ€'],
    ['Portuguese, locking', { locking: 3 }, [0x6e, 0x7b, 0x6f, 0x20, 0x5b, 0x18, 0x12, 0x7d, 0x60], 'não Ã€ª`~'],
    ['Portuguese, single', { single: 3 }, [0x1b, 0x05, 0x1b, 0x7b, 0x1b, 0x61, 0x1b, 0x19], 'êãÂΘ'],
    ['Portuguese, both', { locking: 3, single: 3 }, [0x1b, 0x7f, 0x1b, 0x41, 0x1b, 0x20, 0x04], 'âÀ ê'],
    ['Bengali', { locking: 4, single: 4 }, [0x00, 0x0f, 0x60, 0x7f, 0x1b, 0x19, 0x1b, 0x34], 'ঁএৎৱ০৺'],
    ['Gujarati', { locking: 5, single: 5 }, [0x00, 0x7b, 0x1b, 0x25], 'ઁૠ૯'],
    [
      'Hindi',
      { locking: 6, single: 6 },
      [0x39, 0x2e, 0x4e, 0x5f, 0x60, 0x1b, 0x1c, 0x1b, 0x30],
      '9.\u093c\u094d\u0950\u0966\u095b',
    ],
    ['Kannada', { locking: 7, single: 7 }, [0x24, 0x3d, 0x1b, 0x2a], 'ಡಪೲ'],
    ['Malayalam', { locking: 8, single: 8 }, [0x48, 0x7f, 0x1b, 0x34], 'ഴ൹ൿ'],
    ['Oriya', { locking: 9, single: 9 }, [0x00, 0x1b, 0x20], 'ଁ୪'],
    ['Punjabi', { locking: 10, single: 10 }, [0x00, 0x7f, 0x1b, 0x2d], 'ਁੴੵ'],
    ['Tamil', { locking: 11, single: 11 }, [0x3c, 0x60, 0x1b, 0x2e], 'னௐ௺'],
    ['Telugu', { locking: 12, single: 12 }, [0x5f, 0x1b, 0x1c], '్౦'],
    [
      'Urdu',
      { locking: 13, single: 13 },
      [0x00, 0x01, 0x02, 0x5f, 0x7f, 0x1b, 0x1c, 0x1b, 0x3f],
      'اآب\u0657\u0670\u06f0\u06d4',
    ],
  ] as const)('%s', (_name, shift, codes, text) => {
    expect([...decode(codes, shift)].map((one) => one.codePointAt(0)?.toString(16))).toEqual(
      [...text].map((one) => one.codePointAt(0)?.toString(16)),
    );
  });

  test.each([4, 5, 6, 7, 8, 9, 10, 11, 12, 13])(
    'language %i has digits, small letters and punctuation in place',
    (id) => {
      expect(
        decode(
          [...'0123456789:;?az !,.'].map((one) => one.charCodeAt(0)),
          { locking: id },
        ),
      ).toBe('0123456789:;?az !,.');
      expect(decode([0x28, 0x29, 0x0a], { locking: id })).toBe(')(\n');
      expect(decode([0x1b, 0x41, 0x1b, 0x5a, 0x1b, 0x65, 0x1b, 0x3e], { locking: id, single: id })).toBe('AZ€]');
    },
  );

  test('no code has two characters, and no character two codes, but for signs that are', () => {
    for (let id = 4; id <= 13; id++) {
      const letters = [...(lockingTable(id)?.table.values() ?? [])];
      expect([id, new Set(letters).size]).toEqual([id, letters.length]);
      const signs = [...(singleTable(id)?.values() ?? [])].filter((one) => !'¡*'.includes(one));
      expect([id, new Set(signs).size]).toEqual([id, signs.length]);
    }
  });

  test('an escape for a code that a single shift table lacks gives the character of the locking table', () => {
    expect(decode([0x1b, 0x61], { locking: 1, single: 1 })).toBe('a');
    expect(decode([0x1b, 0x60], { locking: 1, single: 1 })).toBe('ç');
  });

  test('a language that has no table is the default one', () => {
    expect(decode([0x40, 0x1b, 0x65], { locking: 2, single: 99 })).toBe('¡€');
    expect(decode([0x40, 0x1b, 0x65], { locking: 200 })).toBe('¡€');
  });
});
