// The first readable text of a mail as the reduced reading finds it.
import { boundaryBefore, cleanText } from '../../limits.js';
import { type PlainHeader, plainDecode, plainHeader, plainQuoted } from './plain-header.js';

const LONGEST_EXCERPT = 10_000;
/** Lines that may begin a part. */
const MOST_PARTS = 100;
/** Characters of the header of a part. */
const LONGEST_HEADER = 8_000;

interface Leaf {
  header: PlainHeader;
  start: number;
  stop: number;
}

/** `text`: the beginning of the mail, one character per byte; `header`: its own header. */
export function plainExcerpt(text: string, header: PlainHeader): string {
  const leaves = /^\s*multipart\//i.test(header.first('content-type'))
    ? partsOf(text, header.end)
    : [{ header, start: header.end, stop: text.length }];
  const readable = (type: RegExp) =>
    leaves.find((leaf) => type.test(leaf.header.first('content-type') || 'text/plain'));
  const plain = readable(/^\s*text\/plain\b/i);
  const leaf = plain ?? readable(/^\s*text\/html\b/i);
  if (!leaf) return '';
  const shown = decoded(text, leaf);
  const words = cleanText(plain ? shown : withoutTags(shown)).trim();
  return words.slice(0, boundaryBefore(words, LONGEST_EXCERPT));
}

/** A part begins behind a line of two dashes and a word, and ends at the next such line. Nesting does not matter for a first text. */
function partsOf(text: string, from: number): Leaf[] {
  const leaves: Leaf[] = [];
  let at = text.indexOf('\n--', Math.max(0, from - 1));
  for (let part = 0; at >= 0 && part < MOST_PARTS; part++) {
    const lineEnd = text.indexOf('\n', at + 1);
    if (lineEnd < 0) break;
    const header = plainHeader(text.slice(lineEnd + 1, lineEnd + 1 + LONGEST_HEADER), 0);
    const start = lineEnd + 1 + header.end;
    const line = text.slice(at, Math.min(lineEnd, at + 100)).trimEnd();
    const next = text.indexOf(line, start - 1);
    if (header.first('content-type') !== '') leaves.push({ header, start, stop: next < 0 ? text.length : next });
    at = text.indexOf('\n--', lineEnd);
  }
  return leaves;
}

function decoded(text: string, { header, start, stop }: Leaf): string {
  const body = text.slice(start, stop);
  const encoding = header.first('content-transfer-encoding').trim().toLowerCase();
  const charset = /charset\s{0,9}=\s{0,9}"?([^";\s]{1,40})/i.exec(header.first('content-type'))?.[1] ?? '';
  if (encoding.startsWith('base64')) return plainDecode(Buffer.from(body, 'base64'), charset);
  if (encoding.startsWith('quoted')) return plainDecode(plainQuoted(body), charset);
  return plainDecode(Buffer.from(body, 'latin1'), charset);
}

const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", nbsp: ' ' };

/** The text between the tags, one pass; what stands in scripts and styles is none. */
function withoutTags(html: string): string {
  let silent = '';
  let text = '';
  for (const [at, piece] of html.split('<').entries()) {
    const close = at === 0 ? -1 : piece.indexOf('>');
    const name = at === 0 ? '' : (/^\/?[a-z0-9]{1,20}/i.exec(piece)?.[0].toLowerCase() ?? '');
    if (name === 'script' || name === 'style') silent = `/${name}`;
    else if (name === silent) silent = '';
    if (/^\/?(?:br|p|div|tr|li|h\d)$/.test(name)) text += '\n';
    if (silent === '' && (at === 0 || close >= 0)) text += piece.slice(close + 1);
  }
  return text
    .replace(/&(\w{2,5});/g, (whole, name: string) => ENTITIES[name.toLowerCase()] ?? whole)
    .replace(/\n\s{2,}/g, '\n');
}
