// Characters that steer a terminal or deceive a reader, and the only two ways they are treated: dropped, or made visible.
/**
 * C0 but line feed and tab, DEL, C1; soft hyphen; marks, embeddings, overrides and isolates of the writing direction; letters
 * and separators that draw nothing; tag characters and the variation selectors that texts are hidden in. The joiners and the
 * selectors of emoji stay: words of some languages are not the same without them.
 */
const UNSAFE =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not get through.
  // biome-ignore lint/suspicious/noMisleadingCharacterClass: each stands for itself.
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\ufffb\u{1bca0}-\u{1bca3}\u{1d173}-\u{1d17a}\u{e0000}-\u{e0fff}]/gu;

export function withoutInvisible(text: string): string {
  return text.replace(UNSAFE, '');
}

/**
 * Each such character as an escape that is seen, `\u202e`. In JSON it is the same character to every parser, so results for
 * other programs lose nothing. A carriage return before a line feed stays: it is the line end of CSV.
 */
export function visible(text: string): string {
  return text.replace(UNSAFE, (character, at: number) =>
    character === '\r' && text[at + 1] === '\n' ? character : escaped(character),
  );
}

function escaped(character: string): string {
  return character
    .split('')
    .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
    .join('');
}

/** A line of JSON whose strings show these characters as escapes also after a parser has read them once. */
export function visibleInJson(line: string): string {
  return visible(line).replace(/\\(?:u([0-9a-fA-F]{4})|.)/g, (whole, hex?: string) => {
    if (whole === '\\b' || whole === '\\f' || whole === '\\r') return `\\${whole}`;
    const safe = hex === undefined || visible(String.fromCharCode(Number.parseInt(hex, 16))).length === 1;
    return safe && !isTagUnit(hex) ? whole : `\\${whole}`;
  });
}

/** Half of a tag character. */
function isTagUnit(hex: string | undefined): boolean {
  return hex !== undefined && /^db4[0-3]$/i.test(hex);
}
