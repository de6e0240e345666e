// What the header fields of a mail become.
import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import {
  brokenPromises,
  context,
  GATEWAY,
  mailOf,
  octets,
  PLAIN,
  read,
  readLines,
} from '../../../../test/fixtures/mail.js';
import { shortId } from '../../threading.js';
import { readMailNow } from './read-mail.js';

const without = (name: string) => PLAIN.filter((line) => !line.startsWith(`${name}:`));
const hash = (text: string) => createHash('sha256').update(text).digest('base64url');

describe('identities', () => {
  test('the Message-ID without brackets is the DeliverySystemId', async () => {
    const { message, rfcMessageId, references } = await readLines(PLAIN);
    expect(message.DeliverySystemId).toBe('1@shop.example');
    expect(rfcMessageId).toBe('1@shop.example');
    expect(references).toBe('<1@shop.example>');
  });

  test('an id of 80 characters stays, one of 81 becomes its first 36, "~" and its hash', async () => {
    const fits = `${'a'.repeat(68)}@example.com`;
    const long = `b${fits}`;
    expect(shortId(fits)).toBe(fits);
    expect(shortId(long)).toBe(`${long.slice(0, 36)}~${hash(long)}`);
    expect(shortId(long)).toHaveLength(80);
    const { message, rfcMessageId } = await readLines([...without('Message-ID'), `Message-ID: <${long}>`]);
    expect(message.DeliverySystemId).toBe(shortId(long));
    expect(rfcMessageId).toBe(long);
  });

  test('a mail without Message-ID gets one that is the same every time and differs per gateway', async () => {
    const raw = octets(...without('Message-ID'), '', 'hi');
    const first = await read(raw);
    const second = await read(Buffer.from(raw));
    expect(first.message.DeliverySystemId).toMatch(/^[\w-]{43}@gatepost$/);
    expect(second.message.DeliverySystemId).toBe(first.message.DeliverySystemId);
    expect(first.rfcMessageId).toBeNull();
    expect(first.references).toBeNull();
    const otherPlace = await readMailNow(mailOf(raw), { ...context, gatewayId: GATEWAY.replace('0', '1') });
    expect(otherPlace.message.DeliverySystemId).not.toBe(first.message.DeliverySystemId);
    const other = await read(octets(...without('Message-ID'), '', 'ho'));
    expect(other.message.DeliverySystemId).not.toBe(first.message.DeliverySystemId);
  });

  test.each([
    ['In-Reply-To: <a@x> <b@x>', 'References: <c@x> <d@x>', 'a@x'],
    ['In-Reply-To: bare@x', 'X: y', 'bare@x'],
    ['In-Reply-To: Your message of Monday', 'References: <c@x>\r\n <d@x>', 'd@x'],
    ['X: y', 'References: <c@x><d@x>', 'd@x'],
    ['X: y', 'X: z', null],
    ['In-Reply-To: =?utf-8?Q?=3Ca=40x=3E?=', 'X: y', 'a@x'],
    ['In-Reply-To: =?us-ascii?B?PGFAeD4=?=', 'X: y', 'a@x'],
    ['In-Reply-To: =?utf-8?q?=3Ca=40lo?=\r\n =?utf-8?q?ng=2Eexample=3E?=', 'X: y', 'a@long.example'],
    ['In-Reply-To: <=?utf-8?Q?a=40x?=>', 'X: y', 'a@x'],
    ['X: y', 'References: =?utf-8?Q?=3Ca=40x=3E?= =?utf-8?Q?_=3Cb=40x=3E?=', 'b@x'],
    ['X: y', 'References: <a@x> =?utf-8?Q?=3Cb=40x=3E?=', 'b@x'],
    ['In-Reply-To: <a@\r\n\tx>', 'X: y', 'a@x'],
    ['In-Reply-To: <a@x', 'X: y', 'a@x'],
    ['In-Reply-To: a@x>', 'X: y', 'a@x'],
    ['In-Reply-To: <<a@x>>', 'X: y', 'a@x'],
    ['In-Reply-To: "<a@x>"', 'X: y', 'a@x'],
    ['In-Reply-To: (see <no@x>) <a@x> (from Ann)', 'X: y', 'a@x'],
    ['In-Reply-To: (<a@x>', 'X: y', 'a@x'],
    ['In-Reply-To: <a(b)@x>', 'X: y', 'a(b)@x'],
    ['In-Reply-To: Message from Ann <ann@x> of "Mon, 2 May" <a@x>', 'X: y', 'a@x'],
    ['In-Reply-To: Your mail to <ann@x>, id <a@x>, <b@x>', 'References: <a@x>', 'a@x'],
    ['In-Reply-To: the mail of ann@x', 'X: y', null],
    ['X: y', 'References: a@x b@x', 'b@x'],
    ['X: y', 'References: <a@x>,<b@x>', 'b@x'],
    ['X: y', 'References: a@x,\r\n b@x', 'b@x'],
  ])('%s and %s answer %s', async (inReplyTo, references, expected) => {
    const { message } = await readLines([...PLAIN, inReplyTo, references]);
    expect(message.InReplyToId).toBe(expected);
  });

  test.each([
    ['=?utf-8?Q?=3C2=40shop=2Eexample=3E?=', '2@shop.example'],
    ['=?iso-8859-1?B?PDJAc2hvcC5leGFtcGxlPg==?=', '2@shop.example'],
    ['2@shop.example', '2@shop.example'],
    ['<2@shop.example> (made by a program)', '2@shop.example'],
    ['<2@\r\n shop.example>', '2@shop.example'],
    ['<=?2@shop.example>', '=?2@shop.example'],
  ])('the Message-ID %j is %s', async (value, expected) => {
    const { message, references } = await readLines([...without('Message-ID'), `Message-ID: ${value}`]);
    expect(message.DeliverySystemId).toBe(expected);
    expect(references).toBe(`<${expected}>`);
  });

  test('the InReplyToId is shortened as the DeliverySystemId of the mail it answers was', async () => {
    const long = `${'x'.repeat(200)}@example.com`;
    const { message } = await readLines([...PLAIN, `In-Reply-To: <${long}>`]);
    expect(message.InReplyToId).toBe(shortId(long));
  });

  test('an answer refers to the mail and to what it refers to: the first and the latest when there are many', async () => {
    const { references } = await readLines([...PLAIN, 'References: <a@x>', ' <b@x>']);
    expect(references).toBe('<a@x> <b@x> <1@shop.example>');
    const many = Array.from({ length: 300 }, (_, at) => `<${at}@x>`).join('\r\n ');
    const trimmed = (await readLines([...PLAIN, `References: ${many}`])).references?.split(' ');
    expect(trimmed).toHaveLength(11);
    expect(trimmed?.[0]).toBe('<0@x>');
    expect(trimmed?.slice(-2)).toEqual(['<299@x>', '<1@shop.example>']);
  });
});

describe('the sender', () => {
  test.each([
    [['Reply-To: <r@x.example>, s@x.example', 'From: a@x.example'], 'r@x.example'],
    [['From: Ann <a@x.example>', 'Sender: b@x.example'], 'a@x.example'],
    [['Sender: b@x.example'], 'b@x.example'],
    [['Return-Path: <p@x.example>'], 'p@x.example'],
    [['From: undisclosed', 'Sender: b@x.example'], 'b@x.example'],
    [['Reply-To: ', 'From: a@x.example'], 'a@x.example'],
    [['Reply-To: undisclosed-recipients:;', 'From: Ann <a@x.example>'], 'a@x.example'],
    [['Reply-To: <>', 'From: "Ann"', 'Sender: (none)', 'Return-Path: <p@x.example>'], 'p@x.example'],
    [['Reply-To: Ann', 'Reply-To: r@x.example', 'From: a@x.example'], 'r@x.example'],
    [['From: shop <noreply@x.example>', 'Reply-To: =?utf-8?q?jana=2Enova=40example=2Enet?='], 'jana.nova@example.net'],
    [['From: =?utf-8?q?jana=40example=2Enet?='], 'jana@example.net'],
    [['From: =?utf-8?Q?Jana_Nov=C3=A1_=3Cjana=40x.example=3E?='], 'jana@x.example'],
    [['From: "=?utf-8?B?TsOzdsOhLCBKYW5hIDxqYW5hQHguZXhhbXBsZT4=?="'], 'jana@x.example'],
    [['From: Jana <=?us-ascii?Q?jana=40x=2Eexample?=>'], 'jana@x.example'],
    [['From: =?utf-8?Q?Jana_<jana@x.example>?='], 'jana@x.example'],
    [['From: "Jana Nova <jana@example.net>"'], 'jana@example.net'],
    [['From: "Nova, Jana <jana@example.net>'], 'jana@example.net'],
    [['From: Jana Novak (private) <jana(at home)@customer(the company).example>'], 'jana@customer.example'],
    [['From: "boss@victim.example" <evil@x.example>'], 'evil@x.example'],
    [['From: =?utf-8?q?boss=40victim=2Eexample?= <evil@x.example>'], 'evil@x.example'],
  ])('%j is answered at %s', async (headers, expected) => {
    expect((await readLines(headers)).message.RemoteAddress).toBe(expected);
  });

  test('without any sender the envelope counts, and without that "unknown", with a note', async () => {
    const raw = octets('Subject: s', '', 'hi');
    const enveloped = await read(raw, { envelope: { from: 'e@x.example', recipients: ['d@gate.example'] } });
    expect(enveloped.message.RemoteAddress).toBe('e@x.example');
    const none = await read(raw);
    expect(none.message.RemoteAddress).toBe('unknown');
    expect(none.notes.join()).toContain('no sender');
  });

  test('an address that is too long is never cut: the next one counts', async () => {
    const { message } = await readLines([`Reply-To: ${'l'.repeat(250)}@x.example`, 'From: a@x.example']);
    expect(message.RemoteAddress).toBe('a@x.example');
  });

  test('a name that is too long is cut before its address, between graphemes', async () => {
    const family = '👨‍👩‍👧‍👦';
    const name = Buffer.from(family.repeat(30)).toString('base64');
    const { message } = await readLines([`From: =?utf-8?B?${name}?= <ann@shop.example>`]);
    expect(message.FromField?.length).toBeLessThanOrEqual(160);
    expect(message.FromField).toMatch(/… <ann@shop\.example>$/);
    expect(message.FromField?.replaceAll(family, '')).toBe('… <ann@shop.example>');
  });

  test('of repeated fields the first counts, and a repeated From is flagged', async () => {
    const read = await readLines([
      'From: first@x.example',
      'From: second@x.example',
      'Subject: one',
      'Subject: two',
      'Message-ID: <one@x>',
      'Message-ID: <two@x>',
    ]);
    expect(read.message).toMatchObject({
      RemoteAddress: 'first@x.example',
      FromField: 'first@x.example',
      SubjectField: 'one',
      DeliverySystemId: 'one@x',
    });
    expect(read.notes.join()).toContain('2 From fields');
    expect(read.message.BodyText).toContain('2 From fields');
    expect(read.message.BodyHtml).toContain('2 From fields');
  });
});

describe('recipients', () => {
  test('a list that is too long is cut between two addresses and counted', async () => {
    const all = Array.from({ length: 40 }, (_, at) => `Person ${at} <person${at}@shop.example>`);
    const { message } = await readLines([...without('To'), `To: ${all.join(',\r\n ')}`]);
    const shown = message.ToField?.replace(/, … \+\d+$/, '').split(', ') ?? [];
    expect(message.ToField?.length).toBeLessThanOrEqual(320);
    expect(shown).toEqual(all.slice(0, shown.length));
    expect(message.ToField).toMatch(new RegExp(`, … \\+${40 - shown.length}$`));
  });

  test('100,000 recipients are counted, too', async () => {
    const { message } = await readLines([...without('To'), `To: ${'a@b.example, '.repeat(99_999)}a@b.example`]);
    const shown = message.ToField?.match(/a@b/g)?.length ?? 0;
    expect(message.ToField).toMatch(new RegExp(`… \\+${100_000 - shown}$`));
  });

  test('without To the envelope tells who it was for; groups are listed by their members', async () => {
    const envelope = { from: 'x@y.example', recipients: ['one@gate.example', 'two@gate.example'] };
    const enveloped = await read(octets('From: a@b.example', 'To: undisclosed-recipients:;', '', 'hi'), { envelope });
    expect(enveloped.message.ToField).toBe('one@gate.example, two@gate.example');
    const grouped = await readLines([
      'From: a@b.example',
      'To: Team: a@t.example, B <b@t.example>;',
      'Cc: c@t.example',
    ]);
    expect(grouped.message.ToField).toBe('a@t.example, B <b@t.example>');
    expect(grouped.message.ToCcField).toBe('c@t.example');
    expect(grouped.message.ToBccField).toBeNull();
  });
});

describe('times and language', () => {
  test('received is when the mailbox took it, drafted is what the sender says, in UTC', async () => {
    const { message } = await readLines([...PLAIN, 'Date: Sun, 22 Nov 2026 11:10:38 +0100 (CET)']);
    expect(message.ReceivedSentTime).toBe('2026-11-22T10:15:30.123Z');
    expect(message.DraftTime).toBe('2026-11-22T10:10:38.000Z');
  });

  test.each(['', 'yesterday', 'Sun, 22 Nov 1926 11:10:38 +0100', 'Sun, 22 Nov 2099 11:10:38 +0100', '\0\x01'])(
    'a Date of %j is none',
    async (date) => {
      expect((await readLines([...PLAIN, `Date: ${date}`])).message.DraftTime).toBeNull();
    },
  );

  test('a Date without zone is UTC', async () => {
    const { message } = await readLines([...PLAIN, 'Date: 22 Nov 2026 08:00:00']);
    expect(message.DraftTime).toBe('2026-11-22T08:00:00.000Z');
  });

  test.each([
    ['en-us, de', 'en-US'],
    ['cs', 'cs'],
    ['42 (unknown)', null],
    ['', null],
  ])('Content-Language %j is culture %j', async (language, expected) => {
    expect((await readLines([...PLAIN, `Content-Language: ${language}`])).message.Culture).toBe(expected);
  });

  test('what nobody checked is not claimed', async () => {
    const { message } = await readLines(PLAIN);
    expect(message).toMatchObject({ Direction: 'I', Mark: null, SpamLevel: null });
    expect(message.SignatureValidity ?? null).toBeNull();
  });
});

describe('octets in header fields', () => {
  const subject = async (value: string, type = 'text/plain') =>
    (await readLines([...without('Subject'), `Subject: ${value}`, `Content-Type: ${type}`])).message.SubjectField;

  test('raw UTF-8 is read as UTF-8', async () => {
    expect(await subject(Buffer.from('Žluťoučký kůň').toString('latin1'))).toBe('Žluťoučký kůň');
  });

  test('raw octets that are no UTF-8 are in the charset of the body', async () => {
    expect(await subject('\xd0\xd2\xc9\xd7\xc5\xd4', 'text/plain; charset=koi8-r')).toBe('привет');
  });

  test('or else in Windows-1252', async () => {
    expect(await subject('Gr\xfc\xdfe \x80 5')).toBe('Grüße € 5');
  });

  test.each([
    ['=?iso-8859-1?Q?Gr\xfcn?=', 'Grün'],
    ['=?utf-8?Q?Gr\xc3\xbcn?=', 'Grün'],
    ['=?utf-8?Q?Gr\xfcn?=', 'Grün'],
    ['=?utf-8?Q?Gr=FCn?=', 'Grün'],
    ['=?utf-8?B?Gr\xfcn?=', 'Grün'],
    ['=?unknown-8bit?Q?Gr=FCn?= x', 'Grün x'],
    ['=?x-nonsense?Q?Gr=C3=BCn?=', 'Grün'],
    ['a =?utf-8?Q?=C5?=\r\n =?utf-8?Q?=BDlu?= b', 'a Žlu b'],
    ['=?utf-8?B?8J+R?= =?utf-8?B?jQ==?=', '👍'],
    ['=?iso-2022-jp?B?GyRCRnxLXBsoQg==?=', '日本'],
    ['=?utf-7?Q?Hi_+Jjo-?=', 'Hi ☺'],
    ['=?unicode-1-1-utf-7?Q?Hi_+Jjo-?=', 'Hi ☺'],
    ['=?utf-8*de?Q?Gr=C3=BCn?=', 'Grün'],
    ['=?utf-8?Q?Kdy?=', 'Kdy'],
    ['=?utf-8?Q?Kdy??=', 'Kdy?'],
    ['=?utf-8?Q?a?b?=', 'a?b'],
    ['=?UTF-8?Q?Kdy p=C5=99ijde z=C3=A1silka? [dotaz]?=', 'Kdy přijde zásilka? [dotaz]'],
    ['=?UTF-8?Q?Kdy p=C5=99ijde??= =?UTF-8?Q?_Z=C3=ADtra??=', 'Kdy přijde? Zítra?'],
    ['=?UTF-8?Q?Co?=C5=BE toto??=', 'Co?ž toto?'],
    ['=?UTF-8?Q?a?= b?', 'a b?'],
    ['=?UTF-8?Q?a?=20 b', 'a20 b'],
    ['Re: =?UTF-8?Q?p=C5=99=C3=ADjde?', 'Re: příjde?'],
    ['=?UTF-8?Q?p=C5=99=C3=ADloha_se_ztr', 'příloha se ztr'],
    ['=?UTF-8?B?cMWZw61sb2hh', 'příloha'],
    ['=?UTF-8?Q?p=C5=99?=?UTF-8?Q?=C3=ADloha?=', 'příloha'],
    ['=?UTF-8?Q?p=C5=99?==?UTF-8?Q?=C3=ADloha?=', 'příloha'],
    ['=?UTF-8?Q?_a_b_?=c', 'a b c'],
    ['=??Q?Gr=C3=BCn?=', 'Grün'],
    ['=?utf-8?Q??=', ''],
    ['a =? b ?= c', 'a =? b ?= c'],
    ['1 =?2?x?= 3', '1 =?2?x?= 3'],
  ])('the word %j means %s', async (value, expected) => {
    expect(await subject(value)).toBe(expected);
  });

  test('undeclared UTF-7 is read where the body is UTF-7, and "+" stays "+" otherPlace', async () => {
    expect(await subject('Gr+APwA3w-e', 'text/plain; charset=utf-7')).toBe('Grüße');
    expect(await subject('1 +APwA3w- 2')).toBe('1 +APwA3w- 2');
  });

  test('raw octets in a name do not harm the address', async () => {
    const { message } = await readLines(['From: "J\xfcrgen M\xfcller" <j@x.example>', 'To: J\xfcrgen <d@x.example>']);
    expect(message.FromField).toBe('Jürgen Müller <j@x.example>');
    expect(message.ToField).toBe('Jürgen <d@x.example>');
  });

  test('a comma inside an encoded word does not make two senders of one', async () => {
    const { message } = await readLines(['From: =?utf-8?Q?Nov=C3=A1k,_Jan?= <j@x.example>', 'To: x@y.example']);
    expect(message.FromField).toBe('"Novák, Jan" <j@x.example>');
    expect(message.RemoteAddress).toBe('j@x.example');
  });

  test('a line end or control character that hides in an encoded word injects nothing', async () => {
    const read = await readLines([
      'From: =?utf-8?Q?a=0D=0ABcc:_evil=00?= <a@b.example>',
      'Subject: =?utf-8?B?YQ0KWC1JbmplY3RlZDogeWVz?=',
    ]);
    expect(brokenPromises(read)).toEqual([]);
    expect(read.message.FromField).toBe('"a Bcc: evil" <a@b.example>');
    expect(read.message.SubjectField).toBe('a X-Injected: yes');
  });

  test('a subject that is too long is cut between graphemes', async () => {
    const long = await subject(`=?utf-8?B?${Buffer.from(`x${'🇨🇿'.repeat(100)}`).toString('base64')}?=`);
    expect(long?.length).toBeLessThanOrEqual(320);
    expect(long).toMatch(/^x(?:🇨🇿)+…$/u);
  });
});

describe('what an agent reads', () => {
  test.each(['\u202e', '\u2066', '\u200f', '\u061c', '\u200b', '\ufeff', '\u{e0049}\u{e0047}', '\u00ad'])(
    'has no %j in subject and addresses',
    async (mark) => {
      const word = `=?utf-8?B?${Buffer.from(`a${mark}b`).toString('base64')}?=`;
      const { message } = await readLines([
        `Subject: ${word}`,
        `From: ${word} <ann@x.example>`,
        `To: ${word} <desk@x.example>`,
      ]);
      expect(message.SubjectField).toBe('ab');
      expect(message.FromField).toBe('ab <ann@x.example>');
      expect(message.ToField).toBe('ab <desk@x.example>');
    },
  );

  test('keeps the joiners of words and emoji', async () => {
    const word = `=?utf-8?B?${Buffer.from('می\u200cخواهم 👨\u200d👩\u200d👧').toString('base64')}?=`;
    expect((await readLines([`Subject: ${word}`])).message.SubjectField).toBe('می\u200cخواهم 👨\u200d👩\u200d👧');
  });
});
