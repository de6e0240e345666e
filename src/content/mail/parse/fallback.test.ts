// The reduced reading: right fields from the first bytes, none of the code of the full reading, bounded time whatever the bytes are.
import { readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { mailOf, octets } from '../../../../test/fixtures/mail.js';
import { fallbackMail } from './fallback.js';
import { readMailNow } from './read-mail.js';

const HEAD = [
  'From: =?utf-8?q?Jana_Nov=C3=A1?= <jana@customer.example>',
  'To: support@shop.example',
  'Subject: =?utf-8?B?UMWZw61sb8W+ZW7DoQ==?=',
  ' =?iso-8859-2?Q?_faktura_=E8=EDslo?= 5',
  'Message-ID: <one@customer.example>',
  'In-Reply-To: <zero@shop.example>',
  'References: <root@shop.example> <zero@shop.example>',
  'Date: Sun, 22 Nov 2026 10:00:00 +0100',
];
const reduced = (raw: Buffer) => fallbackMail(mailOf(raw), 'in', 'it is hostile');

test('names the same message as the full reading does: ids, references, addresses, subject, date', async () => {
  const raw = octets(...HEAD, '', 'hello');
  const { message, rfcMessageId, references } = await readMailNow(mailOf(raw), { gatewayId: 'in', link: () => '' });
  const short = reduced(raw);
  const { BodyHtml: _html, BodyText: _text, ...fields } = message;
  expect(short.fields).toEqual({ ...fields, Culture: null });
  expect([short.rfcMessageId, short.references]).toEqual([rfcMessageId, references]);
});

describe('the excerpt', () => {
  const text = (...lines: string[]) => reduced(octets(...HEAD, ...lines)).text;
  test.each([
    ['a plain text in UTF-8', ['', 'Dobr\xc3\xbd den'], 'Dobrý den'],
    [
      'quoted-printable',
      [
        'Content-Type: text/plain; charset=iso-8859-2',
        'Content-Transfer-Encoding: quoted-printable',
        '',
        '=E8=EDs=',
        'lo',
      ],
      'číslo',
    ],
    ['base64', ['Content-Transfer-Encoding: base64', '', Buffer.from('číslo').toString('base64')], 'číslo'],
    ['HTML', ['Content-Type: text/html', '', '<style>a<b</style><p>one &lt; two<br>three</p>'], 'one < two\nthree'],
    ['undeclared 8-bit text', ['', 'caf\xe9'], 'café'],
    ['an unknown charset', ['Content-Type: text/plain; charset=x-none', '', 'caf\xe9'], 'café'],
    [
      'a multipart with HTML first',
      [
        'Content-Type: multipart/alternative; boundary=b',
        '',
        '--b',
        'Content-Type: text/html',
        '',
        '<p>html</p>',
        '--b',
        'Content-Type: text/plain',
        '',
        'plain',
        '--b--',
      ],
      'plain',
    ],
    [
      'a nested multipart',
      [
        'Content-Type: multipart/mixed; boundary=a',
        '',
        '--a',
        'Content-Type: multipart/related; boundary=b',
        '',
        '--b',
        'Content-Type: text/html',
        '',
        '<p>inner</p>',
        '--b--',
        '--a--',
      ],
      'inner',
    ],
  ])('%s', (_name, lines, right) => {
    expect(text(...lines)).toBe(right);
  });
});

test('imports nothing of the full reading and no package', () => {
  const seen = new Set<string>();
  const visit = (file: string) => {
    if (seen.has(file)) return;
    seen.add(file);
    const source = readFileSync(file, 'utf8').replace(/^import type .*$/gm, '');
    for (const [, from = ''] of source.matchAll(/from '([^']+)'/g)) {
      if (from.startsWith('.')) visit(resolve(dirname(file), from.replace(/\.js$/, '.ts')));
      else expect([file, from]).toEqual([file, expect.stringMatching(/^node:/)]);
    }
  };
  const folder = dirname(fileURLToPath(import.meta.url));
  visit(join(folder, 'fallback.ts'));
  const ofThisFolder = [...seen]
    .filter((file) => dirname(file) === folder)
    .map((file) => file.slice(folder.length + 1));
  expect(ofThisFolder.sort()).toEqual(['fallback.ts', 'plain-body.ts', 'plain-header.ts']);
});

describe('takes a moment at most', () => {
  const parts = 'Content-Type: multipart/mixed; boundary=b';
  const rows = [
    ...[
      '=?',
      '=?utf-8?q?',
      '=?utf-8?b?QQ==?= ',
      '<',
      '<a@',
      '"',
      '(',
      ':',
      ';',
      ',',
      ' ',
      '\t',
      '\xff',
      '\x1b$B',
    ].flatMap((unit) =>
      ['Subject', 'From', 'References', 'Message-ID', 'Content-Type', 'Date'].map((field): [string, Buffer] => [
        `${JSON.stringify(unit)} in ${field}`,
        octets(`${field}: ${unit.repeat(100_000)}`, '', 'x'),
      ]),
    ),
    ...['<', '<script>', '<!--', '</', '&', '&amp;', '=\r\n', '= ', 'A=', '--b\r\n', '\n--', '\r', '\n \n'].map(
      (unit): [string, Buffer] => [
        `${JSON.stringify(unit)} as HTML in a part`,
        octets(
          parts,
          '',
          '--b',
          'Content-Type: text/html',
          'Content-Transfer-Encoding: quoted-printable',
          '',
          unit.repeat(60_000),
        ),
      ],
    ),
    ['a million small header lines', octets('a:b\r\n'.repeat(1_000_000))],
    ['parts of headers only', octets(parts, '', '--b\r\nContent-Type: text/x\r\n'.repeat(50_000))],
  ] as const;

  test('whatever the bytes are', () => {
    const slow: string[] = [];
    for (const [name, raw] of rows) {
      let best = Number.POSITIVE_INFINITY;
      for (let tried = 0; tried < 3 && best > 50; tried++) {
        const from = process.cpuUsage();
        reduced(raw);
        const { user, system } = process.cpuUsage(from);
        best = Math.min(best, (user + system) / 1000);
      }
      if (best > 50) slow.push(`${name}: ${best} ms`);
    }
    expect(slow).toEqual([]);
  });
});
