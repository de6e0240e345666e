// Owns the order of words in lines of Hebrew, Arabic and their like, for a layout that can only go from left to right. It is
// the Unicode bidirectional algorithm at its simplest: words turn round, and what is written from left to right among them
// stays together. Brackets and signs may stand on the wrong side; words and numbers are right.

const LEFTWARD = /[\p{Script=Hebrew}\p{Script=Arabic}\p{Script=Syriac}\p{Script=Thaana}\p{Script=Nko}]/u;
/** Goes rightward as every number does, but the library takes it for a letter of its script. */
const ARABIC_DIGIT = /[\u0660-\u0669\u06f0-\u06f9]/;
const STRONG = /\p{L}/u;

/** Whether the first letter says so (UAX 9, P2). */
export function isRightToLeft(line: string): boolean {
  const first = STRONG.exec(line)?.[0];
  return first !== undefined && LEFTWARD.test(first);
}

/** The words of one line as they stand on paper from the left. */
export function asSeen(words: readonly string[]): string[] {
  const runs: string[][] = [];
  let rightward = false;
  for (const word of words) {
    const turns = LEFTWARD.test(word);
    if (rightward && !turns) runs.at(-1)?.push(word);
    else runs.push([word]);
    rightward = !turns;
  }
  return runs.reverse().flat();
}

/** What goes rightward within a word: numbers with the marks in them, and letters. */
const RIGHTWARD = /(?:[\p{Nd}\p{Script=Latin}](?:[.,:/%\u066b\u066c-]*(?=[\p{Nd}\p{Script=Latin}]))?)+/gu;

/**
 * `line` for a library that turns round every word whose first letter goes leftward, and with it the numbers in the word: these
 * are turned beforehand.
 */
export function withTurnedNumbers(line: string): string {
  return line.replace(/\S+/g, (word) => {
    const first = /\p{L}|[\u0660-\u0669\u06f0-\u06f9]/u.exec(word)?.[0] ?? '';
    if (!LEFTWARD.test(first) && !ARABIC_DIGIT.test(first)) return word;
    return word.replace(RIGHTWARD, (run) => Array.from(run).reverse().join(''));
  });
}
