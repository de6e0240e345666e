import libmime from 'libmime';
import { LONGEST_BOUNDARY_LINE, lineEnd, matchLine, nextDashLine } from './boundary.js';
import { mendHeader } from './header-text.js';
import { type Headers, readHeaders } from './headers.js';
import { type Encoding, encodingOf } from './transfer.js';

export interface Part {
  readonly raw: Buffer;
  readonly headers: Headers;
  /** Lower case, `text/plain` when absent. */
  readonly type: string;
  readonly params: Readonly<Record<string, string>>;
  readonly encoding: Encoding;
  /** `inline`, `attachment` or ''. */
  readonly disposition: string;
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
  const boundary = content.type.startsWith('multipart/') ? boundaryOf(raw, headers) : '';
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

interface Content {
  type: string;
  params: Record<string, string>;
  encoding: Encoding;
  disposition: string;
  named: boolean;
}

/** A parameter list longer than this is cut: no file name is longer, and libmime reads it character by character. */
const LONGEST_CONTENT_FIELD = 8 * 1024;

function contentOf(headers: Headers, parent: Part | undefined): Content {
  const type = structured(headers.get('content-type'));
  const disposition = structured(headers.get('content-disposition'));
  const fallback = parent?.type === 'multipart/digest' ? 'message/rfc822' : 'text/plain';
  const name = type.value.toLowerCase().replace(/\s+/g, '');
  return {
    type: /^[^/]+\/[^/]+$/.test(name) ? name : fallback,
    params: type.params,
    encoding: encodingOf(headers.get('content-transfer-encoding') ?? ''),
    disposition: disposition.value.toLowerCase().trim(),
    named: (disposition.params.filename ?? type.params.name ?? '') !== '',
  };
}

function structured(value: string | undefined, charset?: string): { value: string; params: Record<string, string> } {
  if (!value) return { value: '', params: {} };
  const parsed = libmime.parseHeaderValue(mendHeader(value.slice(0, LONGEST_CONTENT_FIELD), charset));
  return { value: parsed.value || '', params: parsed.params };
}

/** The file name as the sender gave it, decoded (RFC 2231, RFC 2047, raw octets); '' when there is none. */
export function fileNameOf(part: Part, bodyCharset: string | undefined): string {
  if (!part.named) return '';
  const { filename } = structured(part.headers.get('content-disposition'), bodyCharset).params;
  const name = filename ?? structured(part.headers.get('content-type'), bodyCharset).params.name ?? '';
  return name.includes('=?') ? libmime.decodeWords(name) : name;
}

/** As declared, octet by octet: a boundary is no text. */
function declaredBoundary(contentType: string): string {
  const value = contentType.slice(0, LONGEST_CONTENT_FIELD);
  return (libmime.parseHeaderValue(value).params.boundary ?? '').trimEnd().slice(0, LONGEST_BOUNDARY_LINE);
}

/** Remembers the last answer: a header asks again at each of its lines that begin with "--". */
function memoized(of: (value: string) => string): (value: string) => string {
  let last = { value: '', answer: of('') };
  return (value) => {
    if (value !== last.value) last = { value, answer: of(value) };
    return last.answer;
  };
}

/** The declared boundary; without one, the first line of the body that could be it. */
function boundaryOf(raw: Buffer, headers: Headers): string {
  const declared = declaredBoundary(headers.get('content-type') ?? '');
  if (declared !== '') return declared;
  const line = nextDashLine(raw, headers.bodyStart);
  if (line < 0 || line > headers.bodyStart + LONGEST_BOUNDARY_LINE * 4) return '';
  const stop = Math.min(lineEnd(raw, line, raw.length), line + LONGEST_BOUNDARY_LINE);
  const text = raw.toString('latin1', line, stop).trimEnd();
  return /^--[\x21-\x7e]{1,70}$/.test(text) ? text.slice(2) : '';
}
