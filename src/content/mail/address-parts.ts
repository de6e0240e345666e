// Which word of a mailbox is its address. Comments and blanks may stand around "@" and around the dots of the domain
// (RFC 5322 4.4); marks that an address book or a web page has put around the address are no part of it.
import type { AddressToken } from './address-tokens.js';

export interface MailAddress {
  /** Display name, '' when there is none. */
  name: string;
  /** As it was written; '' when there was only a name. */
  address: string;
}

export interface Part {
  readonly kind: 'word' | 'quoted';
  readonly text: string;
}

/** RFC 5321 4.5.3.1: 64 before the "@", 255 behind it. What is longer is never put together. */
const LONGEST_ADDRESS = 320;

/** Words and quoted strings in order, the pieces of one address put together. In angle brackets (`tight`) every blank at a dot is folding. */
export function partsOf(tokens: readonly AddressToken[], tight = false): Part[] {
  const parts: Part[] = [];
  let joinable = false;
  for (const token of tokens) {
    if (token.kind === 'comment') continue;
    const last = parts.at(-1);
    if (token.kind === 'word' && joinable && last && continues(last.text, token.text, token.spaced && !tight)) {
      parts[parts.length - 1] = { kind: 'word', text: last.text + token.text };
    } else if (token.kind === 'word' || token.kind === 'quoted') parts.push({ kind: token.kind, text: token.text });
    joinable = token.kind === 'word';
  }
  return parts;
}

function continues(left: string, right: string, spaced: boolean): boolean {
  if (left.length + right.length > LONGEST_ADDRESS) return false;
  const at = left.lastIndexOf('@');
  if (right.startsWith('@')) return at < 0;
  if (left.endsWith('@')) return !right.includes('@');
  // "Mr. jana@customer.example" is two words, "jana@customer. example" and "jana@customer . example" are one.
  const dotless = at > 0 && !left.slice(at, -1).includes('.');
  if (right.startsWith('.')) return !spaced || (at > 0 && right.length > 1) || dotless;
  return left.endsWith('.') && !right.includes('@') && (!spaced || dotless);
}

/** The first word that is an address; one with a second "@" only where there is no better one. */
export function addressAmong(parts: readonly Part[]): { address: string; at: number } | undefined {
  let loose: { address: string; at: number } | undefined;
  for (const [at, { kind, text }] of parts.entries()) {
    if (kind !== 'word' || !text.includes('@')) continue;
    const address = bareAddress(text);
    if (!isAddress(address)) continue;
    if (isPlain(address)) return { address, at };
    loose ??= { address, at };
  }
  return loose;
}

export function namePart(parts: readonly Part[]): string {
  return parts
    .map(({ text }) => text)
    .filter((text) => text !== '')
    .join(' ');
}

/** Whether there is something on both sides of the "@", and a letter or digit in the domain. */
export function isAddress(address: string): boolean {
  const at = domainAt(address);
  return at > 0 && /[\p{L}\p{N}]/u.test(address.slice(at + 1)) && !/\s/.test(address.slice(at + 1));
}

/** Whether only one "@" can be the one before the domain. */
function isPlain(address: string): boolean {
  const at = domainAt(address);
  const local = address.slice(0, at);
  return (local.startsWith('"') && local.endsWith('"')) || !local.includes('@');
}

/** A domain literal may hold an "@" of its own. */
function domainAt(address: string): number {
  return address.endsWith(']') ? address.lastIndexOf('@[') : address.lastIndexOf('@');
}

/** Signs around an address that cannot be its own; single quotes only in pairs. */
const BEFORE = /^[)\]>\\[\u2018-\u201f\u00ab\u00bb\u2039\u203a\uff08\uff1c\u3008\u300a\u300c\u3010]+/u;
const AFTER =
  ')]>\\.!?\uff09\uff1e\u3009\u300b\u300d\u3011\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u201f\u00ab\u00bb\u2039\u203a';
/** Invisible marks; the two joiners are letters of some domains, but never at an end. */
const INVISIBLE = /[^\P{Cf}\u200c\u200d]/gu;
const JOINERS = /^[\u200c\u200d]+/;

function bareAddress(word: string): string {
  let address = word.replace(INVISIBLE, '').replace(JOINERS, '').replace(BEFORE, '');
  const at = domainAt(address);
  const question = at < 0 ? -1 : address.indexOf('?', at);
  if (question > 0) address = address.slice(0, question);
  if (/^(?:'.*'|\{.*\})$/s.test(address)) address = address.slice(1, -1);
  const literal = at > 0 && address.endsWith(']') && address[at + 1] === '[';
  let end = address.length;
  while (!literal && end > 0 && isNoEnd(address[end - 1] ?? '')) end -= 1;
  return address.slice(0, end);
}

function isNoEnd(sign: string): boolean {
  return AFTER.includes(sign) || sign === '\u200c' || sign === '\u200d';
}
