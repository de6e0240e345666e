// Examines the file of a received fax in a worker process. Whatever happens there, the caller gets a result: in the worst case
// without pages and text, and the fax arrives with its file attached.
import { codeOf, messageOf } from '../../../kit/errors.js';
import type { Log } from '../../../kit/log.js';
import type { FaxDocument } from '../../../model/content.js';
import { humanSize } from '../../limits.js';
import type { FaxTask, PageLimits, PagesRead } from '../process/page-task.js';
import type { PageReading } from './page-reading.js';

export interface OcrOptions {
  /** Names of the data packages: `eng`, `deu`. */
  readonly languages: readonly string[];
  readonly secondsPerFax: number;
}

export interface FaxDeps {
  readonly reading: PageReading;
  readonly ocr: OcrOptions | false;
  readonly log: Log;
  /** Called for every fax whose text was not recognized because a package is missing. */
  readonly ocrMissing: (advice: string) => void;
}

/** Limits of one fax. */
export const PAGE_LIMITS: PageLimits = {
  pages: 200,
  shownPages: 40,
  // Twice the limit of a mail: the pictures are the message. Some forty pages of text.
  shownBytes: 2_000_000,
  // A double page (A3) at the finest resolution of T.4 has 32 million.
  pixels: 50_000_000,
  // Two hundred pages of fine resolution, and some.
  totalPixels: 1_000_000_000,
  pdfBytes: 64_000_000,
  picturesMs: 20_000,
  faxMs: 60_000,
  ocrPageMs: 30_000,
};
/** Limits of the second try, after the first one crashed the process or took too long: fewer pictures, no text. */
const SECOND_LIMITS: PageLimits = { ...PAGE_LIMITS, pages: 40, shownPages: 20, picturesMs: 8_000 };
/** Time beside pictures and text, for the start of the process and the PDF, ms. */
const SLACK_MS = 7_000;
/** Least time for the text of a fax, and the time for each KB of its file, ms: a page of text has 5 to 60 KB. */
const LEAST_TEXT_MS = 20_000;
const TEXT_MS_PER_KB = 1_000;
/** Larger files are not examined: 2,000 pages of text have 60 MB. */
const MAX_FILE_BYTES = 64 * 1024 * 1024;

export interface Format {
  readonly kind: FaxTask['format'];
  readonly name: string;
  readonly extension: string;
  readonly type: string;
  /** Offset at which the document begins in its file. */
  readonly begins: number;
}

export const PDF_TYPE = 'application/pdf';
const TIFF: Format = { kind: 'tiff', name: 'TIFF', extension: 'tif', type: 'image/tiff', begins: 0 };
const PDF: Format = { kind: 'pdf', name: 'PDF', extension: 'pdf', type: PDF_TYPE, begins: 0 };
/** The header of a PDF may follow other bytes (ISO 32000, annex H). */
const PDF_BEGINS_WITHIN = 1024;

/** By the first bytes of the file, because its name proves nothing. */
export function formatOf(raw: Uint8Array): Format | undefined {
  const head = Buffer.from(raw.buffer, raw.byteOffset, Math.min(raw.byteLength, PDF_BEGINS_WITHIN)).toString('latin1');
  if (/^(?:II[*+]\0|MM\0[*+])/.test(head)) return TIFF;
  const begins = head.indexOf('%PDF-');
  // What is in front of it is cut off: Ghostscript would run a file that begins with "%!" as a program.
  return begins < 0 ? undefined : { ...PDF, begins };
}

export const NO_PAGES: PagesRead = { count: null, shown: [], texts: [], pdf: null, notes: [], ocrMissing: null };

/** Rejects only when `signal` aborts or the reader is closed. */
export async function examine(
  fax: FaxDocument,
  title: string,
  deps: FaxDeps,
  signal?: AbortSignal,
): Promise<PagesRead> {
  const { raw, receivedAt } = fax;
  const format = formatOf(raw);
  if (raw.byteLength === 0) return { ...onlyNote('The file of the fax is empty.'), count: 0 };
  if (!format) return onlyNote('The file of the fax is neither TIFF nor PDF; it is attached as it came.');
  if (raw.byteLength > MAX_FILE_BYTES) {
    const size = humanSize(raw.byteLength);
    return onlyNote(`The file of the fax (${size}) is too large to be shown; it is attached as it came.`);
  }
  const ocr = deps.ocr === false ? null : { languages: [...deps.ocr.languages], ms: textMs(raw, deps.ocr) };
  // The time that an administrator gives for the text counts, however long it is.
  const limits = { ...PAGE_LIMITS, faxMs: Math.max(PAGE_LIMITS.faxMs, ocr?.ms ?? 0) };
  const task: FaxTask = { raw: raw.subarray(format.begins), format: format.kind, ocr, limits, title, time: receivedAt };
  return examineTwice(task, deps, signal);
}

/** A file of some KB must not take as long as a fax of a hundred pages. */
function textMs({ byteLength }: Uint8Array, { secondsPerFax }: OcrOptions): number {
  return Math.min(secondsPerFax * 1_000, Math.max(LEAST_TEXT_MS, (byteLength / 1_024) * TEXT_MS_PER_KB));
}

function onlyNote(sentence: string): PagesRead {
  return { ...NO_PAGES, notes: [sentence] };
}

async function examineTwice(task: FaxTask, deps: FaxDeps, signal: AbortSignal | undefined): Promise<PagesRead> {
  const first = await attempt(task, deps, signal);
  const result = first ?? (await attempt({ ...task, ocr: null, limits: SECOND_LIMITS }, deps, signal));
  if (!result)
    return onlyNote('The pages of the fax cannot be shown: reading them failed. The file is attached as it came.');
  if ('missing' in result)
    return onlyNote(`The pages of the fax cannot be shown: ${result.missing}. The file is attached as it came.`);
  if (task.ocr !== null && !first) result.notes.push('The text was not recognized: it failed or took too long.');
  if (result.ocrMissing !== null) deps.ocrMissing(result.ocrMissing);
  return result;
}

/** Undefined when the process failed; `missing` when this machine lacks a library, so that no other attempt would help. */
async function attempt(
  task: FaxTask,
  { reading, log }: FaxDeps,
  signal: AbortSignal | undefined,
): Promise<PagesRead | { missing: string } | undefined> {
  const ms = Math.min(task.limits.picturesMs + (task.ocr?.ms ?? 0), task.limits.faxMs) + SLACK_MS;
  try {
    return await reading.read(task, ms, signal);
  } catch (error) {
    signal?.throwIfAborted();
    if (codeOf(error) === 'content/closed') throw error;
    const fields = { bytes: task.raw.byteLength, ocr: task.ocr !== null, err: messageOf(error) };
    log.warn(fields, 'reading fax pages failed');
    return codeOf(error) === 'content/fax-unable' ? { missing: messageOf(error) } : undefined;
  }
}
