// The last resort: from the first bytes of a mail that cannot be read in full, with the whole original attached and the
// reason in the notes. Uses no library that a mail could keep busy, and never throws.
import type { RawMail } from '../../../model/content.js';
import { stripTags } from '../../html/strip-tags.js';
import { textToHtml } from '../../html/text.js';
import { boundaryBefore, cleanText, humanSize } from '../../limits.js';
import type { AddressField, Mailbox } from './address-fields.js';
import { charsetFor, decodeBytes, knownCharset } from './charset.js';
import { readFields } from './fields.js';
import { headerText } from './header-text.js';
import { readHeaders } from './headers.js';
import type { ParsedMail } from './parse-mail.js';
import type { Part } from './part.js';
import { type ScanBudget, scanMail } from './scan.js';
import { decodeTransfer } from './transfer.js';

/** What is looked at. Small enough that no content of it can take long. */
const LOOKED_AT = 64 * 1024;
const BUDGET: ScanBudget = { parts: 20, depth: 10, candidates: 1_000, headerLines: 2_000 };
const LONGEST_EXCERPT = 10_000;
const LONGEST_FIELD = 2_000;

export function fallbackMail(mail: RawMail, gatewayId: string, reason: string): ParsedMail {
  const raw = Buffer.from(mail.raw.buffer, mail.raw.byteOffset, Math.min(mail.raw.byteLength, LOOKED_AT));
  const headers = readHeaders(raw, { start: 0, end: raw.length });
  const text = excerpt(raw);
  const read = readFields({
    mail,
    gatewayId,
    headers,
    bodyCharset: undefined,
    parsed: { addresses: plainAddresses(headers.all), unread: new Map(), subject: firstText(headers.all('subject')) },
  });
  const whole = mail.cut === undefined ? ' The whole mail is attached.' : '';
  return {
    fields: read.fields,
    text,
    html: textToHtml(text),
    attachments: [],
    attachOriginal: mail.cut === undefined,
    rfcMessageId: read.rfcMessageId,
    references: read.references,
    notes: [
      `This mail (${humanSize(mail.cut?.size ?? mail.raw.byteLength)}) could not be read in full: ${reason}.${whole}`,
      ...(mail.cut ? [`Only the beginning of the mail arrived: ${mail.cut.reason}`] : []),
      ...read.notes,
    ],
  };
}

function firstText(values: readonly string[]): string {
  return headerText((values.find((value) => value.trim() !== '') ?? '').slice(0, LONGEST_FIELD));
}

const ADDRESS = /[^\s<>()[\]",;:@]{1,64}@[^\s<>()[\]",;:@]{1,190}/;

/** `Name <address>` by a plain pattern: enough to know whom to answer. */
function plainAddresses(all: (name: string) => readonly string[]): Map<AddressField, Mailbox[]> {
  const found = new Map<AddressField, Mailbox[]>();
  for (const name of ['from', 'sender', 'reply-to', 'return-path', 'to', 'cc'] as const) {
    const value = firstText(all(name));
    // What stands in brackets comes before what a display name says.
    const address = ADDRESS.exec(value.slice(value.lastIndexOf('<') + 1))?.[0] ?? ADDRESS.exec(value)?.[0];
    const label = value.replace(/<.*$/s, '').replace(/"/g, '').trim();
    if (address) found.set(name, [{ name: label.includes('@') ? '' : label, address }]);
  }
  return found;
}

function excerpt(raw: Buffer): string {
  try {
    const part = firstReadable(scanMail(raw, BUDGET).root);
    if (!part) return '';
    const bytes = decodeTransfer(part.raw.subarray(part.start, part.end), part.encoding);
    const { charset } = charsetFor(bytes, knownCharset(part.params.charset));
    const text = decodeBytes(bytes, charset);
    const shown = part.type === 'text/html' ? stripTags(text) : cleanText(text).trim();
    return shown.slice(0, boundaryBefore(shown, LONGEST_EXCERPT));
  } catch {
    return '';
  }
}

/** Depth first, plain text rather than HTML. */
function firstReadable(part: Part): Part | undefined {
  const leaves: Part[] = [];
  const visit = (at: Part) => {
    if (at.children.length === 0) leaves.push(at);
    for (const child of at.children) visit(child);
  };
  visit(part);
  return leaves.find((leaf) => leaf.type === 'text/plain') ?? leaves.find((leaf) => leaf.type === 'text/html');
}
