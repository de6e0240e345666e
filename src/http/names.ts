// File names and media types of attachments come from customers and are not trusted.
import { create } from 'content-disposition';
import { trimWhere } from '../kit/trim.js';

/** Characters no file system or header should meet: controls, path signs, invisible marks that turn the reading
 *  direction ("invoice\u202Efdp.exe" shows as "invoiceexe.pdf"), and halves of surrogate pairs. */
const UNSAFE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}/\\:*?"<>|]/gu;
const isDotOrBlank = (character: string) => /[\s.]/.test(character);
/** Keeps an ending like .pdf when a long name is cut. */
const LONGEST_ENDING = 10;

/** A file name of at most `longest` characters that is a plain name on every system, never empty. */
export function safeName(name: string, longest = 120): string {
  const clean = trimWhere(name.replace(UNSAFE, '_'), isDotOrBlank, isDotOrBlank);
  const points = [...clean];
  if (points.length === 0) return 'attachment';
  if (points.length <= longest) return clean;
  const dot = points.lastIndexOf('.');
  const ending = dot > 0 && points.length - dot <= LONGEST_ENDING ? points.slice(dot) : [];
  return [...points.slice(0, longest - ending.length), ...ending].join('');
}

/** Percent-encoding that leaves only what RFC 8187 section 3.2.1 calls attr-char and URLs take unharmed. */
export function percentEncoded(text: string): string {
  const hex = (char: string) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`;
  return encodeURIComponent(text).replace(/['()*!]/g, hex);
}

/** Pictures that browsers only paint. Everything else downloads: a PDF, text and SVG can hold more than they show. */
const OPENS = new Set(['image/png', 'image/jpeg', 'image/gif', 'image/webp']);

export function opensInBrowser(stored: string): boolean {
  return OPENS.has(safeType(stored));
}

/** `attachment` or `inline`, with a plain name for old programs and, where the name needs it, the RFC 8187 form for all others. */
export function contentDisposition(name: string, type: 'attachment' | 'inline' = 'attachment'): string {
  const safe = safeName(name);
  return create(safe, { type, fallback: safe.replace(/[^\x20-\x7e]|%/g, '_') });
}

const OPAQUE = 'application/octet-stream';
const MEDIA_TYPE = /^([a-z0-9!#$&^_.+-]{1,60})\/([a-z0-9!#$&^_.+-]{1,100})$/;
const PLAIN_TEXT = new Set(['plain', 'csv', 'calendar', 'vcard', 'rtf', 'markdown']);
const RUNS =
  /^xml$|^xml-|\+xml$|html|^(x-)?(java|ecma|live|j|vb)script|^(wasm|x-shockwave-flash|x-mimearchive|json|x-x509-ca-cert)$|\+json$/;

/**
 * The stored type, or application/octet-stream for whatever a browser might run, render as a document of ours or hand
 * to a special handler. Known harmless kinds pass, everything else does not.
 */
export function safeType(stored: string): string {
  const bare = (stored.split(';')[0] ?? '').trim().toLowerCase();
  const [, main = '', sub = ''] = MEDIA_TYPE.exec(bare) ?? [];
  if (RUNS.test(sub)) return OPAQUE;
  if (main === 'text') return PLAIN_TEXT.has(sub) ? bare : OPAQUE;
  return ['application', 'image', 'audio', 'video', 'font'].includes(main) ? bare : OPAQUE;
}
