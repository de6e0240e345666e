// Texts under data_coding 0 as carriers mean it, and UCS-2 in either order of octets.
import { describe, expect, it } from 'vitest';
import { type DefaultAlphabet, decodeText } from './data-coding.js';
import { join } from './join-parts.js';

const latin = (text: string) => Buffer.from(text, 'latin1');
const little = (text: string) => Buffer.from(text, 'utf16le');
const big = (text: string) => Buffer.from(text, 'utf16le').swap16();
const outside = expect.stringContaining('outside the GSM alphabet of data_coding 0');

describe('data_coding 0', () => {
  it.each([
    ['Gsm', Buffer.from([0x00, 0x1b, 0x65, 0x7e]), '@€ü'],
    ['Latin1', latin('Grün a@b.cz {1}'), 'Grün a@b.cz {1}'],
    ['Windows1252', Buffer.from([0x80, 0x40, 0xfc]), '€@ü'],
    ['Ascii', latin('a@b.cz $5_[x]'), 'a@b.cz $5_[x]'],
    ['Utf8', Buffer.from('\ufeffŽluťoučký 🐎'), 'Žluťoučký 🐎'],
    ['Ucs2', big('Žluť'), 'Žluť'],
  ] as [DefaultAlphabet, Buffer, string][])('with DefaultAlphabet %s is read in it', (defaultAlphabet, bytes, text) => {
    expect(decodeText(bytes, 0, { defaultAlphabet })).toEqual({ text, note: null });
    // The general groups and message classes that name the default alphabet mean the same one.
    expect(decodeText(bytes, 0xf0, { defaultAlphabet })).toEqual({ text, note: null });
    expect(decodeText(bytes, 0x10, { defaultAlphabet })).toEqual({ text, note: null });
  });

  it.each([
    ['Latin-1', latin('Grün a@b.cz'), 'Grün a@b.cz'],
    ['UTF-8', Buffer.from('Dobrý den'), 'Dobrý den'],
    ['UTF-8 behind a byte order mark', Buffer.from('\ufeffDobrý den'), 'Dobrý den'],
    ['Windows-1252', Buffer.from([0x80, 0x35]), '€5'],
    ['one odd octet', Buffer.from([0x41, 0xff]), 'Aÿ'],
  ])('with octets outside the GSM alphabet (%s) has a note', (_name, bytes, text) => {
    expect(decodeText(bytes, 0)).toEqual({ text, note: outside });
  });

  it('in another alphabet than the setting says has a note', () => {
    expect(decodeText(latin('Grün'), 0, { defaultAlphabet: 'Utf8' })).toEqual({
      text: 'Grün',
      note: expect.stringContaining('not UTF-8'),
    });
    expect(decodeText(latin('Grün'), 0, { defaultAlphabet: 'Ascii' })?.note).toContain('outside the ASCII alphabet');
  });

  it('leaves the other alphabets alone', () => {
    const reading = { defaultAlphabet: 'Utf8' } as const;
    expect(decodeText(latin('Grün'), 3, reading)).toEqual({ text: 'Grün', note: null });
    expect(decodeText(big('Ž'), 8, reading)).toEqual({ text: 'Ž', note: null });
    expect(decodeText(latin('x'), 4, reading)).toBeUndefined();
  });
});

describe('UCS-2', () => {
  it.each([
    ['big-endian', big('Žluť'), 'Žluť'],
    ['big-endian behind a mark', big('\ufeffŽluť'), 'Žluť'],
    ['little-endian behind a mark', little('\ufeffŽluť'), 'Žluť'],
    ['ideographs', big('中文測試一二三四'), '中文測試一二三四'],
    ['ideographs with much 0 in them', big('一伀中文'), '一伀中文'],
    ['Hangul', big('안녕하세요'), '안녕하세요'],
    ['kana', big('これはテスト'), 'これはテスト'],
    ['emoji', big('🐎🐎🐎🐎'), '🐎🐎🐎🐎'],
    ['Hindi', big('नमस्ते दुनिया'), 'नमस्ते दुनिया'],
    ['three letters', big('Aha'), 'Aha'],
    ['nothing', Buffer.alloc(0), ''],
  ])('%s is read', (_name, bytes, text) => expect(decodeText(bytes, 8)).toEqual({ text, note: null }));

  it.each(['Hello', 'Žluť', 'Привет', 'Γειά σου', 'مرحبا', 'שלום', 'Việt Nam', 'สวัสดี'])(
    'little-endian without a mark is recognised, with a note: %s',
    (text) => expect(decodeText(little(text), 8)).toEqual({ text, note: expect.stringContaining('little-endian') }),
  );

  it('that ends in half a character has a note in either order', () => {
    expect(decodeText(Buffer.concat([big('Ž'), Buffer.from([1])]), 8)).toEqual({
      text: 'Ž',
      note: 'the last character is cut off',
    });
  });
});

describe('parts of a long message', () => {
  const part = (bytes: Buffer, more = {}) => ({
    from: '1',
    to: '2',
    total: 2,
    coding: 0,
    bytes: bytes.toString('base64'),
    ...more,
  });

  it('are joined in the alphabet of the setting, a character cut in two included', () => {
    const text = Buffer.from('Příliš žluťoučký');
    const parts = new Map([
      [1, part(text.subarray(0, 2))],
      [2, part(text.subarray(2))],
    ]);
    expect(join(parts, 0, 'Utf8')).toMatchObject({ text: 'Příliš žluťoučký', notes: [] });
  });

  it('with national languages are each read by their own', () => {
    const parts = new Map([
      [1, part(Buffer.from([0x6e, 0x7b, 0x6f]), { shift: { locking: 3 } })],
      [2, part(Buffer.from([0x1b, 0x53]), { shift: { single: 1 } })],
    ]);
    expect(join(parts, 0)?.text).toBe('nãoŞ');
  });
});
