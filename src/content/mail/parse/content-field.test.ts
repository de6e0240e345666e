// Content-Type and Content-Disposition as senders write them.
import { describe, expect, test } from 'vitest';
import { base64Part, multipart, names, octets, ownText, PLAIN, part, read } from '../../../../test/fixtures/mail.js';
import { contentField } from './content-field.js';

describe('the parameters of a field', () => {
  test.each([
    ['text/plain; charset=utf-8', 'text/plain', { charset: 'utf-8' }],
    ['text/plain (plain text); charset=utf-8', 'text/plain', { charset: 'utf-8' }],
    ['text/plain(a (nested \\) b) c); charset="a(b)"', 'text/plain', { charset: 'a(b)' }],
    [
      'text/plain; (a) charset (b) = (c) utf-8 (d); format=flowed',
      'text/plain',
      { charset: 'utf-8', format: 'flowed' },
    ],
    ['text/plain; charset=utf-8 (never closed', 'text/plain', { charset: 'utf-8' }],
    ['text/plain (never closed; charset=utf-8', 'text/plain', { charset: 'utf-8' }],
    ['text/plain charset="utf-8"', 'text/plain', { charset: 'utf-8' }],
    ['text/plain\tcharset=utf-8 format=flowed', 'text/plain', { charset: 'utf-8', format: 'flowed' }],
    ['text/plain, charset=utf-8, format=flowed', 'text/plain', { charset: 'utf-8', format: 'flowed' }],
    ['text/plain;;; charset=utf-8;', 'text/plain', { charset: 'utf-8' }],
    ['text/plain; junk; charset = utf-8; more junk', 'text/plain', { charset: 'utf-8' }],
    ['text/plain; charset="utf-8', 'text/plain', { charset: 'utf-8' }],
    ['text/plain; charset="utf-8; format=flowed', 'text/plain', { charset: 'utf-8', format: 'flowed' }],
    ['text/plain; charset="utf-8" junk; format=flowed', 'text/plain', { charset: 'utf-8', format: 'flowed' }],
    ['text/plain; charset="utf-8"format=flowed', 'text/plain', { charset: 'utf-8', format: 'flowed' }],
    ['TEXT/Plain ; CHARSET=UTF-8', 'text/plain', { charset: 'UTF-8' }],
    ['charset=utf-8', '', { charset: 'utf-8' }],
    ['=?utf-8?Q?text/html;_charset=3Dutf-8?=', 'text/html', { charset: 'utf-8' }],
    ['attachment; filename=Invoice(1).pdf', 'attachment', { filename: 'Invoice(1).pdf' }],
    ['attachment; filename=my own file.pdf; size=1', 'attachment', { filename: 'my own file.pdf', size: '1' }],
    ['attachment; filename=my own file.pdf size=1', 'attachment', { filename: 'my own file.pdf', size: '1' }],
    ['attachment; filename="the "best" one.pdf"; size=1', 'attachment', { filename: 'the "best" one.pdf', size: '1' }],
    ['attachment; filename="a" "b.pdf"', 'attachment', { filename: 'ab.pdf' }],
    ['attachment; filename="a \\"b\\".pdf"', 'attachment', { filename: 'a "b".pdf' }],
    ['attachment; filename="C:\\temp\\a.pdf"', 'attachment', { filename: 'C:\\temp\\a.pdf' }],
    ['attachment; filename==?utf-8?Q?a.pdf?=', 'attachment', { filename: '=?utf-8?Q?a.pdf?=' }],
    ['', '', {}],
    ['"', '"', {}],
    ['=', '=', {}],
  ])('%j', (raw, value, parameters) => {
    const read = contentField(raw);
    expect([read.value, Object.fromEntries(read.parameters.map((entry) => [entry.name, entry.value]))]).toEqual([
      value,
      parameters,
    ]);
  });

  test('many quotes, parentheses and blanks take no more than their number', () => {
    for (const noise of ['"', '(', ' ', ';', 'a="', '("', '\\', ' x=', 'name="a']) {
      const start = performance.now();
      contentField(`a/b; ${noise.repeat(8_000)}`);
      expect(performance.now() - start).toBeLessThan(500);
    }
  });
});

describe('the type of a part', () => {
  const first = async (...headers: string[]) =>
    ownText(await read(octets(...PLAIN, ...headers, '', '<p>Gr\xc3\xbcn</p>')));

  test.each([
    'text/html; charset=utf-8',
    'text/html (HTML); charset=utf-8 (Unicode)',
    'text/html charset=utf-8',
    'text / html; charset=utf-8',
    '"text/html"; charset=utf-8',
    'Content-Type: text/html; charset=utf-8',
    'html; charset=utf-8',
    'text/html/utf-8; charset=utf-8',
    'text/html; charset=x-unknown; charset=utf-8',
    "text/html; charset='utf-8'",
    'text/html; charset=utf-8"',
    'text/html; charset=utf-8 (comment',
    '=?us-ascii?Q?text/html?=; charset=utf-8',
  ])('%j is HTML in UTF-8', async (type) => {
    expect(await first(`Content-Type: ${type}`)).toBe('Grün');
  });

  test.each(['text', 'text/', 'utf-8', '???', '/plain', ''])('%j is plain text (RFC 2045 5.2)', async (type) => {
    expect(await first(`Content-Type: ${type}`)).toBe('<p>Grün</p>');
  });

  test.each([
    'inline',
    'INLINE;',
    '"inline"',
    '=?utf-8?Q?inline?=',
    'inline; attachment',
    'infile',
    ': inline',
    'form-data',
  ])('the disposition %j shows the text', async (disposition) => {
    const message = await read(
      multipart('multipart/mixed', 'b', [
        ['Content-Type: text/plain', `Content-Disposition: ${disposition}`, '', 'one'],
        part('text/plain', 'two'),
      ]),
    );
    expect(ownText(message)).toBe('one\n\ntwo');
  });

  test.each(['attachment', 'ATTACHMENT (file)', '=?utf-8?Q?attachment?=', 'attachement', 'attachment; inline'])(
    'the disposition %j makes a file',
    async (disposition) => {
      const message = await read(
        multipart('multipart/mixed', 'b', [
          ['Content-Type: text/plain', `Content-Disposition: ${disposition}`, '', 'one'],
          part('text/plain', 'two'),
        ]),
      );
      expect([ownText(message), names(message)]).toEqual(['two', ['text.txt']]);
    },
  );
});

describe('the name of a file', () => {
  const bytes = Buffer.from('x');
  const utf8 = (text: string) => Buffer.from(text).toString('latin1');
  const nameOf = async (disposition: string, type = 'application/pdf') =>
    names(
      await read(
        multipart('multipart/mixed', 'b', [
          part('text/plain; charset=iso-8859-2', 'hi'),
          base64Part(type, bytes, ...(disposition === '' ? [] : [`Content-Disposition: ${disposition}`])),
        ]),
      ),
    )[0];

  test.each([
    // RFC 2231
    ["attachment; filename*=utf-8''P%C5%99%C3%ADloha.pdf", 'Příloha.pdf'],
    ["attachment; filename*=UTF-8'cs'P%C5%99%C3%ADloha.pdf; filename=plain.pdf", 'Příloha.pdf'],
    ["attachment; filename*0*=utf-8''P%C5; filename*1*=%99%C3%AD; filename*2=loha.pdf", 'Příloha.pdf'],
    ["attachment; filename*1*=%99%C3%AD; filename*2=loha.pdf; filename*0*=utf-8''P%C5", 'Příloha.pdf'],
    ["attachment; filename*0*=utf-8''P%C5; filename*1=%99%C3%ADloha.pdf", 'Příloha.pdf'],
    ['attachment; filename*0=long; filename*1="er name"; filename*2=.pdf', 'longer name.pdf'],
    ["attachment; filename*=iso-8859-2''P%F8%EDloha.pdf", 'Příloha.pdf'],
    ["attachment; filename*=utf-8''P%F8%EDloha.pdf", 'Příloha.pdf'],
    ['attachment; filename*=P%C5%99%C3%ADloha.pdf', 'Příloha.pdf'],
    ["attachment; filename*=''P%C5%99%C3%ADloha.pdf", 'Příloha.pdf'],
    ["attachment; filename*=x-unknown''P%C5%99%C3%ADloha.pdf", 'Příloha.pdf'],
    ['attachment; filename*="utf-8\'\'P%C5%99%C3%ADloha.pdf"', 'Příloha.pdf'],
    [`attachment; filename*=utf-8''${utf8('Příloha')}.pdf`, 'Příloha.pdf'],
    // RFC 2231 mixed with encoded words
    ["attachment; filename*=utf-8''=?utf-8?Q?P=C5=99=C3=ADloha?=", 'Příloha'],
    ['attachment; filename*0="=?utf-8?Q?P=C5=99"; filename*1="=C3=ADloha?="; filename*2=.pdf', 'Příloha.pdf'],
    [
      'attachment; filename*0="=?utf-8?B?UMWZw60="; filename*1="?= =?utf-8?B?bG9oYQ==?="; filename*2=.pdf',
      'Příloha.pdf',
    ],
    ['attachment; filename="=?utf-8?Q?other?="; filename*=utf-8\'\'%3D%3Futf-8%3FQ%3Fa%3F%3D.pdf', '=_utf-8_Q_a_=.pdf'],
    // RFC 2047
    ['attachment; filename="=?utf-8?Q?P=C5=99=C3=ADloha.pdf?="', 'Příloha.pdf'],
    ['attachment; filename==?utf-8?Q?P=C5=99=C3=ADloha.pdf?=', 'Příloha.pdf'],
    ['attachment; filename="=?utf-8?Q?P=C5=99=C3=AD?=\r\n =?utf-8?Q?loha.pdf?="', 'Příloha.pdf'],
    ['attachment; filename="=?utf-8?Q?P=C5=99=C3=AD?="\r\n "=?utf-8?Q?loha.pdf?="', 'Příloha.pdf'],
    ['attachment; filename="=?utf-8?Q?P=C5=99=C3=ADloha.pdf', 'Příloha.pdf'],
    ['attachment; filename="=?utf-8?Q?P=F8=EDloha.pdf?="', 'Příloha.pdf'],
    // Raw octets, and percent signs without a declaration
    [`attachment; filename="${utf8('Příloha')}.pdf"`, 'Příloha.pdf'],
    ['attachment; filename="P\xf8\xedloha.pdf"', 'Příloha.pdf'],
    ['attachment; filename="P%C5%99%C3%ADloha%201.pdf"', 'Příloha 1.pdf'],
    ['attachment; filename="utf-8\'\'P%C5%99%C3%ADloha.pdf"', 'Příloha.pdf'],
    ['attachment; filename="100%FAKTURA.pdf"', '100%FAKTURA.pdf'],
    ['attachment; filename="50%20off.pdf"', '50%20off.pdf'],
    // Other places and forms
    ['attachment; name=other.pdf', 'other.pdf'],
    ['filename="bare.pdf"', 'bare.pdf'],
    ["attachment; filename='single.pdf'", 'single.pdf'],
    ['attachment; filename=""; filename=second.pdf', 'second.pdf'],
    ['attachment; filename="C:\\temp\\path.pdf"', 'path.pdf'],
    ['attachment; filename=my own file.pdf', 'my own file.pdf'],
  ])('%j', async (disposition, expected) => {
    expect(await nameOf(disposition)).toBe(expected);
  });

  test('stands in the type when the disposition has none', async () => {
    expect(await nameOf('', "application/pdf; name*=utf-8''P%C5%99%C3%ADloha.pdf")).toBe('Příloha.pdf');
    expect(await nameOf('attachment', 'application/pdf; filename=f.pdf')).toBe('f.pdf');
    expect(await nameOf('', 'application/pdf name="no semicolon.pdf"')).toBe('no semicolon.pdf');
  });
});
