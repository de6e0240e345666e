// Owns what the tests of received faxes share: pages drawn and packed as fax machines do, and readers of them.
import { execFileSync } from 'node:child_process';
import sharp from 'sharp';
import type { FaxInput } from '../../src/content/reader.js';
import { RECEIVED } from './inbound-kit.js';

/** T.4: dots of a line, and lines of an A4 page at 196 dots per inch. */
export const WIDTH = 1728;
export const LINES = 2_292;

/** Rows of text, black on white, a byte per dot. */
export async function drawn(rows: readonly string[], { width = WIDTH, height = LINES } = {}): Promise<Buffer> {
  const lines = rows.map(
    (row, index) => `<text x="150" y="${220 + index * 110}" font-family="sans-serif" font-size="70">${row}</text>`,
  );
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${LINES}">${lines.join('')}</svg>`;
  return sharp(Buffer.from(svg))
    .flatten({ background: '#ffffff' })
    .resize({ width, height, fit: 'fill' })
    .greyscale()
    .threshold(140)
    .toColourspace('b-w')
    .raw()
    .toBuffer();
}

export interface TiffOptions {
  width?: number;
  height?: number;
  /** Dots per inch. */
  across?: number;
  along?: number;
  compression?: 'ccittfax4' | 'none' | 'lzw';
  bigtiff?: boolean;
}

/** A TIFF of these pages, all of the same size. */
export async function tiffOf(pages: readonly Buffer[], options: TiffOptions = {}): Promise<Buffer> {
  const { width = WIDTH, height = LINES, across = 204, along = 196, compression = 'ccittfax4' } = options;
  return sharp(Buffer.concat(pages), {
    raw: { width, height: height * pages.length, channels: 1, pageHeight: height },
    limitInputPixels: false,
  })
    .toColourspace('b-w')
    .tiff({
      compression,
      bitdepth: 1,
      xres: across / 25.4,
      yres: along / 25.4,
      bigtiff: options.bigtiff ?? false,
    })
    .toBuffer();
}

/** Pages that are white but for a black bar, which is lower on every page: enough to tell them apart, and fast to make. */
export function barPages(count: number, { width = WIDTH, height = LINES } = {}): Buffer[] {
  return Array.from({ length: count }, (_, page) => {
    const dots = Buffer.alloc(width * height, 255);
    const top = Math.floor((height * (page + 1)) / (count + 2));
    dots.fill(0, top * width, Math.min(height, top + Math.ceil(height / 20)) * width);
    return dots;
  });
}

export interface Entry {
  tag: number;
  /** Where the entry begins in the file. */
  at: number;
}

/** Where the first directory of a small-endian TIFF is, and its fields. */
export function directoryOf(tiff: Buffer): { at: number; entries: Entry[]; nextAt: number } {
  const at = tiff.readUInt32LE(4);
  const count = tiff.readUInt16LE(at);
  const entries = Array.from({ length: count }, (_, index) => {
    const entry = at + 2 + index * 12;
    return { tag: tiff.readUInt16LE(entry), at: entry };
  });
  return { at, entries, nextAt: at + 2 + count * 12 };
}

/** The first page of `tiff` so many times: each with a directory of its own, all with the same dots. */
export function repeated(tiff: Buffer, count: number): Buffer {
  const { at, nextAt } = directoryOf(tiff);
  const directory = tiff.subarray(at, nextAt);
  const size = directory.length + 4;
  const begin = tiff.length + (tiff.length % 2);
  const file = Buffer.alloc(begin + count * size);
  tiff.copy(file);
  file.writeUInt32LE(begin, 4);
  for (let page = 0; page < count; page += 1) {
    const place = begin + page * size;
    directory.copy(file, place);
    file.writeUInt32LE(page + 1 < count ? place + size : 0, place + directory.length);
  }
  return file;
}

/** `tiff` with other values in fields of its first directory. */
export function declaring(tiff: Buffer, values: Readonly<Record<number, number>>): Buffer {
  const copy = Buffer.from(tiff);
  for (const { tag, at } of directoryOf(copy).entries) {
    const value = values[tag];
    if (value === undefined) continue;
    copy.writeUInt16LE(4, at + 2);
    copy.writeUInt32LE(value, at + 8);
  }
  return copy;
}

export const TAG = { width: 256, height: 257, compression: 259, rowsPerStrip: 278 };

export function faxOf(raw: Uint8Array, more: Partial<FaxInput> = {}): FaxInput {
  return {
    kind: 'fax',
    raw,
    from: '+420777123456',
    to: null,
    station: null,
    callerName: null,
    providerId: null,
    receivedAt: RECEIVED,
    pages: null,
    expectedPages: null,
    problem: null,
    facts: [],
    notes: [],
    ...more,
  };
}

/** Whether a program of the machine answers. */
function hasProgram(name: string, ...args: string[]): boolean {
  try {
    execFileSync(name, args, { stdio: 'ignore' });
    return true;
  } catch (error) {
    return !(error instanceof Error && 'code' in error && error.code === 'ENOENT');
  }
}

export const PROGRAMS = {
  tiffcp: hasProgram('tiffcp', '-h'),
  pdftoppm: hasProgram('pdftoppm', '-v'),
  pdftotext: hasProgram('pdftotext', '-v'),
  gs: hasProgram('gs', '-v'),
};

/** For tests that need programs: whether they are here, and what the title says when they are not. */
export function need(...names: (keyof typeof PROGRAMS)[]): { here: boolean; why: string } {
  const missing = names.filter((name) => !PROGRAMS[name]);
  return { here: missing.length === 0, why: missing.length > 0 ? ` (skipped: no ${missing.join(', no ')})` : '' };
}

/** The pictures in a body, in order. */
export function picturesOf(html: string): { png: Buffer; width: number; height: number }[] {
  const found = html.matchAll(/<img src="data:image\/png;base64,([^"]+)"[^>]* width="(\d+)" height="(\d+)"/g);
  return [...found].map(([, base64 = '', width, height]) => ({
    png: Buffer.from(base64, 'base64'),
    width: Number(width),
    height: Number(height),
  }));
}

/** Share of a picture that is dark, and where its darkness begins: top and left, as shares of its size. */
export async function darkness(png: Uint8Array): Promise<{ share: number; top: number; left: number }> {
  const { data, info } = await sharp(png).greyscale().raw().toBuffer({ resolveWithObject: true });
  let [dark, top, left] = [0, info.height, info.width];
  for (let at = 0; at < data.length; at += info.channels) {
    if ((data[at] ?? 255) >= 128) continue;
    dark += 1;
    const dot = at / info.channels;
    top = Math.min(top, Math.floor(dot / info.width));
    left = Math.min(left, dot % info.width);
  }
  return { share: dark / (info.width * info.height), top: top / info.height, left: left / info.width };
}

/** `JBIG FAX 778`, 864x160, JBIG (34661), fill order from the lowest bit, as HylaFAX stores it. */
export const JBIG = Buffer.from(
  'SUkqANwBAAAAAAEAAAADYAAAAKAAAAAECAADHP8C/wL/Av8C/wL/Av8C/wL/Av8C/wL/Av8C/wLkjKk+5E4V5O+ZMVvYwxttAoGdWv8AKxt3OC+FFnX7FokPAxmmYk3AmT5df/8CALgjidNUeMtZyZMRyDDrPCMFt0zXmQSeE3SrP4aNYv8CKqPLIL1EpGyOyvFD5fVMBoq+Mjwz5Z4vsTXHuFj7TvZ6Xl/A/wITBbch3fYmilawhzEPj73QnS3IUP8CB1iYlTJRkjK/VO/WdHw6U0OQ/wIkqcOAFRzTO935N3dwQFvhVck2FsHI/wImmP3YmDzxiTn+HemefA+yvV981ydCDCD/AhBfxpiypOap3Uk7jwXz4R1MmAbbB4woe9gsoP8CDtffvaJhHeT1HTCz651Neex6P9mi8/KA/wIAES/Kmqtd9Un0uKSSTYBu/wIGp1I5acnr3FZdrVR5g3RWLCsL/wIsGW4JmdwA41Tzj4kbadZDY5oJPw1QAoD/AiOPvxMaVIRHdeVRkhLbJCbup5kENDH8E2NA/wItylatLUszxc4UQYntB4m7hzTIHIXl0YEn1P8C2PU4/wLYCZXg/wJuMoD/Ao3/Av8C/wL/Av8C/wL/Av8C/wINAAABAwABAAAAYAMAAAEBAwABAAAAoAAAAAIBAwABAAAAAQAAAAMBAwABAAAAZYcAAAYBAwABAAAAAAAAAAoBAwABAAAAAgAAABEBBAABAAAACAAAABUBAwABAAAAAQAAABYBAwABAAAAoAAAABcBBAABAAAA1AEAABoBBQABAAAAfgIAABsBBQABAAAAhgIAACgBAwABAAAAAgAAAAAAAADMAAAAAQAAAMQAAAABAAAA',
  'base64',
);
