// Bounds a customer's HTML before any HTML library reads it: cuts it to size, flattens it to a depth, and removes
// everything that two parsers might read differently (comments, raw text elements, stray brackets, unknown tags). One
// linear pass; the result has balanced tags of known elements only.
//
// It decides nothing about safety, that is the allow-list's task (html.ts); it makes sure that the allow-list and a
// browser see the same document, and that neither needs quadratic time for it.
import { type AttributeSpans, type MarkupVisitor, readMarkup } from './markup.js';

/** Characters of markup and text, inline image data not counted: libraries need about 0.3 s and 100 MB for so many. */
export const MAX_HTML = 1_000_000;
/** The parsers' cost grows with depth times tags; layout tables in long reply chains reach about a hundred. */
const MAX_DEPTH = 200;
/** A tag costs the converters more than its characters: a megabyte of `<br>` is slower than a megabyte of words. */
const MAX_TAGS = 50_000;
/** Every level of these is repeated on every line of the plain text. */
const MAX_INDENT = 25;
/** A tag longer than this, image data aside, keeps its name only. */
const MAX_TAG = 16_384;
/** Short image data stays where it is. */
const IMAGE_ASIDE = 200;
/** How far up the open elements a closing tag, said or implied, looks for its opening one. */
const REACH = 256;

const VOID = new Set(['area', 'base', 'br', 'col', 'embed', 'hr', 'img', 'input', 'link', 'meta', 'source', 'wbr']);
const INDENTING = new Set(['blockquote', 'ul', 'ol', 'dl', 'menu']);
const BLOCK = new Set(
  'address article aside blockquote center dd div dl dt fieldset figure footer form h1 h2 h3 h4 h5 h6 header hr li main nav ol p pre section table tbody td tfoot th thead tr ul'.split(
    ' ',
  ),
);

const NOTHING: ReadonlySet<string> = new Set();
const TABLE = new Set(['table']);
const TABLE_PARTS = new Set(['caption', 'colgroup', 'tbody', 'td', 'tfoot', 'th', 'thead', 'tr']);
const CELLS = new Set(['caption', 'table', 'td', 'th']);

/** A tag that ends an element left open, and where looking for that ends (HTML standard 13.1.2.4). */
const IMPLIED_END = new Map<string, { ends: ReadonlySet<string>; within: ReadonlySet<string> }>();
const ends = (by: string, what: string, within: string) => {
  const rule = { ends: new Set(what.split(' ')), within: new Set(within.split(' ')) };
  for (const name of by.split(' ')) IMPLIED_END.set(name, rule);
};
ends('li', 'li', 'ul ol menu table td th');
ends('dd dt', 'dd dt', 'dl table td th');
ends('td th', 'td th', 'table tr');
ends('tr', 'tr', 'table tbody thead tfoot');
ends('tbody thead tfoot', 'tbody thead tfoot', 'table');

export interface Prescanned {
  html: string;
  /** Image data taken out of the markup; `src` says `gatepost-image:<index>` in its place. */
  images: string[];
  /** One sentence for every bound that was met. */
  notes: string[];
  /** The tag of the body, '' when there is none or it is monstrous. */
  body: string;
}

/** The placeholder of image number `index`. */
export function imageReference(index: number): string {
  return `gatepost-image:${index}`;
}

interface Open {
  name: string;
  /** False: the opening tag was dropped, so the closing one is too. */
  written: boolean;
}

interface Scan {
  readonly html: string;
  readonly elements: ReadonlySet<string>;
  readonly images: string[];
  readonly stack: Open[];
  /** How many of each element are open, so that stray closing tags cost nothing. */
  readonly opened: Map<string, number>;
  body: string;
  out: string;
  depth: number;
  tags: number;
  broken: boolean;
  flattened: number;
  cut: boolean;
}

/** Bounds `html`, keeping the tags of `elements` (lower case) and the text of everything else. Never throws. */
export function prescan(html: string, elements: ReadonlySet<string>): Prescanned {
  const scan: Scan = {
    html,
    elements,
    images: [],
    stack: [],
    opened: new Map(),
    body: '',
    out: '',
    depth: 0,
    tags: 0,
    broken: false,
    flattened: 0,
    cut: false,
  };
  readMarkup(html, visitor(scan));
  while (scan.stack.length > 0) closeTop(scan);
  return { html: scan.out, images: scan.images, notes: notesOf(scan), body: scan.body };
}

function notesOf(scan: Scan): string[] {
  const notes: string[] = [];
  if (scan.cut) {
    notes.push(`The HTML of this message was cut after ${MAX_HTML} of ${scan.html.length} characters.`);
  }
  if (scan.flattened > 0) {
    notes.push(`The HTML of this message was too deep or had too many tags: ${scan.flattened} tags were left out.`);
  }
  return notes;
}

function visitor(scan: Scan): MarkupVisitor {
  return {
    text: (from, to) => writeText(scan, from, to),
    open: (name, from, to, spans) => open(scan, name, from, to, spans),
    close(name) {
      close(scan, name);
      return undefined;
    },
    raw: (name, _from, contentFrom, contentTo) =>
      // Text that the sender wanted shown as plain characters stays visible.
      name === 'textarea' || name === 'xmp' ? writeText(scan, contentFrom, contentTo) : undefined,
    aside: () => undefined,
  };
}

function writeText(scan: Scan, from: number, to: number): boolean {
  const room = Math.max(0, MAX_HTML - scan.out.length);
  let text = scan.html.slice(from, Math.min(to, from + room + 1));
  if (text.includes('<')) text = text.replaceAll('<', '&lt;');
  if (text.length > room) {
    scan.cut = true;
    text = text.slice(0, wholeCharacters(text.slice(0, room)));
  }
  scan.out += text;
  scan.broken = false;
  return !scan.cut;
}

/** The length up to which `text` can be cut without halving a surrogate pair or a character reference. */
function wholeCharacters(text: string): number {
  const reference = text.lastIndexOf('&');
  if (reference >= 0 && text.length - reference < 40 && !text.includes(';', reference)) return reference;
  const last = text.charCodeAt(text.length - 1);
  return last >= 0xd800 && last <= 0xdbff ? text.length - 1 : text.length;
}

function open(scan: Scan, name: string, from: number, to: number, spans: AttributeSpans): boolean {
  if (name === 'body' && scan.body === '' && to - from <= MAX_TAG) scan.body = scan.html.slice(from, to);
  if (!scan.elements.has(name)) return true;
  endImplied(scan, name);
  if (scan.out.length >= MAX_HTML) {
    scan.cut = true;
    return false;
  }
  const isVoid = VOID.has(name);
  const written = mayOpen(scan, name, isVoid);
  if (written) {
    scan.tags += 1;
    scan.out += tagText(scan, name, from, to, spans);
    scan.broken = name === 'br';
  } else {
    scan.flattened += 1;
    if (BLOCK.has(name)) breakLine(scan);
  }
  if (!isVoid) push(scan, name, written);
  return true;
}

function mayOpen(scan: Scan, name: string, isVoid: boolean): boolean {
  if (scan.tags >= MAX_TAGS) return false;
  if (isVoid) return true;
  if (scan.depth >= MAX_DEPTH) return false;
  return !INDENTING.has(name) || (scan.opened.get(name) ?? 0) < MAX_INDENT;
}

/** The line a dropped block would have started, once. */
function breakLine(scan: Scan): void {
  if (scan.broken || scan.tags >= MAX_TAGS || !scan.elements.has('br')) return;
  scan.tags += 1;
  scan.out += '<br>';
  scan.broken = true;
}

/** The tag as it was written, image data set aside; bare when it is monstrous. */
function tagText(scan: Scan, name: string, from: number, to: number, spans: AttributeSpans): string {
  const { html } = scan;
  const span = name === 'img' ? imageSpan(html, spans) : undefined;
  const dataLength = span ? span.to - span.from : 0;
  if (to - from - dataLength > MAX_TAG) return `<${name}>`;
  if (!span) return html.slice(from, to);
  scan.images.push(html.slice(span.from, span.to));
  return html.slice(from, span.from) + imageReference(scan.images.length - 1) + html.slice(span.to, to);
}

/** Where the long data: value of a `src` is; of several `src` the first counts, as in browsers. */
function imageSpan(html: string, spans: AttributeSpans): { from: number; to: number } | undefined {
  for (let i = 0; i + 3 < spans.length; i += 4) {
    const [nameFrom = 0, nameTo = 0, from = -1, to = -1] = spans.slice(i, i + 4);
    if (nameTo - nameFrom !== 3 || html.slice(nameFrom, nameTo).toLowerCase() !== 'src') continue;
    const isData = to - from > IMAGE_ASIDE && /^\s*data:/i.test(html.slice(from, from + 20));
    return isData ? { from, to } : undefined;
  }
  return undefined;
}

function push(scan: Scan, name: string, written: boolean): void {
  scan.stack.push({ name, written });
  scan.opened.set(name, (scan.opened.get(name) ?? 0) + 1);
  if (written) scan.depth += 1;
}

function close(scan: Scan, name: string): void {
  if (!scan.opened.get(name)) return;
  const at = nearestOpen(scan, (candidate) => candidate === name, scopeOf(name));
  while (at >= 0 && scan.stack.length > at) closeTop(scan);
}

/** Which elements a closing tag does not reach out of: a cell's content closes nothing outside the cell. */
function scopeOf(name: string): ReadonlySet<string> {
  if (name === 'table') return NOTHING;
  return TABLE_PARTS.has(name) ? TABLE : CELLS;
}

/** Index of the innermost open element that `fits`, looking no further than `within` and REACH; -1 when there is none. */
function nearestOpen(scan: Scan, fits: (name: string) => boolean, within: ReadonlySet<string>): number {
  const lowest = Math.max(0, scan.stack.length - REACH);
  for (let i = scan.stack.length - 1; i >= lowest; i--) {
    const name = scan.stack[i]?.name ?? '';
    if (fits(name)) return i;
    if (within.has(name)) return -1;
  }
  return -1;
}

function closeTop(scan: Scan): void {
  const top = scan.stack.pop();
  if (!top) return;
  scan.opened.set(top.name, (scan.opened.get(top.name) ?? 1) - 1);
  if (top.written) {
    scan.depth -= 1;
    scan.out += `</${top.name}>`;
    scan.broken = false;
  }
}

function endImplied(scan: Scan, name: string): void {
  if (BLOCK.has(name) && scan.stack.at(-1)?.name === 'p') closeTop(scan);
  const rule = IMPLIED_END.get(name);
  if (!rule) return;
  const at = nearestOpen(scan, (candidate) => rule.ends.has(candidate), rule.within);
  while (at >= 0 && scan.stack.length > at) closeTop(scan);
}
