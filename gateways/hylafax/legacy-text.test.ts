import { describe, expect, test } from 'vitest';
import { decodeText } from './legacy-text.js';

const bytes = (hex: string) => Buffer.from(hex.replaceAll(' ', ''), 'hex');

describe('text without a character set', () => {
  test.each([
    ['UTF-8', Buffer.from('Nová Prodejna'), undefined, 'Nová Prodejna'],
    ['UTF-8 beyond the region', Buffer.from('Иван Příklad'), 'GR', 'Иван Příklad'],
    ['ASCII', Buffer.from('ACME | CZ'), 'CZ', 'ACME | CZ'],
    ['Latin-1', bytes('4d fc 6c 6c 65 72'), undefined, 'Müller'],
    ['Latin-1, which the region shares', bytes('4d fc 6c 6c 65 72'), 'CZ', 'Müller'],
    ['the Windows character set of Central Europe', bytes('d8 65 7a e1 e8'), 'CZ', 'Řezáč'],
    ['Cyrillic', bytes('c8 e2 e0 ed'), 'BG', 'Иван'],
    ['Greek', bytes('c1 e8 de ed e1'), 'GR', 'Αθήνα'],
    ['Turkish', bytes('de 69 fe 6c 69'), 'TR', 'Şişli'],
    ['Baltic', bytes('d0 69 61 75 6c 69 61 69'), 'LT', 'Šiauliai'],
    ['nothing', bytes(''), 'CZ', ''],
  ])('%s is read', (_, given, region, text) => {
    expect(decodeText(given, region)).toBe(text);
  });
});
