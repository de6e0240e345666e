/** `text` without the characters at its ends that pass the tests. Linear: a pattern like /[.\s]+$/ takes the square of a long run. */
export function trimWhere(text: string, start: CharacterTest, end: CharacterTest): string {
  let from = 0;
  let to = text.length;
  while (from < to && start(text.charAt(from))) from += 1;
  while (to > from && end(text.charAt(to - 1))) to -= 1;
  return text.slice(from, to);
}

export function trimEndWhere(text: string, end: CharacterTest): string {
  return trimWhere(text, () => false, end);
}

/** Asked for one UTF-16 code unit at a time. */
export type CharacterTest = (character: string) => boolean;
