// Which recipients the header of a mail names. A pickup service that reads only the file sends to these and no others.
import { domainToASCII } from 'node:url';
import addressparser from 'nodemailer/lib/addressparser';
import type { ComposedMail } from '../contract.js';

/** Recipients that are neither in To nor in Cc (nor in Bcc): without envelope lines they would never get the mail. */
export function hiddenRecipients({ raw, recipients }: Pick<ComposedMail, 'raw' | 'recipients'>): string[] {
  const named = new Set(namedAddresses(headerOf(raw)).map(comparable));
  return recipients.filter((recipient) => !named.has(comparable(recipient)));
}

/** Addresses of the header that are not to be served. A service that reads only the file sends to them, too. */
export function unwantedRecipients({ raw, recipients }: Pick<ComposedMail, 'raw' | 'recipients'>): string[] {
  const wanted = new Set(recipients.map(comparable));
  return namedAddresses(headerOf(raw)).filter((address) => address.includes('@') && !wanted.has(comparable(address)));
}

function headerOf(raw: Uint8Array): string {
  const bytes = Buffer.from(raw.buffer, raw.byteOffset, raw.byteLength);
  const end = bytes.indexOf('\r\n\r\n');
  return bytes.toString('utf8', 0, end < 0 ? bytes.length : end).replace(/\r\n[ \t]+/g, ' ');
}

function namedAddresses(header: string): string[] {
  const fields = [...header.matchAll(/^(?:to|cc|bcc)[ \t]*:(.*)$/gim)].map(([, value = '']) => value);
  return fields.flatMap((value) => addressparser(value, { flatten: true }).map(({ address }) => address));
}

/** Case and the notation of an international domain make no difference (RFC 5890). */
function comparable(address: string): string {
  const at = address.lastIndexOf('@') + 1;
  const domain = address.slice(at).toLowerCase();
  return address.slice(0, at).toLowerCase() + (domainToASCII(domain) || domain);
}
