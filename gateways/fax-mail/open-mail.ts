import { Readable } from 'node:stream';
import { type Attachment, type ParsedMail, simpleParser } from 'mailparser';
import { messageOf, type RawMail, yieldToEventLoop } from '../../src/driver/contract.js';

export interface FaxFile {
  readonly name: string;
  readonly kind: 'tiff' | 'pdf';
  readonly bytes: Uint8Array;
}

export interface OpenedMail {
  /** Address in From, in lower case; '' when there is none. */
  readonly from: string;
  readonly subject: string;
  /** The mail's text, line by line, without empty lines. */
  readonly lines: readonly string[];
  header(name: string): readonly string[];
  /** Each a fax of its own. */
  readonly documents: readonly FaxFile[];
  /** Sentences for the agent about everything else. */
  readonly notes: readonly string[];
}

/** Parts of a mail. A provider's has about five; the time of the parser grows with them. */
const MAX_PARTS = 300;
/** Faxes in one mail; each becomes a message. */
const MAX_DOCUMENTS = 20;
const MAX_LINES = 500;
/** What is read of an HTML text, in characters: enough for a notification, little enough to take apart at once. */
const MAX_HTML = 64 * 1024;
const MAX_SUBJECT = 500;
/** What is decoded at a time: about 2 ms of work. */
const SLICE_BYTES = 64 * 1024;
/** Names that are listed of parts that are no faxes. */
const MAX_NAMES = 10;

export async function openMail(mail: RawMail): Promise<OpenedMail> {
  if (countParts(mail.raw) > MAX_PARTS)
    return unread(`The mail has more than ${MAX_PARTS} parts, so its parts were not read.`);
  try {
    const read = opened(await parse(mail.raw));
    // The header and the text of a cut mail may be whole, its documents are not.
    return mail.cut ? { ...read, documents: [], notes: [mail.cut.reason] } : read;
  } catch (error) {
    return unread(`The mail cannot be read: ${messageOf(error)}.`);
  }
}

function parse(raw: Uint8Array): Promise<ParsedMail> {
  const plain = { skipHtmlToText: true, skipTextToHtml: true, skipTextLinks: true, skipImageLinks: true };
  return simpleParser(Readable.from(slices(Buffer.from(raw.buffer, raw.byteOffset, raw.byteLength))), plain);
}

/** In slices, so that decoding a large mail does not block the event loop. */
async function* slices(bytes: Buffer): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += SLICE_BYTES) {
    yield bytes.subarray(at, at + SLICE_BYTES);
    await yieldToEventLoop();
  }
}

function unread(note: string): OpenedMail {
  return { from: '', subject: '', lines: [], header: () => [], documents: [], notes: [note] };
}

/** Lines that may be a boundary (RFC 2046 5.1.1); an upper bound of the parts. */
function countParts(raw: Uint8Array): number {
  const bytes = Buffer.from(raw.buffer, raw.byteOffset, raw.byteLength);
  let count = 0;
  for (let at = bytes.indexOf('\n--'); at >= 0 && count <= MAX_PARTS; at = bytes.indexOf('\n--', at + 3)) count += 1;
  return count;
}

function opened(mail: ParsedMail): OpenedMail {
  const { documents, others } = sorted(mail.attachments);
  const used = documents.slice(0, MAX_DOCUMENTS);
  const notes = [...others];
  if (documents.length > used.length)
    notes.push(`The mail held ${documents.length} faxes; the first ${MAX_DOCUMENTS} were read.`);
  return {
    from: mail.from?.value[0]?.address?.toLowerCase() ?? '',
    subject: line(mail.subject ?? '').slice(0, MAX_SUBJECT),
    lines: linesOf(mail),
    header: (name) => headersOf(mail, name.toLowerCase()),
    documents: used,
    notes,
  };
}

function headersOf({ headerLines }: ParsedMail, name: string): string[] {
  return headerLines.filter(({ key }) => key === name).map(({ line: whole }) => line(whole.slice(name.length + 1)));
}

function linesOf({ text, html }: ParsedMail): string[] {
  const whole = text?.trim() ? text.slice(0, MAX_HTML) : textOf((html || '').slice(0, MAX_HTML));
  return whole
    .split(/\r?\n/)
    .map(line)
    .filter((one) => one !== '')
    .slice(0, MAX_LINES);
}

/** One line without control characters. */
const line = (text: string) => text.replace(/[\p{Cc}\s]+/gu, ' ').trim();

/** The text of HTML: block tags become line breaks, other tags disappear. Linear time for any input. */
function textOf(html: string): string {
  return html
    .replace(/<(style|script|head)[\s>][^<]*(?:<(?!\/\1)[^<]*)*/gi, '')
    .replace(/<\/?(?:br|p|div|tr|li|h[1-6]|table)\b[^<>]*>/gi, '\n')
    .replace(/<[^<>]*>/g, ' ')
    .replace(/&(?:#(\d{1,7})|(amp|lt|gt|quot|apos|nbsp));/gi, (_, code?: string, name?: string) =>
      code ? character(Number(code)) : (ENTITIES[(name ?? '').toLowerCase()] ?? ' '),
    );
}

const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", nbsp: ' ' };
const character = (code: number) => (code <= 0x10ffff ? String.fromCodePoint(code) : ' ');

/** By the first bytes, because providers give wrong names and types. */
function kindOf({ content }: Attachment): FaxFile['kind'] | null {
  const start = content.subarray(0, 1024).toString('latin1');
  if (start.startsWith('II*\0') || start.startsWith('MM\0*')) return 'tiff';
  // Readers allow other bytes before the header (ISO 32000-1, implementation note 13).
  return start.includes('%PDF-') ? 'pdf' : null;
}

function sorted(attachments: readonly Attachment[]): { documents: FaxFile[]; others: string[] } {
  const files = attachments.flatMap((attachment): FaxFile[] => {
    const kind = kindOf(attachment);
    return kind ? [{ kind, name: nameOf(attachment), bytes: attachment.content }] : [];
  });
  const twins = files.filter((file) => file.kind === 'pdf' && files.some((other) => isTwin(file, other)));
  const otherFiles = attachments.filter((attachment) => !kindOf(attachment)).map(nameOf);
  const others = otherFiles.length === 0 ? [] : [`The mail also held ${listed(otherFiles)}, which is no fax.`];
  return { documents: files.filter((file) => !twins.includes(file)), others };
}

/** The same fax as PDF and as TIFF: the TIFF is the original. */
function isTwin(pdf: FaxFile, other: FaxFile): boolean {
  return other.kind === 'tiff' && stem(pdf.name) !== '' && stem(pdf.name) === stem(other.name);
}

const stem = (name: string) => name.replace(/\.\w{1,5}$/, '').toLowerCase();

function nameOf({ filename }: Attachment): string {
  return line(filename ?? '').slice(0, 100);
}

function listed(names: readonly string[]): string {
  const shown = names.slice(0, MAX_NAMES).map((name) => (name === '' ? 'a part without a name' : `"${name}"`));
  return shown.join(', ') + (names.length > MAX_NAMES ? ` and ${names.length - MAX_NAMES} more` : '');
}
