// Which parts of a mail are its text. Decided by the structure alone; all other parts are files.
import { isMessage, leaves } from './enclosed.js';
import type { Part } from './part.js';
import { isDeliveryStatus, isReadReceipt } from './reports.js';
import { decodeTransfer } from './transfer.js';

/** Subtypes of text that are made for programs. RFC 2046 4.1.4 takes any other unknown one for plain text. */
const DATA = new Set(
  'calendar x-vcalendar vcard x-vcard directory csv tab-separated-values rtf xml css javascript ecmascript sgml vtt rfc822-headers x-amp-html watch-html'.split(
    ' ',
  ),
);
/** Never the text of a mail: an invitation is summarised, the others repeat it. */
const NEVER = /^text\/(?:calendar|x-vcalendar|rfc822-headers|x-amp-html|watch-html)$/;
const BLANK_BYTES = 1_000;

export function isHtml(type: string): boolean {
  return /^(?:text\/(?:x-)?html?|application\/xhtml\+xml)$/.test(type);
}

/** Text without a name is to be read; with a name it is a file, unless it is a version of the mail or all there is. */
export function bodyParts(root: Part): Set<Part> {
  const found = new Set<Part>();
  const visit = (part: Part, alternative: Part | undefined) => {
    if (part.children.length === 0 && isBodyText(part, root, alternative)) found.add(part);
    part.children.forEach((child, at) => {
      const isRootOfRelated = part.type === 'multipart/related' && at === 0;
      visit(child, part.type === 'multipart/alternative' ? part : isRootOfRelated ? alternative : undefined);
    });
  };
  visit(root, undefined);
  if (![...found].some((part) => !isBlankPart(part))) {
    const only = onlyText(root);
    if (only) found.add(only);
  }
  return found;
}

function isBodyText(part: Part, root: Part, alternative: Part | undefined): boolean {
  if (part.disposition === 'attachment') return false;
  if (part.type === 'text/plain' || isHtml(part.type)) {
    return !part.named || part === root || (alternative !== undefined && !hasUnnamed(alternative, part.type));
  }
  return isUnknownText(part.type) && !part.named && !(alternative && hasUnnamed(alternative, 'text/plain'));
}

function hasUnnamed(alternative: Part, type: string): boolean {
  return leaves(alternative).some((part) => part.type === type && !part.named && part.disposition !== 'attachment');
}

function isUnknownText(type: string): boolean {
  return type.startsWith('text/') && !DATA.has(type.slice('text/'.length));
}

/** Where nothing else is text, the first text is: rather one to be read than a file, rather words than data. */
function onlyText(root: Part): Part | undefined {
  const texts = leaves(root).filter(
    (part) => part.type.startsWith('text/') && !NEVER.test(part.type) && !isBlankPart(part),
  );
  return (
    texts.find((part) => isUnknownText(part.type) && part.disposition !== 'attachment') ??
    texts.find((part) => isUnknownText(part.type)) ??
    texts.find((part) => part.disposition !== 'attachment')
  );
}

export function isBlankPart(part: Part): boolean {
  if (part.end - part.start >= BLANK_BYTES) return false;
  return decodeTransfer(part.raw.subarray(part.start, part.end), part.encoding).toString('latin1').trim() === '';
}

/** The messages of a mail that holds messages and neither text nor a report. */
export function enclosedMessages(root: Part): Part[] {
  const parts = leaves(root);
  if (parts.some((part) => isDeliveryStatus(part.type) || isReadReceipt(part.type))) return [];
  return parts.filter((part) => isMessage(part.type) && part.opened);
}
