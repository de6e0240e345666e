// The directories of a TIFF (TIFF 6.0, BigTIFF): where its pages are and how large they claim to be, before any library decodes
// them. No directory is followed twice.

/** A real fax has some hundred pages; old software counts to 65,535. */
const MAX_PAGES = 100_000;
/** Fields of one directory. Software writes about twenty; overlapping directories of thousands would take hours. */
const MAX_FIELDS = 200;

export interface TiffPage {
  /** Offset of its directory, and offset of the pointer to the next one. */
  readonly at: number;
  readonly nextAt: number;
  readonly width: number;
  readonly height: number;
  readonly bits: number;
  readonly samples: number;
  /** 3 and 4: T.4 and T.6. */
  readonly compression: number;
  /** Dots per inch; null when the file does not say. */
  readonly xDpi: number | null;
  readonly yDpi: number | null;
}

export interface Tiff {
  readonly view: DataView;
  readonly big: boolean;
  readonly little: boolean;
  /** The first pages, as many as were asked for. */
  readonly pages: readonly TiffPage[];
  /** Pages found. */
  readonly count: number;
  /** Why the list of pages ended early; null when it is whole. */
  readonly broken: string | null;
}

const TAG = {
  subfile: 254,
  width: 256,
  height: 257,
  bits: 258,
  compression: 259,
  photometric: 262,
  firstBit: 266,
  stripOffsets: 273,
  samples: 277,
  rowsPerStrip: 278,
  stripSizes: 279,
  xResolution: 282,
  yResolution: 283,
  unit: 296,
} as const;

/** Strips of one page; class F has one. */
const MAX_STRIPS = 10_000;

/** What is needed to write the page anew with the same compressed dots; undefined when they are not all in the file. */
export interface Strips {
  readonly data: readonly Uint8Array[];
  readonly rowsPerStrip: number;
  /** 0: white is zero (TIFF 6.0, PhotometricInterpretation). */
  readonly photometric: number;
  /** FillOrder: 1, the highest bit of a byte comes first; 2, the lowest. */
  readonly firstBit: number;
}

/** `page`: one of the pages of `tiff`. */
export function stripsOf({ view, big, little }: Tiff, page: TiffPage): Strips | undefined {
  const file: File = { view, little, big, size: view.byteLength };
  const entries = entriesOf(file, page);
  const value = (tag: number) => firstValue(file, entries.get(tag) ?? -1);
  const offsets = allValues(file, entries.get(TAG.stripOffsets));
  const sizes = allValues(file, entries.get(TAG.stripSizes));
  if (offsets.length === 0 || sizes.length !== offsets.length) return undefined;
  const data = offsets.map((at, index) => bytesOf(file, at, sizes[index] ?? 0));
  if (data.some((strip) => strip.length === 0)) return undefined;
  const { height } = page;
  const rowsPerStrip = Math.min(height, value(TAG.rowsPerStrip) || height);
  return { data, rowsPerStrip, photometric: value(TAG.photometric) ?? 0, firstBit: value(TAG.firstBit) ?? 1 };
}

function bytesOf({ view, size }: File, at: number, length: number): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset + Math.min(at, size), Math.max(0, Math.min(length, size - at)));
}

function entriesOf(file: File, { at, nextAt }: TiffPage): ReadonlyMap<number, number> {
  const size = file.big ? 20 : 12;
  const entries = new Map<number, number>();
  for (let entry = at + (file.big ? 8 : 2); entry + size <= nextAt && entries.size < MAX_FIELDS; entry += size)
    entries.set(file.view.getUint16(entry, file.little), entry);
  return entries;
}

/** `wanted`: of how many pages the directories are read. Never throws. */
export function readTiff(bytes: Uint8Array, wanted: number): Tiff {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const little = bytes[0] === 0x49;
  const big = bytes.length > 8 && view.getUint16(2, little) === 43;
  const file: File = { view, little, big, size: bytes.length };
  const { directories, broken } = directoriesOf(file);
  const pages: TiffPage[] = [];
  let count = 0;
  for (const directory of directories) {
    const page = pages.length < wanted ? readPage(file, directory) : undefined;
    // A smaller copy of a page beside the page itself (NewSubfileType, bit 0) is no page.
    if (page === 'copy') continue;
    if (page) pages.push(page);
    count += 1;
  }
  return { view, big, little, pages, count, broken };
}

/**
 * Makes this page the first and only one of the file, in place: damage in other pages cannot affect it, and page 1,000 is found as
 * fast as page 1.
 */
export function selectPage(tiff: Tiff, page: TiffPage): void {
  const { view, big, little } = tiff;
  if (big) {
    view.setBigUint64(8, BigInt(page.at), little);
    view.setBigUint64(page.nextAt, 0n, little);
  } else {
    view.setUint32(4, page.at, little);
    view.setUint32(page.nextAt, 0, little);
  }
}

interface File {
  readonly view: DataView;
  readonly little: boolean;
  readonly big: boolean;
  readonly size: number;
}

interface Directory {
  readonly at: number;
  readonly fields: number;
  /** Offset of the pointer to the next directory. */
  readonly nextAt: number;
}

function directoriesOf(file: File): { directories: readonly Directory[]; broken: string | null } {
  const directories: Directory[] = [];
  const seen = new Set<number>();
  let place = file.big ? 8 : 4;
  for (;;) {
    const at = offset(file, place);
    if (at === 0) return { directories, broken: null };
    const fields = at === undefined ? undefined : fieldCount(file, at);
    if (at === undefined || fields === undefined) {
      return { directories, broken: `it ends within page ${directories.length + 1}` };
    }
    if (seen.has(at)) return { directories, broken: 'its list of pages runs in a circle' };
    if (directories.length >= MAX_PAGES) return { directories, broken: `it has more than ${MAX_PAGES} pages` };
    seen.add(at);
    place = at + (file.big ? 8 + fields * 20 : 2 + fields * 12);
    directories.push({ at, fields, nextAt: place });
  }
}

/** Undefined when the directory is not whole. */
function fieldCount(file: File, at: number): number | undefined {
  const count = file.big ? unsigned(file, at, 8) : unsigned(file, at, 2);
  if (count === undefined) return undefined;
  const end = at + (file.big ? 8 + count * 20 + 8 : 2 + count * 12 + 4);
  return end <= file.size ? count : undefined;
}

function readPage(file: File, { at, fields, nextAt }: Directory): TiffPage | 'copy' {
  const values = new Map<number, number>();
  const size = file.big ? 20 : 12;
  for (let index = 0; index < Math.min(fields, MAX_FIELDS); index += 1) {
    const entry = at + (file.big ? 8 : 2) + index * size;
    const value = firstValue(file, entry);
    if (value !== undefined) values.set(file.view.getUint16(entry, file.little), value);
  }
  if (((values.get(TAG.subfile) ?? 0) & 1) === 1) return 'copy';
  const perUnit = values.get(TAG.unit) === 3 ? 2.54 : 1;
  const dpi = (tag: number) => {
    const given = (values.get(tag) ?? 0) * perUnit;
    return given > 0 && Number.isFinite(given) ? given : null;
  };
  return {
    at,
    nextAt,
    width: values.get(TAG.width) ?? 0,
    height: values.get(TAG.height) ?? 0,
    bits: values.get(TAG.bits) ?? 1,
    samples: values.get(TAG.samples) ?? 1,
    compression: values.get(TAG.compression) ?? 1,
    xDpi: dpi(TAG.xResolution),
    yDpi: dpi(TAG.yResolution),
  };
}

/** Bytes of the field types that are read (TIFF 6.0, section 2). */
const SIZES: Readonly<Record<number, number>> = { 1: 1, 3: 2, 4: 4, 5: 8, 16: 8 };

/** Empty when the field is missing or not whole. */
function allValues(file: File, entry: number | undefined): number[] {
  if (entry === undefined) return [];
  const size = SIZES[file.view.getUint16(entry + 2, file.little)] ?? 0;
  const count = unsigned(file, entry + 4, file.big ? 8 : 4) ?? 0;
  const inside = entry + (file.big ? 12 : 8);
  const at = size * count <= (file.big ? 8 : 4) ? inside : offset(file, inside);
  if (size === 0 || size === 5 || count > MAX_STRIPS || at === undefined) return [];
  const values = Array.from({ length: count }, (_, index) => unsigned(file, at + index * size, size));
  return values.filter((value) => value !== undefined);
}

/** The first value of a field; small values are in the entry, others at the offset in it. */
function firstValue(file: File, entry: number): number | undefined {
  if (entry < 0) return undefined;
  const type = file.view.getUint16(entry + 2, file.little);
  const size = SIZES[type];
  const count = unsigned(file, entry + 4, file.big ? 8 : 4);
  if (size === undefined || !count) return undefined;
  const room = file.big ? 8 : 4;
  const inside = entry + 4 + room;
  const at = size * count <= room ? inside : offset(file, inside);
  if (at === undefined) return undefined;
  if (type !== 5) return unsigned(file, at, size);
  const [above, below] = [unsigned(file, at, 4), unsigned(file, at + 4, 4)];
  return above === undefined || !below ? undefined : above / below;
}

function offset(file: File, at: number): number | undefined {
  return unsigned(file, at, file.big ? 8 : 4);
}

function unsigned({ view, little, size }: File, at: number, bytes: number): number | undefined {
  if (at < 0 || at + bytes > size) return undefined;
  if (bytes === 1) return view.getUint8(at);
  if (bytes === 2) return view.getUint16(at, little);
  if (bytes === 4) return view.getUint32(at, little);
  const value = view.getBigUint64(at, little);
  return value <= Number.MAX_SAFE_INTEGER ? Number(value) : undefined;
}
