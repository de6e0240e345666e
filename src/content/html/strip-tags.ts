// HTML to text without a parser, for HTML that is too much for the converter. Linear time, never throws.
import { cleanText } from '../limits.js';

const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", nbsp: ' ' };
/** Elements whose content is no text. */
const SILENT = /^<(script|style|head|title)\b/i;

/** The text between the tags of the first `most` of them; a line end for every element that begins a new line. */
export function stripTags(html: string, most = 20_000): string {
  let text = '';
  let at = 0;
  /** Elements that end nowhere from here on: looking again for each of them would take the square of the length. */
  const unended = new Set<string>();
  for (let tags = 0; tags < most; tags++) {
    const open = html.indexOf('<', at);
    if (open < 0) break;
    text += html.slice(at, open);
    const tag = html.slice(open, open + 12);
    const close = html.indexOf('>', open);
    if (close < 0) return decodeEntities(text);
    at = close + 1;
    if (/^<\/?(?:br|p|div|tr|li|h\d|table|blockquote)\b/i.test(tag)) text += '\n';
    const silent = SILENT.exec(tag)?.[1]?.toLowerCase();
    if (!silent || unended.has(silent)) continue;
    const end = endOf(html, silent, at);
    if (end < 0) unended.add(silent);
    else at = Math.max(at, end);
  }
  return decodeEntities(text + (html.slice(at).split('<', 1)[0] ?? ''));
}

const ENDS: Readonly<Record<string, RegExp>> = {
  script: /<\/script/i,
  style: /<\/style/i,
  head: /<\/head/i,
  title: /<\/title/i,
};

/** -1 when the element is not closed. */
function endOf(html: string, name: string, from: number): number {
  const end = html.slice(from).search(ENDS[name] ?? /$/);
  return end < 0 ? -1 : from + end;
}

function decodeEntities(text: string): string {
  const plain = text.replace(/&(?:#(\d{1,7})|#x([0-9a-f]{1,6})|([a-z]{2,5}));/gi, (whole, decimal, hex, name) => {
    if (name) return ENTITIES[name.toLowerCase()] ?? whole;
    const code = decimal ? Number(decimal) : Number.parseInt(hex, 16);
    return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : '';
  });
  return cleanText(plain)
    .replace(/[ \t\u00a0]+/g, ' ')
    .replace(/ ?\n[\n ]*/g, '\n')
    .trim();
}
