// The address fields of a mail, each bounded before it is read.
import { cleanLine } from '../../limits.js';
import type { MailAddress } from '../addresses.js';
import { readMailboxes } from '../mailboxes.js';
import { firstFilled, mendHeader } from './header-text.js';
import type { Headers } from './headers.js';
import { libmime } from './libmime.js';

const LIST_FIELDS = ['to', 'cc', 'bcc'] as const;
const SINGLE_FIELDS = ['from', 'sender', 'reply-to', 'return-path'] as const;
export type AddressField = (typeof LIST_FIELDS)[number] | (typeof SINGLE_FIELDS)[number];
export type Mailbox = MailAddress;

/** What is read of one address field: more than is ever shown. */
const LONGEST_LIST = 8 * 1024;
const LONGEST_SINGLE = 4 * 1024;
const MOST_SEPARATORS = 250;
/** Repetitions of a field that are looked through for an address. */
const MOST_REPEATS = 5;

export interface AddressFields {
  readonly addresses: ReadonlyMap<AddressField, readonly Mailbox[]>;
  /** Addresses that were not read because the field is too long, as nearly as their "@" tell. */
  readonly unread: ReadonlyMap<AddressField, number>;
}

export function readAddressFields(headers: Headers, bodyCharset: string | undefined): AddressFields {
  const addresses = new Map<AddressField, Mailbox[]>();
  const unread = new Map<AddressField, number>();
  for (const name of SINGLE_FIELDS) addresses.set(name, singleField(headers.all(name), bodyCharset));
  for (const name of LIST_FIELDS) {
    const whole = headers.all(name).join(', ');
    const value = wholeAddresses(whole, LONGEST_LIST);
    unread.set(name, countAddresses(whole.slice(value.length)) + headers.lost(name));
    addresses.set(name, mailboxesOf(value, bodyCharset));
  }
  return { addresses, unread };
}

/** RFC 5322 3.6 allows these fields once. Of several the first with an address counts, else the first that says anything. */
function singleField(values: readonly string[], bodyCharset: string | undefined): Mailbox[] {
  for (const value of values.slice(0, MOST_REPEATS)) {
    const found = mailboxesOf(wholeAddresses(value, LONGEST_SINGLE), bodyCharset);
    if (found.some(({ address }) => address.includes('@'))) return found;
  }
  return mailboxesOf(wholeAddresses(firstFilled(values), LONGEST_SINGLE), bodyCharset);
}

function mailboxesOf(value: string, bodyCharset: string | undefined): Mailbox[] {
  return readMailboxes(mendHeader(value, bodyCharset), decodeWords).flatMap((mailbox) => {
    const address = cleanLine(mailbox.address).replace(/[<>]/g, '');
    const name = cleanLine(mailbox.name).replace(/[<>]/g, '').trim();
    return address === '' && name === '' ? [] : [{ name, address }];
  });
}

function decodeWords(text: string): string {
  return text.includes('=?') ? libmime().decodeWords(text) : text;
}

/** As many whole addresses as are read; groups (`name: a, b;`) count with their separators. */
function wholeAddresses(value: string, max: number): string {
  let separators = 0;
  let end = 0;
  for (const match of value.slice(0, max).matchAll(/[,;:]/g)) {
    end = match.index;
    separators += 1;
    if (separators > MOST_SEPARATORS) return value.slice(0, end);
  }
  return value.length <= max ? value : value.slice(0, end > 0 ? end : max);
}

function countAddresses(value: string): number {
  let count = 0;
  for (let at = value.indexOf('@'); at >= 0; at = value.indexOf('@', at + 1)) count += 1;
  return count;
}
