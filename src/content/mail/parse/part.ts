import { LONGEST_BOUNDARY_LINE, matchLine } from './boundary.js';
import { knownCharset } from './charset.js';
import { type ContentField, contentField, LONGEST_CONTENT_FIELD, parameter } from './content-field.js';
import { fileName, isNamed } from './file-name.js';
import { type Headers, readHeaders } from './headers.js';
import { type Encoding, encodingOf } from './transfer.js';

export interface Part {
  readonly raw: Buffer;
  readonly headers: Headers;
  /** Lower case, `text/plain` when absent or unreadable. */
  type: string;
  readonly params: Readonly<{ charset: string | undefined; format: string | undefined; delsp: string | undefined }>;
  readonly encoding: Encoding;
  readonly disposition: 'inline' | 'attachment' | '';
  /** Content-Disposition and Content-Type as written. */
  readonly fields: { readonly disposition: ContentField; readonly type: ContentField };
  /** True when the sender gave it a file name. */
  readonly named: boolean;
  readonly depth: number;
  /** Where the part's header begins. */
  readonly headerStart: number;
  /** The body; for a multipart, everything from its header to its parent's next boundary. */
  readonly start: number;
  end: number;
  readonly children: Part[];
  /** True when the bytes ended before the boundary that would have closed it. */
  open: boolean;
  /** False for a multipart that was not opened because it lies too deep. */
  readonly opened: boolean;
}

/** A multipart that is being walked. */
export interface Level {
  part: Part;
  boundary: string;
  closed: boolean;
}

export interface Opening {
  readonly levels: Level[];
  readonly depth: number;
  readonly deepest: number;
  readonly headerLines: number;
}

/** Opens the part whose header begins at `start`; a multipart that may be opened is pushed on the levels. */
export function openPart(
  raw: Buffer,
  start: number,
  { levels, depth, deepest, headerLines }: Opening,
  parent?: Part,
): Part {
  const ownBoundary = memoized(declaredBoundary);
  const headers = readHeaders(raw, {
    start,
    end: raw.length,
    lines: headerLines,
    isBoundary: (known, lineStart, stop) => {
      const own = ownBoundary(known.get('content-type') ?? '');
      const line = raw.toString('latin1', lineStart, Math.min(stop, lineStart + LONGEST_BOUNDARY_LINE)).trimEnd();
      return matchLine(line, levels) !== undefined || (own !== '' && line === `--${own}`);
    },
  });
  const content = contentOf(headers, parent);
  const declared = ownBoundary(headers.get('content-type') ?? '');
  const boundary = content.type.startsWith('multipart/') ? declared : '';
  const opened = boundary === '' || depth < deepest;
  const part: Part = {
    ...content,
    raw,
    headers,
    depth,
    headerStart: start,
    start: headers.bodyStart,
    end: raw.length,
    children: [],
    open: true,
    opened,
  };
  parent?.children.push(part);
  if (boundary !== '' && opened) levels.push({ part, boundary, closed: false });
  return part;
}

type Content = Pick<Part, 'type' | 'params' | 'encoding' | 'disposition' | 'fields' | 'named'>;

function contentOf(headers: Headers, parent: Part | undefined): Content {
  const type = contentField(headers.get('content-type'));
  const disposition = contentField(headers.get('content-disposition'));
  const fallback = parent?.type === 'multipart/digest' ? 'message/rfc822' : 'text/plain';
  return {
    type: typeOf(type.value) ?? fallback,
    params: {
      charset: charsetOf(type),
      format: parameter(type, 'format'),
      delsp: parameter(type, 'delsp'),
    },
    encoding: firstEncoding(headers.all('content-transfer-encoding')),
    disposition: dispositionOf(disposition.value),
    fields: { disposition, type },
    named: isNamed(disposition, type),
  };
}

/** Relays that encode a part add a field and leave the old one, which says that nothing is encoded. */
function firstEncoding(values: readonly string[]): Encoding {
  return values.map(encodingOf).find((encoding) => encoding !== 'identity') ?? 'identity';
}

/** What senders write for a type that has only one half. */
const HALF_TYPES: Readonly<Record<string, string>> = {
  html: 'text/html',
  'html/text': 'text/html',
  'plain/text': 'text/plain',
  multipart: 'multipart/mixed',
  application: 'application/octet-stream',
  image: 'application/octet-stream',
  audio: 'application/octet-stream',
  video: 'application/octet-stream',
};

/** RFC 2045 5.2: undefined when it cannot be read. */
function typeOf(value: string): string | undefined {
  const plain = value.replace(/["'\s]/g, '').replace(/^content-type:/, '');
  const type = /^[\w!#$&^.+-]{1,100}\/[\w!#$&^.+-]{1,100}/.exec(plain)?.[0];
  return HALF_TYPES[type ?? plain.replace(/\/$/, '')] ?? type;
}

/** RFC 2183 2.8 takes any other word for an attachment; senders who write one mean to show the text. */
function dispositionOf(value: string): Part['disposition'] {
  const word = /^["'\s]*([a-z]{0,20})/.exec(value)?.[1] ?? '';
  if (word.startsWith('attach')) return 'attachment';
  return word === 'inline' ? 'inline' : '';
}

/** Of several the first that is a charset; what follows a blank or a parenthesis is junk. */
function charsetOf(type: ContentField): string | undefined {
  const labels = type.parameters
    .filter(({ name, value }) => /^charset\*?$/.test(name) && value !== '')
    // RFC 2231 4 allows it here too: charset*=us-ascii''iso-8859-2
    .map(({ name, value }) => (name.endsWith('*') ? value.replace(/^[^']*'[^']*'/, '') : value));
  const candidates = labels.flatMap((label) => [label, /^[^\s(,]*/.exec(label)?.[0] ?? '']);
  return candidates.find((label) => knownCharset(label) !== undefined) ?? labels[0];
}

/** The file name as the sender gave it, decoded; '' when there is none. */
export function fileNameOf(part: Part, bodyCharset: string | undefined): string {
  return part.named ? fileName(part.fields.disposition, part.fields.type, bodyCharset) : '';
}

/** As declared, octet by octet: a boundary is no text. */
function declaredBoundary(contentType: string): string {
  const boundary = contentType === '' ? '' : (parameter(contentField(contentType), 'boundary') ?? '');
  return boundary.trimEnd().slice(0, LONGEST_BOUNDARY_LINE);
}

/** Remembers the last answer: a header asks again at each of its lines that begin with "--". */
function memoized(of: (value: string) => string): (value: string) => string {
  let last = { value: '', answer: of('') };
  return (value) => {
    if (value !== last.value) last = { value, answer: of(value) };
    return last.answer;
  };
}

/** Characters of the fields with the parts' types and names; they are read several times. */
export function contentFieldsOf({ headers }: Part): number {
  const lengths = ['content-type', 'content-disposition'].map((name) => headers.get(name)?.length ?? 0);
  return lengths.reduce((sum, length) => sum + Math.min(length, LONGEST_CONTENT_FIELD), 0);
}
