// Owns the order of words in lines of Hebrew, Arabic and their like, for a layout that can only go from left to right. It is
// the Unicode bidirectional algorithm at its simplest: words turn round, and what is written from left to right among them
// stays together. Brackets and numbers with signs may stand on the wrong side; the words are right.

const LEFTWARD = /[\p{Script=Hebrew}\p{Script=Arabic}\p{Script=Syriac}\p{Script=Thaana}\p{Script=Nko}]/u;
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
