// Charsets: which label means which, what is read without a table of iconv-lite, and what octets say against a label.
import iconv from 'iconv-lite';
import { describe, expect, it, test } from 'vitest';
import { octets, ownText, read } from '../../../../test/fixtures/mail.js';
import { charsetFor, decodeBytes, isUnknownCharset, knownCharset } from './charset.js';

const decoded = (hex: string, label: string) => {
  const bytes = Buffer.from(hex, 'hex');
  return decodeBytes(bytes, charsetFor(bytes, label).charset);
};

/** The labels of the Encoding standard (WHATWG), 4.2, but for replacement and x-user-defined. */
const STANDARD =
  'unicode-1-1-utf-8 unicode11utf8 unicode20utf8 utf-8 utf8 x-unicode20utf8 866 cp866 csibm866 ibm866 csisolatin2 iso-8859-2 iso-ir-101 iso8859-2 iso88592 iso_8859-2 iso_8859-2:1987 l2 latin2 csisolatin3 iso-8859-3 iso-ir-109 iso8859-3 iso88593 iso_8859-3 iso_8859-3:1988 l3 latin3 csisolatin4 iso-8859-4 iso-ir-110 l4 latin4 csisolatincyrillic cyrillic iso-8859-5 iso-ir-144 iso_8859-5:1988 arabic asmo-708 csiso88596e csiso88596i csisolatinarabic ecma-114 iso-8859-6 iso-8859-6-e iso-8859-6-i iso-ir-127 csisolatingreek ecma-118 elot_928 greek greek8 iso-8859-7 iso-ir-126 iso_8859-7:1987 sun_eu_greek csiso88598e csisolatinhebrew hebrew iso-8859-8 iso-8859-8-e iso-ir-138 visual csiso88598i iso-8859-8-i logical csisolatin6 iso-8859-10 iso-ir-157 l6 latin6 iso-8859-13 iso-8859-14 csisolatin9 iso-8859-15 l9 iso-8859-16 cskoi8r koi koi8 koi8-r koi8_r koi8-ru koi8-u csmacintosh mac macintosh x-mac-roman dos-874 iso-8859-11 tis-620 windows-874 cp1250 windows-1250 x-cp1250 cp1251 windows-1251 x-cp1251 ansi_x3.4-1968 ascii cp1252 cp819 csisolatin1 ibm819 iso-8859-1 iso-ir-100 iso8859-1 iso88591 iso_8859-1 iso_8859-1:1987 l1 latin1 us-ascii windows-1252 x-cp1252 cp1253 windows-1253 x-cp1253 cp1254 csisolatin5 iso-8859-9 iso-ir-148 l5 latin5 windows-1254 x-cp1254 cp1255 x-cp1255 cp1256 x-cp1256 cp1257 x-cp1257 cp1258 x-cp1258 x-mac-cyrillic x-mac-ukrainian chinese csgb2312 csiso58gb231280 gb2312 gb_2312 gb_2312-80 gbk iso-ir-58 x-gbk gb18030 big5 big5-hkscs cn-big5 csbig5 x-x-big5 cseucpkdfmtjapanese euc-jp x-euc-jp csiso2022jp iso-2022-jp csshiftjis ms932 ms_kanji shift-jis shift_jis sjis windows-31j x-sjis cseuckr csksc56011987 euc-kr iso-ir-149 korean ks_c_5601-1987 ks_c_5601-1989 ksc5601 ksc_5601 windows-949 unicodefffe utf-16be csunicode iso-10646-ucs-2 ucs-2 unicode unicodefeff utf-16 utf-16le'.split(
    ' ',
  );

describe('a label', () => {
  test('of the Encoding standard is known, and means what browsers take it for', () => {
    const sample = Buffer.from([0x41, 0xc4, 0xd6, 0xe1, 0x42, 0xe9]);
    for (const label of STANDARD) {
      const known = knownCharset(label);
      expect(known, label).toBeDefined();
      // One octet, one character: the tables can be compared.
      if (label !== 'iso-8859-16' && /^(?:windows|iso-8859|koi8|mac)/.test(known ?? '')) {
        expect(decodeBytes(sample, known ?? ''), label).toBe(new TextDecoder(label).decode(sample));
      }
    }
  });

  it.each([
    ['x-mac-ce', 'f2', 'Ú'],
    ['x-mac-centraleurroman', '8b', 'č'],
    ['x-mac-greek', 'e1', 'α'],
    ['x-mac-turkish', 'da', 'Ğ'],
    ['x-mac-croatian', 'b9', 'š'],
    ['x-mac-romanian', 'bf', 'ş'],
    ['x-mac-icelandic', 'a0', 'Ý'],
    ['x-mac-hebrew', 'e0', 'א'],
    ['x-mac-japanese', '93fa967b', '日本'],
    ['x-mac-cyrillic', '8ff0e8e2e5f2', 'Привет'],
    ['X-CP1250', '9e', 'ž'],
    ['"windows1250"', '9e', 'ž'],
    ['cp-1251', 'cf', 'П'],
    ['x-windows-949', 'b0a1', '가'],
    ['iso-2022-jp-ms', '1b2442467c4b5c1b2842', '日本'],
    ['ibm852', 'a7', 'ž'],
    ['cp65001', 'c5be', 'ž'],
  ])('%s of %s reads %s', (label, hex, text) => expect(decoded(hex, label)).toBe(text));

  it.each(['x-made-up', 'iso-8859-77', 'base64', 'hex', 'ebcdic-cp-us'])('%s is not known', (label) => {
    expect(knownCharset(label)).toBeUndefined();
    expect(isUnknownCharset(label)).toBe(true);
  });
});

describe('charsets without a table of iconv-lite', () => {
  it.each([
    [
      'iso-2022-kr',
      '1b2429430e3e483367474f3c3c3f640f200e4156392e0f20343731310a0e355142300f200e41590f',
      '안녕하세요 주문 4711\n둘째 줄',
    ],
    ['iso-2022-kr', '0e3e483367474f', '안녕하'],
    ['iso-2022-cn', '1b2429410e36293525', '订单'],
    [
      'hz-gb-2312',
      '7e7b362935257e7d2034373131207e7e207e7b44633a437e7d0a7e7b355a367e50507e7d',
      '订单 4711 ~ 你好\n第二行',
    ],
    ['hz', '617e0a62', 'ab'],
    [
      'johab',
      'ba81a28520a4e5d1a19365203437313120b7b393a194612e2088418461844420f7d3f1ae2088618862d3bd20d96a',
      '주문 번호는 4711 입니다. ㄱㅏㄳ 漢字 가각힣 ★',
    ],
    ['cp1361', 'ba810a8a', '주\n\ufffd'],
  ])('%s of %s reads %s', (label, hex, text) => expect(decoded(hex, label)).toBe(text));

  test('any octets give text of no more characters than octets', () => {
    const bytes = Buffer.from(Array.from({ length: 65_536 }, (_, at) => (at * 7919) >> 3));
    for (const label of ['iso-2022-kr', 'iso-2022-cn', 'hz', 'johab']) {
      expect(decodeBytes(bytes, knownCharset(label) ?? '').length).toBeLessThanOrEqual(bytes.length);
    }
  });
});

describe('octets against their label', () => {
  const utf8 = Buffer.from('Příliš žluťoučký kůň, Grüße').toString('hex');

  it.each([
    'iso-8859-1',
    'windows-1252',
    'iso-8859-2',
    'windows-1250',
    'koi8-r',
    'x-mac-roman',
    'utf-7',
    'iso-2022-jp',
    'hz',
    'us-ascii',
  ])('UTF-8 under %s is read as UTF-8', (label) => expect(decoded(utf8, label)).toBe('Příliš žluťoučký kůň, Grüße'));

  it.each([
    ['iso-8859-1', 'windows-1252', 'Grüße aus Köln, à bientôt'],
    ['windows-1251', 'windows-1251', 'Привет, мир'],
    ['koi8-r', 'koi8-r', 'Привет, мир'],
    ['iso-8859-7', 'iso-8859-7', 'Καλημέρα'],
    ['windows-874', 'windows-874', 'สวัสดี เกม'],
    ['shift_jis', 'shift_jis', '日本語のテキスト'],
    ['gbk', 'gbk', '中文文本，谢谢'],
    ['big5', 'big5', '中文'],
    ['euc-kr', 'euc-kr', '안녕하세요'],
  ])('text that is in %s stays so', (label, charset, text) => {
    expect(decoded(iconv.encode(text, charset).toString('hex'), label)).toBe(text);
  });

  it.each([
    ['iso-2022-jp', 'shift_jis', '注文番号を教えてください'],
    ['iso-2022-jp', 'euc-jp', '注文番号を教えてください'],
    ['iso-2022-jp', 'utf-8', '注文番号を教えてください'],
    ['iso-2022-kr', 'euc-kr', '안녕하세요'],
    ['hz-gb-2312', 'gbk', '订单号码'],
    ['shift_jis', 'utf-8', '日本語のテキストです、ありがとう'],
    ['gb2312', 'utf-8', '你好，订单号是四七一一'],
  ])('under %s, 8-bit text in %s is recognised', (label, charset, text) => {
    expect(decoded(iconv.encode(text, charset).toString('hex'), label)).toBe(text);
  });

  test('undeclared text of 7 bits with a designation is read by it', () => {
    const bytes = Buffer.from('1b2429430e3e483367474f0f', 'hex');
    expect(decodeBytes(bytes, charsetFor(bytes, undefined).charset)).toBe('안녕하');
  });
});

describe('a mail', () => {
  const mail = (charset: string, ...body: string[]) =>
    read(octets('From: a@x.example', `Content-Type: text/plain; charset=${charset}`, '', ...body));

  test('of an unknown charset has a note that names it', async () => {
    const message = await mail('x-made-up', 'Gr\xfc\xdfe');
    expect(ownText(message)).toBe('Grüße');
    expect(message.notes).toContain('The charset of the text ("x-made-up") is not known; it was read as windows-1252.');
    expect((await mail('unknown-8bit', 'Gr\xfc\xdfe')).notes).toEqual([]);
  });

  test('in UTF-8 under Latin-1 is readable, flowed or not, and says so', async () => {
    const raw = Buffer.from('Žluťoučký kůň').toString('latin1');
    for (const charset of ['iso-8859-1', 'iso-8859-1; format=flowed']) {
      const message = await mail(charset, raw);
      expect(ownText(message)).toBe('Žluťoučký kůň');
      expect(message.notes.join()).toContain('not in the charset it declares (iso-8859-1)');
    }
  });

  test('in a charset without table is readable when it is flowed, too', async () => {
    const message = await mail('iso-2022-kr; format=flowed', '\x1b$)C\x0e>H3gGO<<?d\x0f');
    expect(ownText(message)).toBe('안녕하세요');
  });
});
