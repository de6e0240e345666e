// Pictures on a fax: scaled to their dots on the line, and made black and white by error diffusion (Floyd and Steinberg).
import type { default as Sharp } from 'sharp';
import { yieldToEventLoop } from '../../../kit/clock.js';
import { GatepostError } from '../../../kit/errors.js';
import { PICTURES_MISSING } from '../process/programs.js';
import { LINE_DOTS } from '../render/page.js';

export interface Picture {
  /** Size in CSS pixels. */
  readonly width: number;
  readonly height: number;
  /** Shades of grey on white, 8 bits each, at most a line of dots wide. */
  readonly grey: Uint8Array;
  readonly across: number;
  readonly down: number;
}

export interface Dots {
  readonly across: number;
  readonly down: number;
}

/** A camera's picture has fewer; a larger one is a decompression bomb. */
const MAX_PIXELS = 100_000_000;
/** No page has more dots from top to bottom (Legal, 391 to the inch). */
const MAX_DOWN = 5_600;
/** Shades this close to white or black become white or black: paper in a photo, ink in a scan. */
const NEARLY = 16;
/** Dots between two turns of the event loop: about 5 ms. */
const STRETCH = 400_000;

/** Undefined when the picture cannot be read. Rejects when this machine can read no pictures. */
export async function readPicture(file: Uint8Array): Promise<Picture | undefined> {
  const sharp = await loadSharp();
  try {
    // A picture that is cut off is shown in part, like in browsers.
    const image = sharp(file, { limitInputPixels: MAX_PIXELS, failOn: 'none' });
    const { autoOrient } = await image.metadata();
    const { data, info } = await image
      .autoOrient()
      .flatten({ background: '#ffffff' })
      .greyscale()
      .resize({ width: LINE_DOTS, height: MAX_DOWN, fit: 'inside', withoutEnlargement: true })
      .toColourspace('b-w')
      .raw()
      .toBuffer({ resolveWithObject: true });
    if (info.channels !== 1) return undefined;
    return { width: autoOrient.width, height: autoOrient.height, grey: data, across: info.width, down: info.height };
  } catch {
    return undefined;
  }
}

/** The picture in black and white dots as a PNG of 1 bit; one dot at least each way. */
export async function dithered(picture: Picture, wanted: Dots): Promise<Buffer> {
  const sharp = await loadSharp();
  const across = clamp(wanted.across, LINE_DOTS);
  const down = clamp(wanted.down, MAX_DOWN);
  const scale = 255 / (255 - 2 * NEARLY);
  const { data } = await sharp(picture.grey, { raw: { width: picture.across, height: picture.down, channels: 1 } })
    .resize(across, down, { fit: 'fill' })
    // Diffusion blurs details; sharpening compensates.
    .sharpen({ sigma: 1, m1: 0, m2: 2 })
    .linear(scale, -NEARLY * scale)
    .toColourspace('b-w')
    .raw()
    .toBuffer({ resolveWithObject: true });
  await diffuse(data, across, down);
  return sharp(data, { raw: { width: across, height: down, channels: 1 } })
    .toColourspace('b-w')
    .png({ palette: true, colours: 2, dither: 0 })
    .toBuffer();
}

function clamp(dots: number, most: number): number {
  return Math.max(1, Math.min(most, Math.round(dots)));
}

/** In place; every other line runs backwards, so that the errors do not all move to the right. */
async function diffuse(shades: Uint8Array, across: number, down: number): Promise<void> {
  const lines = Math.max(1, Math.floor(STRETCH / across));
  // One more element on both sides for the errors beyond the line.
  let errors = new Float32Array(across + 2);
  let below = new Float32Array(across + 2);
  for (let y = 0; y < down; y++) {
    if (y % lines === lines - 1) await yieldToEventLoop();
    below.fill(0);
    diffuseLine(shades.subarray(y * across, (y + 1) * across), errors, below, y % 2 === 0 ? 1 : -1);
    [errors, below] = [below, errors];
  }
}

function diffuseLine(line: Uint8Array, errors: Float32Array, below: Float32Array, step: 1 | -1): void {
  for (let i = 0; i < line.length; i++) {
    const x = step === 1 ? i : line.length - 1 - i;
    const shade = (line[x] ?? 255) + (errors[x + 1] ?? 0);
    const dot = shade < 128 ? 0 : 255;
    line[x] = dot;
    const error = shade - dot;
    spread(errors, x + 1 + step, (error * 7) / 16);
    spread(below, x + 1 - step, (error * 3) / 16);
    spread(below, x + 1, (error * 5) / 16);
    spread(below, x + 1 + step, error / 16);
  }
}

function spread(errors: Float32Array, at: number, error: number): void {
  errors[at] = (errors[at] ?? 0) + error;
}

/** Loaded with the first picture: most faxes have none. */
async function loadSharp(): Promise<typeof Sharp> {
  try {
    return (await import('sharp')).default;
  } catch (error) {
    throw new GatepostError('fax/no-pictures', PICTURES_MISSING, { cause: error });
  }
}
