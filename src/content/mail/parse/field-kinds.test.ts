// Kinds of faults that programs of twenty years write, one small mail each.
import { describe, expect, it, test } from 'vitest';
import { octets, PLAIN, read } from '../../../../test/fixtures/mail.js';
import { mailDate } from './mail-date.js';

const utf8 = (text: string) => Buffer.from(text).toString('latin1');
const readOf = (...lines: string[]) => read(octets(...lines));

describe('a header that ends with a line of blanks', () => {
  it.each([
    [['  indented text', '', 'more text'], '  indented text\n\nmore text'],
    [['   Dear Sir,', '   please call', '', '   Regards'], '   Dear Sir,\n   please call\n\n   Regards'],
    [['\tBestellung: 4711', '', 'Danke'], '\tBestellung: 4711\n\nDanke'],
  ])('shows the indented text %j', async (body, text) => {
    const { message } = await readOf('From: a@b.example', 'Subject: Hi', 'X-Mailer: Scan 2', ' ', ...body);
    expect([message.SubjectField, message.BodyText]).toEqual(['Hi', text]);
  });

  it('still goes on with a parameter behind the line of blanks', async () => {
    const { message } = await readOf(...PLAIN, 'Content-Type: text/plain;', ' ', '\tcharset=iso-8859-2', '', '\xe8au');
    expect(message.BodyText).toBe('čau');
  });
});

describe('a last header line that was not folded', () => {
  it.each([
    [['To: d@g.example,', 'e@g.example'], 'd@g.example, e@g.example', null],
    [['References: <q0@g.example>', '<q1@g.example>'], '', 'q1@g.example'],
    [['References: <q0@g.example>', '<q1@g.example> <q2@g.example>'], '', 'q2@g.example'],
  ])('%j is no text', async (lines, to, answered) => {
    const { message } = await readOf('From: a@b.example', 'Subject: Hi', ...lines, '', 'text');
    expect([message.ToField, message.InReplyToId, message.BodyText]).toEqual([to, answered, 'text']);
  });
});

describe('text outside the parts', () => {
  const file = ['--b1', 'Content-Type: application/pdf; name=a.pdf', '', '%PDF-1.4', '--b1--'];
  const mixed = [...PLAIN, 'Content-Type: multipart/mixed; boundary=b1', ''];

  it('before the first part is shown where no part holds text', async () => {
    const { message, attachments } = await readOf(...mixed, utf8('Dobrý den, sken v příloze.'), '', ...file);
    expect(message.BodyText.split('\n')[0]).toBe('Dobrý den, sken v příloze.');
    expect(attachments.map(({ name }) => name)).toEqual(['a.pdf']);
  });

  it.each(['This is a multi-part message in MIME format.', 'Dies ist eine mehrteilige Nachricht im MIME-Format.', ''])(
    '"%s" is no text',
    async (sentence) => {
      const { notes } = await readOf(...mixed, sentence, '', ...file);
      expect(notes).toContain('The mail has no text.');
    },
  );
});

test.each([
  '<html><head><style>p{margin:0}</style></head><body><p>&nbsp;</p></body></html>',
  '<div><br></div>',
  utf8('<p>\u00a0</p>'),
])('behind the empty page %s the enclosed message is shown', async (page) => {
  const { message } = await readOf(
    ...PLAIN,
    'Content-Type: multipart/mixed; boundary=b1',
    '',
    '--b1',
    'Content-Type: text/html',
    '',
    page,
    '--b1',
    'Content-Type: message/rfc822',
    '',
    'Subject: inner',
    '',
    'Hello inner',
    '--b1--',
  );
  expect(message.BodyText.split('\n')[0]).toBe('Hello inner');
});

test.each([
  ['base 64', 'xI1hdQ=='],
  ['b', 'xI1hdQ=='],
  ['=?utf-8?Q?base64?=', 'xI1hdQ=='],
  ['QP', '=C4=8Dau'],
  ['8bit\r\nContent-Transfer-Encoding: quoted-printable', '=C4=8Dau'],
])('the transfer encoding "%s" is understood', async (encoding, body) => {
  const lines = ['Content-Type: text/plain; charset=utf-8', `Content-Transfer-Encoding: ${encoding}`, '', body];
  expect((await readOf(...PLAIN, ...lines)).message.BodyText).toBe('čau');
});

test("a charset in the form of RFC 2231 is read: charset*=us-ascii''iso-8859-2", async () => {
  const lines = ["Content-Type: text/plain; charset*=us-ascii''iso-8859-2", '', '\xe8au'];
  expect((await readOf(...PLAIN, ...lines)).message.BodyText).toBe('čau');
});

test.each([
  ['=?us-ascii?Q?Nov=C3=A1?=', 'Nová'],
  ['=?ascii?B?Tm92w6E=?=', 'Nová'],
  ['=?UTF-8?Q?Nov=C3=A1_obj=C3?=', 'Nová obj\ufffd'],
  ['=?UTF-8?B?xI3DocO9?= =?UTF-8?Q?_x=E2=82?=', 'čáý x\ufffd'],
])('the subject %s', async (subject, text) => {
  const { message } = await readOf('From: a@b.example', `Subject: ${subject}`, '', 'x');
  expect(message.SubjectField).toBe(text);
});

test.each([
  [utf8('Jana ＜jana@x.example＞'), 'Jana <jana@x.example>'],
  [utf8('山田 「yamada@x.example」'), '山田 <yamada@x.example>'],
  ['Jana {jana@x.example}', 'Jana <jana@x.example>'],
  ['Jana &lt;jana@x.example&gt;', 'Jana <jana@x.example>'],
  ['&quot;Nova, Jana&quot; &lt;jana@x.example&gt;', '"Nova, Jana" <jana@x.example>'],
  ['\\"Jana Nova\\" <jana@x.example>', 'Jana Nova <jana@x.example>'],
  ['=?utf-8?Q?"Nov=C3=A1,_Jana"?= <jana@x.example>', '"Nová, Jana" <jana@x.example>'],
])('the sender %s', async (from, shown) => {
  const { message } = await readOf(`From: ${from}`, 'Subject: s', '', 'x');
  expect(message.FromField).toBe(shown);
  expect(message.RemoteAddress).toBe(/[^<> ]+@[^<> ]+(?=>)/.exec(shown)?.[0]);
});

test.each([
  ['2 červen 2024 10:20:30 +0200', '2024-06-02T08:20:30.000Z'],
  ['2 červenec 2024 10:20:30 +0200', '2024-07-02T08:20:30.000Z'],
  ['2 června 2024 10:20:30 +0200', '2024-06-02T08:20:30.000Z'],
  ['Чт, 2 мая 2024 10:20:30 +0300', '2024-05-02T07:20:30.000Z'],
  ['2 марта 2024 10:20:30 +0300', '2024-03-02T07:20:30.000Z'],
  ['2024年5月2日 10:20:30 +0900', '2024-05-02T01:20:30.000Z'],
  ['2024년 5월 2일 10:20:30 +0900', '2024-05-02T01:20:30.000Z'],
  ['Thu, 2 May 2024 10:20:30 0200', '2024-05-02T08:20:30.000Z'],
  ['Thu, 2 May 2024 8:5:3 +0200', '2024-05-02T06:05:03.000Z'],
])('the date %s', (date, time) => {
  expect(new Date(mailDate(date) ?? Number.NaN).toISOString()).toBe(time);
});
