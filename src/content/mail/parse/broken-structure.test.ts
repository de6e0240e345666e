// Mails whose structure is broken: everything in them still arrives.
import { describe, expect, test } from 'vitest';
import {
  base64Part,
  brokenPromises,
  contentOf,
  mailOf,
  multipart,
  names,
  octets,
  ownText,
  PLAIN,
  part,
  read,
} from '../../../../test/fixtures/mail.js';

const mixed = (boundary: string, ...lines: string[]) =>
  octets(...PLAIN, `Content-Type: multipart/mixed; boundary="${boundary}"`, '', ...lines);

describe('boundaries', () => {
  test('blanks after a boundary do not hide it', async () => {
    const message = await read(
      mixed('b', '--b  \t', '', 'one', '--b   ', 'Content-Type: application/x; name=f', '', 'two', '--b-- \t', ''),
    );
    expect(ownText(message)).toBe('one');
    expect(contentOf(message, 'f')).toBe('two');
    expect(message.notes).toEqual([]);
  });

  test('the blank line before an inner boundary may be missing', async () => {
    const message = await read(
      mixed(
        'b',
        '--b',
        'Content-Type: multipart/alternative; boundary=i',
        '--i',
        'Content-Type: text/plain',
        '',
        'plain',
        '--i',
        'Content-Type: text/html',
        '',
        '<p>rich</p>',
        '--i--',
        '--b--',
        '',
      ),
    );
    expect(message.message.BodyText).toBe('plain');
    expect(message.message.BodyHtml).toBe('<p>rich</p>');
  });

  test('the blank line before the next boundary may be missing', async () => {
    const message = await read(
      mixed('b', '--b', 'Content-Type: text/plain', '--b', 'Content-Type: text/plain', '', 'two', '--b--', ''),
    );
    expect(ownText(message)).toBe('two');
  });

  test.each([
    ['x', 'xy'],
    ['xy', 'x'],
    ['x', 'x-'],
    ['=_x', '=_x.1'],
  ])('boundary %j around boundary %j are told apart', async (outer, inner) => {
    const raw = multipart('multipart/mixed', outer, [
      [
        `Content-Type: multipart/alternative; boundary="${inner}"`,
        '',
        `--${inner}`,
        '',
        'plain',
        `--${inner}`,
        'Content-Type: text/html',
        '',
        '<p>rich</p>',
        `--${inner}--`,
      ],
      part('application/x; name=f', 'file'),
    ]);
    const message = await read(raw);
    expect(ownText(message)).toBe('plain');
    expect(message.message.BodyHtml).toMatch(/^<p>rich<\/p>/);
    expect(contentOf(message, 'f')).toBe('file');
  });

  test('parts that use the boundary of the whole again are still told apart', async () => {
    const message = await read(
      mixed(
        'b',
        '--b',
        'Content-Type: multipart/mixed; boundary=b',
        '',
        '--b',
        '',
        'one',
        '--b--',
        '--b',
        '',
        'two',
        '--b--',
        '',
      ),
    );
    expect(ownText(message)).toBe('one\n\ntwo');
    expect(message.notes).toEqual([]);
  });

  test('octets above 127 in a boundary are octets, in whatever charset', async () => {
    expect(ownText(await read(mixed('gr\xfcn', '--gr\xfcn', '', 'one', '--gr\xfcn--', '')))).toBe('one');
  });

  test('a line of text that begins like a boundary is text', async () => {
    expect(ownText(await read(mixed('b', '--b', '', '--bold words', '-- ', '--', 'Ann', '--b--', '')))).toBe(
      '--bold words\n-- \n--\nAnn',
    );
  });

  test('without its closing boundary the last part is complete, with a note', async () => {
    const message = await read(mixed('b', '--b', '', 'one', '--b', 'Content-Type: application/x; name=f', '', 'two'));
    expect(contentOf(message, 'f')).toBe('two');
    expect(message.notes).toEqual([expect.stringContaining('without its closing boundary')]);
  });

  test('an inner multipart that never ends ends where the outer one goes on', async () => {
    const message = await read(
      mixed(
        'b',
        '--b',
        'Content-Type: multipart/alternative; boundary=i',
        '',
        '--i',
        '',
        'plain',
        '--b',
        'Content-Type: application/x; name=f',
        '',
        'two',
        '--b--',
        '',
      ),
    );
    expect(ownText(message)).toBe('plain');
    expect(contentOf(message, 'f')).toBe('two');
  });

  test('parts after the closing boundary are parts; text after it is mentioned', async () => {
    const message = await read(mixed('b', '--b', '', 'one', '--b--', '', '--b', '', 'two', '--b--', 'a footer', ''));
    expect(ownText(message)).toBe('one\n\ntwo');
    expect(message.notes).toEqual([expect.stringContaining('after the end')]);
  });

  test('a multipart without a declared boundary is read by the one it uses', async () => {
    const message = await read(
      octets(...PLAIN, 'Content-Type: multipart/mixed', '', '--used', '', 'one', '--used', '', 'two', '--used--'),
    );
    expect(ownText(message)).toBe('one\n\ntwo');
  });

  test('a multipart in which no boundary occurs is shown as text', async () => {
    const message = await read(mixed('never', 'just words'));
    expect(ownText(message)).toBe('just words');
    expect(message.notes).toHaveLength(1);
  });

  describe('a boundary that is not the declared one', () => {
    const parts = (name: string) => [
      `--${name}`,
      'Content-Type: text/plain',
      '',
      'one',
      `--${name}`,
      'Content-Type: application/x; name=f',
      '',
      'two',
      `--${name}--`,
      '',
    ];
    const oneAndFile = async (raw: Buffer) => {
      const message = await read(raw);
      return [ownText(message), contentOf(message, 'f'), message.notes];
    };

    test.each([
      ['declared', 'written'],
      ['CASE', 'case'],
      ['cut', 'cut-off'],
      ['a b', 'a'],
      ['----=_Next', '----=_Next_1'],
    ])('%j declared, %j used', async (declared, used) => {
      expect(
        await oneAndFile(mixed(declared, 'This is a multi-part message in MIME format.', '', ...parts(used))),
      ).toEqual(['one', 'two', []]);
    });

    test.each([
      'multipart/mixed',
      'multipart/mixed; boundary=',
      'multipart/mixed; boundary=""',
      'multipart/mixed; boundary="b',
      'multipart/mixed; boundary=b (comment)',
      'multipart/mixed boundary=b',
      'multipart/mixed; boundary=x; boundary=b',
      'multipart/mixed;\r\nboundary=b',
      'multipart; boundary=b',
    ])('%j', async (type) => {
      const preamble = 'A preamble that is as long as some are. '.repeat(100);
      expect(await oneAndFile(octets(...PLAIN, `Content-Type: ${type}`, '', preamble, ...parts('b')))).toEqual([
        'one',
        'two',
        [],
      ]);
    });

    test('inside a multipart whose boundary is right', async () => {
      const inner = ['--o', 'Content-Type: multipart/mixed; boundary=x', '', ...parts('y')];
      expect(await oneAndFile(mixed('o', ...inner, '--o', '', 'three', '--o--', ''))).toEqual([
        'one\n\nthree',
        'two',
        [],
      ]);
    });

    test('outside a multipart whose boundary is right', async () => {
      const inner = ['--w', 'Content-Type: multipart/mixed; boundary=y', '', ...parts('y')];
      expect(await oneAndFile(mixed('o', ...inner, '--w', '', 'three', '--w--', ''))).toEqual([
        'one\n\nthree',
        'two',
        [],
      ]);
    });

    test('without its end', async () => {
      const [text, file, notes] = await oneAndFile(mixed('o', ...parts('w').slice(0, -2)));
      expect([text, file]).toEqual(['one', 'two']);
      expect(notes).toEqual([expect.stringContaining('without its closing boundary')]);
    });

    test('a mail that lost its Content-Type keeps its parts', async () => {
      expect(await oneAndFile(octets(...PLAIN, 'MIME-Version: 1.0', '', ...parts('b')))).toEqual(['one', 'two', []]);
      expect(ownText(await read(octets(...PLAIN, 'Content-Type: text/plain', '', ...parts('b'))))).toContain('--b\n');
    });

    test.each([
      [['--', 'Ann', '--', 'Bob']],
      [['----------', '', 'words', '----------', '', 'words']],
      [
        [
          '-----Original Message-----',
          'From: a@b.example',
          '',
          '-----Original Message-----',
          'From: a@b.example',
          '',
          'x',
        ],
      ],
      [['--option', 'is a switch']],
    ])('lines of text that begin with dashes are none: %j', async (lines) => {
      expect(ownText(await read(mixed('never', ...lines)))).toBe(lines.join('\n'));
    });
  });

  test.each(['base64', 'quoted-printable'])('a multipart that is %s as a whole is opened', async (encoding) => {
    const inner = octets('--=i', 'Content-Type: text/plain', '', 'inside', '--=i--', '');
    const body = encoding === 'base64' ? inner.toString('base64') : inner.toString().replace(/=/g, '=3D');
    const message = await read(
      octets(
        ...PLAIN,
        'Content-Type: multipart/mixed; boundary="=i"',
        `Content-Transfer-Encoding: ${encoding}`,
        '',
        body,
      ),
    );
    expect(ownText(message)).toBe('inside');
  });
});

describe('headers', () => {
  test('a mail of a header only', async () => {
    const message = await read(Buffer.from('From: a@b.example\r\nSubject: only this'));
    expect(message.message).toMatchObject({ RemoteAddress: 'a@b.example', SubjectField: 'only this' });
    expect(brokenPromises(message)).toEqual([]);
  });

  test('a mail without any header is all text', async () => {
    const message = await read(octets('Hello there,', 'this is it: no header.', '', 'Ann'));
    expect(ownText(message)).toBe('Hello there,\nthis is it: no header.\n\nAnn');
    expect(message.message.RemoteAddress).toBe('unknown');
  });

  test('an empty mail', async () => {
    const message = await read(Buffer.alloc(0));
    expect(brokenPromises(message)).toEqual([]);
    expect(message.message.BodyText).toContain('The mail has no text.');
  });

  test.each([
    ['LF', '\n'],
    ['CR', '\r'],
    ['CRLF', '\r\n'],
  ])('%s as line end', async (_name, end) => {
    const raw = multipart('multipart/mixed', 'b', [
      part('text/plain', 'one', 'two'),
      base64Part('application/x; name=f', Buffer.from('three')),
    ]);
    const message = await read(Buffer.from(raw.toString('latin1').replaceAll('\r\n', end), 'latin1'));
    expect(ownText(message)).toBe('one\ntwo');
    expect(contentOf(message, 'f')).toBe('three');
    expect(message.message.RemoteAddress).toBe('ann@shop.example');
  });

  test('the mbox line, a byte order mark and empty lines before the header are passed over', async () => {
    for (const noise of ['From ann@shop.example Sun Nov 22 10:00:00 2026\r\n', '\xef\xbb\xbf', '\r\n\r\n']) {
      const message = await read(Buffer.from(`${noise}${octets(...PLAIN, '', 'hi').toString('latin1')}`, 'latin1'));
      expect(message.message.RemoteAddress).toBe('ann@shop.example');
      expect(ownText(message)).toBe('hi');
    }
  });

  test('a line that was folded without a blank belongs to its field', async () => {
    const message = await read(
      octets('From: a@b.example', 'Subject: one', 'two without colon', 'To: c@d.example', '', 'hi'),
    );
    expect(message.message).toMatchObject({ SubjectField: 'one two without colon', ToField: 'c@d.example' });
  });

  test('text that follows the header without a blank line is text', async () => {
    const message = await read(octets('From: a@b.example', 'Hello there', 'my problem is', '', 'big'));
    expect(ownText(message)).toBe('Hello there\nmy problem is\n\nbig');
  });
});

describe('lines of a header that are no fields', () => {
  const subjectAnd = async (...lines: string[]) => {
    const message = await read(octets(...lines));
    return [message.message.SubjectField, ownText(message)];
  };

  test.each([
    [['Subject: one', ' ', ' two', 'X-More: y', '', 'text'], 'one two'],
    [['Subject: one', '\t \t', '\ttwo', '', 'text'], 'one two'],
    [['X-Junk: a', ' ', ' ', 'Subject: one', '', 'text'], 'one'],
    [['X-Junk: a', ' ', '', 'text'], ''],
    [[' ', 'Subject: one', '', 'text'], 'one'],
  ])('a line of blanks does not end the header: %j', async (lines, subject) => {
    expect(await subjectAnd(...lines)).toEqual([subject, 'text']);
  });

  test.each([
    [['Subject: one', ' ', 'Dear all,', '', 'text'], 'Dear all,\n\ntext'],
    [['Subject: one', ' \t', 'Hello: text'], 'Hello: text'],
    [['Subject: one', ' ', '  indented text', 'and more'], '  indented text\nand more'],
    [['Subject: one', ' ', '  indented text'], '  indented text'],
  ])('a line of blanks with text behind it ends the header all the same: %j', async (lines, text) => {
    expect(await subjectAnd(...lines)).toEqual(['one', text]);
  });

  const opaque = 'abc0123456789abcdefghijklmnop/qrstuvwxyz+ABCDEF==';
  test.each([
    [['X-Scan-Result:', opaque]],
    [['DKIM-Signature: v=1; a=rsa-sha256; b=', opaque, opaque]],
    [['X-Spam-Status: No, score=-1.9', 'tests=[BAYES_00=-1.9] autolearn=ham']],
    [
      [
        'Received: from a.example',
        'by b.example with ESMTP id 1234',
        'for <d@gate.example>; Mon, 23 Nov 2026 10:00:00 +0000',
      ],
    ],
    [['Content-Type: text/plain;', 'charset=utf-8']],
    [['Content-Type: text/plain;', 'charset="utf-8";', 'format=flowed']],
    [['X-Scan-Result:', opaque, opaque, 'X-More: y']],
  ])('a broken value at the end of the header is no text: %j', async (lines) => {
    expect(await subjectAnd('Subject: one', ...lines, '', 'text')).toEqual(['one', 'text']);
  });

  test.each([
    [['Subject: one', 'Hello there', '', 'text'], 'Hello there\n\ntext'],
    [['Subject: one;', 'Hello there', '', 'text'], 'Hello there\n\ntext'],
    [['X: y', opaque], opaque],
  ])('text without its empty line stays text: %j', async (lines, text) => {
    expect((await subjectAnd(...lines))[1]).toBe(text);
  });

  test('a part whose header is one line of blanks', async () => {
    expect(ownText(await read(mixed('b', '--b', ' ', 'one', '--b', '\t', '', 'two', '--b--', '')))).toBe('one\n\ntwo');
  });
});

describe('a mail of which only the beginning arrived', () => {
  const cut = { size: 50_000_000, reason: 'it is larger than MaxMessageBytes; the whole is in the mailbox.' };
  const raw = multipart('multipart/mixed', 'b', [
    part('text/plain', 'the text'),
    base64Part('application/pdf; name=whole.pdf', Buffer.from('whole')),
    base64Part('application/zip; name=half.zip', Buffer.alloc(5000, 7)),
  ]);

  test('shows its text and whole attachments; the half one is named, not passed off as whole', async () => {
    const message = await read(raw.subarray(0, raw.length - 1000), { cut });
    expect(ownText(message)).toBe('the text');
    expect(names(message)).toEqual(['whole.pdf']);
    expect(message.notes[0]).toContain(cut.reason);
    expect(message.notes[0]).toContain('48 MB');
    expect(message.notes.join()).toContain('Attachment "half.zip" is not included');
    expect(brokenPromises(message)).toEqual([]);
  });

  test('that ends inside its text says where', async () => {
    const message = await read(octets(...PLAIN, '', 'the beginning of'), { cut });
    expect(ownText(message)).toBe('the beginning of');
    expect(message.notes).toContain('The text ends where the mail was cut.');
  });

  test('is not attached as if it were the original', async () => {
    const flat = octets(
      ...PLAIN,
      'Content-Type: multipart/mixed; boundary=b',
      '',
      ...Array.from({ length: 400 }, () => '--b\r\n\r\nx'),
    );
    const message = await read(flat, mailOf(flat, { cut }));
    expect(names(message)).not.toContain('original.eml');
  });
});
