// The mailboxes in the text of an address field, also in what senders write against RFC 5322. An address in angle brackets
// counts before one beside them: a display name may hold anything, another person's address too.
import { addressAmong, type MailAddress, namePart, partsOf } from './address-parts.js';
import { type AddressToken, addressTokens } from './address-tokens.js';

/** Makes readable text of the encoded words in a name or an address. */
export type WordDecoder = (text: string) => string;

/** Characters of one field that are read: two thousand addresses. More is an attack, not a mail. */
const MAX_FIELD = 100_000;
/** Most addresses that are read from one field. */
const MAX_ADDRESSES = 2_000;
/** A mailbox inside an encoded word inside quotes is found; what is nested deeper is not looked for. */
const MAX_DEPTH = 2;

/** The mailboxes in order, groups flattened. Never throws; what holds no address at all is a name. Linear in the text. */
export function readMailboxes(text: string, decode: WordDecoder = (words) => words): MailAddress[] {
  return mailboxesIn(withoutEntities(text.slice(0, MAX_FIELD)), decode, 0).slice(0, MAX_ADDRESSES);
}

/** Web forms escape the whole field as if it were HTML: `Jana &lt;jana@customer.example&gt;`. */
function withoutEntities(text: string): string {
  if (text.includes('<') || !text.includes('&lt;') || !text.includes('&gt;')) return text;
  return text.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&quot;', '"').replaceAll('&amp;', '&');
}

/** Quotes that a program has put around a name it then encoded, escaped or put in quotes again. */
function withoutQuotes(name: string): string {
  return /^\\?"([^"\\]+)\\?"$/.exec(name)?.[1]?.trim() ?? name;
}

interface Entry {
  readonly tokens: readonly AddressToken[];
  /** What stands before a colon: the title of a group. */
  readonly title: boolean;
}

function mailboxesIn(text: string, decode: WordDecoder, depth: number): MailAddress[] {
  const found: MailAddress[] = [];
  const titles: Entry[] = [];
  for (const entry of entriesOf(addressTokens(text))) {
    if (found.length > MAX_ADDRESSES) break;
    if (entry.title) titles.push(entry);
    else addEntry(found, entry, readEntry(entry, decode, depth));
  }
  if (found.some(({ address }) => address !== '')) return found;
  // No member of a group has an address: a colon behind an address made a title of it.
  const addressed = titles.slice(0, MAX_ADDRESSES).flatMap((title) => readEntry(title, decode, depth));
  return [...addressed.filter(({ address }) => address !== ''), ...found];
}

/** `Nova, Jana <jana@customer.example>` is one mailbox: a name without its quotes. */
function addEntry(found: MailAddress[], { tokens }: Entry, mailboxes: readonly MailAddress[]): void {
  const [first, ...others] = mailboxes;
  if (!first) return;
  const last = found.at(-1);
  const continued =
    last?.address === '' && last.name !== '' && first.address !== '' && tokens.some(({ kind }) => kind === 'angle');
  if (continued) found.pop();
  const name = continued ? [last.name, first.name].filter((part) => part !== '').join(', ') : first.name;
  found.push({ name, address: first.address }, ...others);
}

function entriesOf(tokens: readonly AddressToken[]): Entry[] {
  const entries: Entry[] = [];
  let open: AddressToken[] = [];
  for (const token of tokens) {
    if (token.kind !== 'separator') open.push(token);
    else if (token.text === ':' && isScheme(open.at(-1))) open.pop();
    else {
      entries.push({ tokens: open, title: token.text === ':' });
      open = [];
    }
  }
  entries.push({ tokens: open, title: false });
  return entries.filter((entry) => entry.tokens.length > 0);
}

/** `mailto:jana@customer.example`, also as Outlook writes it: `Jana [mailto:jana@customer.example]`. */
function isScheme(token: AddressToken | undefined): boolean {
  return token?.kind === 'word' && /^\[?(?:mailto|smtp)$/i.test(token.text);
}

/** An entry is one mailbox, unless a whole list stands in quotes or in an encoded word. */
function readEntry({ tokens }: Entry, decode: WordDecoder, depth: number): MailAddress[] {
  const parts = partsOf(tokens);
  const angles = tokens.flatMap((token) => (token.kind === 'angle' ? [token.text] : []));
  const comments = tokens.flatMap((token) => (token.kind === 'comment' && token.text !== '' ? [token.text] : []));
  const nameBeside = (address: number | undefined) => {
    const name = namePart(parts.filter((_part, at) => at !== address));
    return withoutQuotes(decode(name === '' ? comments.join(' ') : name));
  };
  for (const angle of angles) {
    const address = addressAmong(partsOf(addressTokens(decode(angle)), true))?.address;
    if (address !== undefined) return [{ name: nameBeside(undefined), address }];
  }
  const beside = addressAmong(parts);
  if (beside) return [{ name: nameBeside(beside.at), address: beside.address }];
  const name = nameBeside(undefined);
  if (depth < MAX_DEPTH) {
    const inside = insideOf([...angles, decode(namePart(parts)), ...comments], name, decode, depth);
    if (inside.length > 0) return inside;
  }
  const address = angles.find((angle) => angle !== '') ?? '';
  return name === '' && address === '' ? [] : [{ name, address }];
}

/** The mailboxes inside the first of `texts` that has any: what a program has quoted or encoded as a whole. */
function insideOf(texts: readonly string[], name: string, decode: WordDecoder, depth: number): MailAddress[] {
  for (const text of texts) {
    const plain = text.replaceAll('\uff20', '@');
    if (!plain.includes('@')) continue;
    const inside = mailboxesIn(plain, decode, depth + 1).filter(({ address }) => address !== '');
    const named = (own: string) => (own === '' && inside.length === 1 && !/[@\uff20]/.test(name) ? name : own);
    if (inside.length > 0) return inside.map((mailbox) => ({ ...mailbox, name: named(mailbox.name) }));
  }
  return [];
}
