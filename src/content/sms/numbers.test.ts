// Numbers, short codes and sender names, in both directions.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readRecipient, readSender, senderOf } from './numbers.js';

describe('the sender of a message', () => {
  test.each([
    ['+420777123456', undefined, '+420777123456', '+420 777 123 456'],
    ['777 123 456', 'CZ', '+420777123456', '+420 777 123 456'],
    ['420777123456', 'CZ', '+420777123456', '+420 777 123 456'],
    ['420777123456', undefined, '+420777123456', '+420 777 123 456'],
    ['4915112345678', 'CZ', '+4915112345678', '+49 1511 2345678'],
    ['00420777123456', undefined, '+420777123456', '+420 777 123 456'],
    ['(202) 555-1234', 'US', '+12025551234', '+1 202 555 1234'],
    ['+４２０７７７１２３４５６', undefined, '+420777123456', '+420 777 123 456'],
    ['\u202a+420777123456\u202c', undefined, '+420777123456', '+420 777 123 456'],
    ['+00420777123456', undefined, '+420777123456', '+420 777 123 456'],
    ['++420777123456', undefined, '+420777123456', '+420 777 123 456'],
    ['00+420777123456', undefined, '+420777123456', '+420 777 123 456'],
    ['+420(0)777123456', undefined, '+420777123456', '+420 777 123 456'],
    ['٠٠٤٢٠٧٧٧١٢٣٤٥٦', undefined, '+420777123456', '+420 777 123 456'],
    ['\u206690210\u2069', 'US', '90210', '90210'],
    // A range that no list knows yet is a number all the same.
    ['+420123456789', undefined, '+420123456789', '+420 123456789'],
    ['41234567', 'NO', '+4741234567', '+47 41 23 45 67'],
  ])('%s in %s is %s', (given, region, address, display) => {
    expect(readSender(given, region)).toMatchObject({ address, display, known: true });
  });

  test.each([
    ['90210', 'US'],
    // Six digits that would be a number of Vienna.
    ['123456', 'AT'],
    ['112', 'CZ'],
    ['12345678', 'CZ'],
    ['MyBank', 'CZ'],
    ['Česká Pošta', 'CZ'],
    ['1800FLOWERS', 'US'],
    ['ann@mail.example', 'US'],
  ])('%s in %s passes unharmed', (given, region) => {
    expect(readSender(given, region)).toMatchObject({ address: given, display: given, known: true });
  });

  test.each(['', '+', '12', '2025551234', '0777123456', '***', '9'.repeat(40)])(
    '%j stays as it came and is marked',
    (given) => {
      expect(readSender(given, undefined)).toMatchObject({ address: given, display: given, known: false });
    },
  );

  test.each([
    ['+420777123456', undefined, 'CZ'],
    ['777123456', 'CZ', 'CZ'],
    ['+4915112345678', 'CZ', 'DE'],
    ['+12025551234', 'CZ', 'US'],
    ['+77011234567', undefined, 'KZ'],
    ['90210', 'CZ', undefined],
    ['MyBank', 'CZ', undefined],
  ])('%s in %s is of the country %s', (given, region, country) => {
    expect(readSender(given, region).country).toBe(country);
  });

  test('anything becomes one clean line within the limits', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary', maxLength: 2_000 }),
        fc.constantFrom(undefined, 'CZ', 'XX'),
        (given, region) => {
          const { address, display } = readSender(given, region);
          expect(address.length).toBeLessThanOrEqual(250);
          expect(display.length).toBeLessThanOrEqual(160);
          expect(address).not.toMatch(/\p{Cc}/u);
        },
      ),
    );
  });
});

describe('the recipient of a send request', () => {
  test.each<[string, string | undefined, string]>([
    ['+420 777 123 456', undefined, '+420777123456'],
    ['777123456', 'CZ', '+420777123456'],
    ['tel:+420777123456', undefined, '+420777123456'],
    ['030/123456', 'DE', '+4930123456'],
    ['90210', undefined, '90210'],
    ['12345678', undefined, '12345678'],
    // Invisible marks (category Cf) anywhere, no-break spaces, wide digits.
    ...['\u202a', '\u202d', '\u200e', '\u200b', '\u2060', '\u2066', '\ufeff', '\u00ad', '\u061c', '\u{e0030}'].map(
      (mark): [string, undefined, string] => [`${mark}+420${mark}777 123${mark}456${mark}`, undefined, '+420777123456'],
    ),
    ['+420\u00a0777\u202f123\u2009456', undefined, '+420777123456'],
    ['\uff0b420777123456', undefined, '+420777123456'],
    ['tel:+420-777-123-456;phone-context=example.com', undefined, '+420777123456'],
    ['sms:+420777123456?body=Hi', undefined, '+420777123456'],
    // A trunk zero in brackets, where the country has none in its numbers.
    ['+420 (0)602 123 456', undefined, '+420602123456'],
    ['+420(0) 602 123 456', undefined, '+420602123456'],
    ['+420 ( 0 ) 602 123 456', undefined, '+420602123456'],
    ['+420 [0] 602 123 456', undefined, '+420602123456'],
    ['00420 (0)602 123 456', undefined, '+420602123456'],
    ['(+420) (0)602 123 456', undefined, '+420602123456'],
    ['(0)602 123 456', 'CZ', '+420602123456'],
    ['+420 0602 123 456', undefined, '+420602123456'],
    ['+48 (0)601 234 567', undefined, '+48601234567'],
    ['+34 (0)612 345 678', undefined, '+34612345678'],
    ['+45 (0)20 12 34 56', undefined, '+4520123456'],
    ['+49 (0)151 23456789', undefined, '+4915123456789'],
    ['+44 (0)7400 123456', undefined, '+447400123456'],
    // A range that no list knows yet: the brackets tell.
    ['+420 (0)123 456 789', undefined, '+420123456789'],
    // Where the zero is dialled from abroad too, it stays.
    ['+39 (0)6 1234 5678', undefined, '+390612345678'],
    ['+225 (0)7 07 12 34 56', undefined, '+2250707123456'],
    ['+242 06 123 4567', undefined, '+242061234567'],
    ['+00420602123456', undefined, '+420602123456'],
    ['+00 420 602 123 456', undefined, '+420602123456'],
    ['(00420) 602 123 456', undefined, '+420602123456'],
  ])('%j in %s is %s', (given, region, to) => {
    expect(readRecipient(given, region)).toEqual({ ok: true, to });
  });

  test.each([
    ['', 'CZ', /names no recipient/],
    ['MyBank', 'CZ', /"MyBank" is not a phone number: write it as \+ country code number/],
    ['call 777123456', 'CZ', /is not a phone number/],
    ['+420777123456, +420777123457', 'CZ', /is not a phone number/],
    ['777123456/7', 'CZ', /not a phone number of CZ/],
    ['777123456', undefined, /has no country code; write it as .+ or set Region/],
    ['4915112345678', 'CZ', /not a phone number of CZ; if \+4915112345678 is meant, write it with the \+/],
    ['+42012', undefined, /too short/],
    ['+4207771234567890', undefined, /too long/],
    ['+999123456789', undefined, /no such country code/],
    ['12', 'CZ', /not a phone number/],
    ['+420777123456 ext. 12', 'CZ', /has an extension, which no text message reaches/],
    ['tel:+420-777-123-456;ext=12', 'CZ', /has an extension/],
    ['+420777123456 x12', 'CZ', /has an extension/],
    ['+', 'CZ', /is not a phone number/],
    ['777123456', 'XX', /not a phone number of XX/],
  ])('%j in %s is refused with what would be right', (given, region, problem) => {
    const result = readRecipient(given, region);
    expect(result.ok ? result.to : result.problem).toMatch(problem);
    expect(result.ok).toBe(false);
  });

  test('whoever wrote with a number can be answered at the address that was shown', () => {
    for (const given of ['+420123456789', '420777123456', '777123456', '90210']) {
      const { address } = readSender(given, 'CZ');
      expect(readRecipient(address, undefined)).toEqual({ ok: true, to: address });
    }
  });

  test('anything at all gives a number, a short code or one sentence', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 500 }), fc.constantFrom(undefined, 'CZ'), (given, region) => {
        const result = readRecipient(given, region);
        if (result.ok) expect(result.to).toMatch(/^(?:\+\d{5,15}|\d{3,8})$/);
        else expect(result.problem.length).toBeLessThan(250);
      }),
    );
  });
});

describe('the sender of a send request', () => {
  test.each([
    ['+420 777 123 456', '+420777123456'],
    ['90210', '90210'],
    ['My Bank', 'My Bank'],
    ['Support desk of the shop', undefined],
    ['Pošta', undefined],
    ['desk@shop.example', undefined],
    ['', undefined],
  ])('%j gives %j', (given, sender) => expect(senderOf(given, undefined)).toBe(sender));
});
