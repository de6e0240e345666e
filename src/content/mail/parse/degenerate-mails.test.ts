// What the main thread reads of a degenerate mail takes it a moment at most: either the mail is read within it, or it is left to the
// worker as soon as a bound is met.
import { expect, test } from 'vitest';
import { mailOf } from '../../../../test/fixtures/mail.js';
import { DEFAULT_BUDGETS } from '../../small-mail.js';
import { parseMail, prepare } from './parse-mail.js';

/** CPU time, ms: a slow machine needs three times the 50 ms that a block may take. */
const LIMIT_MS = 150;
const TRIES = 4;

const HEAD = 'From: a@b.example\r\nTo: c@d.example\r\nSubject: x\r\nMessage-ID: <1@b.example>\r\nMIME-Version: 1.0\r\n';
const bytes = (text: string) => Buffer.from(text, 'latin1');
const field = (line: string) => bytes(`${HEAD.replace(/^Subject.*\r\n/m, '')}${line}\r\n\r\nhi`);
const text = (type: string, body: string) => bytes(`${HEAD}Content-Type: ${type}\r\n\r\n${body}`);
const html = (body: string) => text('text/html; charset=utf-8', body);
const mixed = (body: string) => text('multipart/mixed; boundary=b', `${body}--b--\r\n`);
const file = (encoding: string, body: string) =>
  mixed(`--b\r\nContent-Type: a/b; name=a\r\nContent-Transfer-Encoding: ${encoding}\r\n\r\n${body}\r\n`);
const named = (name: string) => mixed(`--b\r\nContent-Type: application/pdf; ${name}\r\n\r\nx\r\n`.repeat(198));
const charset = (name: string, body: string) => text(`text/plain; charset=${name}`, body);

const FIELDS = [
  'From',
  'To',
  'Subject',
  'References',
  'In-Reply-To',
  'Message-ID',
  'Date',
  'Content-Type',
  'Content-ID',
];
const UNITS = [
  '=?',
  '=?utf-8?q?a?= ',
  '=?utf-8?q?',
  '<',
  '"',
  '(',
  'a@',
  'a:b@c;',
  'a@b.example, ',
  '\\',
  ' ',
  'a=b;',
  '+//',
  '%',
];

const ROWS: readonly (readonly [string, Buffer])[] = [
  ...FIELDS.flatMap((name) =>
    UNITS.map(
      (unit) => [`${JSON.stringify(unit)} in ${name}`, field(`${name}: ${unit.repeat(63_000 / unit.length)}`)] as const,
    ),
  ),
  ['100,000 parts', mixed('--b\r\n\r\nhi\r\n'.repeat(100_000))],
  [
    '1,000 levels',
    bytes(
      HEAD +
        Array.from(
          { length: 1_000 },
          (_, at) => `Content-Type: multipart/mixed; boundary=b${at}\r\n\r\n--b${at}\r\n`,
        ).join(''),
    ),
  ],
  ['a header of 10 MB', field(`X: ${'x'.repeat(10_000_000)}`)],
  ['a million tiny headers', field('a:b\r\n'.repeat(1_000_000))],
  ['Content-Type with 100,000 parameters', text(`text/plain;${'a=b;'.repeat(100_000)}`, 'hi')],
  ['100,000 addresses', field(`To: ${'a@b.example, '.repeat(100_000)}`)],
  ['198 long names', named(`name="${'x'.repeat(8_000)}"`)],
  ['198 names of dots and blanks', named(`name="${'. '.repeat(3_500)}"`)],
  ['198 names of encoded words', named(`name="${'=?utf-8?q?a?= '.repeat(500)}"`)],
  ['198 names in 500 sections', named(Array.from({ length: 500 }, (_, at) => `name*${at}*=%20a`).join(';'))],
  ['198 names that do not end', named(`name="${'"; name="'.repeat(900)}`)],
  ['a file of soft line breaks', file('quoted-printable', '=\r\n'.repeat(2_500_000))],
  ['a file of padded pieces', file('base64', 'A='.repeat(3_800_000))],
  ['a file with a blank behind each character', file('base64', 'A '.repeat(3_800_000))],
  ['a small file of padded pieces', file('base64', 'A='.repeat(700_000))],
  ['a uuencoded file of empty lines', file('x-uuencode', `begin 644 a\n${'\n'.repeat(7_000_000)}end\n`)],
  ['a small uuencoded file of empty lines', file('x-uuencode', `begin 644 a\n${'\n'.repeat(1_300_000)}end\n`)],
  ['bare carriage returns', bytes(`${HEAD}\r\n${'x\r'.repeat(700_000)}`.replaceAll('\r\n', '\r'))],
  ...['<', '<!--', '<div>', '<a href="', '<title>', '<script>', '<meta ', '&', '&nbsp;', '<table><tr><td>', '</'].map(
    (unit) => [`${unit} as HTML`, html(unit.repeat(120_000 / unit.length))] as const,
  ),
  ['10 MB of <', html('<'.repeat(10_000_000))],
  ['fonts in style attributes', html(`<p style="font:${' "'.repeat(3_900)}0">`.repeat(16))],
  ['tables 500 deep', html('<table><tr><td>'.repeat(480))],
  ['quotes', text('text/plain', '> '.repeat(60_000))],
  ['half addresses', text('text/plain', 'http://a.b/('.repeat(10_000))],
  ['flowed lines', text('text/plain; format=flowed; delsp=yes', ' \r\n'.repeat(40_000))],
  ...[
    'iso-2022-jp',
    'utf-7',
    'hz-gb-2312',
    'iso-2022-kr',
    'gb18030',
    'big5',
    'johab',
    'utf-32le',
    'x-mac-cyrillic',
  ].flatMap((name) =>
    ['\x1b$B', '+', '~{', '\x0e\x0f', '\x81', '\xff'].map(
      (unit) => [`${JSON.stringify(unit)} in ${name}`, charset(name, unit.repeat(100_000 / unit.length))] as const,
    ),
  ),
  ['an invitation of short lines', text('text/calendar', `BEGIN:VEVENT\r\n${'X\r\n'.repeat(40_000)}`)],
  ['an invitation of quotes', text('text/calendar', `BEGIN:VEVENT\r\nORGANIZER${';A="b"'.repeat(20_000)}`)],
  [
    'a delivery report of 20,000 recipients',
    mixed(`--b\r\nContent-Type: message/delivery-status\r\n\r\n${'Action: failed\r\n\r\n'.repeat(20_000)}`),
  ],
  [
    'a winmail.dat of attachments without content',
    mixed(
      `--b\r\nContent-Type: application/ms-tnef\r\n\r\n\x78\x9f\x3e\x22aa${'\x01\x02\x90\x06\x00\x00\x00\x00\x00\x00\x00'.repeat(100_000)}\r\n`,
    ),
  ],
];

async function cpuOf(raw: Buffer): Promise<number> {
  const from = process.cpuUsage();
  const prepared = prepare(mailOf(raw), DEFAULT_BUDGETS.inline);
  if (prepared) await parseMail(prepared, 'in');
  const { user, system } = process.cpuUsage(from);
  return (user + system) / 1000;
}

test('no mail takes the main thread for long', { timeout: 300_000 }, async () => {
  const slow: string[] = [];
  for (const [name, raw] of ROWS) {
    let best = Number.POSITIVE_INFINITY;
    for (let tried = 0; tried < TRIES && best > LIMIT_MS; tried++) best = Math.min(best, await cpuOf(raw));
    if (best > LIMIT_MS) slow.push(`${name}: ${Math.round(best)} ms`);
  }
  expect(slow).toEqual([]);
});
