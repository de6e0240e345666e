import { humanSize } from '../../limits.js';
import { base64End } from './base64-end.js';
import { invitationSummary } from './calendar.js';
import { charsetFor, decodeBytes } from './charset.js';
import { isMessage, reportsInside } from './enclosed.js';
import type { FoundAttachment } from './found-attachment.js';
import { headerText } from './header-text.js';
import { readHeaders } from './headers.js';
import { extensionOf, imageType, safeName, safeType, typeByName } from './names.js';
import { fileNameOf, type Part } from './part.js';
import { deliverySummary, isDeliveryStatus, isReadReceipt, receiptSummary } from './reports.js';
import { unpackTnef } from './tnef.js';
import { decodeTransfer } from './transfer.js';
import { type EncodedFile, takeUuencoded } from './uuencode.js';

/** A stretch of the body that the mail parser is to decode. */
export interface Piece {
  readonly kind: 'text' | 'html';
  /** Transfer encoding removed. */
  readonly bytes: Buffer;
  readonly charset: string;
  /** RFC 3676. */
  readonly flowed: boolean;
  readonly delSp: boolean;
  /** RFC 1896. */
  readonly enriched: boolean;
}

/** What is gathered from all parts of one mail. */
export interface Gathered {
  /** By Content-ID, lower case, without brackets. Those that no HTML asks for are attachments. */
  readonly images: Map<string, FoundAttachment>;
  readonly attachments: FoundAttachment[];
  readonly notes: string[];
  /** Shown when the mail has no other text: an invitation in words, the text inside a winmail.dat. */
  fallbackText: string;
  /** True once a report of the mail itself has been read. */
  reported: boolean;
  /** Files beyond the most that one mail may have. */
  unlisted: number;
  readonly bodyCharset: string | undefined;
  /** True when the bytes of the mail end early: a part without its end is not whole then. */
  readonly incomplete: boolean;
  /** Bytes of one text that are shown. */
  readonly textBytes: number;
}

/** One mail may unpack into thousands of files, more than an agent opens one by one. */
const MOST_ATTACHMENTS = 300;

export function isBlank(piece: Piece): boolean {
  return piece.bytes.length < 1000 && piece.bytes.toString('latin1').trim() === '';
}

export function attachPiece(piece: Piece, name: string, gathered: Gathered): void {
  if (isBlank(piece)) return;
  const type = piece.kind === 'html' ? 'text/html' : 'text/plain';
  add(gathered, { name: `${name}.${extensionOf(type)}`, type, bytes: piece.bytes });
}

export function attachUnopened(part: Part, gathered: Gathered): void {
  gathered.notes.push('Parts of the mail are nested too deep to be shown; they are attached as they came.');
  add(gathered, { name: 'nested.eml', type: 'message/rfc822', bytes: part.raw.subarray(part.headerStart, part.end) });
}

/** A part that did not arrive whole is never passed off as if it had. */
export function leaveOut(part: Part, gathered: Gathered): void {
  const name = safeName(fileNameOf(part, gathered.bodyCharset), `a part of type ${safeType(part.type)}`);
  gathered.notes.push(`Attachment "${name}" is not included, because it did not arrive whole.`);
}

export function attach(part: Part, gathered: Gathered): void {
  const bytes = decodeTransfer(part.raw.subarray(part.start, part.end), part.encoding);
  const files = part.encoding === 'uuencode' ? takeUuencoded(bytes).files : [];
  const type = safeType(part.type);
  const name = fileNameOf(part, gathered.bodyCharset) || defaultName(part, bytes, gathered);
  const attachment = { name, type, bytes: files[0]?.bytes ?? bytes };
  summarize(part, bytes, gathered);
  if (isTnef(part, name)) unpack(bytes, name, gathered);
  const cid = contentId(part);
  const image = cid === '' ? undefined : imageType(attachment.bytes);
  if (image && !gathered.images.has(cid)) {
    gathered.images.set(cid, { ...attachment, name: safeName(name, `image.${extensionOf(image)}`), type: image });
  } else if (bytes.length > 0 || part.named) add(gathered, attachment);
  for (const file of files.slice(1)) add(gathered, fileOf(file, gathered));
  noteWords(part, name, gathered);
}

/** A uuencoded file says its name and nothing else. */
export function fileOf({ name, bytes }: EncodedFile, gathered: Gathered): FoundAttachment {
  const decoded = headerText(name, gathered.bodyCharset);
  const type = imageType(bytes) ?? typeByName(decoded);
  return { name: decoded || `attachment.${extensionOf(type)}`, type, bytes };
}

function noteWords(part: Part, name: string, gathered: Gathered): void {
  const encoded = part.raw.subarray(part.start, part.end);
  const words = part.encoding === 'base64' ? encoded.length - base64End(encoded) : 0;
  if (words === 0) return;
  const shown = safeName(name, 'attachment');
  gathered.notes.push(`Text behind the content of "${shown}" was left out (${humanSize(words)}).`);
}

function contentId(part: Part): string {
  const value = part.headers.get('content-id') ?? '';
  return value
    .slice(0, 500)
    .replace(/^\s*<|>\s*$/g, '')
    .trim()
    .toLowerCase();
}

/** Names of parts that usually come without one. */
const USUAL_NAMES: Readonly<Record<string, string>> = {
  'message/delivery-status': 'delivery-status.txt',
  'message/global-delivery-status': 'delivery-status.txt',
  'message/disposition-notification': 'read-receipt.txt',
  'message/global-disposition-notification': 'read-receipt.txt',
  'message/global-headers': 'headers.txt',
  'text/rfc822-headers': 'headers.txt',
  'text/calendar': 'invitation.ics',
  'application/pkcs7-signature': 'smime.p7s',
  'application/pgp-signature': 'signature.asc',
};

function defaultName(part: Part, bytes: Buffer, gathered: Gathered): string {
  if (isMessage(part.type)) {
    const subject = readHeaders(bytes, { start: 0, end: Math.min(bytes.length, 256 * 1024) }).get('subject') ?? '';
    const title = headerText(subject.slice(0, 1000), gathered.bodyCharset).replace(/[\\/]/g, '-');
    return `${title === '' ? 'message' : title}.eml`;
  }
  const word = /^(?:image|audio|video|text)(?=\/)/.exec(part.type)?.[0] ?? 'attachment';
  return USUAL_NAMES[part.type] ?? `${word}.${extensionOf(part.type)}`;
}

function isTnef(part: Part, name: string): boolean {
  return /^application\/(?:vnd\.)?ms-tnef$/.test(part.type) || /^winmail\.dat$/i.test(name);
}

function unpack(bytes: Buffer, name: string, gathered: Gathered): void {
  const unpacked = unpackTnef(bytes);
  if (!unpacked) {
    gathered.notes.push(`"${safeName(name, 'winmail.dat')}" could not be unpacked; it is attached as it came.`);
    return;
  }
  for (const file of unpacked.files) add(gathered, file);
  gathered.fallbackText ||= unpacked.text.slice(0, gathered.textBytes);
  gathered.notes.push(`"${safeName(name, 'winmail.dat')}" was unpacked: ${unpacked.files.length} files.`);
}

/** One readable line of what an agent cannot open easily. */
function summarize(part: Part, bytes: Buffer, gathered: Gathered): void {
  const report = reportSummary(part, bytes, gathered);
  if (report) gathered.notes.push(...report);
  else if (part.type === 'text/calendar' && gathered.fallbackText === '') {
    gathered.fallbackText = invitationSummary(decodeBytes(bytes, charsetFor(bytes, part.params.charset).charset));
  } else if (/^application\/(?:x-)?pkcs7-mime$/.test(part.type)) {
    gathered.notes.push(
      'The mail is encrypted or signed in a closed form (S/MIME) and could not be read here; it is attached.',
    );
  }
}

/** Undefined when the part is no report. The message that a report returns is no second report. */
function reportSummary(part: Part, bytes: Buffer, gathered: Gathered): string[] | undefined {
  if (isMessage(part.type)) return gathered.reported ? [] : reportsInside(bytes);
  const summary = isDeliveryStatus(part.type) ? deliverySummary : isReadReceipt(part.type) ? receiptSummary : undefined;
  if (summary) gathered.reported = true;
  return summary?.(bytes);
}

export function add(gathered: Gathered, { name, type, bytes }: FoundAttachment): void {
  if (gathered.attachments.length >= MOST_ATTACHMENTS) {
    gathered.unlisted += 1;
    return;
  }
  const known = type === '' ? 'application/octet-stream' : type;
  gathered.attachments.push({ name: safeName(name, `attachment.${extensionOf(known)}`), type: known, bytes });
}
