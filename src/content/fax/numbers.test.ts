// What is dialled: E.164 where that can be told, else what is written; what is no number is refused in one sentence.
import { describe, expect, test } from 'vitest';
import { faxSenderOf, readFaxNumber } from './numbers.js';

describe('a fax number', () => {
  test.each([
    ['+420 222 333 444', undefined, '+420222333444'],
    ['+420-222-333-444', undefined, '+420222333444'],
    ['222 333 444', 'CZ', '+420222333444'],
    ['(030) 1234567', 'DE', '+49301234567'],
    ['00420 222 333 444', 'CZ', '+420222333444'],
    ['fax:+420222333444', undefined, '+420222333444'],
    ['tel:+420222333444', 'CZ', '+420222333444'],
    ['Jan Novák <fax:+420 222 333 444>', undefined, '+420222333444'],
    ['<222333444>', 'CZ', '+420222333444'],
    ['＋４２０２２２３３３４４４', undefined, '+420222333444'],
    ['+420 222 333 444\n', undefined, '+420222333444'],
    ['\u202a+420222333444\u202c', 'CZ', '+420222333444'],
    ['\u200e+420 222 333\u00ad444', undefined, '+420222333444'],
    ['\u2066222 333 444\u2069', 'CZ', '+420222333444'],
    ['+420 (0)222 333 444', undefined, '+420222333444'],
    ['+420-(0)222-333-444', undefined, '+420222333444'],
    ['(0)222 333 444', 'CZ', '+420222333444'],
    ['+39 (0)6 1234 5678', undefined, '+390612345678'],
    ['+00420222333444', undefined, '+420222333444'],
    ['(+420) 222 333 444', undefined, '+420222333444'],
    ['00+420 222 333 444', undefined, '+420222333444'],
    ['Jan <fax:\ufeff+420 222 333 444>', undefined, '+420222333444'],
  ])('%j in %s is %s', (given, region, to) => {
    expect(readFaxNumber(given, region)).toEqual({ ok: true, to });
  });

  test.each([
    ['222 333 444', undefined, '222333444'],
    ['555-1002', 'US', '555-1002'],
    ['1002', 'CZ', '1002'],
    ['12', 'CZ', '12'],
    ['0,,222 333 444', 'CZ', '0,,222333444'],
    ['*31#222333444', 'CZ', '*31#222333444'],
    ['9–555.1002', undefined, '9-5551002'],
    ['00420222333444', undefined, '00420222333444'],
  ])('%j in %s, which is no whole number of that country, is dialled as written: %s', (given, region, to) => {
    expect(readFaxNumber(given, region)).toEqual({ ok: true, to });
  });

  test.each([
    ['', 'has no recipient'],
    ['   ', 'has no recipient'],
    ['petr@example.com', '"petr@example.com" is not a fax number'],
    ['1-800-FLOWERS', '"1-800-FLOWERS" is not a fax number'],
    ['+420 222\u0007333', 'control characters'],
    ['222333444\r\nDIALSTRING 1', 'control characters'],
    ['+', '"+" is not a fax number'],
    ['---', '"---" is not a fax number'],
    ['420+222', 'is not a fax number'],
    ['1', 'too short'],
    ['1'.repeat(41), 'more than 40 characters'],
    ['1 '.repeat(500), 'more than 40 characters'],
    ['222;333', 'is not a fax number'],
    ['$(reboot)', 'is not a fax number'],
    ['+420 222 333 444 ext. 12', 'has an extension, which no fax reaches'],
    ['222 333 444 x 12', 'has an extension'],
  ])('%j is refused: %s', (given, words) => {
    const result = readFaxNumber(given, 'CZ');
    expect(result.ok ? `dialled ${result.to}` : result.problem).toContain(words);
    expect(result.ok ? '' : result.problem.length).toBeLessThan(200);
  });
});

test('a sender is a number where it looks like one, else the name, and nothing where there is none', () => {
  expect(faxSenderOf('222 333 444', 'CZ')).toBe('+420222333444');
  expect(faxSenderOf('Jana Malá, Example Ltd.', 'CZ')).toBe('Jana Malá, Example Ltd.');
  expect(faxSenderOf(' \r\n', 'CZ')).toBeUndefined();
});
