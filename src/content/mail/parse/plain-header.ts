// A header as the reduced reading reads it: few fields, cut short, decoded by Node alone. It shares no code with the full reading,
// because the full reading may just have failed on the same bytes.
/** Characters of one value. */
const LONGEST_VALUE = 4_000;
/** Text of so many bytes may have been cut in the middle of a character. */
const CUT = 40_000;
/** Values of one field. */
const MOST_VALUES = 20;

export interface PlainHeader {
  /** Undecoded, one character per byte. */
  all(name: string): readonly string[];
  /** The first value that is not blank; '' without one. */
  first(name: string): string;
  /** Where the body begins. */
  readonly end: number;
}

/** Reads the header at `start` of a text of one character per byte. */
export function plainHeader(text: string, start: number): PlainHeader {
  const fields = new Map<string, string[]>();
  let open: string[] = [];
  let at = start;
  while (at < text.length) {
    const stop = text.indexOf('\n', at);
    const end = stop < 0 ? text.length : stop;
    const line = text.slice(at, Math.min(end, at + LONGEST_VALUE)).trimEnd();
    const length = end - at;
    at = end + 1;
    // An empty line ends the header; a line of blanks does not.
    if (line === '' && length <= 1) break;
    const found = /^([!-9;-~]+)[ \t]*:(.*)$/s.exec(line);
    if (found) open = opened(fields, (found[1] ?? '').toLowerCase(), found[2] ?? '');
    else if (/^[ \t]/.test(line)) continued(open, line);
  }
  return {
    all: (name) => fields.get(name) ?? [],
    first: (name) => fields.get(name)?.find((value) => value.trim() !== '') ?? '',
    end: Math.min(at, text.length),
  };
}

/** The list whose last value is the one that was begun; an empty one when there are enough. */
function opened(fields: Map<string, string[]>, name: string, value: string): string[] {
  const values = fields.get(name) ?? [];
  fields.set(name, values);
  if (values.length >= MOST_VALUES) return [];
  values.push(value);
  return values;
}

function continued(values: string[], line: string): void {
  const last = values.pop();
  if (last !== undefined) values.push((last + line).slice(0, LONGEST_VALUE));
}

/** Bytes in the charset of this label, else UTF-8 when they are, else Windows-1252. Never throws. */
export function plainDecode(bytes: Uint8Array, label: string): string {
  for (const [charset, fatal] of [
    [label.trim() || 'utf-8', label.trim() === ''],
    ['utf-8', true],
  ] as const) {
    try {
      // `stream`: a character that was cut at the end is no mistake.
      return new TextDecoder(charset, { fatal }).decode(bytes, { stream: bytes.length >= CUT });
    } catch {
      // An unknown label, or no UTF-8.
    }
  }
  return new TextDecoder('windows-1252').decode(bytes);
}

/** The readable text of a value, encoded words (RFC 2047) included. */
export function plainWords(value: string): string {
  const whole = value.slice(0, LONGEST_VALUE).replace(/\?=[ \t]+=\?/g, '?==?');
  let text = '';
  let from = 0;
  for (const word of whole.matchAll(/=\?([^?\s]{1,40})\?([bq])\?([^?\s]{0,400})\?=/gi)) {
    text += plainDecode(Buffer.from(whole.slice(from, word.index), 'latin1'), '');
    const [, charset = '', encoding = '', content = ''] = word;
    const bytes = /b/i.test(encoding) ? Buffer.from(content, 'base64') : plainQuoted(content.replaceAll('_', ' '));
    text += plainDecode(bytes, charset);
    from = word.index + word[0].length;
  }
  return text + plainDecode(Buffer.from(whole.slice(from), 'latin1'), '');
}

/** Quoted-printable (RFC 2045 6.7). */
export function plainQuoted(text: string): Buffer {
  const joined = text.replace(/=\r?\n/g, '');
  const decoded = joined.replace(/=([0-9a-f]{2})/gi, (_all, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  return Buffer.from(decoded, 'latin1');
}
