// Makes the page images of a PDF with Ghostscript: a TIFF of class F (RFC 2306), T.6 (G4), 1728 dots per line.
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GatepostError } from '../../../kit/errors.js';
import { type Environment, runProgram } from '../process/programs.js';
import { LINE_DOTS, type Paper } from '../render/page.js';

/** Two hundred pages of photographs; letters have a fiftieth of it. */
const MAX_TIFF = 64 * 1024 * 1024;

export interface TiffOptions {
  readonly ghostscript: string;
  readonly env: Environment;
  readonly paper: Paper;
  /** For the date inside, ms since the epoch. */
  readonly now: number;
  readonly signal: AbortSignal;
}

/** Rejects when Ghostscript fails, when the result is too large, and with the signal's reason. */
export async function tiffOf(pdf: Uint8Array, options: TiffOptions): Promise<Buffer> {
  const folder = await mkdtemp(join(tmpdir(), 'gatepost-fax-'));
  try {
    await writeFile(join(folder, 'in.pdf'), pdf);
    const { ghostscript, env, signal } = options;
    await runProgram(ghostscript, argumentsFor(options.paper), {
      cwd: folder,
      env: { ...env, TMPDIR: folder },
      signal,
    });
    const { size } = await stat(join(folder, 'out.tif'));
    if (size > MAX_TIFF) throw new GatepostError('fax/tiff-too-large', `the pages have ${size} bytes`);
    return withTags(await readFile(join(folder, 'out.tif')), options.now);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function argumentsFor({ dots, width }: Paper): string[] {
  // The device makes every line of A4 and of Letter 1728 dots long by itself, on the right; the page belongs in the middle.
  const shift = ((LINE_DOTS / dots.across) * 72 - width) / 2;
  return [
    '-q',
    '-dSAFER',
    '-dBATCH',
    '-dNOPAUSE',
    '-dNOPROMPT',
    '-sDEVICE=tiffg4',
    `-r${dots.across}x${dots.down}`,
    // One strip to a page, as machines expect it of class F.
    '-dMaxStripSize=0',
    '-sOutputFile=out.tif',
    '-c',
    `<</PageOffset [${shift.toFixed(2)} 0]>> setpagedevice`,
    '-f',
    'in.pdf',
  ];
}

/** Tags (TIFF 6.0, section 8) that Ghostscript sets wrongly. */
const DATE_TIME = 306;
const PAGE_NUMBER = 297;
const ENTRY = 12;

/** Page numbers in place of zeros, and the date of the send request: the same fax has the same bytes whenever it is made. */
function withTags(tiff: Buffer, now: number): Buffer {
  const directories = directoriesOf(tiff);
  for (const [page, directory] of directories.entries()) {
    for (const entry of entriesOf(tiff, directory)) {
      const tag = tiff.readUInt16LE(entry);
      if (tag === DATE_TIME) tiff.write(tiffDate(now), tiff.readUInt32LE(entry + 8), 'latin1');
      if (tag !== PAGE_NUMBER) continue;
      tiff.writeUInt16LE(page, entry + 8);
      tiff.writeUInt16LE(directories.length, entry + 10);
    }
  }
  return tiff;
}

/** Offsets of the directories. Ghostscript writes the byte order of the machine; only little-endian is handled. */
function directoriesOf(tiff: Buffer): number[] {
  const found: number[] = [];
  if (tiff.toString('latin1', 0, 2) !== 'II') return found;
  for (let at = tiff.readUInt32LE(4); at > 0; at = tiff.readUInt32LE(at + 2 + ENTRY * tiff.readUInt16LE(at)))
    found.push(at);
  return found;
}

function entriesOf(tiff: Buffer, directory: number): number[] {
  return Array.from({ length: tiff.readUInt16LE(directory) }, (_, index) => directory + 2 + ENTRY * index);
}

/** `2026:11:22 10:15:00` (TIFF 6.0, DateTime). */
function tiffDate(now: number): string {
  return new Date(now).toISOString().slice(0, 19).replace('T', ' ').replaceAll('-', ':');
}
