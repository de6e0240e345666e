// The fields of a query or a form, as octets: which character set they are in is known only when all fields are.
import type { RawRequest } from '../../src/driver/contract.js';
import { charsetOf, decodeBytes, isUtf16Body } from './push-text.js';

/** A push has a dozen. */
const MOST_FIELDS = 1_000;
/** The header lines of a part of multipart/form-data. */
const MOST_HEADER = 4_000;

export interface Field {
  readonly bytes: Buffer;
  /** What the part itself says (multipart/form-data). */
  readonly charset?: string | undefined;
}

/** Of fields with the same name the first. */
export type Fields = ReadonlyMap<string, Field>;

export function queryFields({ path }: RawRequest): Fields {
  const at = path.indexOf('?');
  return urlencoded(Buffer.from(at < 0 ? '' : path.slice(at + 1), 'latin1'));
}

export interface Form {
  readonly fields: Fields;
  /** What holds for all fields: the content type, or a field named _charset_ (HTML 4.10.21.5). */
  readonly charset: string | undefined;
}

/** A form is read as what it is, whatever its content type says: some gateways send none, or a wrong one. */
export function formOf({ body, headers }: RawRequest): Form {
  const type = headers['content-type'] ?? '';
  const octets = isUtf16Body(body) ? Buffer.from(decodeBytes(body, ['utf-16']), 'utf8') : withoutMark(body);
  const boundary = boundaryOf(type, octets);
  const fields = boundary === undefined ? urlencoded(octets) : multipart(octets, boundary);
  const named = fields.get('_charset_')?.bytes.toString('latin1').slice(0, 40);
  // The octets are ours where the whole body was in 16-bit characters.
  return { fields, charset: octets === body || !isUtf16Body(body) ? (charsetOf(type) ?? named) : 'utf-8' };
}

function withoutMark(body: Buffer): Buffer {
  return body[0] === 0xef && body[1] === 0xbb && body[2] === 0xbf ? body.subarray(3) : body;
}

function urlencoded(encoded: Buffer): Fields {
  const fields = new Map<string, Field>();
  for (let from = 0, count = 0; from < encoded.length && count < MOST_FIELDS; count++) {
    const found = encoded.indexOf(0x26, from);
    const pair = encoded.subarray(from, found < 0 ? encoded.length : found);
    from += pair.length + 1;
    const equals = pair.indexOf(0x3d);
    const name = decodeBytes(percentDecoded(equals < 0 ? pair : pair.subarray(0, equals)), []);
    const bytes = equals < 0 ? Buffer.alloc(0) : percentDecoded(pair.subarray(equals + 1));
    if (pair.length > 0 && !fields.has(name)) fields.set(name, { bytes });
  }
  return fields;
}

function percentDecoded(encoded: Buffer): Buffer {
  const bytes = encoded
    .toString('latin1')
    .replaceAll('+', ' ')
    .replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return Buffer.from(bytes, 'latin1');
}

/** From the content type, else from a body that is surely one. */
function boundaryOf(type: string, body: Buffer): string | undefined {
  if (/^\s*multipart\//i.test(type)) {
    const named = /;\s{0,20}boundary\s{0,5}=\s{0,5}(?:"([^"]{1,200})"|([^\s;,]{1,200}))/i.exec(type.slice(0, 1_000));
    if (named) return named[1] ?? named[2];
  }
  const head = body.subarray(0, 300).toString('latin1');
  return /^(?:\r?\n)?--([^\r\n]{1,200}?)[ \t]{0,10}\r?\ncontent-(?:disposition|type):/i.exec(head)?.[1];
}

/** RFC 7578. The preamble and whatever follows the last boundary are no fields. */
function multipart(body: Buffer, boundary: string): Fields {
  const fields = new Map<string, Field>();
  const delimiter = Buffer.from(`--${boundary}`, 'latin1');
  let from = body.indexOf(delimiter);
  for (let count = 0; from >= 0 && count < MOST_FIELDS; count++) {
    const start = from + delimiter.length;
    if (body.subarray(start, start + 2).toString('latin1') === '--') break;
    const next = nextDelimiter(body, delimiter, start);
    addPart(fields, body.subarray(start, next < 0 ? body.length : next));
    from = next;
  }
  return fields;
}

/** A boundary counts at the beginning of a line only. */
function nextDelimiter(body: Buffer, delimiter: Buffer, from: number): number {
  const atLine = Buffer.concat([Buffer.from('\n'), delimiter]);
  const found = body.indexOf(atLine, from);
  return found < 0 ? -1 : found + 1;
}

/** `part`: from behind its boundary to the next one, with the line end that belongs to that one. */
function addPart(fields: Map<string, Field>, part: Buffer): void {
  const head = part.subarray(0, MOST_HEADER).toString('latin1');
  const gap = /\r?\n\r?\n/.exec(head);
  if (!gap) return;
  const lines = head.slice(0, gap.index).replace(/\r?\n[ \t]+/g, ' ');
  const disposition = /^content-disposition:([^\r\n]*)/im.exec(lines)?.[1] ?? '';
  const name = /;\s{0,20}name\s{0,20}=\s{0,20}(?:"((?:[^"\\]|\\.){0,200})"|([^\s;]{1,200}))/i.exec(disposition);
  if (!name) return;
  const type = /^content-type:([^\r\n]*)/im.exec(lines)?.[1];
  const rest = part.subarray(gap.index + gap[0].length);
  const end = rest.length - (rest.at(-1) === 0x0a ? (rest.at(-2) === 0x0d ? 2 : 1) : 0);
  const key = decodeBytes(Buffer.from((name[1] ?? name[2] ?? '').replace(/\\(.)/g, '$1'), 'latin1'), []);
  if (!fields.has(key)) fields.set(key, { bytes: rest.subarray(0, end), charset: charsetOf(type) });
}
