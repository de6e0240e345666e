// Decides what each part of a mail becomes: text to show, an image inside the text, or an attachment. Attachments are
// decoded here, natively, so that the mail parser reads the text only. Everything that the sender put into the mail is
// shown, attached or noted.
import { stripTags } from '../../html/strip-tags.js';
import { cleanLine, humanSize } from '../../limits.js';
import {
  add,
  attach,
  attachPiece,
  attachUnopened,
  fileOf,
  type Gathered,
  isBlank,
  leaveOut,
  type Piece,
} from './attachments.js';
import { base64End } from './base64-end.js';
import { bodyParts, enclosedMessages, isHtml } from './body-parts.js';
import { charsetFor, isUnknownCharset, knownCharset } from './charset.js';
import { bytesOf } from './enclosed.js';
import { isEnriched } from './enriched.js';
import type { FoundAttachment } from './found-attachment.js';
import type { Part } from './part.js';
import { type Scan, type ScanBudget, scanMail } from './scan.js';
import { decodeTransfer } from './transfer.js';
import { takeUuencoded } from './uuencode.js';

/** The same content twice: what to show where text is wanted, and what where HTML is. */
interface Body {
  readonly text: readonly Piece[];
  readonly html: readonly Piece[];
}

export type Extracted = Body &
  Readonly<Omit<Gathered, 'incomplete' | 'textBytes' | 'reported'>> &
  Pick<Extraction, 'enclosedImages'>;

export interface ExtractOptions {
  readonly scan: ScanBudget;
  /** Bytes of one text part that are shown; the whole part is attached when it is longer. */
  readonly textBytes: number;
  /** Why the mail is only the beginning of one; its last part is incomplete then. */
  readonly cut: string | undefined;
}

/** Stretches of text shown in one mail; more are attached. Each costs one run of the mail parser. */
const MOST_PIECES = 40;

interface Extraction extends Gathered {
  readonly scan: ScanBudget;
  readonly bodyParts: Set<Part>;
  /** Images that only the text of an enclosed message asks for; its file holds them anyway. */
  readonly enclosedImages: Map<string, FoundAttachment>;
  pieces: number;
}

/** What is shown of a charset's label. */
const LONGEST_LABEL = 60;

const NOTHING: Body = { text: [], html: [] };

export function extractAttachments(scan: Scan, options: ExtractOptions): Extracted {
  const bodyCharset = knownCharset(firstText(scan.root)?.params.charset);
  const extraction: Extraction = {
    bodyParts: bodyParts(scan.root),
    enclosedImages: new Map(),
    scan: options.scan,
    textBytes: options.textBytes,
    bodyCharset,
    incomplete: options.cut !== undefined || scan.over !== undefined,
    images: new Map(),
    attachments: [],
    notes: [],
    pieces: 0,
    fallbackText: '',
    reported: false,
    unlisted: 0,
  };
  const own = collect(scan.root, extraction);
  const body = extraction.fallbackText !== '' || hasWords(own) ? own : otherBody(own, scan.root, extraction);
  noteStructure(scan, extraction);
  const { images, enclosedImages, attachments, notes, fallbackText, unlisted } = extraction;
  return { ...body, images, enclosedImages, attachments, notes, fallbackText, unlisted, bodyCharset };
}

/** A longer page holds words. */
const LONGEST_EMPTY_PAGE = 20_000;

/** Mail programs send a page of blanks with a message that is forwarded as a file. */
function hasWords({ text, html }: Body): boolean {
  return [...text, ...html].some(({ kind, bytes }) => {
    if (kind === 'text' || bytes.length > LONGEST_EMPTY_PAGE) return true;
    const page = bytes.toString('latin1').replaceAll('\u00c2\u00a0', ' ');
    const words = stripTags(page).replaceAll(/&nbsp;|\u00a0|&#(?:160|xa0);/gi, ' ');
    return /<img/i.test(page) || words.trim() !== '';
  });
}

/** The text of a mail whose parts hold none. */
function otherBody(own: Body, root: Part, extraction: Extraction): Body {
  for (const body of [enclosedBody(root, extraction, 1), preambleBody(root, extraction)]) {
    if (body.text.length + body.html.length > 0) return body;
  }
  return own;
}

/** Scanners and simple scripts write their words where RFC 2046 5.1.1 has readers skip them: before the first part. */
function preambleBody({ raw, start, children, ...root }: Part, extraction: Extraction): Body {
  const [first] = children;
  if (!first) return NOTHING;
  const lines = raw.toString('latin1', start, Math.min(first.headerStart, start + extraction.textBytes)).split('\n');
  const words = lines.filter((line) => !/^--\S|\bmime\b|multi-?part/i.test(line)).join('\n');
  if (words.trim() === '') return NOTHING;
  const part = { ...root, raw, start, children, type: 'text/plain' };
  const piece = shownPiece(Buffer.from(words.trim(), 'latin1'), 'text', part, extraction);
  return piece ? { text: [piece], html: [piece] } : NOTHING;
}

/** Messages whose text is shown, and messages inside them that are looked into. */
const MOST_ENCLOSED = 10;
const DEEPEST_ENCLOSED = 3;

/** A mail that only encloses messages has their text as its text. Their files stay inside them. */
function enclosedBody(root: Part, extraction: Extraction, level: number): Body {
  const bodies = enclosedMessages(root)
    .slice(0, MOST_ENCLOSED)
    .map((message) => messageBody(message, extraction, level));
  return { text: bodies.flatMap((body) => body.text), html: bodies.flatMap((body) => body.html) };
}

function messageBody(message: Part, extraction: Extraction, level: number): Body {
  const { root, over } = scanMail(bytesOf(message), extraction.scan);
  if (over !== undefined) return NOTHING;
  const inner: Extraction = {
    ...extraction,
    bodyParts: bodyParts(root),
    bodyCharset: knownCharset(firstText(root)?.params.charset),
    images: new Map(),
    attachments: [],
    notes: [],
  };
  const own = collect(root, inner);
  extraction.pieces = inner.pieces;
  extraction.fallbackText ||= inner.fallbackText;
  for (const [cid, image] of inner.images) extraction.enclosedImages.set(cid, image);
  if (own.text.length + own.html.length > 0) {
    extraction.notes.push('The mail has no text of its own; the text of the message that it encloses is shown.');
    return own;
  }
  return level < DEEPEST_ENCLOSED ? enclosedBody(root, extraction, level + 1) : NOTHING;
}

function noteStructure(scan: Scan, extraction: Extraction): void {
  if (scan.unclosed && !extraction.incomplete) {
    extraction.notes.push('The mail ends without its closing boundary; its last part may be incomplete.');
  }
  if (scan.afterEnd > 0) {
    extraction.notes.push(`Text after the end of the mail's last part was left out (${humanSize(scan.afterEnd)}).`);
  }
}

function firstText(part: Part): Part | undefined {
  if (part.children.length === 0) return part.type.startsWith('text/') ? part : undefined;
  for (const child of part.children) {
    const found = firstText(child);
    if (found) return found;
  }
  return undefined;
}

function collect(part: Part, extraction: Extraction): Body {
  if (!part.opened) return attached(attachUnopened, part, extraction);
  if (part.type.startsWith('multipart/')) return collectMultipart(part, extraction);
  if (!extraction.bodyParts.has(part)) return attached(attach, part, extraction);
  if (part.disposition === 'attachment') attached(attach, part, extraction);
  return pieceOf(part, extraction);
}

function attached(how: typeof attach, part: Part, extraction: Extraction): Body {
  if (part.open && extraction.incomplete) leaveOut(part, extraction);
  else how(part, extraction);
  return NOTHING;
}

function collectMultipart(part: Part, extraction: Extraction): Body {
  if (part.children.length === 0) return collectClosed(part, extraction);
  if (part.type === 'multipart/encrypted') {
    extraction.notes.push('The mail is encrypted and could not be read here; its parts are attached.');
  }
  const bodies = part.children.map((child) => collect(child, extraction));
  if (part.type === 'multipart/alternative') return choose(bodies, extraction);
  return { text: bodies.flatMap((body) => body.text), html: bodies.flatMap((body) => body.html) };
}

/** A multipart in which no boundary was found: encoded as a whole (against RFC 2045 6.4, but it happens), or plain text. */
function collectClosed(part: Part, extraction: Extraction): Body {
  const decoded = decodeTransfer(part.raw.subarray(part.start, part.end), part.encoding);
  const type = part.headers.get('content-type') ?? '';
  if (part.encoding !== 'identity' && part.depth < extraction.scan.depth) {
    const inner = scanMail(Buffer.concat([Buffer.from(`Content-Type: ${type}\r\n\r\n`, 'latin1'), decoded]), {
      ...extraction.scan,
      depth: extraction.scan.depth - part.depth - 1,
    });
    if (inner.over !== undefined) return attached(attachUnopened, part, extraction);
    if (inner.root.children.length > 0) {
      for (const found of bodyParts(inner.root)) extraction.bodyParts.add(found);
      return collect(inner.root, extraction);
    }
  }
  if (decoded.length === 0) return NOTHING;
  extraction.notes.push('A part of the mail that should hold several parts holds none; its content is shown as text.');
  return pieceOf({ ...part, type: 'text/plain' }, extraction);
}

/** RFC 2046 5.1.4: the last version that can be shown is the best. Versions that are not shown are attached. */
function choose(options: readonly Body[], extraction: Extraction): Body {
  const html = options.findLast((body) => body.html.some((piece) => piece.kind === 'html' && !isBlank(piece)));
  const text = options.findLast(
    (body) => body.text.every((piece) => piece.kind === 'text') && body.text.some((piece) => !isBlank(piece)),
  );
  for (const body of options) {
    if (body === html || body === text) continue;
    for (const piece of new Set([...body.text, ...body.html])) attachPiece(piece, 'alternative', extraction);
  }
  return { text: (text ?? html ?? NOTHING).text, html: (html ?? text ?? NOTHING).html };
}

function pieceOf(part: Part, extraction: Extraction): Body {
  const encoded = part.raw.subarray(part.start, part.end);
  const end = part.encoding === 'base64' ? base64End(encoded) : encoded.length;
  const kind = isHtml(part.type) ? 'html' : 'text';
  const decoded = decodeTransfer(encoded.subarray(0, end), part.encoding);
  const { bytes, files } = kind === 'text' ? takeUuencoded(decoded) : { bytes: decoded, files: [] };
  for (const file of files) add(extraction, fileOf(file, extraction));
  const pieces = [
    shownPiece(bytes, kind, part, extraction),
    shownPiece(encoded.subarray(end), 'text', part, extraction),
  ];
  const shown = pieces.filter((piece) => piece !== undefined);
  return { text: shown, html: shown };
}

/** Undefined when there is nothing to show. */
function shownPiece(bytes: Buffer, kind: Piece['kind'], part: Part, extraction: Extraction): Piece | undefined {
  if (bytes.length === 0) return undefined;
  const whole = bytes.length <= extraction.textBytes;
  const piece: Piece = {
    kind,
    bytes: whole ? bytes : cutBytes(bytes, extraction.textBytes),
    charset: charsetOf(bytes, kind, part, extraction),
    flowed: kind === 'text' && part.params.format?.toLowerCase().trim() === 'flowed',
    delSp: part.params.delsp?.toLowerCase().trim() === 'yes',
    enriched: isEnriched(part.type),
  };
  if (!whole) noteLongText({ ...piece, bytes }, part, extraction);
  if (part.open && extraction.incomplete) extraction.notes.push('The text ends where the mail was cut.');
  if (isBlank(piece)) return undefined;
  extraction.pieces += 1;
  if (extraction.pieces <= MOST_PIECES) return piece;
  attachPiece(piece, 'text', extraction);
  return undefined;
}

function charsetOf(bytes: Buffer, kind: Piece['kind'], part: Part, extraction: Extraction): string {
  const declared = part.params.charset ?? (kind === 'html' ? metaCharset(bytes) : undefined);
  const guess = charsetFor(bytes, declared, extraction.bodyCharset);
  if (isUnknownCharset(declared)) {
    const label = cleanLine(declared ?? '').slice(0, LONGEST_LABEL);
    extraction.notes.push(`The charset of the text ("${label}") is not known; it was read as ${guess.charset}.`);
  } else if (guess.mended) {
    extraction.notes.push(`The text is not in the charset it declares (${declared}); it was read as ${guess.charset}.`);
  }
  return guess.charset;
}

function noteLongText(whole: Piece, part: Part, extraction: Extraction): void {
  const shown = humanSize(extraction.textBytes);
  const size = humanSize(whole.bytes.length);
  if (part.open && extraction.incomplete) extraction.notes.push(`Only the first ${shown} of the text are shown.`);
  else {
    attachPiece(whole, 'message', extraction);
    extraction.notes.push(`The text is very long (${size}): the first ${shown} are shown, the whole is attached.`);
  }
}

/** HTML may declare its charset itself, where browsers look for it. */
function metaCharset(bytes: Buffer): string | undefined {
  return bytes.toString('latin1', 0, 2048).match(/<meta[^>]{0,200}?charset\s*=\s*["']?([\w:.-]{1,40})/i)?.[1];
}

/** At a line end if there is one near, so that neither a character nor a tag is likely to be torn. */
function cutBytes(bytes: Buffer, max: number): Buffer {
  const lineEnd = bytes.lastIndexOf('\n', max);
  return bytes.subarray(0, lineEnd > max - 2000 ? lineEnd + 1 : max);
}
