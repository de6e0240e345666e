// Keeps text readable where the cleaning took a background away (that of the body, an image, a class of a style sheet) or the
// colour of the text: light text without its dark background loses its colour, and a dark background whose text has none
// gets light text.
import { DARKEST, isPoor, isUnreadable, LIGHTEST, luminance } from './colors.js';
import { type AttributeSpans, readMarkup } from './markup.js';

interface Colors {
  readonly text: number;
  readonly background: number;
}

/** Elements without an end tag; they hold no text. */
const VOID = new Set(['br', 'col', 'hr', 'img', 'wbr']);

/** What a tag without a word of colours in it says of them is nothing: most tags. */
const COLORED = /color|background/i;

/** `html` is the cleaner's result: balanced, its attributes in double quotes. Linear. */
export function withReadableColors(html: string): string {
  if (!COLORED.test(html)) return html;
  const out: string[] = [];
  const stack: Colors[] = [{ text: DARKEST, background: LIGHTEST }];
  const copy = (from: number, to: number) => {
    out.push(html.slice(from, to));
    return undefined;
  };
  readMarkup(html, {
    text: copy,
    open(name, from, to, spans) {
      if (VOID.has(name)) return copy(from, to);
      const outer = stack.at(-1) ?? { text: DARKEST, background: LIGHTEST };
      if (!COLORED.test(html.slice(from, to))) {
        stack.push(outer);
        return copy(from, to);
      }
      const tag = readTag(html, spans);
      const { colors, color } = judged(tag, outer);
      stack.push(colors);
      out.push(color === undefined ? html.slice(from, to) : recolored(tag, name, color));
      return undefined;
    },
    close(_name, from, to) {
      if (stack.length > 1) stack.pop();
      return copy(from, to);
    },
    raw: (_name, from, _contentFrom, _contentTo, to) => copy(from, to),
    aside: copy,
  });
  return out.join('');
}

interface Tag {
  readonly attributes: readonly (readonly [name: string, value: string])[];
  readonly text: number | undefined;
  readonly background: number | undefined;
}

function readTag(html: string, spans: AttributeSpans): Tag {
  const attributes: [string, string][] = [];
  for (let i = 0; i + 3 < spans.length; i += 4) {
    const from = spans[i + 2] ?? -1;
    attributes.push([html.slice(spans[i], spans[i + 1]), from < 0 ? '' : html.slice(from, spans[i + 3])]);
  }
  const values = new Map(attributes);
  const style = values.get('style')?.split(';') ?? [];
  const last = (property: RegExp, attribute: string) => {
    const declared = style.findLast((declaration) => property.test(declaration));
    return declared?.slice(declared.indexOf(':') + 1) ?? values.get(attribute) ?? '';
  };
  return {
    attributes,
    text: luminance(last(/^color:/, 'color')),
    background: luminance(last(/^background(?:-color)?:/, 'bgcolor')),
  };
}

/** The colours in force inside the tag; `color` is what its own becomes ('' for none), undefined when it stays. */
function judged(tag: Tag, outer: Colors): { colors: Colors; color?: string } {
  const background = tag.background ?? outer.background;
  const text = tag.text ?? outer.text;
  const unreadable = tag.text !== undefined && isUnreadable(tag.text, background);
  if (tag.text !== undefined && !unreadable) return { colors: { text, background } };
  if (!unreadable && tag.background === undefined) return { colors: { text, background } };
  if (!isPoor(outer.text, background)) {
    return { colors: { text: outer.text, background }, ...(unreadable && { color: '' }) };
  }
  const light = isPoor(DARKEST, background);
  return { colors: { text: light ? LIGHTEST : DARKEST, background }, color: light ? '#ffffff' : '#000000' };
}

function recolored({ attributes }: Tag, name: string, color: string): string {
  const declarations = (attributes.find(([attribute]) => attribute === 'style')?.[1] ?? '').split(';');
  const others = declarations.filter((declaration) => declaration !== '' && !declaration.startsWith('color:'));
  const style = (color === '' ? others : [...others, `color:${color}`]).join(';');
  const written = attributes
    .filter(([attribute]) => attribute !== 'style' && attribute !== 'color')
    .map(([attribute, value]) => ` ${attribute}="${value}"`);
  return `<${name}${written.join('')}${style === '' ? '' : ` style="${style}"`}>`;
}
