// Damaged mails: whatever is cut off or changed, a message comes of it, within all limits.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { base64Part, brokenPromises, multipart, PNG, part, read } from '../../../../test/fixtures/mail.js';
import { boundaryBefore, cutList, cutText } from '../../limits.js';
import { decodeQuotedPrintable } from './transfer.js';

const inner = multipart(
  'multipart/alternative',
  'in',
  [
    [
      'Content-Type: text/plain; charset=utf-8',
      'Content-Transfer-Encoding: quoted-printable',
      '',
      'Gr=C3=BCn =',
      'and more',
    ],
    part(
      'text/html; charset=iso-8859-1',
      '<p style="color:red">Gr\xfcn <img src="cid:logo"> <a href="https://x.example">x</a></p>',
    ),
  ],
  [],
);

const SEED = multipart(
  'multipart/mixed',
  'out',
  [
    [inner.toString('latin1')],
    base64Part('image/png; name="=?utf-8?Q?logo_=C5=BE.png?="', PNG, 'Content-ID: <logo>'),
    ['Content-Type: message/rfc822', '', 'Subject: inner', '', 'text'],
    [
      'Content-Type: message/delivery-status',
      '',
      'Final-Recipient: rfc822; a@b.example',
      'Action: failed',
      'Status: 5.0.0',
    ],
    part('text/calendar', 'BEGIN:VEVENT', 'SUMMARY:x', 'DTSTART;TZID=Europe/Prague:20261122T100000', 'END:VEVENT'),
    part('text/plain; format=flowed', 'begin 644 cat.txt', '#0V%T', '`', 'end', 'flowed ', 'text'),
  ],
  [
    'From: =?utf-8?B?xb5sdcWl?= <a@b.example>, "Doe, J" <j@b.example>',
    'To: Team: x@y.example, z@y.example;',
    'Subject: =?iso-8859-2?Q?=BE?= \xfc',
    'Message-ID: <1@b.example>',
    'References: <0@b.example>',
    'Date: Sun, 22 Nov 2026 10:00:00 +0100',
  ],
);

describe('a damaged mail', () => {
  test('that was cut off anywhere', async () => {
    const lengths = fc.integer({ min: 0, max: SEED.length });
    await fc.assert(
      fc.asyncProperty(lengths, async (length) => {
        expect(brokenPromises(await read(SEED.subarray(0, length)))).toEqual([]);
      }),
      { numRuns: 200 },
    );
  });

  test('in which any bytes were changed', async () => {
    const flips = fc.array(fc.tuple(fc.nat(SEED.length - 1), fc.nat(255)), { minLength: 1, maxLength: 30 });
    await fc.assert(
      fc.asyncProperty(flips, async (changes) => {
        const raw = Buffer.from(SEED);
        for (const [at, value] of changes) raw[at] = value;
        expect(brokenPromises(await read(raw))).toEqual([]);
      }),
      { numRuns: 400 },
    );
  });

  test('in which stretches were moved about', async () => {
    const moves = fc.array(fc.tuple(fc.nat(SEED.length), fc.nat(SEED.length), fc.nat(400)), {
      minLength: 1,
      maxLength: 5,
    });
    await fc.assert(
      fc.asyncProperty(moves, async (steps) => {
        let raw = Buffer.from(SEED);
        for (const [from, to, length] of steps) {
          raw = Buffer.concat([raw.subarray(0, to), raw.subarray(from, from + length), raw.subarray(to)]);
        }
        expect(brokenPromises(await read(raw))).toEqual([]);
      }),
      { numRuns: 200 },
    );
  });

  test('that is no mail at all', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 2_000 }), async (bytes) => {
        expect(brokenPromises(await read(bytes))).toEqual([]);
      }),
      { numRuns: 200 },
    );
  });
});

describe('cutting', () => {
  const text = fc.string({ unit: 'grapheme', maxLength: 60 });

  test('is never inside a grapheme and never beyond the limit', () => {
    const segments = new Intl.Segmenter('en', { granularity: 'grapheme' });
    fc.assert(
      fc.property(text, fc.integer({ min: 1, max: 80 }), (value, max) => {
        const cut = cutText(value, max);
        expect(cut.length).toBeLessThanOrEqual(max);
        if (cut === value) return;
        const whole = boundaryBefore(value, max - 1);
        const boundaries = [...segments.segment(value)].map((segment) => segment.index);
        const inOne = boundaries.every((boundary) => boundary === 0 || boundary > max - 1);
        expect(boundaries.includes(whole) || inOne).toBe(true);
        expect(cut).toBe(`${value.slice(0, whole).trimEnd()}…`);
      }),
    );
  });

  test('a list keeps whole entries and counts the others', () => {
    const entries = fc.array(fc.stringMatching(/^[a-z]{1,20}@[a-z]{1,20}$/), { minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(entries, fc.nat(5), (list, unlisted) => {
        const cut = cutList(list, 100, unlisted);
        expect(cut.length).toBeLessThanOrEqual(100);
        const rest = /(?:^|, )… \+(\d+)$/.exec(cut);
        const shown = (rest ? cut.slice(0, rest.index) : cut).split(', ');
        expect(shown).toEqual(list.slice(0, shown.length));
        expect(shown.length + Number(rest?.[1] ?? 0)).toBe(list.length + unlisted);
      }),
    );
  });
});

test('quoted-printable of any bytes comes back', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      const encoded = [...bytes].map((byte) => `=${byte.toString(16).toUpperCase().padStart(2, '0')}`).join('');
      const folded = encoded.replace(/(.{72})/g, '$1= \t\r\n');
      expect([...decodeQuotedPrintable(Buffer.from(folded))]).toEqual([...bytes]);
    }),
  );
});
