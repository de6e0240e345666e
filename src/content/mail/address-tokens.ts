// The tokens of an address field (RFC 5322 3.4, 4.4), in one pass. What is opened and never closed counts as a mere
// character, so that the addresses behind it are found.

export type AddressToken =
  | { readonly kind: 'word'; readonly text: string; readonly spaced: boolean }
  | { readonly kind: 'quoted'; readonly text: string }
  | { readonly kind: 'comment'; readonly text: string }
  | { readonly kind: 'angle'; readonly text: string }
  | { readonly kind: 'separator'; readonly text: ',' | ';' | ':' };

/** Comments opened and not closed that are looked to the end for; what opens after so many is a character. */
const MOST_UNCLOSED = 8;

interface Reader {
  readonly text: string;
  readonly tokens: AddressToken[];
  at: number;
  /** A blank stands before what is read next. */
  spaced: boolean;
  /** False as soon as a quote was found that nothing closes: no later one is closed either. */
  quotes: boolean;
  unclosed: number;
}

/** Linear in the length of `text`. */
export function addressTokens(text: string): AddressToken[] {
  const reader: Reader = { text, tokens: [], at: 0, spaced: false, quotes: true, unclosed: 0 };
  while (reader.at < text.length) readToken(reader);
  return reader.tokens;
}

function readToken(reader: Reader): void {
  const { text, tokens } = reader;
  const sign = text[reader.at] ?? '';
  if (isBlank(sign) || sign === '>') {
    reader.spaced ||= sign !== '>';
    reader.at += 1;
  } else if (sign === ',' || sign === ';' || sign === ':') {
    tokens.push({ kind: 'separator', text: sign });
    reader.spaced = false;
    reader.at += 1;
  } else if (sign === '"') readQuoted(reader);
  else if (sign === '(') readComment(reader);
  else if (sign === '<') readAngle(reader);
  else readWord(reader, '');
}

/** A quoted string that an "@" follows is the beginning of an address: `"jana nova"@customer.example`. */
function readQuoted(reader: Reader): void {
  const end = reader.quotes ? quoteEnd(reader.text, reader.at) : -1;
  reader.quotes = end > 0;
  if (end < 0) {
    reader.at += 1;
    return;
  }
  const written = reader.text.slice(reader.at, end);
  reader.at = end;
  if (reader.text[end] === '@') readWord(reader, localPart(written));
  else reader.tokens.push({ kind: 'quoted', text: unescaped(written.slice(1, -1)) });
  reader.spaced = false;
}

/** Without its quotes where it is the same without (RFC 5322 3.4.1). */
function localPart(quoted: string): string {
  const bare = unescaped(quoted.slice(1, -1));
  return /^[^\s"(),:;<>@[\\\]]+$/.test(bare) ? bare : quoted;
}

function quoteEnd(text: string, from: number): number {
  for (let at = from + 1; at < text.length; at++) {
    if (text[at] === '\\') at += 1;
    else if (text[at] === '"') return at + 1;
  }
  return -1;
}

function readComment(reader: Reader): void {
  const end = reader.unclosed < MOST_UNCLOSED ? commentEnd(reader.text, reader.at) : -1;
  if (end < 0) {
    reader.unclosed += 1;
    reader.at += 1;
    return;
  }
  reader.tokens.push({ kind: 'comment', text: unescaped(reader.text.slice(reader.at + 1, end - 1)).trim() });
  reader.at = end;
}

/** Comments nest. */
function commentEnd(text: string, from: number): number {
  let depth = 0;
  for (let at = from; at < text.length; at++) {
    const sign = text[at];
    if (sign === '\\') at += 1;
    else if (sign === '(') depth += 1;
    else if (sign === ')') depth -= 1;
    if (depth === 0) return at + 1;
  }
  return -1;
}

/**
 * What stands in angle brackets. Of `<<jana@customer.example>>` the outer pair is noise; a missing `>` is taken to stand where
 * the next mailbox begins.
 */
function readAngle(reader: Reader): void {
  const { text } = reader;
  const from = reader.at + 1;
  let blank = true;
  // A route (RFC 5322 4.4) has commas: <@relay.example,@other.example:jana@customer.example>.
  let route = false;
  let at = from;
  while (at < text.length) {
    const sign = text[at] ?? '';
    if (sign === '<' && blank) {
      reader.at = at;
      return;
    }
    if (sign === '>' || sign === '<') break;
    if (!route && (sign === ',' || sign === ';')) break;
    if (blank && sign === '@') route = true;
    if (sign === ':') route = false;
    blank &&= isBlank(sign);
    at = nestedEnd(reader, at);
  }
  reader.tokens.push({ kind: 'angle', text: text.slice(from, at).trim() });
  reader.at = text[at] === '>' ? at + 1 : at;
  reader.spaced = false;
}

/** Behind the comment or quoted string that begins at `at`, else behind that character. */
function nestedEnd(reader: Reader, at: number): number {
  const sign = reader.text[at];
  if (sign === '"' && reader.quotes) {
    const end = quoteEnd(reader.text, at);
    reader.quotes = end > 0;
    if (end > 0) return end;
  }
  if (sign === '(' && reader.unclosed < MOST_UNCLOSED) {
    const end = commentEnd(reader.text, at);
    if (end > 0) return end;
    reader.unclosed += 1;
  }
  return at + 1;
}

function readWord(reader: Reader, prefix: string): void {
  const { text } = reader;
  const from = reader.at;
  let at = from;
  for (; at < text.length; at++) {
    const sign = text[at] ?? '';
    if (sign === '\\') {
      at += 1;
      continue;
    }
    // A domain literal holds colons: jana@[IPv6:2001:db8::1].
    if (sign === '[' && text[at - 1] === '@') at = literalEnd(text, at);
    else if (isBlank(sign) || ',;:"(<>'.includes(sign)) break;
  }
  reader.tokens.push({ kind: 'word', text: prefix + text.slice(from, at), spaced: reader.spaced });
  reader.spaced = false;
  reader.at = Math.max(at, from + 1);
}

/** The longest literal is an IPv6 address. */
const LONGEST_LITERAL = 60;

function literalEnd(text: string, from: number): number {
  const end = text.slice(from, from + LONGEST_LITERAL).indexOf(']');
  return end < 0 ? from : from + end;
}

function unescaped(text: string): string {
  return text.replace(/\\(.)/gs, '$1');
}

/** Also the blanks that other programs put there: no-break spaces and the like. */
function isBlank(sign: string): boolean {
  return /\s/.test(sign);
}
