// Pushes in other character sets than UTF-8, and forms of every kind.
import { describe, expect, it } from 'vitest';
import { json, message, push } from '../../test/servers/http-sms-push.js';

const latin = (text: string) => Buffer.from(text, 'latin1');
const little = (text: string) => Buffer.from(`\ufeff${text}`, 'utf16le');
const big = (text: string) => Buffer.from(`\ufeff${text}`, 'utf16le').swap16();
const FORM = 'application/x-www-form-urlencoded';
const form = { ...json, ReceiveFrom: { From: 'form:from', To: 'form:to', Text: 'form:text' } };
const query = {
  ...json,
  ReceiveFrom: { From: 'query:from', To: 'query:to', Text: 'query:text', Charset: 'query:charset' },
};

async function textOf(written: Record<string, unknown>, type: string | undefined, body: string | Buffer, path = '') {
  const headers = { 'x-key': 'right secret', ...(type !== undefined && { 'content-type': type }) };
  const { reply, messages } = await push(written, { body, headers, path });
  return messages?.[0]?.content?.text ?? `${reply.status} ${reply.body}`;
}

const encoded = (text: string) => `from=420602123456&to=1&text=${text}`;

describe('a pushed form', () => {
  it('is read to its thousandth pair', async () => {
    expect(await textOf(form, FORM, `${'&'.repeat(900)}${encoded('near')}`)).toBe('near');
    expect(await textOf(form, FORM, `${'&'.repeat(1_000)}${encoded('far')}`)).toMatch(/^400 /);
  });

  it.each([
    ['UTF-8', FORM, encoded('Gr%C3%BCn'), 'Grün'],
    ['charset=ISO-8859-1', `${FORM}; charset=ISO-8859-1`, encoded('Gr%FCn'), 'Grün'],
    ['charset in quotes and capitals', `${FORM}; CHARSET="iso-8859-2"`, encoded('%BElu%BB'), 'žluť'],
    ['charset=windows-1251', `${FORM};charset=windows-1251`, encoded('%CF%F0%E8%E2%E5%F2'), 'Привет'],
    ['octets that are not UTF-8', FORM, encoded('Gr%FCn'), 'Grün'],
    ['raw octets that are not UTF-8', FORM, latin(encoded('Gr\xfcn')), 'Grün'],
    ['raw UTF-8', FORM, encoded('Grün'), 'Grün'],
    ['UTF-8 under a Latin-1 label', `${FORM}; charset=ISO-8859-1`, encoded('Gr%C3%BCn'), 'Grün'],
    ['_charset_', FORM, `_charset_=iso-8859-2&${encoded('%BElu%BB')}`, 'žluť'],
    ['_charset_ at the end', FORM, `${encoded('%BElu%BB')}&_charset_=iso-8859-2`, 'žluť'],
    ['a charset that is none', `${FORM}; charset=8-BIT`, encoded('Gr%FCn'), 'Grün'],
    ['a charset of an old machine', `${FORM}; charset=cp852`, encoded('%A7lu%9C'), 'žluť'],
    ['16-bit characters', `${FORM}; charset=UCS-2`, encoded('%00G%00r%00%FC%00n'), 'Grün'],
    ['a byte order mark', FORM, `\ufeff${encoded('Gr%C3%BCn')}`, 'Grün'],
    ['UTF-16 behind a byte order mark', FORM, little(encoded('Grün')), 'Grün'],
    ['big-endian UTF-16', FORM, big(encoded('Gr%C3%BCn')), 'Grün'],
    ['no content type', undefined, encoded('Gr%C3%BCn'), 'Grün'],
    ['another content type', 'text/plain', encoded('Gr%C3%BCn'), 'Grün'],
    ['blanks and percent signs', FORM, encoded('a+b%20c%2Bd+100%'), 'a b c+d 100%'],
    ['the same field twice', FORM, `${encoded('first')}&text=second`, 'first'],
  ])('in %s is read', async (_name, type, body, text) => expect(await textOf(form, type, body)).toBe(text));

  it('with 100,000 fields is read as far as a push goes, within moments', async () => {
    expect(await textOf(form, FORM, `${encoded('x')}${'&a=b'.repeat(200_000)}`)).toBe('x');
  });
});

describe('multipart/form-data', () => {
  const B = 'x-y_z';
  const part = (name: string, value: string, more = '', line = '\r\n') =>
    `--${B}${line}Content-Disposition: form-data; name="${name}"${more}${line}${line}${value}${line}`;
  const body = (text: string, more = '', line = '\r\n') =>
    latin(
      `${part('from', '420602123456', '', line)}${part('to', '1', '', line)}${part('text', text, more, line)}--${B}--${line}`,
    );
  const utf8 = (text: string) => Buffer.from(text, 'utf8').toString('latin1');
  const type = `multipart/form-data; boundary=${B}`;

  it.each([
    ['without charset', type, body('Hello'), 'Hello'],
    ['in UTF-8', type, body(utf8('Žluť')), 'Žluť'],
    ['in octets that are not UTF-8', type, body('Gr\xfcn'), 'Grün'],
    ['with a charset for a part', type, body('\xbelu\xbb', '\r\nContent-Type: text/plain; charset=iso-8859-2'), 'žluť'],
    ['with a charset for all', `${type}; charset=iso-8859-2`, body('\xbelu\xbb'), 'žluť'],
    ['with _charset_', type, Buffer.concat([latin(part('_charset_', 'iso-8859-2')), body('\xbelu\xbb')]), 'žluť'],
    ['with a quoted boundary', `multipart/form-data; boundary="${B}"`, body('Hello'), 'Hello'],
    ['with lines that end in LF', type, body('Hello', '', '\n'), 'Hello'],
    ['with line ends and dashes in the text', type, body('one\r\n\r\n--two\r\n'), 'one\r\n\r\n--two\r\n'],
    ['with an empty text', type, body(''), ''],
    ['with a preamble', type, Buffer.concat([latin('ignored\r\n'), body('Hello')]), 'Hello'],
    ['without content type', undefined, body('Hello'), 'Hello'],
    ['with a content type without boundary', 'multipart/form-data', body('Hello'), 'Hello'],
    ['cut off', type, body('Hello').subarray(0, -11), 'Hello'],
  ])('%s is read', async (_name, type, octets, text) => expect(await textOf(form, type, octets)).toBe(text));

  it('of boundaries only is no message, within moments', async () => {
    expect(await textOf(form, type, `--${B}\r\n`.repeat(100_000))).toContain('400 there is no sender');
  });
});

describe('a pushed query', () => {
  it.each([
    ['UTF-8', '&text=Gr%C3%BCn', 'Grün'],
    ['octets that are not UTF-8', '&text=Gr%FCn', 'Grün'],
    ['charset=ISO-8859-1', '&text=Gr%FCn&charset=ISO-8859-1', 'Grün'],
    ['charset=UCS-2', '&text=%00G%00r%00%FC%00n&charset=UCS-2', 'Grün'],
    ['charset=UTF-16LE', '&text=G%00r%00%FC%00n%00&charset=UTF-16LE', 'Grün'],
    ['charset=UTF-16 behind a mark', '&text=%FF%FEG%00r%00%FC%00n%00&charset=UTF-16', 'Grün'],
    ['charset=8-BIT', '&text=Gr%FCn&charset=8-BIT', 'Grün'],
  ])('in %s is read', async (_name, more, text) =>
    expect(await textOf(query, undefined, '', `?from=420602123456&to=1${more}`)).toBe(text),
  );
});

describe('pushed JSON', () => {
  const words = message({ text: 'Grün' });
  it.each([
    ['UTF-8', 'application/json', Buffer.from(words)],
    ['Latin-1 under its charset', 'application/json; charset=iso-8859-1', latin(words)],
    ['Latin-1 without charset', 'application/json', latin(words)],
    ['UTF-8 under a Latin-1 label', 'application/json; charset=iso-8859-1', Buffer.from(words)],
    ['UTF-8 behind a byte order mark', 'application/json', Buffer.from(`\ufeff${words}`)],
    ['UTF-16 behind a byte order mark', 'application/json', little(words)],
    ['big-endian UTF-16 behind a byte order mark', 'application/json', big(words)],
    ['UTF-16 without a mark', 'application/json; charset=utf-16', little(words).subarray(2)],
    ['escapes', 'application/json', Buffer.from(words.replace('ü', '\\u00fc'))],
    ['text/plain', 'text/plain; charset=utf-8', Buffer.from(words)],
    ['the type of a form', FORM, Buffer.from(words)],
  ])('in %s is read', async (_name, type, body) => expect(await textOf(json, type, body)).toBe('Grün'));

  it.each(['', '{', '\ufeff', 'from=1&text=2', '\0\0\0\0'])(
    'that is none (%j) is told to the gateway',
    async (body) => {
      expect(await textOf(json, 'application/json', body)).toMatch(/^400 /);
    },
  );
});
