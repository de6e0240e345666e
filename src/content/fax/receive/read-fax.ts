// Owns how a received fax becomes the message that the server stores. Looking into the file is another process's work (see
// page-reading.ts); whatever happens to it, the fax arrives: without text, without pictures, but with its file.
import { isoTime } from '../../../kit/clock.js';
import { codeOf, messageOf } from '../../../kit/errors.js';
import type { Log } from '../../../kit/log.js';
import type { FaxDocument, FaxRules } from '../../../model/content.js';
import { LIMITS } from '../../../model/message.js';
import { withFooter } from '../../footer.js';
import { cleanLine, cutText, humanSize } from '../../limits.js';
import { safeName } from '../../mail/parse/names.js';
import type { ReadAttachment, ReadContext, ReadMessage } from '../../reader.js';
import { attachmentId, madeId, shortId } from '../../threading.js';
import type { FaxTask, PageLimits, PagesRead } from '../process/page-task.js';
import { pagesWords, showFax } from './bodies.js';
import { type Caller, callerOf, numberOf } from './caller.js';
import type { PageReading } from './page-reading.js';

export interface OcrOptions {
  /** As the data packages call them: `eng`, `deu`. */
  readonly languages: readonly string[];
  readonly secondsPerFax: number;
}

export interface FaxDeps {
  readonly reading: PageReading;
  readonly ocr: OcrOptions | false;
  readonly log: Log;
  /** Called for every fax that would have had text if something were installed. */
  readonly ocrMissing: (advice: string) => void;
}

/** What one fax may take of this machine. */
export const PAGE_LIMITS: PageLimits = {
  pages: 200,
  shownPages: 40,
  // Twice what a mail may show: here the pictures are the message. Some forty pages of text.
  shownBytes: 2_000_000,
  // A double page (A3) at the finest resolution of T.4 has 32 million.
  pixels: 50_000_000,
  pdfBytes: 64_000_000,
  picturesMs: 30_000,
  ocrPageMs: 30_000,
};
/** A second try, should the first have brought the process down or taken all its time: pictures only, and fewer. */
const SECOND_LIMITS: PageLimits = { ...PAGE_LIMITS, pages: 40, shownPages: 20, picturesMs: 15_000 };
/** Ms beside those for pictures and text: the start of the process and the making of the document. */
const SLACK_MS = 20_000;
/** What is looked into: 2,000 pages of text have 60 MB. */
const LARGEST = 64 * 1024 * 1024;
/** Sentences of a driver. */
const MOST_NOTES = 50;
const LONGEST_NOTE = 500;

type Rules = Pick<FaxRules, 'region'>;

export async function readFax(
  fax: FaxDocument,
  rules: Rules,
  context: ReadContext,
  deps: FaxDeps,
): Promise<ReadMessage> {
  const title = titleOf(callerOf(fax, rules.region), '');
  return messageOfFax(fax, rules, context, await lookInto(fax, formatOf(fax.raw), title, deps));
}

/** Everything but pages, text and attachments. */
export function summarizeFax(fax: FaxDocument, rules: Rules, context: ReadContext): ReadMessage {
  return { ...messageOfFax(fax, rules, context, NOTHING), attachments: [] };
}

function messageOfFax(fax: FaxDocument, rules: Rules, context: ReadContext, read: PagesRead): ReadMessage {
  const caller = callerOf(fax, rules.region);
  const format = formatOf(fax.raw);
  const count = read.count ?? fax.pages;
  const brokeOff = fax.problem !== null || (fax.expectedPages !== null && count !== null && fax.expectedPages > count);
  const title = titleOf(caller, pagesWords(count, fax.expectedPages, brokeOff));
  const id = cleanLine(fax.providerId ?? '');
  const seed = seedOf(fax, context.gatewayId);
  const attachments = attachmentsOf(fax, format, read, caller, seed);
  const notes = notesOf(fax, format, read, brokeOff);
  const called = numberOf(fax.to, rules.region)?.shown ?? cleanLine(fax.to ?? '');
  const pages = { ...read, count, documentEnds: read.pdf?.lastPage ?? 0 };
  const shown = showFax({ title, fax, called, pages, original: format?.name ?? 'file' });
  const bodies = withFooter(shown, attachments, notes, context.link);
  return {
    message: {
      ...fieldsOf(fax, caller, title, called),
      DeliverySystemId: id === '' ? seed : shortId(id),
      BodyHtml: bodies.html,
      BodyText: bodies.text,
    },
    attachments,
    rfcMessageId: null,
    references: null,
    notes,
  };
}

function titleOf(caller: Caller, pages: string): string {
  return pages === '' ? `Fax from ${caller.shown}` : `Fax from ${caller.shown}, ${pages}`;
}

function fieldsOf(fax: FaxDocument, caller: Caller, title: string, called: string) {
  return {
    InReplyToId: null,
    FromField: caller.from,
    RemoteAddress: caller.remote,
    ToField: cutText(called, LIMITS.ToField),
    ToCcField: null,
    ToBccField: null,
    Direction: 'I',
    ExtendedFields: null,
    ReceivedSentTime: isoTime(fax.receivedAt),
    DraftTime: null,
    SubjectField: cutText(title, LIMITS.SubjectField),
    Culture: null,
    Mark: null,
    SpamLevel: null,
    Hierarchy: null,
    Rating: null,
  };
}

/** The same each time the same fax is read; the same pages sent twice are two faxes. */
function seedOf({ raw, from, to, receivedAt, providerId }: FaxDocument, gatewayId: string): string {
  return madeId(gatewayId, Buffer.from(JSON.stringify([madeId(gatewayId, raw), from, to, receivedAt, providerId])));
}

interface Format {
  readonly kind: FaxTask['format'];
  readonly name: string;
  readonly extension: string;
  readonly type: string;
}

const TIFF: Format = { kind: 'tiff', name: 'TIFF', extension: 'tif', type: 'image/tiff' };
const PDF: Format = { kind: 'pdf', name: 'PDF', extension: 'pdf', type: 'application/pdf' };
/** A PDF may begin a little later (ISO 32000, annex H). */
const PDF_BEGINS_WITHIN = 1024;

/** The first bytes decide; what a file is called is nobody's proof. */
function formatOf(raw: Uint8Array): Format | undefined {
  const head = Buffer.from(raw.buffer, raw.byteOffset, Math.min(raw.byteLength, PDF_BEGINS_WITHIN)).toString('latin1');
  if (/^(?:II[*+]\0|MM\0[*+])/.test(head)) return TIFF;
  return head.includes('%PDF-') ? PDF : undefined;
}

const NOTHING: PagesRead = { count: null, shown: [], texts: [], pdf: null, notes: [], ocrMissing: null };

async function lookInto(
  fax: FaxDocument,
  format: Format | undefined,
  title: string,
  deps: FaxDeps,
): Promise<PagesRead> {
  const { raw, receivedAt } = fax;
  const note = (sentence: string): PagesRead => ({ ...NOTHING, notes: [sentence] });
  if (raw.byteLength === 0) return { ...note('The file of the fax is empty.'), count: 0 };
  if (!format) return note('The file of the fax is neither TIFF nor PDF; it is attached as it came.');
  if (raw.byteLength > LARGEST) {
    return note(
      `The file of the fax (${humanSize(raw.byteLength)}) is too large to be shown; it is attached as it came.`,
    );
  }
  const ocr = deps.ocr === false ? null : { languages: [...deps.ocr.languages], ms: deps.ocr.secondsPerFax * 1_000 };
  const task: FaxTask = { raw, format: format.kind, ocr, limits: PAGE_LIMITS, title, time: receivedAt };
  const read = (await tried(task, deps)) ?? (await tried({ ...task, ocr: null, limits: SECOND_LIMITS }, deps));
  if (!read) return note('The pages of the fax cannot be shown: reading them failed. The file is attached as it came.');
  if ('missing' in read) {
    return note(`The pages of the fax cannot be shown: ${read.missing}. The file is attached as it came.`);
  }
  if (ocr !== null && read.task.ocr === null)
    read.pages.notes.push('The text was not recognized: it failed or took too long.');
  if (read.pages.ocrMissing !== null) deps.ocrMissing(read.pages.ocrMissing);
  return read.pages;
}

/** Undefined when the process failed, whatever way; `missing` when this machine lacks what every fax needs. */
async function tried(
  task: FaxTask,
  { reading, log }: FaxDeps,
): Promise<{ task: FaxTask; pages: PagesRead } | { missing: string } | undefined> {
  const ms = task.limits.picturesMs + (task.ocr?.ms ?? 0) + SLACK_MS;
  try {
    return { task, pages: await reading.read(task, ms) };
  } catch (error) {
    if (codeOf(error) === 'content/closed') throw error;
    log.warn(
      { bytes: task.raw.byteLength, reason: messageOf(error), text: task.ocr !== null },
      'the process that reads faxes failed',
    );
    return codeOf(error) === 'content/fax-unable' ? { missing: messageOf(error) } : undefined;
  }
}

function attachmentsOf(
  fax: FaxDocument,
  format: Format | undefined,
  read: PagesRead,
  caller: Caller,
  seed: string,
): ReadAttachment[] {
  const base = ['fax', isoTime(fax.receivedAt).slice(0, 10), ...(caller.mark === '' ? [] : [caller.mark])].join('-');
  const attachments: ReadAttachment[] = [];
  if (read.pdf) {
    const name = safeName(format?.kind === 'pdf' ? `${base}-searchable.pdf` : `${base}.pdf`, 'fax.pdf');
    attachments.push({ id: attachmentId(seed, 'pdf'), name, type: PDF.type, bytes: read.pdf.bytes });
  }
  if (fax.raw.byteLength > 0) {
    const name = safeName(`${base}.${format?.extension ?? 'bin'}`, 'fax.bin');
    const type = format?.type ?? 'application/octet-stream';
    attachments.push({ id: attachmentId(seed, 'original'), name, type, bytes: fax.raw });
  }
  return attachments;
}

function notesOf(fax: FaxDocument, format: Format | undefined, read: PagesRead, brokeOff: boolean): string[] {
  const notes: string[] = [];
  if (brokeOff) {
    const why = fax.problem === null ? '' : `: ${cutText(cleanLine(fax.problem), LONGEST_NOTE)}`;
    notes.push(`The fax is not complete${why}.`);
  }
  if (fax.pages !== null && read.count !== null && fax.pages !== read.count) {
    notes.push(`The call had ${pagesWords(fax.pages, null, false)}, the file holds ${read.count}.`);
  }
  const said = fax.notes.map((note) => cutText(cleanLine(note), LONGEST_NOTE)).filter((note) => note !== '');
  notes.push(...said.slice(0, MOST_NOTES), ...capped(read.notes));
  if (format?.kind === 'pdf' && hasActiveContent(fax.raw)) notes.push(ACTIVE);
  if (read.ocrMissing !== null) notes.push(`No text was recognized: ${read.ocrMissing}`);
  return [...new Set(notes)];
}

/** A broken file of 200 pages would say 200 times how broken it is. */
function capped(notes: readonly string[]): string[] {
  if (notes.length <= MOST_NOTES) return [...notes];
  return [...notes.slice(0, MOST_NOTES), `${notes.length - MOST_NOTES} more notes are left out.`];
}

const ACTIVE = 'The PDF holds a script, a program call or an embedded file, which no fax does. Open it with care.';
const ACTIVE_NAMES = ['/JavaScript', '/Launch', '/EmbeddedFile'];
/** Names in compressed parts are not found; this is a hint, not a guard. */
const LOOKED_THROUGH = 8 * 1024 * 1024;

function hasActiveContent(raw: Uint8Array): boolean {
  const bytes = Buffer.from(raw.buffer, raw.byteOffset, Math.min(raw.byteLength, LOOKED_THROUGH));
  return ACTIVE_NAMES.some((name) => bytes.includes(name));
}
