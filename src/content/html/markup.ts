// Splits HTML into tags and text in one pass and linear time. It finds tags like the tokenizer of the HTML standard
// (13.2.5) and knows nothing of their meaning. Where a browser would swallow the rest of the document (an unclosed
// comment, quote or <style>), the opening becomes text or is dropped alone: a customer's words are not lost to a
// missing bracket.
/** Offsets into the document, four per attribute: name from, name to, value from, value to (both -1 without value). */
export type AttributeSpans = readonly number[];

export interface MarkupVisitor {
  /** Return false to end the reading here. */
  text(from: number, to: number): boolean | undefined;
  /** `name` in lower case. `spans` is reused: copy what outlives the call. */
  open(name: string, from: number, to: number, spans: AttributeSpans): boolean | undefined;
  close(name: string, from: number, to: number): boolean | undefined;
  /** A whole element whose content is not markup: script, style, title, textarea and their like. */
  raw(name: string, from: number, contentFrom: number, contentTo: number, to: number): boolean | undefined;
  /** A comment, doctype or processing instruction. */
  aside(from: number, to: number): boolean | undefined;
}

/** Elements whose content a browser does not read as markup (HTML standard 13.2.6.2, scripting off). */
const RAW_TEXT = new Set(['script', 'style', 'title', 'textarea', 'xmp', 'iframe', 'noembed', 'noframes']);

/** A tag that never ends makes its `<` text and is looked for again from the next `<`; more than this many are hostile. */
const MAX_UNENDED_TAGS = 8;

enum Code {
  tab = 9,
  lineFeed = 10,
  formFeed = 12,
  return = 13,
  space = 32,
  exclamation = 33,
  doubleQuote = 34,
  singleQuote = 39,
  slash = 47,
  less = 60,
  equals = 61,
  greater = 62,
  question = 63,
}

interface Reader {
  readonly html: string;
  readonly visitor: MarkupVisitor;
  /** Attribute offsets of the tag read last. */
  readonly spans: number[];
  /** Where the next occurrence of a delimiter is (-1: none left), so that no stretch is searched twice for it. */
  readonly next: Map<string, number>;
  /** Raw text elements that are not closed any more in the rest of the document. */
  readonly unclosed: Set<string>;
  unendedTags: number;
}

/** Reads `html` from front to back. Never throws by itself. */
export function readMarkup(html: string, visitor: MarkupVisitor): void {
  const reader: Reader = { html, visitor, spans: [], next: new Map(), unclosed: new Set(), unendedTags: 0 };
  let textFrom = 0;
  let at = html.indexOf('<');
  while (at >= 0) {
    const end = tokenEnd(reader, at);
    if (end < 0) {
      at = html.indexOf('<', at + 1);
      continue;
    }
    if (at > textFrom && visitor.text(textFrom, at) === false) return;
    const next = emit(reader, at, end);
    if (next < 0) return;
    textFrom = next;
    at = html.indexOf('<', next);
  }
  if (textFrom < html.length) visitor.text(textFrom, html.length);
}

/** Where the token that begins at `at` ends; -1 when the `<` there is mere text. */
function tokenEnd(reader: Reader, at: number): number {
  const { html } = reader;
  const code = html.charCodeAt(at + 1);
  if (isLetter(code)) return tagEnd(reader, at + 1);
  if (code === Code.slash) {
    if (html.charCodeAt(at + 2) === Code.greater) return at + 3;
    return isLetter(html.charCodeAt(at + 2)) ? tagEnd(reader, at + 2) : find(reader, '>', at + 2);
  }
  if (code === Code.exclamation) return html.startsWith('--', at + 2) ? commentEnd(reader, at) : find(reader, '>', at);
  return code === Code.question ? find(reader, '>', at) : -1;
}

/** Hands the token over and returns where reading goes on; -1 when the visitor has had enough. */
function emit(reader: Reader, at: number, end: number): number {
  const { html, visitor } = reader;
  const code = html.charCodeAt(at + 1);
  if (isLetter(code)) {
    const name = nameAt(html, at + 1);
    if (RAW_TEXT.has(name)) return emitRaw(reader, name, at, end);
    return visitor.open(name, at, end, reader.spans) === false ? -1 : end;
  }
  const closing = code === Code.slash && isLetter(html.charCodeAt(at + 2));
  const goOn = closing ? visitor.close(nameAt(html, at + 2), at, end) : visitor.aside(at, end);
  return goOn === false ? -1 : end;
}

function emitRaw(reader: Reader, name: string, at: number, contentFrom: number): number {
  const close = rawTextEnd(reader, name, contentFrom);
  // Never closed: only the tag goes, what follows is read as markup.
  const contentTo = close?.from ?? contentFrom;
  const to = close?.to ?? contentFrom;
  return reader.visitor.raw(name, at, contentFrom, contentTo, to) === false ? -1 : to;
}

function rawTextEnd(reader: Reader, name: string, from: number): { from: number; to: number } | undefined {
  if (reader.unclosed.has(name)) return undefined;
  const pattern = new RegExp(`</${name}(?=[\\t\\n\\f\\r />])`, 'gi');
  pattern.lastIndex = from;
  const found = pattern.exec(reader.html);
  if (!found) {
    reader.unclosed.add(name);
    return undefined;
  }
  const to = find(reader, '>', found.index);
  return { from: found.index, to: to < 0 ? reader.html.length : to };
}

/** Comments end at `-->` or `--!>`; `<!-->` and `<!--->` are whole ones (HTML standard 13.2.5.43). */
function commentEnd(reader: Reader, at: number): number {
  const { html } = reader;
  if (html.startsWith('>', at + 4)) return at + 5;
  if (html.startsWith('->', at + 4)) return at + 6;
  const plain = find(reader, '-->', at + 4);
  const bang = find(reader, '--!>', at + 4);
  if (plain < 0 || bang < 0) return Math.max(plain, bang);
  return Math.min(plain, bang);
}

/** The offset behind the next `what`, or -1. Offsets asked for only grow, so the last answer holds until it is passed. */
function find(reader: Reader, what: string, from: number): number {
  const known = reader.next.get(what);
  if (known === -1) return -1;
  const found = known !== undefined && known >= from ? known : reader.html.indexOf(what, from);
  reader.next.set(what, found);
  return found < 0 ? -1 : found + what.length;
}

/** Reads a tag from its name to behind its `>`, noting the attributes; -1 when the document ends first. */
function tagEnd(reader: Reader, nameFrom: number): number {
  if (reader.unendedTags > MAX_UNENDED_TAGS) return -1;
  const { html, spans } = reader;
  spans.length = 0;
  let at = nameEnd(html, nameFrom);
  while (at < html.length) {
    const code = html.charCodeAt(at);
    if (code === Code.greater) return at + 1;
    at = isSpace(code) || code === Code.slash ? at + 1 : attributeEnd(reader, at);
  }
  reader.unendedTags += 1;
  return -1;
}

function attributeEnd({ html, spans }: Reader, from: number): number {
  let at = from + 1;
  while (at < html.length && !endsAttributeName(html.charCodeAt(at))) at++;
  const nameTo = at;
  const equals = skipSpace(html, at);
  if (html.charCodeAt(equals) !== Code.equals) {
    spans.push(from, nameTo, -1, -1);
    return nameTo;
  }
  const valueFrom = skipSpace(html, equals + 1);
  const quote = html.charCodeAt(valueFrom);
  if (quote === Code.doubleQuote || quote === Code.singleQuote) {
    const close = html.indexOf(quote === Code.doubleQuote ? '"' : "'", valueFrom + 1);
    spans.push(from, nameTo, valueFrom + 1, close);
    return close < 0 ? html.length : close + 1;
  }
  at = valueFrom;
  while (at < html.length && !isSpace(html.charCodeAt(at)) && html.charCodeAt(at) !== Code.greater) at++;
  spans.push(from, nameTo, valueFrom, at);
  return at;
}

function nameAt(html: string, from: number): string {
  return html.slice(from, nameEnd(html, from)).toLowerCase();
}

function nameEnd(html: string, from: number): number {
  let at = from;
  while (at < html.length && !endsTagName(html.charCodeAt(at))) at++;
  return at;
}

function skipSpace(html: string, from: number): number {
  let at = from;
  while (isSpace(html.charCodeAt(at))) at++;
  return at;
}

function endsTagName(code: number): boolean {
  return code === Code.slash || code === Code.greater || isSpace(code);
}

function endsAttributeName(code: number): boolean {
  return code === Code.equals || endsTagName(code);
}

function isSpace(code: number): boolean {
  return (
    code === Code.space || code === Code.lineFeed || code === Code.tab || code === Code.return || code === Code.formFeed
  );
}

function isLetter(code: number): boolean {
  return (code >= 97 && code <= 122) || (code >= 65 && code <= 90);
}
