// Which parts of a mail are its text, and what stands around the text.
import { describe, expect, test } from 'vitest';
import {
  base64Part,
  contentOf,
  multipart,
  names,
  octets,
  ownText,
  PLAIN,
  PNG,
  part,
  read,
} from '../../../../test/fixtures/mail.js';
import { base64End } from './base64-end.js';

const textAndFiles = async (raw: Buffer) => {
  const message = await read(raw);
  return [ownText(message), names(message)];
};
const mixed = (...parts: string[][]) => multipart('multipart/mixed', 'b', parts);
const alternative = (...parts: string[][]) => multipart('multipart/alternative', 'b', parts);
const file = base64Part('application/pdf; name=f.pdf', Buffer.from('x'));

describe('the text of a mail', () => {
  test.each([
    [alternative(part('text/plain; name=body.txt', 'one'), part('text/html; name=body.html', '<p>two</p>')), 'one', []],
    [alternative(part('text/plain', 'one'), part('text/plain; name=notes.txt', 'two')), 'one', ['notes.txt']],
    [mixed(part('text/plain; name=body.txt', 'one'), file), 'one', ['f.pdf']],
    [mixed(part('text/plain', ' '), part('text/plain; name=body.txt', 'one'), file), 'one', ['f.pdf']],
    [mixed(part('text/plain', 'one'), part('text/plain; name=log.txt', 'two')), 'one', ['log.txt']],
    [mixed(file, part('text/html; name=body.html', '<p>one</p>')), 'one', ['f.pdf']],
    [
      mixed(['Content-Type: text/plain', 'Content-Disposition: attachment; filename=a.txt', '', 'one'], file),
      'one',
      ['a.txt', 'f.pdf'],
    ],
    [multipart('multipart/related', 'b', [part('text/html; name=index.html', '<p>one</p>'), file]), 'one', ['f.pdf']],
  ])('may have a name (%#)', async (raw, text, files) => {
    expect(await textAndFiles(raw)).toEqual([text, files]);
  });

  test.each([
    [octets(...PLAIN, 'Content-Type: text/markdown', '', '# one'), '# one', []],
    [octets(...PLAIN, 'Content-Type: text/x-never-seen; charset=utf-8', '', 'Gr\xc3\xbcn'), 'Grün', []],
    [octets(...PLAIN, 'Content-Type: text/csv; name=a.csv', '', 'a;b'), 'a;b', []],
    [mixed(part('text/markdown', '# one'), file), '# one', ['f.pdf']],
    [mixed(part('text/plain', 'one'), part('text/x-patch', '-two')), 'one\n\n-two', []],
    [mixed(part('text/plain', 'one'), part('text/csv', 'a;b')), 'one', ['text.txt']],
    [
      alternative(part('text/plain', 'one'), part('text/markdown', '# one'), part('text/html', '<p>one</p>')),
      'one',
      ['text.txt'],
    ],
    [alternative(part('text/markdown', '# one'), part('text/html', '<p>one</p>')), '# one', []],
    [alternative(part('text/plain', 'one'), part('text/x-amp-html', '<p>two</p>')), 'one', ['text.txt']],
    [
      octets(
        ...PLAIN,
        'Content-Type: text/enriched',
        '',
        '<bold>One</bold> <<two>',
        'three',
        '',
        '<color><param>red</param>four</color>',
      ),
      'One <two> three\nfour',
      [],
    ],
    [alternative(part('text/plain', 'one'), part('application/xhtml+xml', '<p>two</p>')), 'one', []],
  ])('may be of another type than plain and HTML (%#)', async (raw, text, files) => {
    expect(await textAndFiles(raw)).toEqual([text, files]);
  });
});

describe('a mail that only encloses a message', () => {
  const inner = octets(
    'From: a@b.example',
    'Subject: inner',
    'Content-Type: text/plain; charset=iso-8859-2',
    '',
    'P\xf8\xedli\xb9',
  ).toString('latin1');
  const withImage = multipart('multipart/related', 'r', [
    part('text/html', '<p>look <img src="cid:x"></p>'),
    base64Part('image/png', PNG, 'Content-ID: <x>'),
    base64Part('application/pdf; name=inside.pdf', Buffer.from('x')),
  ]).toString('latin1');

  test.each([
    [octets(...PLAIN, 'Content-Type: message/rfc822', '', inner), 'Příliš'],
    [mixed(part('message/rfc822', inner)), 'Příliš'],
    [mixed(part('text/plain', ' '), part('message/rfc822', inner)), 'Příliš'],
    [
      mixed([
        'Content-Type: message/rfc822',
        'Content-Transfer-Encoding: base64',
        '',
        Buffer.from(inner, 'latin1').toString('base64'),
      ]),
      'Příliš',
    ],
    [
      multipart('multipart/digest', 'd', [
        ['', inner],
        ['', inner],
      ]),
      'Příliš\n\nPříliš',
    ],
    [mixed(part('message/rfc822', 'Content-Type: message/rfc822', '', inner)), 'Příliš'],
  ])('has its text (%#)', async (raw, text) => {
    const message = await read(raw);
    expect(ownText(message)).toBe(text);
    expect(names(message)[0]).toMatch(/\.eml$/);
    expect(message.notes).toEqual([expect.stringContaining('encloses')]);
  });

  test('shows the images inside; its files stay in the enclosed message', async () => {
    const message = await read(mixed(part('message/rfc822', withImage)));
    expect(message.message.BodyHtml).toContain('src="data:image/png');
    expect(names(message)).toEqual(['s.eml']);
  });

  test('a mail with words of its own keeps them', async () => {
    expect(await textAndFiles(mixed(part('text/plain', 'see below'), part('message/rfc822', inner)))).toEqual([
      'see below',
      ['inner.eml'],
    ]);
  });
});

describe('words behind base64 data', () => {
  const encoded = (text: string) =>
    Buffer.from(text)
      .toString('base64')
      .match(/.{1,76}/g) ?? [];
  const mail = (...lines: string[]) =>
    octets(...PLAIN, 'Content-Type: text/plain; charset=utf-8', 'Content-Transfer-Encoding: base64', '', ...lines);
  const footer = ['_______________', 'Users mailing list', 'Users@lists.example'];
  const long = 'Příliš žluťoučký kůň úpěl ďábelské ódy. '.repeat(5);

  test.each([`${long}x`, `${long}xy`, `${long}xyz`, long.trim(), 'Hi', 'Grün, ja'])(
    'are shown as they are behind %j',
    async (text) => {
      for (const between of [[], [''], ['', '']]) {
        expect(ownText(await read(mail(...encoded(text), ...between, ...footer)))).toBe(
          `${text}\n\n${footer.join('\n')}`,
        );
      }
    },
  );

  test('are all there is where the text is not base64 at all', async () => {
    expect(ownText(await read(mail('Dear', 'all of you,', '', 'this is plain text.')))).toBe(
      'Dear\nall of you,\n\nthis is plain text.',
    );
  });

  test('behind HTML are text in both bodies', async () => {
    const message = await read(
      octets(
        ...PLAIN,
        'Content-Type: text/html; charset=utf-8',
        'Content-Transfer-Encoding: base64',
        '',
        ...encoded(`<p>${long}</p>`),
        ...footer,
      ),
    );
    expect(ownText(message)).toContain(footer.join('\n'));
    expect(message.message.BodyHtml).toContain('Users mailing list');
  });

  test('behind a file are left out, with a note', async () => {
    const message = await read(
      mixed(part('text/plain', 'hi'), [...base64Part('application/x; name=f', Buffer.from(long)), ...footer]),
    );
    expect(contentOf(message, 'f')).toBe(Buffer.from(long).toString('latin1'));
    expect(message.notes).toEqual([expect.stringContaining('Text behind the content of "f" was left out')]);
  });

  test('are none in data that is whole, in pieces or damaged', () => {
    for (const data of [encoded(long), [...encoded('a'), ...encoded('bc')], [], ['']]) {
      const bytes = octets(...data, '');
      expect(base64End(bytes)).toBe(bytes.length);
    }
    const damaged = octets(...encoded(long.repeat(3)).map((line, at) => (at === 1 ? `!${line.slice(1)}` : line)));
    expect(base64End(damaged)).toBe(damaged.length);
  });
});

describe('uuencoded files', () => {
  const block = (name: string) => [`begin 644${name}`, '#0V%T', '`', 'end'];
  const read1 = async (...lines: string[]) => {
    const message = await read(octets(...PLAIN, '', ...lines));
    return [ownText(message), message.attachments.map(({ name, type }) => `${name} ${type}`)];
  };

  test.each([
    [' cat.pdf', 'cat.pdf application/pdf'],
    [' CAT.TXT', 'CAT.TXT text/plain'],
    [' cat', 'cat application/octet-stream'],
    [' cat.never-seen', 'cat.never-seen application/octet-stream'],
    [' p\xf8\xed.jpg', 'pøí.jpg image/jpeg'],
    [' =?utf-8?Q?p=C5=99=C3=AD.jpg?=', 'pří.jpg image/jpeg'],
    ['', 'attachment.bin application/octet-stream'],
    [' ', 'attachment.bin application/octet-stream'],
  ])('begin 644%j is %s', async (name, expected) => {
    expect(await read1('before', ...block(name), 'after')).toEqual(['before\nafter', [expected]]);
  });
});
