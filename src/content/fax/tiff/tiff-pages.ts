// Decodes the pages of a TIFF with sharp (libtiff), and JBIG pages with tiffcp, because sharp's libtiff lacks JBIG. Each page is
// checked against the limits before it is decoded.
import { execFile } from 'node:child_process';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import sharp from 'sharp';
import type { Clock } from '../../../kit/clock.js';
import { messageOf } from '../../../kit/errors.js';
import { DRAWING, limited } from '../process/limited.js';
import { readTiff, selectPage, type Tiff, type TiffPage } from './directories.js';
import type { Raster } from './raster.js';
import { isFaxCoding, otherReadings } from './relabel.js';
import { resolutionOf } from './resolution.js';

/** A page of a fax, or why there is no picture of it. */
export type PageRead = { readonly page: number } & (
  | { readonly raster: Raster; readonly damage: string | null }
  | { readonly raster: null; readonly damage: string }
);

export interface Pages {
  /** Null when they cannot be counted before they are read. */
  readonly count: number | null;
  readonly broken: string | null;
  readonly pages: AsyncIterable<PageRead>;
}

export interface PagesOptions {
  /** How many pages are read, and how many dots one may have. */
  readonly pages: number;
  readonly pixels: number;
  /** How many dots all of them may have together. */
  readonly totalPixels: number;
  readonly clock: Clock;
  /** A folder for files that outside programs need; empty again afterwards. */
  readonly scratch: string;
  readonly signal: AbortSignal;
}

/** Wider and higher than anything a fax machine scans: a paper roll of 5 m at the finest resolution has 80,000 lines. */
const WIDEST = 20_000;
const HIGHEST = 100_000;
/** Seconds for one page; a real one takes some hundredths. */
const PAGE_SECONDS = 10;

const NAMES: Readonly<Record<number, string>> = {
  1: 'uncompressed',
  2: 'CCITT RLE',
  3: 'Group 3',
  4: 'Group 4',
  5: 'LZW',
  6: 'old JPEG',
  7: 'JPEG',
  8: 'Deflate',
  9: 'JBIG (T.85)',
  10: 'JBIG (T.43)',
  32773: 'PackBits',
  32946: 'Deflate',
  34661: 'JBIG',
  34715: 'JBIG2',
};
const JBIG = 34661;
/** Compressions of the decoder: a failure with one of them means damage. */
const KNOWN = new Set([1, 2, 3, 4, 5, 7, 8, 32773, 32946]);

/** Overwrites `bytes`. */
export function tiffPages(bytes: Buffer, options: PagesOptions): Pages {
  const tiff = readTiff(bytes, options.pages);
  return { count: tiff.count, broken: tiff.broken, pages: each(bytes, tiff, options) };
}

async function* each(bytes: Buffer, tiff: Tiff, options: PagesOptions): AsyncIterable<PageRead> {
  let dots = 0;
  for (const [index, page] of tiff.pages.entries()) {
    options.signal.throwIfAborted();
    // A file of some KB can declare hundreds of large pages that share their dots.
    if (limitProblemOf(page, options.pixels) === null) dots += page.width * page.height;
    if (dots > options.totalPixels) return;
    yield { page: index + 1, ...(await pageOf(bytes, tiff, page, options)) };
  }
}

type Decoded = { raster: Raster; damage: string | null } | { raster: null; damage: string };

async function pageOf(bytes: Buffer, tiff: Tiff, page: TiffPage, options: PagesOptions): Promise<Decoded> {
  const problem = limitProblemOf(page, options.pixels);
  if (problem !== null) return { raster: null, damage: problem };
  selectPage(tiff, page);
  try {
    if (page.compression === JBIG)
      return { raster: await decode(await withoutJbig(bytes, options), page), damage: null };
    const whole = isFaxCoding(page) ? await wholeFax(bytes, tiff, page) : undefined;
    return { raster: whole ?? (await decode(bytes, page)), damage: null };
  } catch (error) {
    return KNOWN.has(page.compression) ? damaged(bytes, page) : { raster: null, damage: problemOf(page, error) };
  }
}

/**
 * As labelled, else by the first other coding in which every line of the page is whole: no decoder gets through dots of another
 * coding. Undefined for a page that is whole in none.
 */
async function wholeFax(bytes: Buffer, tiff: Tiff, page: TiffPage): Promise<Raster | undefined> {
  const whole = (file: Buffer) => decode(file, page, 'warning').catch(() => undefined);
  const labelled = await whole(bytes);
  if (labelled) return labelled;
  for (const reading of otherReadings(tiff, page)) {
    const raster = await whole(reading);
    if (raster) return raster;
  }
  return undefined;
}

/** Decodes the readable part of a damaged page: noise is usual without error correction (T.4). */
async function damaged(bytes: Buffer, page: TiffPage): Promise<Decoded> {
  try {
    const raster = await decode(bytes, page, 'none');
    return { raster, damage: 'is damaged; parts of it may be missing or wrong' };
  } catch (error) {
    return { raster: null, damage: problemOf(page, error) };
  }
}

/** Checks the declared size before decoding: a file of 1 KB can declare 900 million dots. */
function limitProblemOf({ width, height, samples, bits }: TiffPage, pixels: number): string | null {
  if (width < 1 || height < 1) return 'cannot be shown: the file does not say how large it is';
  if (width > WIDEST || height > HIGHEST || width * height > pixels) {
    return `cannot be shown: it declares ${width} x ${height} dots, which no fax has`;
  }
  if (samples > 4 || bits > 16) return 'cannot be shown: its dots are of no kind that a fax has';
  return null;
}

async function decode(bytes: Buffer, page: TiffPage, failOn: 'warning' | 'error' | 'none' = 'error'): Promise<Raster> {
  const { data, info } = await sharp(bytes, {
    failOn,
    limitInputPixels: page.width * page.height,
    sequentialRead: true,
  })
    .timeout({ seconds: PAGE_SECONDS })
    .flatten({ background: '#ffffff' })
    .greyscale()
    .toColourspace('b-w')
    .raw()
    .toBuffer({ resolveWithObject: true });
  const { width, height, channels } = info;
  if (channels !== 1) throw new Error(`its dots came with ${channels} values each`);
  const bilevel = page.bits === 1 && page.samples === 1;
  return { data, width, height, ...resolutionOf({ ...page, bilevel }), bilevel };
}

const run = promisify(execFile);

/** The selected page as Group 4. */
async function withoutJbig(bytes: Buffer, { scratch, signal }: PagesOptions): Promise<Buffer> {
  const [from, to] = [join(scratch, 'jbig.tif'), join(scratch, 'group4.tif')];
  try {
    await writeFile(from, bytes);
    const command = limited('tiffcp', ['-m', '256', '-c', 'g4', from, to], DRAWING);
    await run(...command, { signal, killSignal: 'SIGKILL', maxBuffer: 64 * 1024 });
    return await readFile(to);
  } finally {
    await rm(from, { force: true });
    await rm(to, { force: true });
  }
}

function problemOf(page: TiffPage, error: unknown): string {
  const name = NAMES[page.compression] ?? `compression ${page.compression}`;
  const words = page.compression === JBIG ? JBIG_HELP : `it is ${name}, which is not read here`;
  const known = KNOWN.has(page.compression) ? `it cannot be read (${firstLine(error)})` : words;
  return `cannot be shown: ${known}`;
}

const JBIG_HELP = 'it is JBIG, and either damaged or this machine lacks tiffcp (libtiff-tools)';
const LONGEST_WORDS = 120;

function firstLine(error: unknown): string {
  return (messageOf(error).split('\n').at(0) ?? '').slice(0, LONGEST_WORDS);
}
