import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cpuMs } from '../../../test/fixtures/html-probes.js';
import { checkAddress, cleanName, formatAddress, parseAddresses } from './addresses.js';

describe('addresses in text', () => {
  it('are read with their names, groups flattened', () => {
    expect(parseAddresses('Ann <a@x.example>, "Novak, Bob" <b@x.example>; Team: c@x.example, Dan;')).toEqual([
      { name: 'Ann', address: 'a@x.example' },
      { name: 'Novak, Bob', address: 'b@x.example' },
      { name: '', address: 'c@x.example' },
      { name: 'Dan', address: '' },
    ]);
    expect(parseAddresses('')).toEqual([]);
  });

  it('read back from the form that is shown', () => {
    const name = fc.string({ unit: 'grapheme', maxLength: 30 }).map((text) => cleanName(text.replaceAll('@', '')));
    fc.assert(
      fc.property(name, (given) => {
        expect(parseAddresses(formatAddress({ name: given, address: 'a@x.example' }))).toEqual([
          { name: given, address: 'a@x.example' },
        ]);
      }),
      { numRuns: 500 },
    );
    expect(formatAddress({ name: 'Ann', address: '' })).toBe('Ann');
    expect(formatAddress({ name: '', address: 'a@x.example' })).toBe('a@x.example');
  });

  it('are read in bounded time and number', () => {
    for (const text of [
      'a@b.example,'.repeat(100_000),
      'a:'.repeat(200_000),
      '('.repeat(300_000),
      '"a" '.repeat(100_000),
      '<a@b>'.repeat(100_000),
    ]) {
      expect(cpuMs(() => expect(parseAddresses(text).length).toBeLessThanOrEqual(2_000))).toBeLessThan(3_000);
    }
  });
});

describe('an address to mail to', () => {
  it.each([
    ['a@x.example', 'a@x.example'],
    ['A.b+c@X.Example', 'A.b+c@x.example'],
    ["o'neil_!#$%&*/=?^`{|}~-@x.example", "o'neil_!#$%&*/=?^`{|}~-@x.example"],
    ['a@localhost', 'a@localhost'],
    ['a@[192.168.0.1]', 'a@[192.168.0.1]'],
    ['a@[IPv6:2001:db8::1]', 'a@[IPv6:2001:db8::1]'],
    ['a..b@x.example', '"a..b"@x.example'],
    ['"a b"@x.example', '"a b"@x.example'],
    ['a@bücher.example', 'a@xn--bcher-kva.example'],
    ['a@faß.example', 'a@xn--fa-hia.example'],
  ])('%s is fine', (written, wanted) => {
    expect(checkAddress(written)).toEqual({ ok: true, address: wanted });
  });

  it.each([
    '',
    'a',
    '@x.example',
    'a@',
    'a b@x.example',
    'a@x y.example',
    'a@x.example>',
    '<a@x.example',
    'a@b@x.example',
    '"a"b@x.example',
    '"a\\"b"@x.example',
    'a@.example',
    'a@x..example',
    'a@x.example.',
    'a@-x.example',
    'a@1.2.3',
    'a@１２７.1',
    'a@[1.2.3]',
    'a@[::1]',
    'a@ž/x.example',
    'a@x.example\r\nRCPT TO:<b@x.example>',
    'a@x.example\0',
    'a@x\u00ad.example',
    'a\u200b@x.example',
    'ž@x.example',
    `${'a'.repeat(65)}@x.example`,
    `a@${'x'.repeat(64)}.example`,
    `a@${'x.'.repeat(126)}example`,
  ])('%j is not', (written) => {
    expect(checkAddress(written)).toEqual({ ok: false, problem: expect.stringMatching(/^(?:has|is) /) });
  });

  it('that passes passes again, unchanged, and holds nothing that ends an SMTP command', () => {
    const piece = fc.constantFrom('a', '.', '@', '"', ' ', '<', '>', '\r', '\n', 'x.example', 'ž', '\\', ',', '[', ']');
    fc.assert(
      fc.property(
        fc.oneof(
          fc.array(piece, { maxLength: 10 }).map((p) => p.join('')),
          fc.string({ unit: 'binary' }),
        ),
        (text) => {
          for (const written of [text, `${text}@x.example`, `a@${text}`]) {
            const checked = checkAddress(written);
            if (!checked.ok) continue;
            expect(checked.address).toMatch(/^[\x20-\x3b\x3d\x3f-\x7e]+@[\x21-\x7e]+$/);
            expect(checkAddress(checked.address)).toEqual(checked);
          }
        },
      ),
      { numRuns: 1_000 },
    );
  });
});
