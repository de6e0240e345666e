// An allow-list for style attributes: text, box and table properties with plain values. Dropped: what loads (url,
// image-set), runs (expression, behavior), escapes (backslashes, comments) or leaves its place on the page (position,
// negative margins, transforms).
import { isColorWord } from './colors.js';

/** Style attributes of real newsletters stay below 2,000 characters. */
const MAX_STYLE = 8_000;
/** Declarations looked at in one attribute. */
const MAX_DECLARATIONS = 100;
/** Words looked at in one shorthand. */
const MAX_WORDS = 30;
/** Names looked at in one list of fonts. */
const MAX_FONTS = 16;

// Every pattern is anchored, and each character can be matched in one way only: linear time.
const LENGTH = '(?:0|\\d{1,4}(?:\\.\\d{1,4})?(?:px|pt|pc|em|rem|ex|ch|%|cm|mm|in)?|\\.\\d{1,4}(?:px|pt|em|rem|ex|%)?)';
const NUMBER_LIST = '\\s*[\\d.]{1,8}%?(?:deg)?(?:\\s*[ ,/]\\s*[\\d.]{1,8}%?){0,3}\\s*';
const COLOR = `(?:#[0-9a-f]{3,8}|[a-z]{3,24}|(?:rgb|hsl)a?\\(${NUMBER_LIST}\\))`;
const WORD = '[a-z-]{1,24}';

const exactly = (pattern: string) => new RegExp(`^(?:${pattern})$`);
const lengths = (most: number) => exactly(`(?:${LENGTH}|auto)(?: (?:${LENGTH}|auto)){0,${most - 1}}`);
const color = exactly(COLOR);
const word = exactly(WORD);
const words = exactly(`${WORD}(?: ${WORD}){0,4}`);
const size = exactly(`${LENGTH}|auto|none|min-content|max-content|fit-content|inherit|initial`);
const border = exactly(`(?:${LENGTH}|${WORD}|${COLOR})(?: (?:${LENGTH}|${WORD}|${COLOR})){0,2}`);
/** One name of a font list, bare or quoted. */
const fontName = /^(?:[\p{L}\p{N}_ .-]{1,60}|"[\p{L}\p{N}_ .-]{1,60}"|'[\p{L}\p{N}_ .-]{1,60}')$/u;
const fontSize = exactly(`(?:(?:${WORD}|\\d{3}) ){0,3}${LENGTH}(?:/${LENGTH})?`);

const ALLOWED = new Map<string, RegExp>();
const allow = (properties: string, value: RegExp) => {
  for (const property of properties.split(' ')) ALLOWED.set(property, value);
};
allow('color background-color background border-color outline-color text-decoration-color', color);
allow('border-top-color border-right-color border-bottom-color border-left-color', color);
allow('font-size', exactly(`${LENGTH}|${WORD}`));
allow('font-weight', exactly(`\\d{3}|${WORD}`));
allow('font-style font-variant text-align text-transform white-space word-break word-wrap overflow-wrap', word);
allow('direction vertical-align list-style-type list-style-position border-collapse table-layout caption-side', word);
allow('empty-cells float clear text-decoration-line text-decoration-style box-sizing hyphens', word);
allow(
  'display',
  /^(?:none|inline|block|inline-block|list-item|table|table-(?:row|cell|row-group|header-group|footer-group|column|column-group|caption)|inline-table|flex|inline-flex)$/,
);
allow('text-decoration list-style', words);
allow('line-height', exactly(`${LENGTH}|normal|inherit`));
allow(
  'letter-spacing word-spacing',
  exactly(`-?\\d(?:\\.\\d{1,4})?(?:px|pt|em)|-?\\.\\d{1,4}(?:px|pt|em)|${LENGTH}|normal`),
);
allow('text-indent', exactly(LENGTH));
allow('width height min-width min-height max-width max-height', size);
allow('margin padding', lengths(4));
allow(
  'margin-top margin-right margin-bottom margin-left padding-top padding-right padding-bottom padding-left',
  lengths(1),
);
allow('border border-top border-right border-bottom border-left outline', border);
allow('border-width border-radius', lengths(4));
allow('border-top-width border-right-width border-bottom-width border-left-width border-spacing', lengths(2));
allow('border-style', words);
allow('border-top-style border-right-style border-bottom-style border-left-style', word);

/** The harmless declarations of a style attribute, `property:value` joined with `;`; '' when none is. */
export function cleanStyle(style: string): string {
  if (style.length > MAX_STYLE) return '';
  const harmless: string[] = [];
  for (const declaration of style.split(';', MAX_DECLARATIONS)) {
    const colon = declaration.indexOf(':');
    if (colon < 1) continue;
    const property = declaration.slice(0, colon).trim().toLowerCase();
    const value = plain(declaration.slice(colon + 1));
    if (isHarmless(property, value)) harmless.push(`${property}:${value}`);
    else if (property === 'background') {
      const plainColor = colorOf(value);
      if (plainColor !== undefined) harmless.push(`background-color:${plainColor}`);
    }
  }
  return harmless.join(';');
}

function isHarmless(property: string, value: string): boolean {
  if (property === 'font-family') return isFontList(value.split(',', MAX_FONTS));
  if (property === 'font') {
    // `bold 12px/1.5 "Segoe UI", Arial`: the first name begins behind the size.
    const [first = '', ...others] = value.split(',', MAX_FONTS);
    const at = firstNameIn(first);
    return at > 0 && fontSize.test(first.slice(0, at).toLowerCase()) && isFontList([first.slice(at), ...others]);
  }
  return ALLOWED.get(property)?.test(value.toLowerCase()) === true;
}

/** Where the blank before the first name is: behind the last digit; -1 without one. */
function firstNameIn(value: string): number {
  let sizes = value.length;
  while (sizes > 0 && !/[0-9]/.test(value.charAt(sizes - 1))) sizes -= 1;
  const found = value.slice(sizes).search(/ ["'\p{L}]/u);
  return found < 0 ? -1 : sizes + found;
}

/** The colour of a shorthand without the image that has to go: `#123 url(x) no-repeat`. */
function colorOf(value: string): string | undefined {
  const outside = value.toLowerCase().replace(/url\([^()]{0,2000}\)/g, ' ');
  return outside.split(/[ ,/]/, MAX_WORDS).find((candidate) => color.test(candidate) && isColorWord(candidate));
}

function isFontList(names: readonly string[]): boolean {
  return names.every((name) => fontName.test(name.trim()));
}

/** One space between words; `!important` gone, as there is no other rule left to outrank. */
function plain(value: string): string {
  const bang = value.indexOf('!');
  return (bang < 0 ? value : value.slice(0, bang)).trim().replace(/\s+/g, ' ');
}

/** A colour as the old attributes (`bgcolor`, `color`) write it. */
export function isPlainColor(value: string): boolean {
  return /^(?:#?[0-9a-f]{3,8}|[a-z]{3,24})$/i.test(value);
}
