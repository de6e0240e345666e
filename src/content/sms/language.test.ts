// The language hint: right where it speaks, and silent where a text does not tell.
import { describe, expect, test } from 'vitest';
import { SENTENCES, UNCLEAR } from '../../../test/fixtures/sms-language-sentences.js';
import { languageHint } from './language.js';
import { CYRILLIC, KINDRED, LATIN, SPOKEN } from './language-data.js';

/** A country where it is spoken, and one where a language is spoken that is easily taken for it. */
const COUNTRIES: Readonly<Record<string, readonly [home: string, other: string]>> = {
  ...{ cs: ['CZ', 'SK'], sk: ['SK', 'CZ'], pl: ['PL', 'CZ'], sl: ['SI', 'HR'], sh: ['HR', 'SI'], hu: ['HU', 'SK'] },
  ...{ ro: ['RO', 'IT'], de: ['DE', 'NL'], nl: ['NL', 'DE'], en: ['GB', 'DE'], af: ['ZA', 'NL'], lb: ['LU', 'DE'] },
  ...{ sv: ['SE', 'NO'], da: ['DK', 'NO'], no: ['NO', 'DK'], is: ['IS', 'DK'], fi: ['FI', 'EE'], et: ['EE', 'FI'] },
  ...{ lv: ['LV', 'LT'], lt: ['LT', 'LV'], fr: ['FR', 'ES'], es: ['ES', 'PT'], pt: ['PT', 'ES'], gl: ['ES', 'PT'] },
  ...{ it: ['IT', 'ES'], ca: ['ES', 'FR'], tr: ['TR', 'DE'], ru: ['RU', 'BG'], uk: ['UA', 'RU'], be: ['BY', 'RU'] },
  ...{ bg: ['BG', 'MK'], sr: ['RS', 'BG'], mk: ['MK', 'BG'], vi: ['VN', 'FR'], id: ['ID', 'NL'] },
};
const ALL = Object.entries(SENTENCES).flatMap(([language, texts]) => texts.map((text) => ({ language, text })));

type Presumption = 'none' | 'home' | 'other';

/** What is said of all sentences when their senders are from there. */
function measure(presumption: Presumption) {
  const said = ALL.flatMap(({ language, text }) => {
    const [home, other] = COUNTRIES[language] ?? [];
    const hint = languageHint(text, { none: undefined, home, other }[presumption]);
    return hint === null ? [] : [{ language, text, hint: hint === 'hr' ? 'sh' : hint }];
  });
  const wrong = said.filter(({ language, hint }) => language !== hint);
  return { said, wrong, precision: 1 - wrong.length / said.length, recall: said.length / ALL.length };
}

describe('of sentences as customers write them', () => {
  test('there are at least six in every language that is told', () => {
    for (const { code } of [...LATIN, ...CYRILLIC])
      expect([code, SENTENCES[code]?.length]).toEqual([code, expect.any(Number)]);
    for (const texts of Object.values(SENTENCES)) expect(texts.length).toBeGreaterThanOrEqual(6);
  });

  test.each<[Presumption, number]>([
    ['none', 0.6],
    ['home', 0.85],
    ['other', 0.6],
  ])(
    'what is said is right, the country of the number being %s, and enough is said to be of use',
    (presumption, enough) => {
      const { wrong, precision, recall } = measure(presumption);
      expect(precision, JSON.stringify(wrong)).toBeGreaterThanOrEqual(0.97);
      expect(recall).toBeGreaterThanOrEqual(enough);
    },
  );

  test.each([
    ['cs sk'],
    ['da no sv is'],
    ['es pt gl it ca fr ro'],
    ['ru uk be bg sr mk'],
    ['nl de af lb'],
    ['sl sh cs sk'],
    ['fi et'],
    ['lv lt'],
  ])('none of %s is taken for another one, wherever the number is from', (kin) => {
    const languages = kin.split(' ');
    for (const presumption of ['none', 'home', 'other'] as const)
      expect(measure(presumption).wrong.filter(({ language }) => languages.includes(language))).toEqual([]);
  });

  test('every language is told by some sentence from home', () => {
    const told = new Set(measure('home').said.map(({ language }) => language));
    expect(Object.keys(SENTENCES).filter((language) => !told.has(language))).toEqual([]);
  });
});

describe('silence', () => {
  test('about what says nothing clear, wherever the number is from', () => {
    for (const text of UNCLEAR)
      for (const country of [undefined, 'CZ', 'DE', 'IT', 'PT', 'GB', 'ES', 'RU', 'UA', 'ID'])
        expect([text, country, languageHint(text, country)]).toEqual([text, country, null]);
  });

  test('about two words, whichever they are', () => {
    for (const { code, words } of [...LATIN, ...CYRILLIC]) {
      const [home] = COUNTRIES[code] ?? [];
      const all = words.split(' ');
      for (const [at, word] of all.entries())
        expect(languageHint(`${word} ${all[at + 1] ?? all[0]}!`, home)).toBeNull();
    }
  });

  test('about half one language and half another', () => {
    expect(languageHint('Hello, can you please call me? Dobrý den, kdy mi prosím zavoláte?')).toBeNull();
    expect(
      languageHint('Guten Tag, wann kommt das Paket? Bonjour, quand est-ce que le colis arrive?', 'CH'),
    ).toBeNull();
  });

  test('about names: the letters of a name are those of where it comes from', () => {
    const text = 'Please deliver to Příbram, Náměstí Míru, and ring at Dvořák';
    expect(languageHint(text, 'CZ')).toBe('en');
    expect(languageHint('Jiří Dvořák, Náměstí Míru, Příbram', 'CZ')).toBeNull();
  });

  test('about kindred languages, unless the number says where from', () => {
    const [croatian = ''] = SENTENCES.sh ?? [];
    const by = (text: string, countries: (string | undefined)[]) =>
      countries.map((country) => languageHint(text, country));
    expect(by(croatian, ['HR', 'RS', 'BA', 'SI', undefined])).toEqual(['hr', 'sr', 'bs', null, null]);
    expect(by(SENTENCES.id?.[0] ?? '', ['ID', 'MY', undefined])).toEqual(['id', 'ms', null]);
  });
});

test('the presumption helps with short texts, and never against what is written', () => {
  const by = (text: string) => [undefined, 'CZ', 'SK'].map((country) => languageHint(text, country));
  expect(by('kdy to bude hotove')).toEqual([null, 'cs', null]);
  expect(by('kedy to bude hotove')).toEqual([null, null, 'sk']);
  expect(by('Kdy mi to přijde?')).toEqual(['cs', 'cs', 'cs']);
});

test('texts written without accents are told, too, and capitals are no names when there is nothing else', () => {
  expect(languageHint('muzete mi prosim rict, kde uz je ta zasilka', 'CZ')).toBe('cs');
  expect(languageHint('mikor jon meg a csomag, kerem szepen, mert meg nem kaptam meg', 'HU')).toBe('hu');
  expect(languageHint('PROČ MI NIKDO NEŘEKL, KDY TO PŘIJDE')).toBe('cs');
});

test('a few small words among many that are none of its say nothing', () => {
  const places = 'Nairobi Mombasa Kisumu Nakuru Eldoret Thika Malindi Kitale Garissa Kakamega Nyeri Meru Lamu';
  expect(languageHint(`${places} and the or with`, 'GB')).toBe('en');
  expect(languageHint(`${places} and the or`, 'GB')).toBeNull();
});

test('a text of any length and make takes moments', () => {
  const began = performance.now();
  for (const text of [
    'ä'.repeat(1_000_000),
    'je '.repeat(300_000),
    'a@'.repeat(500_000),
    '1'.repeat(1_000_000),
    '😀'.repeat(500_000),
  ])
    languageHint(text, 'CZ');
  expect(performance.now() - began).toBeLessThan(500);
});

test('the tables hold together: words once each and as they are compared, every code known', () => {
  const codes = [...LATIN, ...CYRILLIC].map(({ code }) => code);
  expect(new Set(codes).size).toBe(codes.length);
  for (const { code, words, letters } of [...LATIN, ...CYRILLIC]) {
    const all = words.split(' ');
    expect([code, new Set(all).size]).toEqual([code, all.length]);
    expect(all.filter((word) => word !== word.normalize('NFC').toLowerCase() || !/^\p{L}+$/u.test(word))).toEqual([]);
    expect(letters).toBe([...new Set(letters.normalize('NFC'))].join(''));
  }
  const spoken = Object.values(SPOKEN).flatMap((some) => some.split(' '));
  expect(spoken.filter((code) => !codes.includes(code))).toEqual([]);
  expect(Object.keys(KINDRED).filter((code) => !codes.includes(code))).toEqual([]);
});
