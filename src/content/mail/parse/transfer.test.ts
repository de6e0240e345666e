// Decoding base64 slice by slice gives what decoding it whole gives, whatever the lines look like.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeBase64 } from './transfer.js';

const LINES = [4, 60, 64, 72, 75, 76, 77, 1000];

test('large base64 comes out as it went in: regular lines, odd lines, a break or a blank in the middle', () => {
  const mail = fc.record({
    size: fc.integer({ min: 40_000, max: 250_000 }),
    line: fc.constantFrom(...LINES),
    end: fc.constantFrom('\r\n', '\n'),
    flaw: fc.constantFrom('', ' ', '\r\n', '\n\n'),
    at: fc.integer({ min: 0, max: 300_000 }),
    seed: fc.integer({ min: 0, max: 255 }),
  });
  fc.assert(
    fc.property(mail, ({ size, line, end, flaw, at, seed }) => {
      const content = Buffer.from(
        Uint8Array.from({ length: size }, (_, index) => (index * 31 + (index >> 8) + seed) & 255),
      );
      const lines = content.toString('base64').replace(new RegExp(`.{${line}}`, 'g'), (found) => found + end);
      const encoded = lines.slice(0, at) + flaw + lines.slice(at);
      expect(Buffer.compare(decodeBase64(Buffer.from(encoded)), content)).toBe(0);
    }),
    { numRuns: 60 },
  );
});

test('several padded pieces, and a plain line after the end, are read as before', () => {
  const piece = Buffer.alloc(70_001, 'a').toString('base64');
  expect(decodeBase64(Buffer.from(`${piece}\r\n${piece}\r\n`)).length).toBe(140_002);
  expect(decodeBase64(Buffer.from(`${piece.replace(/.{76}/g, '$&\r\n')}\r\n-- \r\nlist footer`)).length).toBe(70_001);
});
