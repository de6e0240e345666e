// Reads the file of a fax: pictures for the message, a PDF, the text. Runs in the worker process (see process/page-process.ts). All
// pictures come first, so that slow OCR costs the text only.
import { createHash } from 'node:crypto';
import { tmpdir } from 'node:os';
import type { Clock } from '../../../kit/clock.js';
import { type Deadline, deadline } from '../../../kit/deadline.js';
import { messageOf } from '../../../kit/errors.js';
import type { FaxTask, PagesRead, ShownPage } from '../process/page-task.js';
import { type Dpi, type Packed, packed, paperOf, readablePicture, type Size, shownPicture } from '../tiff/raster.js';
import { type PageRead, type Pages, tiffPages } from '../tiff/tiff-pages.js';
import { createRecognizer, type Recognizer, type Word } from './ocr.js';
import { PdfProblem, pdfPages } from './pdf-pages.js';
import { type DocumentPage, searchablePdf } from './searchable.js';

export interface PageReader {
  /** Never rejects for anything in the file. */
  read(task: FaxTask): Promise<PagesRead>;
  close(): Promise<void>;
}

export interface PageReaderOptions {
  readonly clock: Clock;
  readonly scratch?: string;
  readonly recognizer?: Recognizer;
}

export function createPageReader(options: PageReaderOptions): PageReader {
  const { clock, scratch = tmpdir() } = options;
  const recognizer = options.recognizer ?? createRecognizer({ clock, scratch });
  return {
    read: (task) => readPages(task, { clock, scratch, recognizer }),
    close: () => recognizer.close(),
  };
}

interface Deps {
  readonly clock: Clock;
  readonly scratch: string;
  readonly recognizer: Recognizer;
}

async function readPages(task: FaxTask, deps: Deps): Promise<PagesRead> {
  const whole = deadline(deps.clock, task.limits.faxMs);
  const drawn = await drawPages(task, deps);
  const read = await readTexts(drawn.sheets, task, deps, whole.remaining());
  whole.dispose();
  return {
    count: drawn.count,
    shown: drawn.shown,
    texts: read.texts,
    pdf: await documentOf(drawn.sheets, read, task),
    notes: [...drawn.notes, ...read.notes],
    ocrMissing: read.missing,
  };
}

/** One page that could be drawn. */
interface Sheet extends Dpi {
  readonly page: number;
  readonly blank: boolean;
  readonly dots: Packed;
}

interface Drawn {
  count: number | null;
  readonly sheets: Sheet[];
  readonly shown: ShownPage[];
  readonly notes: string[];
}

/** As many pages as the limits allow; the reason of an early stop becomes a note. */
async function drawPages(task: FaxTask, { clock, scratch }: Deps): Promise<Drawn> {
  const { limits } = task;
  const drawn: Drawn = { count: null, sheets: [], shown: [], notes: [] };
  const limit = deadline(clock, limits.picturesMs);
  const budget = { shown: limits.shownBytes, pdf: limits.pdfBytes };
  try {
    const options = { ...limits, scratch, clock, signal: limit.signal };
    const file = await openPages(task, options);
    drawn.count = file.count;
    if (file.broken !== null) drawn.notes.push(`The file of the fax is broken: ${file.broken}.`);
    for await (const page of file.pages) {
      if (!(await drawPage(page, drawn, budget, limits.shownPages))) break;
    }
  } catch (error) {
    drawn.notes.push(whyStopped(error, limit, drawn.sheets.length));
  } finally {
    limit.dispose();
  }
  if (drawn.count === 0 && drawn.notes.length === 0) drawn.notes.push('The file of the fax holds no page.');
  drawn.count ??= drawn.sheets.length > 0 && drawn.sheets.length < limits.pages ? drawn.sheets.length : null;
  return drawn;
}

async function openPages({ raw, format }: FaxTask, options: Parameters<typeof tiffPages>[1]): Promise<Pages> {
  const bytes = Buffer.from(raw.buffer, raw.byteOffset, raw.byteLength);
  return format === 'tiff' ? tiffPages(bytes, options) : pdfPages(bytes, options);
}

/** False when the budget is used up. */
async function drawPage(
  { page, raster, damage }: PageRead,
  drawn: Drawn,
  budget: { shown: number; pdf: number },
  shownPages: number,
): Promise<boolean> {
  if (damage !== null) drawn.notes.push(`Page ${page} ${damage}.`);
  if (raster === null) return true;
  const dots = await packed(raster);
  if (dots.data.length > budget.pdf) return false;
  budget.pdf -= dots.data.length;
  const blank = raster.bilevel && !raster.data.includes(0);
  drawn.sheets.push({ page, dots, blank, xDpi: raster.xDpi, yDpi: raster.yDpi });
  if (drawn.shown.length >= shownPages || budget.shown <= 0) return true;
  const picture = await shownPicture(raster);
  // Pages are shown from the first on without gaps, so the first page that does not fit is the last one.
  budget.shown = picture.png.length <= budget.shown ? budget.shown - picture.png.length : 0;
  if (budget.shown > 0) drawn.shown.push({ page, ...picture });
  return true;
}

function whyStopped(error: unknown, limit: Deadline, pages: number): string {
  if (error instanceof PdfProblem) {
    return `The PDF cannot be shown${pages > 0 ? ` beyond page ${pages}` : ''}: ${error.message}.`;
  }
  if (limit.signal.aborted) return `Drawing the pages took too long; it ended after ${pages} of them.`;
  return `The pages cannot be shown: ${messageOf(error).split('\n')[0]}.`;
}

interface Texts {
  readonly texts: { page: number; text: string }[];
  readonly places: ReadonlyMap<number, { words: readonly Word[]; found: Size }>;
  readonly notes: readonly string[];
  readonly missing: string | null;
}

/** Page by page until the time is used up; a page that is blank, or the same as an earlier one, takes none. */
async function readTexts(
  sheets: readonly Sheet[],
  task: FaxTask,
  { clock, recognizer }: Deps,
  left: number,
): Promise<Texts> {
  const places = new Map<number, { words: readonly Word[]; found: Size }>();
  const texts: { page: number; text: string }[] = [];
  if (task.ocr === null) return { texts, places, notes: [], missing: null };
  const { languages, advice } = recognizer.available(task.ocr.languages);
  if (languages.length === 0) return { texts, places, notes: [], missing: advice };
  const limit = deadline(clock, Math.min(task.ocr.ms, left));
  const problems = problemsOfTexts();
  const seen = new Map<string, { text: string; words: readonly Word[]; found: Size }>();
  for (const sheet of sheets) {
    const print = createHash('sha256').update(sheet.dots.data).digest('base64');
    const known = sheet.blank ? { text: '', words: [], found: sheet.dots } : seen.get(print);
    if (known) {
      texts.push({ page: sheet.page, text: known.text });
      places.set(sheet.page, known);
      continue;
    }
    const ms = Math.min(task.limits.ocrPageMs, limit.remaining());
    if (ms < MIN_OCR_MS || problems.hopeless()) {
      problems.leave(sheet.page);
      continue;
    }
    const picture = await readablePicture(sheet.dots, sheet);
    const result = await recognizer.recognize(picture.png, languages, ms);
    if (result.kind !== 'text') {
      problems.add(sheet.page, result.kind, result.kind === 'failed' ? result.reason : '');
      continue;
    }
    const read = { text: result.text, words: result.words, found: { width: picture.width, height: picture.height } };
    seen.set(print, read);
    texts.push({ page: sheet.page, text: result.text });
    places.set(sheet.page, read);
  }
  limit.dispose();
  return { texts, places, notes: problems.notes(), missing: advice };
}

/** OCR of a page takes longer. */
const MIN_OCR_MS = 200;
/** Failures in one fax after which its other pages are not tried. */
const MAX_FAILURES = 3;

/** Collects why pages have no text: one sentence per reason instead of one per page. */
function problemsOfTexts() {
  const pages = { unclear: [] as number[], late: [] as number[], failed: [] as number[], left: [] as number[] };
  let reason = '';
  return {
    add(page: number, kind: 'unclear' | 'late' | 'failed', why: string) {
      pages[kind].push(page);
      reason = why || reason;
    },
    leave: (page: number) => void pages.left.push(page),
    hopeless: () => pages.failed.length + pages.late.length >= MAX_FAILURES,
    notes() {
      const about = (list: readonly number[], words: string) =>
        list.length > 0 ? [`${words} ${pageNames(list)}.`] : [];
      return [
        ...about(pages.unclear, 'No text could be recognized on'),
        ...about(pages.late, 'Recognizing the text took too long on'),
        ...about(pages.failed, `Recognizing the text failed (${reason.slice(0, 120)}) on`),
        ...about(pages.left, 'There was no time to recognize the text of'),
      ];
    },
  };
}

/** `page 3`, `pages 3, 4, 9`, `pages 3 to 20`. */
export function pageNames(pages: readonly number[]): string {
  const [first = 0, last = 0] = [pages[0], pages.at(-1)];
  if (pages.length === 1) return `page ${first}`;
  if (pages.length > 2 && last - first === pages.length - 1) return `pages ${first} to ${last}`;
  const named = pages.slice(0, MAX_NAMED).join(', ');
  return pages.length > MAX_NAMED ? `pages ${named} and ${pages.length - MAX_NAMED} more` : `pages ${named}`;
}

const MAX_NAMED = 12;

/** Null for a PDF without recognized text: the original is attached anyway. */
async function documentOf(sheets: readonly Sheet[], { places }: Texts, task: FaxTask): Promise<PagesRead['pdf']> {
  if (sheets.length === 0 || (task.format === 'pdf' && places.size === 0)) return null;
  const pages = sheets.map((sheet): DocumentPage => {
    const { words, found } = places.get(sheet.page) ?? { words: [], found: sheet.dots };
    return { dots: sheet.dots, paper: paperOf({ ...sheet.dots, ...sheet }), words, found };
  });
  return { bytes: await searchablePdf(pages, task), lastPage: sheets.at(-1)?.page ?? 0 };
}
