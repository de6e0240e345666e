// The colours of a page, which stand in the tag of its body.
import { isDark, luminance } from './colors.js';
import { cleanStyle, isPlainColor } from './css.js';
import { readMarkup } from './markup.js';

/** Background and text colour of a dark body, as declarations; '' for any other: black on white is what is shown anyway. */
export function bodyStyle(tag: string): string {
  const attributes = attributesOf(tag);
  const declarations = cleanStyle(attributes.get('style') ?? '').split(';');
  const declared = (property: RegExp) => {
    const found = declarations.findLast((declaration) => property.test(declaration));
    return found?.slice(found.indexOf(':') + 1);
  };
  const background = declared(/^background(?:-color)?:/) ?? plainColor(attributes.get('bgcolor'));
  const light = background === undefined ? undefined : luminance(background);
  if (background === undefined || light === undefined || !isDark(light)) return '';
  const text = declared(/^color:/) ?? plainColor(attributes.get('text'));
  return `background-color:${background}${text === undefined ? '' : `;color:${text}`}`;
}

/** The old attributes may leave out the "#". */
function plainColor(value: string | undefined): string | undefined {
  const color = value?.trim() ?? '';
  if (!isPlainColor(color)) return undefined;
  return /^(?:[0-9a-f]{3}|[0-9a-f]{6})$/i.test(color) ? `#${color}` : color;
}

function attributesOf(tag: string): Map<string, string> {
  const found = new Map<string, string>();
  readMarkup(tag, {
    text: () => undefined,
    open(_name, _from, _to, spans) {
      for (let i = 0; i + 3 < spans.length; i += 4) {
        const [nameFrom = 0, nameTo = 0, from = -1, to = -1] = spans.slice(i, i + 4);
        const name = tag.slice(nameFrom, nameTo).toLowerCase();
        if (from >= 0 && !found.has(name)) found.set(name, tag.slice(from, to));
      }
      return false;
    },
    close: () => undefined,
    raw: () => undefined,
    aside: () => undefined,
  });
  return found;
}
