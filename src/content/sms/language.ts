// Owns the hint for Culture. A text of a few words says its language for certain only when one living language alone is
// written in its script; everything else would be a guess, and a wrong Culture sends the message to the wrong agents.

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

/** The language that most letters of `text` belong to for certain; null when they tell nothing. */
export function languageHint(text: string): string | null {
  const beginning = text.slice(0, LOOKED_AT);
  const letters = count(beginning, LETTER);
  for (const [script, language] of SCRIPTS) {
    if (language === 'ja' && !KANA.test(beginning)) continue;
    if (count(beginning, script) * 2 > letters) return language;
  }
  return null;
}

function count(text: string, pattern: RegExp): number {
  return text.match(pattern)?.length ?? 0;
}
