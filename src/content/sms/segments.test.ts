// Sizes and splits of text messages: the tables of the standard, the counts of Twilio's calculator, and properties.
import fc from 'fast-check';
import { SegmentedMessage } from 'sms-segments-calculator';
import { describe, expect, test } from 'vitest';
import { textOf } from '../../commands/sms-segments.js';
import { gsmDecode, gsmEncode, isGsm, ROOM, segmentsOf, splitText } from '../../driver/shared/text.js';

const FAMILY = '👨‍👩‍👧‍👦';
const segmenter = new Intl.Segmenter('en', { granularity: 'grapheme' });
const graphemesOf = (text: string) => [...segmenter.segment(text)].map(({ segment }) => segment);

/** Texts as they come, with what is hard to cut. */
const piece = fc.constantFrom(
  'a',
  ' ',
  '€',
  '{',
  'č',
  '😀',
  FAMILY,
  '🇨🇿',
  '👍🏽',
  'e\u0301',
  '\r\n',
  '한',
  'क्ष',
  '\ud800',
);
const anyText = fc.array(piece, { maxLength: 300 }).map((pieces) => pieces.join(''));
const gsmText = fc
  .array(fc.constantFrom('a', 'é', ' ', '€', '{', 'Δ', '\n'), { maxLength: 700 })
  .map((all) => all.join(''));

describe('the GSM alphabet', () => {
  test('every code of both tables comes back as it was', () => {
    const codes = Array.from({ length: 128 }, (_, code) => code).filter((code) => code !== 0x1b);
    expect([...(gsmEncode(gsmDecode(Uint8Array.from(codes))) ?? [])]).toEqual(codes);
    const escaped = [0x0a, 0x14, 0x28, 0x29, 0x2f, 0x3c, 0x3d, 0x3e, 0x40, 0x65].flatMap((code) => [0x1b, code]);
    expect(gsmDecode(Uint8Array.from(escaped))).toBe('\f^{}\\[~]|€');
    expect([...(gsmEncode('\f^{}\\[~]|€') ?? [])]).toEqual(escaped);
  });

  test('known places of the standard', () => {
    expect([...(gsmEncode('@£$_ÄÖÑÜ§¿äöñüà') ?? [])]).toEqual([
      ...[0x00, 0x01, 0x02, 0x11],
      ...[0x5b, 0x5c, 0x5d, 0x5e, 0x5f, 0x60, 0x7b, 0x7c, 0x7d, 0x7e, 0x7f],
    ]);
  });

  test('a character of neither table makes the text none of GSM-7', () => {
    for (const text of ['č', '`', 'ç', '😀', '\t', '\u001b']) {
      expect(gsmEncode(`a${text}`), text).toBeUndefined();
      expect(isGsm(text)).toBe(false);
    }
  });

  test('unknown extensions, stray escapes and foreign octets are read as the standard asks', () => {
    expect(gsmDecode(Uint8Array.from([0x1b, 0x41, 0x1b, 0x1b, 0x42, 0x80, 0x1b]))).toBe('A B\ufffd ');
  });
});

describe('segments', () => {
  test.each([
    ['', 'GSM-7', 1],
    ['a'.repeat(160), 'GSM-7', 1],
    ['a'.repeat(161), 'GSM-7', 2],
    ['a'.repeat(306), 'GSM-7', 2],
    ['a'.repeat(307), 'GSM-7', 3],
    ['€'.repeat(80), 'GSM-7', 1],
    ['€'.repeat(81), 'GSM-7', 2],
    // 153 is odd: an escaped character never lies across two parts.
    ['€'.repeat(153), 'GSM-7', 3],
    ['č'.repeat(70), 'UCS-2', 1],
    ['č'.repeat(71), 'UCS-2', 2],
    ['č'.repeat(135), 'UCS-2', 3],
    ['😀'.repeat(35), 'UCS-2', 1],
    ['😀'.repeat(67), 'UCS-2', 3],
  ] as const)('%j', (text, encoding, segments) => {
    expect(segmentsOf(text)).toMatchObject({ encoding, segments });
  });

  test('what forces UCS-2 is named once each, whole, in order', () => {
    expect(segmentsOf(`Dobrý večer, Jiří ${FAMILY}… č ${FAMILY}`).forcedBy).toEqual(['ý', 'č', 'ř', 'í', FAMILY, '…']);
    expect(segmentsOf('plain {text} for 5 €').forcedBy).toEqual([]);
  });

  test('the counts are those of another calculator', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          gsmText,
          fc.array(fc.constantFrom('a', 'č', '€', '한', '—')).map((all) => all.join('')),
        ),
        (text) => {
          const other = new SegmentedMessage(text);
          expect(segmentsOf(text)).toMatchObject({ encoding: other.encodingName, segments: other.segmentsCount });
        },
      ),
      { numRuns: 200 },
    );
  });
});

describe('splits', () => {
  test('parts joined are the text, each fits, and nothing seen as one character is cut', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        const parts = splitText(text, 'UCS-2');
        expect(parts.join('')).toBe(text);
        const room = parts.length > 1 ? ROOM['UCS-2'].part : ROOM['UCS-2'].whole;
        for (const part of parts) expect(part.length).toBeLessThanOrEqual(room);
        expect(parts.flatMap(graphemesOf)).toEqual(graphemesOf(text));
        if (parts.length > 1) expect(parts).not.toContain('');
      }),
      { numRuns: 300 },
    );
  });

  test('the same in GSM-7: no part over 153 septets, no escape without its character', () => {
    fc.assert(
      fc.property(gsmText, (text) => {
        const parts = splitText(text, 'GSM-7');
        expect(parts.join('')).toBe(text);
        for (const part of parts) {
          const septets = gsmEncode(part) ?? new Uint8Array(999);
          expect(septets.length).toBeLessThanOrEqual(parts.length > 1 ? 153 : 160);
          expect(septets.at(-1)).not.toBe(0x1b);
        }
      }),
      { numRuns: 200 },
    );
  });

  test('an emoji sequence at the edge of a part goes over whole', () => {
    const [first, second] = splitText(`${'č'.repeat(60)}${FAMILY}${'č'.repeat(10)}`, 'UCS-2');
    expect(first).toBe('č'.repeat(60));
    expect(second).toBe(`${FAMILY}${'č'.repeat(10)}`);
  });

  test('a grapheme longer than a part is cut between code points, and uses the room', () => {
    const zalgo = `a${'\u0301'.repeat(200)}`;
    expect(splitText(zalgo, 'UCS-2').map((part) => part.length)).toEqual([67, 67, 67]);
    const endless = Array(40).fill('👩').join('\u200d');
    for (const part of splitText(endless, 'UCS-2')) expect(part).not.toMatch(/[\ud800-\udbff]$|^[\udc00-\udfff]/);
  });

  test('far into a long text graphemes are still found whole', () => {
    const text = `a${FAMILY}🇨🇿č`.repeat(400);
    const parts = splitText(text, 'UCS-2');
    expect(parts.join('')).toBe(text);
    expect(parts.flatMap(graphemesOf)).toEqual(graphemesOf(text));
    expect(segmentsOf(text).forcedBy).toEqual([FAMILY, '🇨🇿', 'č']);
  });

  test('other headers leave other room', () => {
    expect(splitText('a'.repeat(200), 'GSM-7', { whole: 160, part: 152 }).map((part) => part.length)).toEqual([
      152, 48,
    ]);
    expect(splitText('č'.repeat(70), 'UCS-2', { whole: 66, part: 66 }).map((part) => part.length)).toEqual([66, 4]);
  });

  test('room too small for a single character is no endless loop and gives no empty part', () => {
    expect(splitText('€a€', 'GSM-7', { whole: 1, part: 1 })).toEqual(['€', 'a', '€']);
    expect(splitText('😀😀', 'UCS-2', { whole: 1, part: 1 })).toEqual(['😀', '😀']);
  });

  test.each([
    ['an emoji bomb', FAMILY.repeat(3_000)],
    ['zalgo', `Z${'\u0334\u0321\u0489'.repeat(11_000)}`],
    ['half flags', '🇨'.repeat(16_000)],
    ['joiners', `👩${'\u200d👩'.repeat(11_000)}`],
    ['accents', 'č'.repeat(32_768)],
  ])('%s takes linear time: four times the text, about four times the time', (_name, text) => {
    const spent = (what: string) => {
      const times = Array.from({ length: 5 }, () => {
        const before = process.cpuUsage();
        segmentsOf(what);
        const { user, system } = process.cpuUsage(before);
        return user + system;
      });
      return Math.min(...times);
    };
    const once = spent(text);
    // Quadratic time would be 16 times as much; the rest is for a busy machine.
    expect(spent(text.repeat(4))).toBeLessThan(9 * once + 40_000);
  });
});

describe('the text on standard input', () => {
  test('is taken as it is, but for one line end and a byte order mark', () => {
    const read = (text: string) => textOf(Buffer.from(text));
    expect(read('a\n')).toBe('a');
    expect(read('a\r\n')).toBe('a');
    expect(read('a \n\n')).toBe('a \n');
    expect(read('\ufeffa')).toBe('a');
  });

  test('is refused in one sentence when it is not UTF-8', () => {
    expect(() => textOf(Buffer.from([0x61, 0xff]))).toThrow('standard input is not UTF-8 text');
  });
});
