// The resolution of a fax page whose file does not say it, or says it wrongly: T.4 fixes the dots of a line, so the number of dots
// tells the resolution across, and the number of lines tells which of the three resolutions along is meant.
import type { Dpi, Size } from './raster.js';

/** Dots of a line, and dots per inch across: T.4 for 215, 255, 303, 151 and 107 mm, and its finer resolutions. */
const ACROSS: ReadonlyMap<number, number> = new Map([
  ...[1728, 2048, 2432, 1216, 864].map((width): [number, number] => [width, 204]),
  ...[3456, 4096, 4864].map((width): [number, number] => [width, 408]),
  ...[2592, 3072, 3648].map((width): [number, number] => [width, 300]),
]);
/** Dots by which software that pads or crops lines misses the exact number. */
const NEARLY = 8;
const STANDARD = 98;
const FINE = 196;
const SUPERFINE = 391;
/** Resolutions that fax machines and fax software write, across and along. */
const USUAL: readonly (readonly [number, number])[] = [
  [204, STANDARD],
  [204, FINE],
  [204, SUPERFINE],
  [200, 100],
  [200, 200],
  [200, 400],
  [300, 300],
  [400, 400],
  [408, SUPERFINE],
];
/** Rounding of whole dots per centimetre: 38 for 38.5. */
const ROUNDING = 0.016;
const CM = 2.54;
/** Oblong dots: standard and superfine. */
const RATIOS = [204 / STANDARD, 2, 204 / SUPERFINE, 1 / 2];
/** Inches of the narrowest and the widest line: A6 and A3, with room for other paper. */
const NARROWEST = 3;
const WIDEST = 13;
/** The longest sheet by its width: Legal has 1.65. */
const LONGEST_SHEET = 1.75;
/** Largest ratio of the two resolutions; T.4 needs 4.2. */
const MAX_OBLONG = 4.4;

/** As declared where that can be; a page that is no black and white fax stays as it is declared. */
export function resolutionOf(page: Size & Dpi & { readonly bilevel: boolean }): Dpi {
  const across = page.bilevel ? acrossOf(page.width) : undefined;
  if (across === undefined) return { xDpi: page.xDpi, yDpi: page.yDpi };
  return usualOf(page) ?? declaredOf(page) ?? { xDpi: across, yDpi: alongOf(page, across) };
}

function acrossOf(width: number): number | undefined {
  const exact = ACROSS.get(width);
  if (exact !== undefined) return exact;
  return [...ACROSS].find(([usual]) => usual >= 1728 && Math.abs(usual - width) <= NEARLY)?.[1];
}

/** A resolution that faxes have, in the order and the unit in which it was meant. */
function usualOf({ width, xDpi, yDpi }: Size & Dpi): Dpi | undefined {
  if (xDpi === null || yDpi === null) return undefined;
  for (const unit of [1, 1 / CM, CM]) {
    for (const [x, y] of [
      [xDpi * unit, yDpi * unit],
      [yDpi * unit, xDpi * unit],
    ] as const) {
      const found = USUAL.find(([across, along]) => near(x, across) && near(y, along));
      if (found && isPaper(width, x)) return { xDpi: x, yDpi: y };
    }
  }
  return undefined;
}

/** What the file says, when a sheet of paper can be so wide. */
function declaredOf({ width, xDpi, yDpi }: Size & Dpi): Dpi | undefined {
  if (xDpi === null || yDpi === null) return undefined;
  const ratio = xDpi / yDpi;
  if (ratio > MAX_OBLONG || ratio < 1 / MAX_OBLONG || !isPaper(width, xDpi)) return undefined;
  return { xDpi, yDpi };
}

function isPaper(width: number, xDpi: number): boolean {
  const inches = width / xDpi;
  return inches >= NARROWEST && inches <= WIDEST;
}

/**
 * By the ratio of the two values, which may be all that a file says (ResolutionUnit 1); the default of 1 says nothing. Else the
 * coarsest resolution in which the page fits on a sheet. What fits on none is a roll, and is taken for fine.
 */
function alongOf({ width, height, xDpi, yDpi }: Size & Dpi, across: number): number {
  if (across === 300) return 300;
  const ratio = xDpi === null || yDpi === null ? 1 : xDpi / yDpi;
  if (RATIOS.some((usual) => near(ratio, usual))) return across / ratio;
  if (xDpi === null && yDpi !== null && [STANDARD, FINE, SUPERFINE].some((along) => near(yDpi, along))) return yDpi;
  const candidates = across > 204 ? [SUPERFINE] : [STANDARD, FINE, SUPERFINE];
  const sheet = (width / across) * LONGEST_SHEET;
  return candidates.find((along) => height / along <= sheet) ?? (across > 204 ? SUPERFINE : FINE);
}

function near(given: number, usual: number): boolean {
  return Math.abs(given / usual - 1) <= ROUNDING;
}
