import { compile, type FormatCallback } from 'html-to-text';
import { MAX_HTML, prescan } from './bounds.js';
import { withVisibleLineEnds } from './line-ends.js';

const READABLE = new Set(
  'a article aside blockquote br caption dd div dl dt figcaption figure footer form h1 h2 h3 h4 h5 h6 header hr img li main nav ol p pre section span table tbody td tfoot th thead tr ul address center'.split(
    ' ',
  ),
);

/** `text [address]`, the address only when the text does not show it already. */
const link: FormatCallback = (element, walk, builder) => {
  let shown = '';
  builder.pushWordTransform((word) => {
    shown += word;
    return word;
  });
  walk(element.children, builder);
  builder.popWordTransform();
  const href = String(element.attribs?.href ?? '').trim();
  if (!/^(?:https?|mailto|tel):/i.test(href) || bareAddress(href) === bareAddress(shown)) return;
  builder.addInline(shown === '' ? href : ` [${href.replace(/^(?:mailto|tel):/i, '')}]`, { noWordTransform: true });
};

/** What two spellings of one address have in common: `www.example.com` is `https://www.example.com/` to a reader. */
function bareAddress(text: string): string {
  return text
    .toLowerCase()
    .replace(/^(?:https?:\/\/|mailto:|tel:)/, '')
    .replace(/\/$/, '')
    .replace(/\s+/g, '');
}

const picture: FormatCallback = (element, _walk, builder) => {
  const alt = String(element.attribs?.alt ?? '').trim();
  if (alt) builder.addInline(alt);
};

/** Rows are lines, cells stand beside one another: readable for tables of figures and for tables that only lay out. */
const cell: FormatCallback = (element, walk, builder) => {
  walk(element.children, builder);
  builder.addInline(' \u00a0');
};

const block = (breaks: number) => ({
  format: 'block',
  options: { leadingLineBreaks: breaks, trailingLineBreaks: breaks },
});
const heading = { format: 'heading', options: { leadingLineBreaks: 2, trailingLineBreaks: 2, uppercase: false } };

const convert = compile({
  wordwrap: false,
  limits: { maxDepth: 260, maxInputLength: 2 * MAX_HTML, ellipsis: '…' },
  formatters: { link, picture, cell },
  selectors: [
    { selector: 'a', format: 'link' },
    { selector: 'img', format: 'picture' },
    { selector: 'table', ...block(1) },
    { selector: 'tr', ...block(1) },
    { selector: 'td', format: 'cell' },
    { selector: 'th', format: 'cell' },
    ...['address', 'center', 'dd', 'dt', 'dl', 'figure', 'figcaption', 'caption'].map((selector) => ({
      selector,
      ...block(1),
    })),
    ...['h1', 'h2', 'h3', 'h4', 'h5', 'h6'].map((selector) => ({ selector, ...heading })),
    { selector: 'hr', format: 'horizontalLine', options: { length: 40 } },
    { selector: 'ul', options: { itemPrefix: '- ' } },
  ],
});

/** The readable text of `html`; linear time, never throws. Does not need cleaned HTML, but is quicker on it. */
export function htmlToText(html: string): string {
  return tidy(convert(withVisibleLineEnds(prescan(html, READABLE).html)));
}

/** No-break spaces are blanks like others in plain text; no blanks at line ends, at most one empty line in a row, none at both ends. */
function tidy(text: string): string {
  const lines: string[] = [];
  for (const line of text.replaceAll('\u00a0', ' ').split('\n')) {
    const trimmed = line.trimEnd();
    if (trimmed !== '' || (lines.length > 0 && lines.at(-1) !== '')) lines.push(trimmed);
  }
  if (lines.at(-1) === '') lines.pop();
  return lines.join('\n');
}
