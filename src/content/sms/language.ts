// The hint for Culture. A wrong hint sends a message to the wrong agents and is worse than none, so a text gets one
// only when it is clear: one language alone has the script, or the small words and letters speak for one language and
// against every other. The country of the sender's number is a presumption, never a proof.
import { CYRILLIC, KINDRED, LATIN, type Language, SPOKEN } from './language-data.js';

const LETTER = /\p{L}/gu;
const KANA = /[\p{Script=Hiragana}\p{Script=Katakana}]/u;

/** Script -> language (ISO 639-1). Japanese mixes kana with Chinese characters; kana alone tell. */
const SCRIPTS: readonly (readonly [letters: RegExp, language: string])[] = [
  [/\p{Script=Greek}/gu, 'el'],
  [/\p{Script=Hangul}/gu, 'ko'],
  [/[\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Han}]/gu, 'ja'],
  [/\p{Script=Thai}/gu, 'th'],
  [/\p{Script=Georgian}/gu, 'ka'],
  [/\p{Script=Armenian}/gu, 'hy'],
];

/** The beginning tells as much as the whole. */
const LOOKED_AT = 1_000;

/** What a text has to show for a language. */
interface Bar {
  /** Words that it has at least. */
  readonly words: number;
  /** Different small words of the language, and their share of all words. */
  readonly hits: number;
  readonly share: number;
  /** Marks (words and letters) of the language that another one lacks, for every other one. */
  readonly lead: number;
  /** Times as many as there are marks of the other one that it lacks itself. */
  readonly ratio: number;
}
const BAR: Bar = { words: 4, hits: 3, share: 0.25, lead: 2, ratio: 3 };
/** For a language that is spoken in the sender's country. */
const BAR_AT_HOME: Bar = { words: 3, hits: 2, share: 0.2, lead: 1, ratio: 3 };

/** The language that `text` is written in (ISO 639-1); null when it is not clear. `country`: the sender's, ISO 3166-1. */
export function languageHint(text: string, country?: string): string | null {
  const beginning = text.slice(0, LOOKED_AT);
  const letters = count(beginning, LETTER);
  for (const [script, language] of SCRIPTS) {
    if (language === 'ja' && !KANA.test(beginning)) continue;
    if (count(beginning, script) * 2 > letters) return language;
  }
  const isCyrillic = count(beginning, /\p{Script=Cyrillic}/gu) * 2 > letters;
  const found = clearest(beginning, isCyrillic ? CYRILLIC_BOOK : LATIN_BOOK, country);
  const kindred = KINDRED[found ?? ''];
  return kindred ? (kindred[country ?? ''] ?? null) : found;
}

function count(text: string, pattern: RegExp): number {
  return text.match(pattern)?.length ?? 0;
}

/** Letters that do not come apart into a plain one and a mark. */
const BARE: Readonly<Record<string, string>> = { ł: 'l', ø: 'o', æ: 'ae', ß: 'ss', đ: 'd', ð: 'd', ı: 'i' };

function bare(word: string): string {
  const apart = word.normalize('NFD').replace(/\p{Mn}/gu, '');
  return apart.replace(/[łøæßđðı]/g, (letter) => BARE[letter] ?? letter);
}

interface Book {
  readonly languages: readonly string[];
  /** Word -> the languages that have it. */
  readonly words: ReadonlyMap<string, readonly string[]>;
  /** The same without accents, for texts written without any. */
  readonly plain: ReadonlyMap<string, readonly string[]>;
  /** Letter beyond a to z -> the languages that are written with it. */
  readonly letters: ReadonlyMap<string, readonly string[]>;
}

function bookOf(languages: readonly Language[]): Book {
  const words = new Map<string, string[]>();
  const plain = new Map<string, string[]>();
  const letters = new Map<string, string[]>();
  const enter = (book: Map<string, string[]>, key: string, code: string) => {
    const codes = book.get(key) ?? [];
    if (!codes.includes(code)) book.set(key, [...codes, code]);
  };
  for (const { code, words: own, letters: written } of languages) {
    for (const word of own.split(' ')) {
      enter(words, word, code);
      enter(plain, bare(word), code);
    }
    for (const letter of written) enter(letters, letter, code);
  }
  return { languages: languages.map(({ code }) => code), words, plain, letters };
}

const LATIN_BOOK = bookOf(LATIN);
const CYRILLIC_BOOK = bookOf(CYRILLIC);

/** Addresses and numbers are in no language. Word by word: one pattern for all takes the square of the longest word. */
const NO_WORD = /\d|.@./s;
const WEB_ADDRESS = /(?:https?:|www\.).+/is;
const WORD = /\p{L}+/gu;

interface Evidence {
  readonly code: string;
  /** Different words and letters of this language. */
  readonly marks: Set<string>;
  /** Different small words of this language. */
  hits: number;
  /** Words of the text that are among them. */
  covered: number;
}

function clearest(text: string, book: Book, country: string | undefined): string | null {
  const words = text.normalize('NFC').replace(/\S+/g, withoutAddresses).match(WORD) ?? [];
  const all = standings(words, book);
  const first = all.reduce((best, one) => (one.marks.size > best.marks.size ? one : best), NONE);
  const atHome = SPOKEN[country ?? '']?.split(' ').includes(first.code) ?? false;
  const bar = atHome ? BAR_AT_HOME : BAR;
  const isEnough = words.length >= bar.words && first.hits >= bar.hits && first.covered >= bar.share * words.length;
  return isEnough && all.every((other) => other === first || isAhead(first, other, bar)) ? first.code : null;
}

function withoutAddresses(word: string): string {
  return NO_WORD.test(word) ? ' ' : word.replace(WEB_ADDRESS, ' ');
}

const NONE: Evidence = { code: '', marks: new Set(), hits: 0, covered: 0 };

function isAhead({ marks: own }: Evidence, { marks: others }: Evidence, { lead, ratio }: Bar): boolean {
  const shared = [...own].filter((mark) => others.has(mark)).length;
  const ahead = own.size - shared;
  return ahead >= lead && ahead >= ratio * (others.size - shared);
}

function standings(words: readonly string[], book: Book): readonly Evidence[] {
  const all = new Map(
    book.languages.map((code): [string, Evidence] => [code, { code, marks: new Set(), hits: 0, covered: 0 }]),
  );
  // Names are written with the letters of where they come from, so of words with a capital no letters are looked at.
  const lower = words.filter((word) => word === word.toLowerCase());
  const letters = new Set(
    (lower.length > 0 ? lower : words)
      .join('')
      .toLowerCase()
      .match(/[^a-z]/g) ?? [],
  );
  const known = letters.size > 0 ? book.words : book.plain;
  for (const word of words.map((one) => one.toLowerCase())) {
    for (const code of known.get(word) ?? []) credit(all.get(code), word);
  }
  for (const letter of letters)
    for (const code of book.letters.get(letter) ?? []) all.get(code)?.marks.add(`letter ${letter}`);
  return [...all.values()];
}

function credit(standing: Evidence | undefined, word: string): void {
  if (!standing) return;
  standing.covered += 1;
  if (standing.marks.has(word)) return;
  standing.marks.add(word);
  standing.hits += 1;
}
