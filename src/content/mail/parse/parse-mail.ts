// From the bytes of a mail to everything but the links of its attachments: scan, extract, parse, clean. Stateless; runs
// in the main thread for small mails and in a worker for all others.
import type { RawMail } from '../../../model/content.js';
import { humanSize } from '../../limits.js';
import type { ReadAttachment } from '../../reader.js';
import { attachmentId, madeId } from '../../threading.js';
import { makeBodies } from './bodies.js';
import { type Extracted, extractAttachments } from './extract-attachments.js';
import { type Fields, readFields } from './fields.js';
import { parseText } from './mailparser.js';
import type { Part } from './part.js';
import { type Scan, type ScanBudget, scanMail } from './scan.js';

export interface ParsedMail {
  fields: Fields;
  html: string;
  text: string;
  attachments: ReadAttachment[];
  /** True: the caller, which has the bytes, attaches the whole mail too. */
  attachOriginal: boolean;
  rfcMessageId: string | null;
  references: string | null;
  notes: string[];
}

export interface MailBudget {
  readonly scan: ScanBudget;
  /** Bytes of one text part that are shown. */
  readonly textBytes: number;
  /** Bytes of images put into the HTML. */
  readonly imageBytes: number;
  /** What is too much to be read here and now; absent in the worker. */
  readonly heavy?: HeavyBudget;
}

/** Bounds within which reading never takes the event loop's time for long. */
export interface HeavyBudget {
  readonly rawBytes: number;
  /** Encoded bytes of all text parts. */
  readonly textBytes: number;
  /** "<" in all HTML: the cleaner's time goes with the tags, not with the bytes. */
  readonly tags: number;
}

export interface Prepared {
  readonly mail: RawMail;
  readonly scan: Scan;
  readonly extracted: Extracted;
  readonly budget: MailBudget;
}

/** The structure and the attachments; undefined when the mail is too heavy for `budget.heavy`. */
export function prepare(mail: RawMail, budget: MailBudget): Prepared | undefined {
  const { heavy } = budget;
  if (heavy && mail.raw.byteLength > heavy.rawBytes) return undefined;
  const scan = scanMail(lineEnds(asBuffer(mail.raw)), budget.scan);
  if (heavy && (scan.over !== undefined || scan.longHeader || textBytes(scan.root) > heavy.textBytes)) return undefined;
  const extracted = extractAttachments(scan, { scan: budget.scan, textBytes: budget.textBytes, cut: mail.cut?.reason });
  if (heavy && (tagsOf(extracted) > heavy.tags || shownBytes(extracted) > heavy.textBytes)) return undefined;
  return { mail, scan, extracted, budget };
}

export async function parseMail({ mail, scan, extracted, budget }: Prepared, gatewayId: string): Promise<ParsedMail> {
  const { headers } = scan.root;
  const pieces = [...new Set([...extracted.text, ...extracted.html])];
  const parsed = await parseText({ headers, pieces, bodyCharset: extracted.bodyCharset });
  const read = readFields({ mail, gatewayId, headers, bodyCharset: extracted.bodyCharset, parsed });
  const bodies = await makeBodies(extracted, parsed.texts, budget);
  const over = overNotes(scan, extracted, budget);
  const notes = [
    ...(mail.cut ? [cutNote(mail)] : []),
    ...over.map((what) => `${what}; ${mail.cut ? 'the rest is left out' : 'the whole mail is attached'}.`),
    ...read.notes,
    ...extracted.notes,
    ...bodies.notes,
  ];
  return {
    fields: read.fields,
    html: bodies.html,
    text: bodies.text,
    attachments: identified(mail, gatewayId, [...extracted.attachments, ...bodies.unshown]),
    attachOriginal: over.length > 0 && mail.cut === undefined,
    rfcMessageId: read.rfcMessageId,
    references: read.references,
    notes: [...new Set(notes)],
  };
}

/** The ids of a mail's attachments by their place. */
export function attachmentIds({ raw }: RawMail, gatewayId: string): (place: number) => string {
  const seed = madeId(gatewayId, raw);
  return (place) => attachmentId(seed, String(place));
}

function identified(
  mail: RawMail,
  gatewayId: string,
  attachments: readonly Omit<ReadAttachment, 'id'>[],
): ReadAttachment[] {
  if (attachments.length === 0) return [];
  const id = attachmentIds(mail, gatewayId);
  return attachments.map((attachment, place) => ({ ...attachment, id: id(place) }));
}

export function asBuffer(raw: Uint8Array): Buffer {
  return Buffer.from(raw.buffer, raw.byteOffset, raw.byteLength);
}

function overNotes(scan: Scan, extracted: Extracted, { scan: most }: MailBudget): string[] {
  const notes: string[] = [];
  if (scan.over === 'parts') notes.push(`The mail has more than ${most.parts} parts`);
  if (scan.over === 'contentFields') notes.push('The names and types of its parts are too long');
  if (scan.over === 'candidates') notes.push('The mail has too many lines that look like boundaries');
  if (scan.longHeader) notes.push(`The mail has more than ${most.headerLines} header lines`);
  if (extracted.unlisted > 0) notes.push(`The mail holds ${extracted.unlisted} more files than are listed`);
  return notes;
}

function cutNote({ cut, raw }: RawMail): string {
  const sizes = `${humanSize(raw.byteLength)} of ${humanSize(cut?.size ?? 0)}`;
  return `Only the beginning of the mail arrived (${sizes}): ${cut?.reason}`;
}

const SAMPLE = 64 * 1024;

/** Very old programs end lines with a bare CR, which no other step understands. */
function lineEnds(raw: Buffer): Buffer {
  const sample = raw.subarray(0, SAMPLE);
  if (!sample.includes(0x0d)) return raw;
  const text = sample.toString('latin1');
  const bare = text.match(/\r(?!\n)/g)?.length ?? 0;
  const lines = text.match(/\n/g)?.length ?? 0;
  if (bare < 3 || bare <= lines) return raw;
  return withoutBareReturns(raw);
}

/** One pass into one buffer: a pattern over a text of 7 MB takes two seconds. */
function withoutBareReturns(raw: Buffer): Buffer {
  const out = Buffer.allocUnsafeSlow(raw.length);
  let length = 0;
  for (let at = 0; at < raw.length; at++) {
    const byte = raw[at] ?? 0;
    if (byte !== 0x0d) out[length++] = byte;
    else if (raw[at + 1] !== 0x0a) out[length++] = 0x0a;
  }
  return out.subarray(0, length);
}

function textBytes(part: Part): number {
  if (part.children.length > 0) return part.children.reduce((sum, child) => sum + textBytes(child), 0);
  // A multipart without parts may be decoded and walked again.
  return /^(?:text|multipart)\//.test(part.type) || /^(?:quoted-printable|uuencode)$/.test(part.encoding)
    ? part.end - part.start
    : 0;
}

/** Also the text of an enclosed message, which the structure does not tell. */
function shownBytes({ text, html }: Extracted): number {
  return [...new Set([...text, ...html])].reduce((sum, piece) => sum + piece.bytes.length, 0);
}

function tagsOf(extracted: Extracted): number {
  let count = 0;
  for (const piece of extracted.html) {
    if (piece.kind !== 'html') continue;
    for (let at = piece.bytes.indexOf(0x3c); at >= 0; at = piece.bytes.indexOf(0x3c, at + 1)) count += 1;
  }
  return count;
}
