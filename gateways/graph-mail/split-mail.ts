// Takes attachments out of a mail that Gatepost composed, so that the rest is small enough for one request. Only whole parts on
// the first level, in base64 and marked as attachments, are taken: everything else stays as it is.
import libmime from 'libmime';

export interface TakenAttachment {
  readonly name: string;
  readonly type: string;
  readonly contentId: string | undefined;
  readonly content: Buffer;
}

export interface SplitMail {
  readonly rest: Buffer;
  readonly attachments: readonly TakenAttachment[];
}

interface Part {
  readonly start: number;
  readonly end: number;
  readonly attachment: TakenAttachment | undefined;
}

/** Undefined when the rest cannot be made as small as `maxBytes`. */
export function splitMail(raw: Buffer, maxBytes: number): SplitMail | undefined {
  const parts = partsOf(raw).filter(({ attachment }) => attachment !== undefined);
  const bySize = [...parts].sort((one, other) => other.end - other.start - (one.end - one.start));
  const taken = new Set<Part>();
  let size = raw.length;
  for (const part of bySize) {
    if (size <= maxBytes) break;
    taken.add(part);
    size -= part.end - part.start;
  }
  if (size > maxBytes) return undefined;
  const retained: Buffer[] = [];
  let at = 0;
  for (const part of parts.filter((part) => taken.has(part))) {
    retained.push(raw.subarray(at, part.start));
    at = part.end;
  }
  retained.push(raw.subarray(at));
  const attachments = parts.flatMap((part) => (taken.has(part) && part.attachment ? [part.attachment] : []));
  return { rest: Buffer.concat(retained), attachments };
}

/** From the delimiter line of a part to that of the next one. */
function partsOf(raw: Buffer): Part[] {
  const bodyAt = raw.indexOf('\r\n\r\n');
  const header = headersOf(raw.toString('utf8', 0, Math.max(0, bodyAt)));
  const { value, params } = libmime.parseHeaderValue(header.get('content-type') ?? '');
  const boundary = params.boundary;
  if (bodyAt < 0 || value.toLowerCase() !== 'multipart/mixed' || !boundary) return [];
  const delimiter = `\r\n--${boundary}`;
  const parts: Part[] = [];
  let start = raw.indexOf(delimiter, bodyAt);
  while (start >= 0) {
    const end = raw.indexOf(delimiter, start + delimiter.length);
    if (end < 0) break;
    const lineEnd = raw.indexOf('\r\n', start + delimiter.length);
    parts.push({ start, end, attachment: attachmentOf(raw.subarray(lineEnd + 2, end)) });
    start = end;
  }
  return parts;
}

function attachmentOf(part: Buffer): TakenAttachment | undefined {
  const headerEnd = part.indexOf('\r\n\r\n');
  if (headerEnd < 0) return undefined;
  const header = headersOf(part.toString('utf8', 0, headerEnd));
  const disposition = libmime.parseHeaderValue(header.get('content-disposition') ?? '');
  const encoding = (header.get('content-transfer-encoding') ?? '').trim().toLowerCase();
  if (disposition.value.toLowerCase() !== 'attachment' || encoding !== 'base64') return undefined;
  const type = libmime.parseHeaderValue(header.get('content-type') ?? '');
  const name = disposition.params.filename ?? type.params.name ?? 'attachment';
  return {
    name: libmime.decodeWords(name),
    type: type.value || 'application/octet-stream',
    contentId: header.get('content-id')?.trim().replace(/^<|>$/g, ''),
    content: Buffer.from(part.toString('latin1', headerEnd + 4), 'base64'),
  };
}

function headersOf(text: string): Map<string, string> {
  const lines = text.replace(/\r\n[ \t]+/g, ' ').split('\r\n');
  return new Map(
    lines.map((line) => {
      const colon = line.indexOf(':');
      return [line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim()];
    }),
  );
}
