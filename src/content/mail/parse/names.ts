// Names and types of attachments come from outside and must not become a path, a control character or a trick.
import { trimWhere } from '../../../kit/trim.js';
import { boundaryBefore, shownLine } from '../../limits.js';
import { libmime } from './libmime.js';

const LONGEST_NAME = 120;
const LONGEST_EXTENSION = 16;
const LONGEST_TYPE = 100;

/** A plain file name: no folders, nothing a file system or a header would trip over, at most 120 characters including its extension. */
export function safeName(given: string, fallback: string): string {
  const base = shownLine(given.slice(0, 4096))
    .split(/[\\/]/)
    .filter((step) => /[^.\s]/.test(step))
    .at(-1);
  const name = (base ?? '').replace(/[<>:"|?*]/g, '_').replace(/\s+/g, ' ');
  const plain = trimWhere(name, isDotOrBlank, isDotOrBlank);
  return shorten(plain === '' ? fallback : plain);
}

const isDotOrBlank = (character: string) => /[.\s]/.test(character);

function shorten(name: string): string {
  if (name.length <= LONGEST_NAME) return name;
  const dot = name.lastIndexOf('.');
  const extension = dot > 0 && name.length - dot <= LONGEST_EXTENSION ? name.slice(dot) : '';
  return name.slice(0, boundaryBefore(name, LONGEST_NAME - extension.length)) + extension;
}

/** The media type, or `application/octet-stream` when it is none. */
export function safeType(type: string): string {
  return type.length <= LONGEST_TYPE && /^[\w!#$&^.+-]+\/[\w!#$&^.+-]+$/.test(type) ? type : 'application/octet-stream';
}

const OWN_EXTENSIONS: Readonly<Record<string, string>> = {
  'message/rfc822': 'eml',
  'message/global': 'eml',
  'text/calendar': 'ics',
  'text/plain': 'txt',
  'text/html': 'html',
  'application/octet-stream': 'bin',
  'application/pkcs7-signature': 'p7s',
  'application/pkcs7-mime': 'p7m',
};

/** The usual file name extension of a type, without dot. */
export function extensionOf(type: string): string {
  const own = OWN_EXTENSIONS[type];
  if (own) return own;
  if (/^(?:text|message)\//.test(type)) return 'txt';
  return libmime().detectExtension(type) || 'bin';
}

/** The media type that the extension of a file name stands for; `application/octet-stream` when it stands for none. */
export function typeByName(name: string): string {
  const extension = /\.(\w{1,15})$/.exec(name.slice(-LONGEST_EXTENSION))?.[1];
  return extension === undefined ? 'application/octet-stream' : safeType(libmime().detectMimeType(extension));
}

/** What the bytes of an image say that they are: the types that may stand inside a body. Undefined for anything else. */
export function imageType(bytes: Uint8Array): string | undefined {
  const head = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(16, bytes.byteLength)).toString('latin1');
  if (head.startsWith('\x89PNG\r\n\x1a\n')) return 'image/png';
  if (head.startsWith('\xff\xd8\xff')) return 'image/jpeg';
  if (/^GIF8[79]a/.test(head)) return 'image/gif';
  if (/^RIFF....WEBP/s.test(head)) return 'image/webp';
  if (head.startsWith('BM')) return 'image/bmp';
  return undefined;
}
