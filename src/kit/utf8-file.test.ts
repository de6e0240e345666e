import { expect, test } from 'vitest';
import { utf8Text } from './utf8-file.js';

test.each([
  ['text', Buffer.from('a: ř\n'), 'a: ř\n'],
  ['text behind a byte order mark', Buffer.from('\ufeffa: b'), 'a: b'],
  ['nothing', Buffer.alloc(0), ''],
])('%s is read', (_, bytes, text) => {
  expect(utf8Text(bytes, 'x.yaml')).toBe(text);
});

test.each([
  ['Latin-1', Buffer.from('a: b\nc: \xe1\n', 'latin1'), 'x.yaml, line 2, is not UTF-8'],
  ['the Windows character set of Central Europe', Buffer.from('\xd8e', 'latin1'), 'x.yaml, line 1, is not UTF-8'],
  ['UTF-8 that is cut off', Buffer.from('a\nb\nř').subarray(0, 5), 'x.yaml, line 3, is not UTF-8'],
  ['UTF-16', Buffer.from('\ufeffa: b', 'utf16le'), 'x.yaml is UTF-16, not UTF-8'],
])('%s is refused', (_, bytes, words) => {
  expect(() => utf8Text(bytes, 'x.yaml')).toThrow(words);
});
