// Line ends that a style makes visible (white-space: pre-wrap and its like), written as <br>, so that plain text has them too.
import { type AttributeSpans, readMarkup } from './markup.js';

/** Values of white-space under which a line end in the source is one on the screen (CSS Text 3). */
const PRESERVING = /^(?:-moz-|-o-)?(?:pre|pre-wrap|pre-line|break-spaces)$/;
const COLLAPSING = /^(?:normal|nowrap)$/;
const VOID = new Set(['br', 'col', 'hr', 'img', 'wbr']);

/** `html` is balanced, as the prescan leaves it. Linear. */
export function withVisibleLineEnds(html: string): string {
  if (!/white-space/i.test(html)) return html;
  const out: string[] = [];
  const preserved: boolean[] = [];
  const copy = (from: number, to: number) => {
    out.push(html.slice(from, to));
    return undefined;
  };
  readMarkup(html, {
    text(from, to) {
      const text = html.slice(from, to);
      out.push(preserved.at(-1) ? text.replace(/\r?\n/g, '<br>') : text);
      return undefined;
    },
    open(name, from, to, spans) {
      // The converter itself reads <pre> line by line.
      if (!VOID.has(name)) preserved.push(name !== 'pre' && preserves(html, spans, preserved.at(-1) ?? false));
      return copy(from, to);
    },
    close(_name, from, to) {
      preserved.pop();
      return copy(from, to);
    },
    raw: (_name, from, _contentFrom, _contentTo, to) => copy(from, to),
    aside: copy,
  });
  return out.join('');
}

function preserves(html: string, spans: AttributeSpans, inherited: boolean): boolean {
  for (let i = 0; i + 3 < spans.length; i += 4) {
    const [nameFrom = 0, nameTo = 0, from = -1, to = -1] = spans.slice(i, i + 4);
    if (from >= 0 && html.slice(nameFrom, nameTo).toLowerCase() === 'style')
      return preservingStyle(html.slice(from, to), inherited);
  }
  return inherited;
}

function preservingStyle(style: string, inherited: boolean): boolean {
  let result = inherited;
  for (const declaration of style.toLowerCase().split(';')) {
    const colon = declaration.indexOf(':');
    if (declaration.slice(0, Math.max(0, colon)).trim() !== 'white-space') continue;
    const value = declaration
      .slice(colon + 1)
      .replace('!important', '')
      .trim();
    if (PRESERVING.test(value)) result = true;
    else if (COLLAPSING.test(value)) result = false;
  }
  return result;
}
