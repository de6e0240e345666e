// The result is safe to show as it is.
import { escapeHtml } from './escape.js';

/** Quote levels that become nested blockquotes; deeper ones are shown on the deepest. */
const MAX_QUOTES = 12;
/** Characters of plain text turned into HTML; beyond it only the attached original helps. */
const MAX_TEXT = 2_000_000;

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
