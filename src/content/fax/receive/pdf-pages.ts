// Renders the pages of a PDF with pdftoppm (poppler) or Ghostscript, with bounded memory and time. Neither executes scripts,
// and neither gets anything but a PDF: Ghostscript runs a file that begins otherwise as a program.
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { deadline } from '../../../kit/deadline.js';
import { DRAWING, limited } from '../process/limited.js';
import type { Raster } from '../tiff/raster.js';
import type { PageRead, Pages, PagesOptions } from '../tiff/tiff-pages.js';

/** Dots of the longer side of every page, whatever size it claims: an A4 page at 205 dots per inch. */
const LONGER_SIDE = 2_400;
const SHORTER_SIDE = 1_697;
const MOST_DOTS = (LONGER_SIDE + 1) ** 2;
const A4_INCHES = 11.69;
const DPI = LONGER_SIDE / A4_INCHES;
/** Time for one page, ms: half a page of text takes some hundredths of it, a photograph a fifth. */
const PAGE_MS = 10_000;
/** Time for counting the pages, ms. */
const COUNT_MS = 5_000;
/** Bytes of a header line of a picture. */
const MAX_HEADER = 1_000;
/** The count is in the first lines of pdfinfo. */
const MAX_INFO = 20_000;
/** Characters of a program's error output. */
const MAX_STDERR = 2_000;

type Program = { readonly file: string; readonly args: (pages: number) => string[] };

/**
 * Only what is inside the crop box is shown: the rest was cut away by the sender (ISO 32000-1, 14.11.2).
 * Both take the PDF on standard input and give the pictures (PGM, one after the other) on standard output.
 */
export const PDF_PROGRAMS: readonly Program[] = [
  { file: 'pdftoppm', args: (pages) => ['-gray', '-cropbox', '-scale-to', `${LONGER_SIDE}`, '-l', `${pages}`, '-'] },
  {
    file: 'gs',
    args: (pages) => [
      ...['-q', '-dSAFER', '-dBATCH', '-dNOPAUSE', '-sDEVICE=pgmraw', '-dTextAlphaBits=4', '-dFIXEDMEDIA'],
      ...[
        `-r${DPI.toFixed(1)}`,
        `-g${SHORTER_SIDE}x${LONGER_SIDE}`,
        '-dPDFFitPage',
        '-dUseCropBox',
        `-dLastPage=${pages}`,
      ],
      ...['-sstdout=%stderr', '-sOutputFile=%stdout', '-'],
    ],
  },
];

/** Why a PDF cannot be rendered; its message is shown to the agent. */
export class PdfProblem extends Error {}

export async function pdfPages(
  bytes: Buffer,
  options: PagesOptions,
  programs: readonly Program[] = PDF_PROGRAMS,
): Promise<Pages> {
  if (bytes.toString('latin1', 0, 5) !== '%PDF-') throw new PdfProblem('it does not begin as a PDF');
  return { count: await countPages(bytes, options), broken: null, pages: each(bytes, options, programs) };
}

/** Null when pdfinfo is missing, or cannot count them in its time. */
async function countPages(bytes: Buffer, { clock, signal }: PagesOptions): Promise<number | null> {
  const limit = deadline(clock, COUNT_MS, signal);
  const child = start('pdfinfo', ['-'], limit.signal);
  let words = '';
  child.stdout.on('data', (chunk) => {
    words = (words + String(chunk)).slice(0, MAX_INFO);
  });
  child.stderr.resume();
  writeInput(child, bytes);
  await endOf(child);
  limit.dispose();
  const count = /^Pages:\s+(\d{1,9})$/m.exec(words)?.[1];
  return count === undefined ? null : Number(count);
}

async function* each(bytes: Buffer, options: PagesOptions, programs: readonly Program[]): AsyncIterable<PageRead> {
  for (const program of programs) {
    const child = start(program.file, program.args(options.pages), options.signal);
    const stderr = stderrOf(child);
    const ended = endOf(child);
    let page = 0;
    let whole = false;
    writeInput(child, bytes);
    try {
      const drawn = pictures(child.stdout)[Symbol.asyncIterator]();
      for (;;) {
        const next = await nextWithin(drawn, page + 1, options);
        if (next.done) break;
        yield { page: ++page, raster: next.value, damage: null };
      }
      whole = true;
    } finally {
      if (!whole) child.kill('SIGKILL');
    }
    const code = await ended;
    options.signal.throwIfAborted();
    if (code === 0 && page > 0) return;
    if (code !== MISSING) throw new PdfProblem(problemOf(stderr()));
  }
  throw new PdfProblem('this machine has no program that renders PDF: install poppler-utils or ghostscript');
}

/** Rejects when the program draws too long at a page: a file of 500 bytes can make it draw for hours. */
async function nextWithin<T>(
  drawn: AsyncIterator<T>,
  page: number,
  { clock, signal }: PagesOptions,
): Promise<IteratorResult<T>> {
  const limit = deadline(clock, PAGE_MS, signal);
  try {
    return await limit.race(drawn.next(), 'drawing a page');
  } catch (error) {
    if (!limit.signal.aborted || signal.aborted) throw error;
    throw new PdfProblem(`drawing page ${page} took too long`);
  } finally {
    limit.dispose();
  }
}

/** Exit code of a shell for a missing program (POSIX 2.8.2). */
const MISSING = 127;

type Child = ChildProcessByStdio<Writable, Readable, Readable>;

function start(file: string, args: readonly string[], signal: AbortSignal): Child {
  const child = spawn(...limited(file, args, DRAWING), { stdio: ['pipe', 'pipe', 'pipe'] });
  const kill = () => child.kill('SIGKILL');
  signal.addEventListener('abort', kill, { once: true });
  child.once('close', () => signal.removeEventListener('abort', kill));
  return child;
}

/** EPIPE is no error: the program may stop reading early. */
function writeInput(child: Child, bytes: Buffer): void {
  child.stdin.on('error', () => {});
  child.stdin.end(bytes);
}

function stderrOf(child: Child): () => string {
  let words = '';
  child.stderr.on('data', (bytes) => {
    words = (words + String(bytes)).slice(0, MAX_STDERR);
  });
  return () => words;
}

/** The exit code; a missing shell counts as a missing program. */
function endOf(child: Child): Promise<number | null> {
  return new Promise((resolve) => {
    child.once('error', () => resolve(MISSING));
    child.once('close', (code) => resolve(code));
  });
}

function problemOf(words: string): string {
  if (/password|encrypt/i.test(words)) return 'it is protected with a password';
  const first = words.split('\n').find((line) => line.trim() !== '') ?? 'no page of it can be drawn';
  return first.replace(/^Syntax (?:Error|Warning)(?: \(\d+\))?: /, '').slice(0, 120);
}

/** Binary PGM (P5), one after the other. Ends at the end of the stream, also in the middle of a picture. */
export async function* pictures(stream: AsyncIterable<unknown>): AsyncGenerator<Raster> {
  let chunks: Buffer[] = [];
  let held = 0;
  let wanted = 0;
  for await (const chunk of stream) {
    if (!Buffer.isBuffer(chunk)) continue;
    chunks.push(chunk);
    held += chunk.length;
    while (held > 0 && held >= wanted) {
      const all = Buffer.concat(chunks);
      const header = headerOf(all);
      const end = header ? header.size + header.width * header.height : MAX_HEADER;
      if (!header && all.length >= MAX_HEADER) return;
      chunks = [all];
      wanted = end;
      if (!header || all.length < end) break;
      yield rasterOf(all.subarray(header.size, end), header);
      chunks = [all.subarray(end)];
      held = all.length - end;
      wanted = 0;
    }
  }
}

interface Header {
  readonly size: number;
  readonly width: number;
  readonly height: number;
}

function headerOf(bytes: Buffer): Header | undefined {
  const text = bytes.toString('latin1', 0, MAX_HEADER);
  const found = /^P5\s(?:#[^\n]*\n|\s)*(\d{1,5})\s+(\d{1,5})\s+255\s/.exec(text);
  const [width, height] = [Number(found?.[1]), Number(found?.[2])];
  const fits = width > 0 && height > 0 && width * height <= MOST_DOTS;
  return found && fits ? { size: found[0].length, width, height } : undefined;
}

function rasterOf(data: Buffer, { width, height }: Header): Raster {
  return { data, width, height, xDpi: DPI, yDpi: DPI, bilevel: false };
}
