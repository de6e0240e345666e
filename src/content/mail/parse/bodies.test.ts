// What the parts of a mail become: text, HTML, images in it, attachments.
import { describe, expect, test } from 'vitest';
import {
  base64Part,
  brokenPromises,
  contentOf,
  multipart,
  names,
  octets,
  ownText,
  PLAIN,
  PNG,
  part,
  read,
  readLines,
} from '../../../../test/fixtures/mail.js';

describe('text and HTML', () => {
  test('of an alternative both versions are taken as they are', async () => {
    const { message, notes } = await read(
      multipart('multipart/alternative', 'b', [part('text/plain', 'plain'), part('text/html', '<p>rich</p>')]),
    );
    expect(message.BodyText).toBe('plain');
    expect(message.BodyHtml).toBe('<p>rich</p>');
    expect(notes).toEqual([]);
  });

  test('the missing body is made from the other', async () => {
    const html = await readLines([...PLAIN, 'Content-Type: text/html'], ['<p>one</p><p>two &amp; three</p>']);
    expect(html.message.BodyText).toMatch(/^one\n+two & three$/);
    const text = await readLines(PLAIN, ['a < b', 'c']);
    expect(text.message.BodyText).toBe('a < b\nc');
    expect(text.message.BodyHtml).toContain('a &lt; b');
  });

  test('an empty text version is made from the HTML', async () => {
    const raw = multipart('multipart/alternative', 'b', [part('text/plain', ' '), part('text/html', '<p>rich</p>')]);
    expect((await read(raw)).message.BodyText).toBe('rich');
  });

  test('text, attachment and more HTML after it all show, in order', async () => {
    const raw = multipart('multipart/mixed', 'b', [
      part('text/plain', 'before'),
      base64Part('application/pdf; name=a.pdf', Buffer.from('PDF')),
      part('text/html', '<p>after</p>'),
    ]);
    const message = await read(raw);
    expect(ownText(message)).toBe('before\n\nafter');
    expect(message.message.BodyHtml).toMatch(/before[\s\S]*<p>after<\/p>/);
    expect(names(message)).toEqual(['a.pdf']);
  });

  test('of several HTML versions the last shows and the others are attached', async () => {
    const raw = multipart('multipart/alternative', 'b', [
      part('text/plain', 'plain'),
      part('text/html', '<p>one</p>'),
      part('text/html', '<p>two</p>'),
    ]);
    const message = await read(raw);
    expect(message.message.BodyHtml).toMatch(/^<p>two<\/p>/);
    expect(ownText(message)).toBe('plain');
    expect(contentOf(message, 'alternative.html')).toBe('<p>one</p>');
  });

  test('HTML pieces around a picture in one version belong together', async () => {
    const inner = multipart(
      'multipart/mixed',
      'i',
      [part('text/html', '<p>one</p>'), part('text/html', '<p>two</p>')],
      [],
    );
    const raw = multipart('multipart/alternative', 'b', [part('text/plain', 'plain'), [inner.toString('latin1')]]);
    const { message } = await read(raw);
    expect(message.BodyHtml).toBe('<p>one</p><br>\n<p>two</p>');
    expect(message.BodyText).toBe('plain');
  });

  test.each([
    ['text/plain; charset=iso-8859-2', '\xb9\xe8', 'šč'],
    ['text/plain; charset=us-ascii', 'Gr\xfcn', 'Grün'],
    ['text/plain; charset=utf-8', 'Gr\xfcn', 'Grün'],
    ['text/plain', 'Gr\xc3\xbcn', 'Grün'],
    ['text/plain', 'Gr\xfcn \x80', 'Grün €'],
    ['text/plain; charset=x-unknown', 'Gr\xfcn', 'Grün'],
    ['text/plain; charset=utf-7', 'Gr+APw-n +ADw-b+AD4-', 'Grün <b>'],
    ['text/plain; charset="utf-16le"', 'h\0i\0', 'hi'],
    ['text/plain; charset=iso-2022-jp', '\x1b$BF|K\\\x1b(B', '日本'],
    ['text/plain; charset=euc-kr', '\xc7\xd1', '한'],
    ['text/plain; charset=ks_c_5601-1987', '\xc7\xd1', '한'],
    ['text/plain; charset=windows-1251', '\xe9', 'й'],
    ['text/html', '<meta charset="koi8-r"><p>\xd0</p>', 'п'],
  ])('%s: %j reads as %s', async (type, body, expected) => {
    expect(ownText(await readLines([...PLAIN, `Content-Type: ${type}`], [body]))).toBe(expected);
  });

  test('HTML that hides behind UTF-7 is cleaned like any other', async () => {
    const { message } = await readLines(
      [...PLAIN, 'Content-Type: text/html; charset=utf-7'],
      ['hi +ADw-script+AD4-alert(1)+ADw-/script+AD4-'],
    );
    expect(message.BodyHtml).not.toContain('script');
    expect(message.BodyText).toBe('hi');
  });

  test('flowed text is joined again (RFC 3676)', async () => {
    const type = 'Content-Type: text/plain; charset=utf-8; format=flowed; delsp=yes';
    expect(ownText(await readLines([...PLAIN, type], ['one ', 'two', '', 'three']))).toBe('onetwo\n\nthree');
  });

  test.each([
    ['quoted-printable', 'Gr=C3=BCn=20 \r\nand =\r\nmore=3D1 =zz', 'Grün \nand more=1 =zz'],
    ['base64', Buffer.from('Grün').toString('base64'), 'Grün'],
    ['"BASE64" (really)', 'R3LD\r\nvG4=', 'Grün'],
    ['base64', 'R3I=\r\nw7xu', 'Grün'],
    ['x-nonsense', 'as it is', 'as it is'],
  ])('transfer encoding %s: %j', async (encoding, body, expected) => {
    const headers = [...PLAIN, 'Content-Type: text/plain; charset=utf-8', `Content-Transfer-Encoding: ${encoding}`];
    expect(ownText(await readLines(headers, [body]))).toBe(expected);
  });

  test('a NUL, other control characters and lone CRs leave no trace', async () => {
    const message = await readLines([...PLAIN, 'Subject: a\0b'], ['one\0two\x07\rthree']);
    expect(brokenPromises(message)).toEqual([]);
    expect(ownText(message)).toBe('onetwo\nthree');
  });

  test('a mail with a subject only has bodies that say so', async () => {
    const message = await read(octets(...PLAIN, ''));
    expect(message.message.BodyText).toContain('The mail has no text.');
    expect(message.message.BodyHtml).toContain('The mail has no text.');
  });
});

describe('images', () => {
  const related = (html: string, ...images: string[][]) =>
    multipart('multipart/related', 'b', [part('text/html', html), ...images]);
  const image = (cid: string, bytes: Uint8Array = PNG, type = 'image/png') =>
    base64Part(`${type}; name="${cid}.png"`, bytes, `Content-ID: <${cid}>`);

  test('an image that the HTML shows is in the HTML and no attachment', async () => {
    const message = await read(related('<p><img src="cid:Logo@x"></p>', image('logo@x')));
    expect(message.message.BodyHtml).toContain(`src="data:image/png;base64,${PNG.toString('base64')}"`);
    expect(message.attachments).toEqual([]);
  });

  test('an image that no HTML asks for stays an attachment', async () => {
    expect(names(await read(related('<p>x</p>', image('a'))))).toEqual(['a.png']);
  });

  test('what is no image by its bytes is never put into the HTML, whatever it calls itself', async () => {
    const message = await read(related('<img src="cid:a">', image('a', Buffer.from('<svg onload=alert(1)>'))));
    expect(message.message.BodyHtml).not.toContain('data:');
    expect(names(message)).toEqual(['a.png']);
  });

  test('beyond one megabyte in all, images stay attachments with a note', async () => {
    const large = Buffer.concat([PNG, Buffer.alloc(600_000)]);
    const message = await read(related('<img src="cid:a"><img src="cid:b">', image('a', large), image('b', large)));
    expect(message.message.BodyHtml.match(/data:image/g)).toHaveLength(1);
    expect(names(message)).toEqual(['b.png']);
    expect(message.notes.join()).toContain('too large to be shown');
  });
});

describe('attachments', () => {
  test('are decoded to the byte and listed with name, type, size and link in both bodies', async () => {
    const bytes = Buffer.from(Array.from({ length: 3000 }, (_, at) => (at * 7) & 255));
    const raw = multipart('multipart/mixed', 'b', [
      part('text/plain', 'hi'),
      base64Part('application/pdf; name="Rechnung <1>.pdf"', bytes),
    ]);
    const { attachments, message } = await read(raw);
    expect(Buffer.from(attachments[0]?.bytes ?? [])).toEqual(bytes);
    expect(attachments[0]?.id).toMatch(/^[\w-]{22}$/);
    const id = attachments[0]?.id ?? '';
    expect(message.BodyText).toContain(`- Rechnung _1_.pdf (application/pdf, 2.9 KB): https://gate.example/a/${id}/`);
    expect(message.BodyHtml).toContain(`href="https://gate.example/a/${id}/Rechnung%20_1_.pdf"`);
  });

  test('have the same ids whenever the same mail is read, so that links stay true over a crash', async () => {
    const raw = multipart('multipart/mixed', 'b', [
      part('text/plain', 'hi'),
      base64Part('application/pdf; name=a.pdf', Buffer.from('first')),
      base64Part('application/pdf; name=b.pdf', Buffer.from('second')),
    ]);
    const ids = async (bytes: typeof raw) => (await read(bytes)).attachments.map(({ id }) => id);
    const [first, again] = [await ids(raw), await ids(raw)];
    expect(again).toEqual(first);
    expect(new Set(first).size).toBe(2);
    expect(await ids(Buffer.concat([Buffer.from(raw), Buffer.from('\r\n')]))).not.toEqual(first);
  });

  test.each([
    [`Content-Disposition: attachment; filename*=utf-8''p%C5%99%C3%ADloha.pdf`, 'příloha.pdf'],
    ['Content-Disposition: attachment; filename*0="long "; filename*1="name.pdf"', 'long name.pdf'],
    ['Content-Disposition: attachment; filename="=?utf-8?B?xb4ucGRm?="', 'ž.pdf'],
    ['Content-Disposition: attachment; filename="Gr\xfcn.pdf"', 'Grün.pdf'],
    ['Content-Disposition: attachment; filename="../../etc/passwd"', 'passwd'],
    ['Content-Disposition: attachment; filename="C:\\\\temp\\\\a.doc"', 'a.doc'],
    ['Content-Disposition: attachment; filename=".."', 'attachment.bin'],
    ['Content-Disposition: attachment; filename="a\tb\x01c.txt"', 'a b c.txt'],
    [`Content-Disposition: attachment; filename*=utf-8''%E2%80%AEgpj.exe`, 'gpj.exe'],
    [`Content-Disposition: attachment; filename="${'n'.repeat(300)}.pdf"`, `${'n'.repeat(116)}.pdf`],
    ['Content-Disposition: attachment', 'attachment.bin'],
  ])('%s is called %s', async (disposition, expected) => {
    const raw = multipart('multipart/mixed', 'b', [
      part('text/plain', 'hi'),
      ['Content-Type: application/octet-stream', disposition, '', 'x'],
    ]);
    expect(names(await read(raw))).toEqual([expected]);
  });

  test('text with a file name is an attachment, even when it is marked inline', async () => {
    const raw = multipart('multipart/mixed', 'b', [
      part('text/plain', 'the text'),
      ['Content-Type: text/plain; name=log.txt', 'Content-Disposition: inline; filename=log.txt', '', 'a log'],
      ['Content-Type: text/html; name="page.html"', '', '<p>a page</p>'],
    ]);
    const message = await read(raw);
    expect(ownText(message)).toBe('the text');
    expect(contentOf(message, 'log.txt')).toBe('a log');
    expect(contentOf(message, 'page.html')).toBe('<p>a page</p>');
  });

  test('a uuencoded file in the text becomes an attachment and leaves the text', async () => {
    const message = await readLines(PLAIN, ['see below', 'begin 644 cat.txt', '#0V%T', '`', 'end', 'regards']);
    expect(ownText(message)).toBe('see below\nregards');
    expect(contentOf(message, 'cat.txt')).toBe('Cat');
  });

  test('a mail that unpacks into more than 300 files has them in the attached original', async () => {
    const files = Array.from({ length: 90 }, (_, at) => `begin 644 f${at}\r\n#0V%T\r\n\`\r\nend`);
    const raw = multipart(
      'multipart/mixed',
      'b',
      Array.from({ length: 4 }, () => part('text/plain', ...files)),
    );
    const message = await read(raw);
    expect(names(message)).toHaveLength(301);
    expect(names(message).at(-1)).toBe('original.eml');
    expect(message.notes.join()).toContain('60 more files');
  });

  test('text that only begins like a uuencoded file stays text', async () => {
    const lines = ['begin 644 the new year', 'with a diet, they said.', 'end'];
    const message = await readLines(PLAIN, lines);
    expect(ownText(message)).toBe(lines.join('\n'));
    expect(message.attachments).toEqual([]);
  });
});

describe('winmail.dat', () => {
  const number = (value: number, bytes = 4) => {
    const buffer = Buffer.alloc(bytes);
    buffer.writeUIntLE(value, 0, bytes);
    return buffer;
  };
  const attribute = (level: number, id: number, data: Buffer) =>
    Buffer.concat([
      number(level, 1),
      number(id),
      number(data.length),
      data,
      number(data.reduce((a, b) => a + b, 0) & 0xffff, 2),
    ]);
  const unicode = (id: number, text: string) => {
    const value = Buffer.from(`${text}\0`, 'utf16le');
    const padding = Buffer.alloc((4 - (value.length % 4)) % 4);
    return Buffer.concat([number(0x1f, 2), number(id, 2), number(1), number(value.length), value, padding]);
  };
  const named = Buffer.concat([number(3, 2), number(0x8001, 2), Buffer.alloc(16), number(0), number(7), number(42)]);
  const winmail = Buffer.concat([
    number(0x223e9f78),
    number(1, 2),
    attribute(1, 0x0002800c, Buffer.from('words from Outlook\0')),
    attribute(2, 0x00069002, Buffer.alloc(14)),
    attribute(2, 0x00018010, Buffer.from('PLAN~1.XLS\0')),
    attribute(2, 0x0006800f, Buffer.from('the plan')),
    attribute(
      2,
      0x00069005,
      Buffer.concat([number(3), named, unicode(0x370e, 'application/vnd.ms-excel'), unicode(0x3707, 'Plán 2026.xls')]),
    ),
  ]);
  const mail = (bytes: Buffer) => octets(...PLAIN, ...base64Part('application/ms-tnef; name=winmail.dat', bytes));

  test('is unpacked: its files are attachments under their own names, its text shows when there is no other', async () => {
    const message = await read(mail(winmail));
    expect(names(message)).toEqual(['Plán 2026.xls', 'winmail.dat']);
    expect(message.attachments[0]?.type).toBe('application/vnd.ms-excel');
    expect(contentOf(message, 'Plán 2026.xls')).toBe('the plan');
    expect(ownText(message)).toBe('words from Outlook');
  });

  test('that is damaged anywhere is passed on and harms nothing', async () => {
    for (let length = 0; length < winmail.length; length += 3) {
      const message = await read(mail(winmail.subarray(0, length)));
      expect(brokenPromises(message)).toEqual([]);
      expect(names(message)).toContain('winmail.dat');
    }
  });
});

describe('mails inside the mail', () => {
  const nested = octets('From: x@y.example', 'Subject: inner words', '', 'the inner text');

  test('a forwarded mail is an attachment named after its subject and not part of the text', async () => {
    const raw = multipart('multipart/mixed', 'b', [
      part('text/plain', 'see below'),
      ['Content-Type: message/rfc822', '', nested.toString()],
    ]);
    const message = await read(raw);
    expect(ownText(message)).toBe('see below');
    expect(message.message.SubjectField).toBe('s');
    expect(contentOf(message, 'inner words.eml')).toBe(nested.toString());
  });

  test('the mails of a digest need no type to be seen as mails', async () => {
    const message = await read(multipart('multipart/digest', 'b', [['', nested.toString()]]));
    expect(names(message)).toEqual(['inner words.eml']);
  });

  test('a delivery report is told in a sentence; report and returned mail are attached', async () => {
    const status = [
      'Reporting-MTA: dns; mx.example',
      '',
      'Final-Recipient: rfc822; bob@x.example',
      'Action: failed',
      'Status: 5.1.1',
      'Diagnostic-Code: smtp; 550 no',
      ' such user',
    ];
    const raw = multipart('multipart/report; report-type=delivery-status', 'b', [
      part('text/plain', 'It did not work.'),
      ['Content-Type: message/delivery-status', '', ...status],
      ['Content-Type: message/rfc822', '', nested.toString()],
    ]);
    const message = await read(raw);
    expect(ownText(message)).toBe('It did not work.');
    expect(names(message)).toEqual(['delivery-status.txt', 'inner words.eml']);
    expect(message.notes).toEqual(['Delivery report: delivery to bob@x.example failed (5.1.1): 550 no such user']);
  });

  test('an invitation is told in words when there is no other text, and always attached', async () => {
    const ics = [
      'BEGIN:VCALENDAR',
      'METHOD:REQUEST',
      'BEGIN:VTIMEZONE',
      'DTSTART:19700101T000000',
      'END:VTIMEZONE',
      'BEGIN:VEVENT',
      'SUMMARY:Review\\, part 2',
      'DTSTART;TZID="Europe/Prague":20261122T100000',
      'DTEND:20261122T110000Z',
      'LOCATION:Room',
      '  5',
      'ORGANIZER;CN="Ann: Boss":mailto:ann@x.example',
      'END:VEVENT',
    ];
    const alone = await readLines([...PLAIN, 'Content-Type: text/calendar; charset=utf-8'], ics);
    expect(ownText(alone)).toBe(
      'Invitation: Review, part 2\nWhen: 2026-11-22 10:00 (Europe/Prague) - 2026-11-22 11:00 UTC\nWhere: Room 5\nOrganiser: Ann: Boss <ann@x.example>',
    );
    expect(names(alone)).toEqual(['invitation.ics']);
    const withText = await read(
      multipart('multipart/alternative', 'b', [part('text/plain', 'come!'), part('text/calendar', ...ics)]),
    );
    expect(ownText(withText)).toBe('come!');
    expect(names(withText)).toEqual(['invitation.ics']);
  });

  test('clear-signed text is read, closed S/MIME is attached with a note', async () => {
    const signed = await read(
      multipart('multipart/signed', 'b', [
        part('text/plain', 'signed words'),
        base64Part('application/pkcs7-signature', Buffer.from('sig')),
      ]),
    );
    expect(ownText(signed)).toBe('signed words');
    expect(names(signed)).toEqual(['smime.p7s']);
    const closed = await read(
      octets(...PLAIN, ...base64Part('application/pkcs7-mime; name=smime.p7m', Buffer.from('x'))),
    );
    expect(names(closed)).toEqual(['smime.p7m']);
    expect(closed.notes.join()).toContain('S/MIME');
  });
});
