import { promisify } from 'node:util';
import { deflate, inflate } from 'node:zlib';
import sharp from 'sharp';

export interface Size {
  readonly width: number;
  readonly height: number;
}

/** Dots per inch, across and along; null when not known. */
export interface Dpi {
  readonly xDpi: number | null;
  readonly yDpi: number | null;
}

/** One page, a byte of grey per dot. */
export interface Raster extends Size, Dpi {
  readonly data: Buffer;
  /** Black and white only. */
  readonly bilevel: boolean;
}

/** Half of the 1728 dots of a fax line (T.4): fits beside other things on a screen, and halves without a remainder. */
const SHOWN_WIDTH = 864;
/** Dots per inch that OCR needs; more only take longer. */
const READ_DPI = 204;
const WIDEST_READ = 2_600;
/** Dots of a page for OCR: two sheets of Legal. A roll of 5 m would hold the engine for minutes. */
const MOST_READ = 16_000_000;
/** Width of a fax without a resolution. */
const USUAL_INCHES = 8.5;
/** Points per inch, and the longest side a PDF page may have (ISO 32000, annex C). */
const POINTS = 72;
const LONGEST_SIDE = 14_400;
/** Largest ratio of the two resolutions; T.4 needs 4.2. */
const MAX_OBLONG = 5;

sharp.concurrency(1);
sharp.cache(false);

/**
 * The page with dots as wide as high, in dots: what a 204x98 fax looks like on paper. Never wider than `widest`, and never
 * enlarged but to make up for oblong dots.
 */
export function squared({ width, height, xDpi, yDpi }: Size & Dpi, widest: number): Size {
  const scale = Math.min(1, widest / width);
  const oblong = xDpi !== null && yDpi !== null ? xDpi / yDpi : 1;
  const ratio = oblong >= 1 / MAX_OBLONG && oblong <= MAX_OBLONG ? oblong : 1;
  return { width: Math.max(1, Math.round(width * scale)), height: Math.max(1, Math.round(height * scale * ratio)) };
}

/** How large the page is on paper, in points. */
export function paperOf(page: Size & Dpi): Size {
  const { width, height } = squared(page, page.width);
  const dpi = page.xDpi !== null && page.xDpi >= 30 ? page.xDpi : page.width / USUAL_INCHES;
  const scale = Math.min(POINTS / dpi, LONGEST_SIDE / Math.max(width, height));
  return { width: width * scale, height: height * scale };
}

/** Share of dots between dark and light above which there is a photograph on the page; text has less than half of it. */
const PHOTOGRAPH = 0.08;

/** A small PNG for the message: four greys keep thin strokes readable and compress well; a photograph needs more. */
export async function shownPicture(raster: Raster): Promise<Size & { png: Uint8Array }> {
  const size = squared(raster, SHOWN_WIDTH);
  const data = await resized(raster, size);
  return { ...size, png: await greyPng(data, size, between(data) > PHOTOGRAPH ? 16 : 4) };
}

/**
 * The dots as they came, in the form that a PDF takes: rows of whole bytes, the highest bit first, deflated. White is all ones.
 * A tenth of the time of a PNG, which the document does not need.
 */
export interface Packed extends Size {
  readonly bits: 1 | 4;
  readonly data: Uint8Array;
}

export async function packed({ data, width, height, bilevel }: Raster): Promise<Packed> {
  const bits = bilevel ? 1 : 4;
  const row = Math.ceil((width * bits) / 8);
  const rows = Buffer.alloc(row * height);
  for (let line = 0; line < height; line += 1) packLine(data, line * width, width, bits, rows, line * row);
  return { bits, width, height, data: await deflated(rows) };
}

/** A byte of grey per dot again. */
export async function unpacked({ bits, width, height, data }: Packed): Promise<Buffer> {
  const row = Math.ceil((width * bits) / 8);
  const rows = await inflated(data);
  const dots = Buffer.allocUnsafe(width * height);
  const [perByte, most] = [8 / bits, (1 << bits) - 1];
  for (let at = 0, line = 0; line < height; line += 1) {
    for (let dot = 0; dot < width; dot += 1, at += 1) {
      const byte = rows[line * row + Math.floor(dot / perByte)] ?? 0;
      dots[at] = (((byte >> (8 - bits - (dot % perByte) * bits)) & most) * 255) / most;
    }
  }
  return dots;
}

function packLine(dots: Buffer, from: number, width: number, bits: 1 | 4, rows: Buffer, to: number): void {
  let byte = 0;
  let held = 0;
  let place = to;
  for (let dot = 0; dot < width; dot += 1) {
    byte = (byte << bits) | ((dots[from + dot] ?? 255) >> (8 - bits));
    held += bits;
    if (held < 8) continue;
    rows[place] = byte;
    place += 1;
    byte = 0;
    held = 0;
  }
  if (held > 0) rows[place] = byte << (8 - held);
}

const deflated = promisify<Buffer, Buffer>(deflate);
const inflated = promisify<Uint8Array, Buffer>(inflate);

/** A PNG for OCR. */
export async function readablePicture(page: Packed, dpi: Dpi): Promise<Size & { png: Uint8Array }> {
  const widest = dpi.xDpi !== null && dpi.xDpi > READ_DPI ? (page.width * READ_DPI) / dpi.xDpi : page.width;
  const full = squared({ ...page, ...dpi }, Math.min(WIDEST_READ, widest));
  const shrink = Math.min(1, Math.sqrt(MOST_READ / (full.width * full.height)));
  const size = {
    width: Math.max(1, Math.round(full.width * shrink)),
    height: Math.max(1, Math.round(full.height * shrink)),
  };
  const raw = { width: page.width, height: page.height, channels: 1 as const };
  const picture = sharp(await unpacked(page), { raw })
    .resize({ ...size, fit: 'fill' })
    .toColourspace('b-w');
  return { ...size, png: await picture.png({ compressionLevel: 1 }).toBuffer() };
}

async function resized(raster: Raster, size: Size): Promise<Buffer> {
  return sharp(raster.data, { raw: { width: raster.width, height: raster.height, channels: 1 } })
    .resize({ ...size, fit: 'fill' })
    .toColourspace('b-w')
    .raw()
    .toBuffer();
}

function between(dots: Buffer): number {
  let count = 0;
  for (const dot of dots) if (dot > 64 && dot < 192) count += 1;
  return count / dots.length;
}

/** Darkens strokes that are half a dot wide, so that they stay visible. */
const DARKER = 0.35;

async function greyPng(data: Buffer, { width, height }: Size, greys: 4 | 16): Promise<Uint8Array> {
  const steps = greys - 1;
  const table = Uint8Array.from(
    { length: 256 },
    (_, grey) => (Math.floor((grey / 255) * steps + DARKER) * 255) / steps,
  );
  const few = Buffer.allocUnsafe(data.length);
  for (let at = 0; at < data.length; at += 1) few[at] = table[data[at] ?? 0] ?? 0;
  return sharp(few, { raw: { width, height, channels: 1 } })
    .png({ palette: true, colours: greys, dither: 0, effort: 1, compressionLevel: 9 })
    .toBuffer();
}
