import { isIPv4, isIPv6 } from 'node:net';
import { domainToASCII } from 'node:url';
import { cutText, shownLine } from '../limits.js';
import type { MailAddress } from './address-parts.js';
import { readMailboxes } from './mailboxes.js';

export type { MailAddress } from './address-parts.js';

/** Display names beyond this are cut; header lines and screens are not longer. */
const MAX_NAME = 200;

/** The addresses in the text of a field, groups flattened, in order. Never throws; what is no address at all is a name. */
export function parseAddresses(text: string): MailAddress[] {
  return readMailboxes(text).map(({ name, address }) => ({ name: cleanName(name), address: address.trim() }));
}

/** The display form, which `parseAddresses` reads back: `Name <address>`, or whichever of the two there is. */
export function formatAddress({ name, address }: MailAddress): string {
  const shown = cleanName(name);
  if (shown === '') return address;
  const quoted = /[",:;<>()@[\]\\]/.test(shown) ? `"${shown.replace(/(["\\])/g, '\\$1')}"` : shown;
  return address === '' ? quoted : `${quoted} <${address}>`;
}

/** A display name fit for one header line: no control characters, single blanks, not endless. */
export function cleanName(name: string): string {
  return cutText(shownLine(name).replace(/\s+/g, ' '), MAX_NAME);
}

export type CheckedAddress = { ok: true; address: string } | { ok: false; problem: string };

/** RFC 5322 3.2.3, with dots anywhere: such mailboxes exist (`a..b@`), written as a quoted string on the wire. */
const LOCAL_ATOMS = /^[\w!#$%&'*+\-/=?^`{|}~.]{1,64}$/;
/** RFC 5322 3.2.4 without the characters that envelopes end at. */
const LOCAL_QUOTED = /^"[ !#-;=?-[\]^-~]{1,62}"$/;
const DOT_ATOM = /^[^.]+(?:\.[^.]+)*$/;
const LABEL = /^[a-z\d_](?:[a-z\d_-]{0,61}[a-z\d_])?$/;

/**
 * Whether mail can be sent to `address`: as it goes into header and envelope (domain in lower case, international domains in
 * their ASCII form), or the reason against it as the end of a sentence about the address.
 */
export function checkAddress(address: string): CheckedAddress {
  const at = address.lastIndexOf('@');
  if (at < 0) return wrong('has no @');
  if (/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(address)) return wrong('has control characters or line breaks in it');
  const local = address.slice(0, at);
  if (/\P{ASCII}/u.test(local)) {
    return wrong('has letters before the @ that need SMTPUTF8, which is not supported: use its plain form');
  }
  if (!LOCAL_ATOMS.test(local) && !LOCAL_QUOTED.test(local)) return wrong('is not valid before the @');
  const domain = checkedDomain(address.slice(at + 1));
  if (domain === undefined) return wrong('has no valid domain after the @');
  const whole = `${DOT_ATOM.test(local) || local.startsWith('"') ? local : `"${local}"`}@${domain}`;
  return whole.length > 254 ? wrong('is longer than 254 characters') : { ok: true, address: whole };
}

function wrong(problem: string): CheckedAddress {
  return { ok: false, problem };
}

function checkedDomain(written: string): string | undefined {
  const literal = /^\[(?:IPv6:([\da-f:.]+)|([\d.]+))\]$/i.exec(written);
  if (literal) return isIPv6(literal[1] ?? '') || isIPv4(literal[2] ?? '') ? written : undefined;
  const ascii = /\P{ASCII}/u.test(written) ? internationalDomain(written) : written.toLowerCase();
  const labels = ascii.split('.');
  // A last label of digits only is an address in disguise, not a name.
  if (ascii.length > 253 || /^\d*$/.test(labels.at(-1) ?? '')) return undefined;
  return labels.every((label) => LABEL.test(label)) ? ascii : undefined;
}

/** `domainToASCII` reads a URL's host: it cuts at these characters, which would name another domain than was written. */
function internationalDomain(written: string): string {
  return /[/\\?#%@:\s]/.test(written) ? '' : domainToASCII(written);
}
