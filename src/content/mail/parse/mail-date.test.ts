// Dates as mail programs of all times and languages write them.
import { describe, expect, test } from 'vitest';
import { PLAIN, readLines } from '../../../../test/fixtures/mail.js';
import { mailDate } from './mail-date.js';

const iso = (value: string) => {
  const time = mailDate(value);
  return time === undefined ? null : new Date(time).toISOString().replace('.000Z', 'Z');
};

describe('the time that a Date field names', () => {
  test.each([
    // RFC 5322 3.3
    ['Thu, 02 May 2024 10:20:30 +0200', '2024-05-02T08:20:30Z'],
    ['Thu, 2 May 2024 10:20:30 +0200 (CEST)', '2024-05-02T08:20:30Z'],
    ['2 May 2024 10:20 -0530', '2024-05-02T15:50:00Z'],
    ['Thu,02 May 2024 10:20:30+02:00', '2024-05-02T08:20:30Z'],
    ['Thu, 02 May 2024 10:20:30 -0000', '2024-05-02T10:20:30Z'],
    ['(sent) Thu (Thursday (really)), 02 May 2024 (comment) 10:20:30 +0200', '2024-05-02T08:20:30Z'],
    // RFC 5322 4.3
    ['Thu, 02 May 24 10:20:30 GMT', '2024-05-02T10:20:30Z'],
    ['Sun, 02 May 99 10:20:30 EST', '1999-05-02T15:20:30Z'],
    ['Thu, 02 May 124 10:20:30 PDT', '2024-05-02T17:20:30Z'],
    ['Thu, 02 May 2024 10:20:30 UT', '2024-05-02T10:20:30Z'],
    ['Thu, 02 May 2024 10:20:30 Z', '2024-05-02T10:20:30Z'],
    ['Thu, 02 May 2024 10:20:30 MDT', '2024-05-02T16:20:30Z'],
    ['Thu, 02 May 2024 10:20:30 A', '2024-05-02T10:20:30Z'],
    ['Thu, 02 May 2024 10:20:30 K', '2024-05-02T10:20:30Z'],
    // Unknown zone names are -0000; two European ones are known.
    ['Thu, 02 May 2024 10:20:30 JST', '2024-05-02T10:20:30Z'],
    ['Thu, 02 May 2024 10:20:30 AEST', '2024-05-02T10:20:30Z'],
    ['Thu, 02 May 2024 10:20:30 Local time zone', '2024-05-02T10:20:30Z'],
    ['Thu, 02 May 2024 10:20:30', '2024-05-02T10:20:30Z'],
    ['Thu, 02 May 2024 10:20:30 CEST', '2024-05-02T08:20:30Z'],
    ['Fri, 02 Feb 2024 10:20:30 CET', '2024-02-02T09:20:30Z'],
    ['Do, 02 Mai 2024 10:20:30 MESZ', '2024-05-02T08:20:30Z'],
    ['Thu, 02 May 2024 10:20:30 (CEST)', '2024-05-02T08:20:30Z'],
    ['Thu, 02 May 2024 10:20:30 (PDT)', '2024-05-02T17:20:30Z'],
    ['Thu, 02 May 2024 10:20:30 JST (CEST)', '2024-05-02T10:20:30Z'],
    // Offsets beside names, and offsets that no place has.
    ['Thu, 02 May 2024 10:20:30 GMT+0200', '2024-05-02T08:20:30Z'],
    ['Thu May 02 2024 10:20:30 GMT+0200 (Central European Summer Time)', '2024-05-02T08:20:30Z'],
    ['Thu, 02 May 2024 10:20:30 UTC+2', '2024-05-02T08:20:30Z'],
    ['Thu, 02 May 2024 10:20:30 +200', '2024-05-02T08:20:30Z'],
    ['Thu, 02 May 2024 10:20:30 +9900', '2024-05-02T10:20:30Z'],
    // ISO 8601 and its relatives
    ['2026-11-22T10:00:00Z', '2026-11-22T10:00:00Z'],
    ['2026-11-22T10:00:00.250+01:00', '2026-11-22T09:00:00.250Z'],
    ['2026-11-22 10:00:00 +0100', '2026-11-22T09:00:00Z'],
    ['2026-11-22T10:00-05', '2026-11-22T15:00:00Z'],
    ['2026-11-22T10:00:00', '2026-11-22T10:00:00Z'],
    ['20261122T100000Z', '2026-11-22T10:00:00Z'],
    ['2026/11/22 10:00', '2026-11-22T10:00:00Z'],
    ['2026-11-22', '2026-11-22T00:00:00Z'],
    // RFC 850, asctime, date(1)
    ['Thursday, 02-May-24 10:20:30 GMT', '2024-05-02T10:20:30Z'],
    ['Thu May  2 10:20:30 2024', '2024-05-02T10:20:30Z'],
    ['Thu May  2 10:20:30 CEST 2024', '2024-05-02T08:20:30Z'],
    ['Thu May  2 10:20:30 2024 +0200', '2024-05-02T08:20:30Z'],
    ['Thu May  2 10:20:30 +0200 2024', '2024-05-02T08:20:30Z'],
    // Months in full and in other languages
    ['2 September 2024 10:20:30 +0200', '2024-09-02T08:20:30Z'],
    ['September 2, 2024 10:20:30 PM', '2024-09-02T22:20:30Z'],
    ['Di, 01 Okt 2024 10:20:30 +0200', '2024-10-01T08:20:30Z'],
    ['jeu., 02 août 2024 10:20:30 +0200', '2024-08-02T08:20:30Z'],
    ['2. června 2024 10:20', '2024-06-02T10:20:00Z'],
    ['2. července 2024 10:20', '2024-07-02T10:20:00Z'],
    // Digits only
    ['02.05.2024 10:20:30', '2024-05-02T10:20:30Z'],
    ['05/02/2024 10:20:30 AM', '2024-05-02T10:20:30Z'],
    ['22/05/2024 12:20', '2024-05-22T12:20:00Z'],
    // Ends of the day
    ['Thu, 02 May 2024 24:00:00 +0000', '2024-05-03T00:00:00Z'],
    ['Sat, 31 Dec 2016 23:59:60 +0000', '2017-01-01T00:00:00Z'],
    ['Thu, 02 May 2024 12:05:00 AM', '2024-05-02T00:05:00Z'],
  ])('%s is %s', (value, expected) => {
    expect(iso(value)).toBe(expected);
  });

  test.each([
    '',
    'yesterday',
    '31 Feb 2024 10:00:00',
    '2 Foo 2024 10:00',
    'Thu, 02 May 2024 25:00:00',
    '2024-13-01T00:00:00Z',
    '+0200',
    `Thu, 02 May 2024 ${' '.repeat(300)}10:00`,
  ])('%j names none', (value) => {
    expect(mailDate(value)).toBeUndefined();
  });

  test('of several Date fields the first that is a date counts; an encoded word is decoded', async () => {
    const { message } = await readLines([
      ...PLAIN,
      'Date: soon',
      'Date: =?utf-8?Q?Thu,_02_May_2024_10=3A20=3A30_+0200?=',
    ]);
    expect(message.DraftTime).toBe('2024-05-02T08:20:30.000Z');
  });
});
