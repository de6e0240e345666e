// A page whose file names the wrong coding: G4 labelled Group 3, bits in the other order, and the like. Each reading is a TIFF of
// this page alone, with the same compressed dots and other labels.
import { type Strips, stripsOf, type Tiff, type TiffPage } from './directories.js';

/** TIFF 6.0, Compression: uncompressed, CCITT RLE, T.4, T.6, and RLE on word boundaries. */
const CCITT: ReadonlySet<number> = new Set([1, 2, 3, 4, 32771]);
/** Compression and T4Options (bit 0: two-dimensional), the usual ones first. */
const CODINGS: readonly (readonly [number, number])[] = [
  [4, 0],
  [3, 0],
  [3, 1],
  [2, 0],
];

export function isFaxCoding({ compression, bits, samples }: TiffPage): boolean {
  return CCITT.has(compression) && bits === 1 && samples === 1;
}

/** Empty when the dots of the page are not all in the file. */
export function* otherReadings(tiff: Tiff, page: TiffPage): Generator<Buffer> {
  const strips = isFaxCoding(page) ? stripsOf(tiff, page) : undefined;
  if (!strips) return;
  for (const firstBit of strips.firstBit === 2 ? [2, 1] : [1, 2]) {
    for (const [compression, options] of CODINGS) yield onePage(page, strips, compression, options, firstBit);
  }
}

const [SHORT, LONG] = [3, 4];
const HEADER = 8;
const ENTRY = 12;

function onePage(
  { width, height }: TiffPage,
  { data, rowsPerStrip, photometric }: Strips,
  compression: number,
  options: number,
  firstBit: number,
): Buffer {
  const count = data.length;
  const fields: [tag: number, type: number, count: number, value: number][] = [
    [256, LONG, 1, width],
    [257, LONG, 1, height],
    [258, SHORT, 1, 1],
    [259, SHORT, 1, compression],
    [262, SHORT, 1, photometric === 1 ? 1 : 0],
    [266, SHORT, 1, firstBit],
    [273, LONG, count, 0],
    [277, SHORT, 1, 1],
    [278, LONG, 1, rowsPerStrip],
    [279, LONG, count, 0],
    ...(compression === 3 ? ([[292, LONG, 1, options]] satisfies [number, number, number, number][]) : []),
  ];
  const listsAt = HEADER + 2 + fields.length * ENTRY + 4;
  const dotsAt = listsAt + count * 8;
  const head = Buffer.alloc(dotsAt);
  head.write('II*\0', 'latin1');
  head.writeUInt32LE(HEADER, 4);
  head.writeUInt16LE(fields.length, HEADER);
  let at = dotsAt;
  for (const [index, strip] of data.entries()) {
    head.writeUInt32LE(at, listsAt + index * 4);
    head.writeUInt32LE(strip.length, listsAt + (count + index) * 4);
    at += strip.length;
  }
  const first = { 273: [dotsAt, listsAt], 279: [data[0]?.length ?? 0, listsAt + count * 4] } as const;
  for (const [index, [tag, type, values, value]] of fields.entries()) {
    const entry = HEADER + 2 + index * ENTRY;
    head.writeUInt16LE(tag, entry);
    head.writeUInt16LE(type, entry + 2);
    head.writeUInt32LE(values, entry + 4);
    const list = tag === 273 || tag === 279 ? first[tag][values === 1 ? 0 : 1] : value;
    if (type === SHORT) head.writeUInt16LE(list, entry + 8);
    else head.writeUInt32LE(list, entry + 8);
  }
  return Buffer.concat([head, ...data]);
}
