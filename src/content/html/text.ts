// The result of `textToHtml` is safe to show as it is.
import { compile, type FormatCallback } from 'html-to-text';
import { MAX_HTML, prescan } from './bounds.js';
import { escapeHtml } from './escape.js';
import { withVisibleLineEnds } from './line-ends.js';

/** Quote levels that become nested blockquotes; deeper ones are shown on the deepest. */
const MAX_QUOTES = 12;
/** Characters of plain text turned into HTML; beyond it only the attached original helps. */
const MAX_TEXT = 2_000_000;

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

/** `text` as HTML: paragraphs, line breaks, `>` quotes as blockquotes, web addresses as links; everything else escaped. */
export function textToHtml(text: string): string {
  const out: string[] = [];
  let quotes = 0;
  let paragraph: string[] = [];
  const endParagraph = () => {
    if (paragraph.length > 0) out.push(`<p>${paragraph.join('<br>\n')}</p>`);
    paragraph = [];
  };
  for (const line of linesOf(text)) {
    const { depth, content } = unquoted(line);
    if (depth !== quotes) {
      endParagraph();
      out.push(depth > quotes ? '<blockquote>'.repeat(depth - quotes) : '</blockquote>'.repeat(quotes - depth));
      quotes = depth;
    }
    if (content.trim() === '') endParagraph();
    else paragraph.push(linked(content));
  }
  endParagraph();
  out.push('</blockquote>'.repeat(quotes));
  return out.join('\n').trim();
}

function linesOf(text: string): string[] {
  const cut = text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}\n[…]` : text;
  return cut
    .replace(/\r\n?/g, '\n')
    .replace(/[^\P{Cc}\n\t]/gu, '')
    .split('\n');
}

/** `> > text` and `>> text` are two levels deep. */
function unquoted(line: string): { depth: number; content: string } {
  let depth = 0;
  let at = 0;
  while (depth < MAX_QUOTES && line[at] === '>') {
    depth += 1;
    at += line[at + 1] === ' ' ? 2 : 1;
  }
  return { depth, content: line.slice(at) };
}

function linked(line: string): string {
  if (!line.includes('://')) return escapeHtml(line);
  let out = '';
  let from = 0;
  for (const match of line.matchAll(/\bhttps?:\/\/[^\s<>"]+/gi)) {
    const address = withoutTail(match[0]);
    if (!URL.canParse(address)) continue;
    const href = escapeHtml(address);
    out += `${escapeHtml(line.slice(from, match.index))}<a href="${href}" target="_blank" rel="noopener noreferrer nofollow">${href}</a>`;
    from = match.index + address.length;
  }
  return out + escapeHtml(line.slice(from));
}

/** Punctuation behind an address belongs to the sentence; a closing bracket does unless the address opened one. */
function withoutTail(address: string): string {
  let surplus = address.split(')').length - address.split('(').length;
  let end = address.length;
  for (; end > 0; end--) {
    const last = address[end - 1] ?? '';
    if (!".,;:!?'*_~|])}".includes(last) || (last === ')' && surplus <= 0)) break;
    if (last === ')') surplus -= 1;
  }
  return address.slice(0, end);
}
