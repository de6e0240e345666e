// A searchable PDF: every page as it came, with its invisible text. Made with pdfkit instead of the OCR engine, because it keeps the
// true paper size and the dots, and has all pages in one document, also those without text.
import PDFDocument from 'pdfkit';
import type { Packed, Size } from '../tiff/raster.js';
import type { Word } from './ocr.js';

export interface DocumentPage {
  readonly dots: Packed;
  /** In points. */
  readonly paper: Size;
  /** The words, and the size in dots of the picture in which they were found. */
  readonly words: readonly Word[];
  readonly found: Size;
}

/** `time`: ms since the epoch. */
export async function searchablePdf(
  pages: readonly DocumentPage[],
  { title, time }: { title: string; time: number },
): Promise<Uint8Array> {
  const document = new PDFDocument({
    autoFirstPage: false,
    info: { Title: title, Creator: 'Gatepost', Producer: 'Gatepost', CreationDate: new Date(time) },
  });
  const chunks: Buffer[] = [];
  document.on('data', (chunk: Buffer) => void chunks.push(chunk));
  const ended = new Promise<void>((resolve, reject) => {
    document.once('end', resolve);
    document.once('error', reject);
  });
  const fonts = invisibleFonts(document);
  for (const page of pages) addPage(document, page, fonts);
  document.end();
  await ended;
  return Buffer.concat(chunks);
}

type Document = InstanceType<typeof PDFDocument>;

function addPage(document: Document, page: DocumentPage, fonts: InvisibleFonts): void {
  const { width, height } = page.paper;
  document.addPage({ size: [width, height], margin: 0 });
  document.page.xobjects.Dots = pictureOf(document, page.dots);
  document.addContent(`q ${place(width)} 0 0 ${place(-height)} 0 ${place(height)} cm /Dots Do Q`);
  const across = width / page.found.width;
  const along = height / page.found.height;
  for (const word of page.words) {
    const size = Math.max(1, (word.bottom - word.top) * along);
    const room = (word.right - word.left) * across;
    // The middle of what lies below the letters is where a line of text stands.
    const y = word.bottom * along - size * BELOW;
    const text = fonts.shown(document, word.text, { size, room });
    if (text !== '') document.addContent(`BT 3 Tr 1 0 0 -1 ${place(word.left * across)} ${place(y)} Tm ${text} ET`);
  }
}

function pictureOf(document: Document, { bits, width, height, data }: Packed): unknown {
  const picture = document.ref({
    ...{ Type: 'XObject', Subtype: 'Image', Width: width, Height: height },
    ...{ ColorSpace: 'DeviceGray', BitsPerComponent: bits, Filter: 'FlateDecode' },
  });
  picture.end(Buffer.from(data));
  return picture;
}

function place(points: number): string {
  return points.toFixed(2);
}

/** Share of a line's height that lies below its letters' feet. */
const BELOW = 0.2;
/** Thousandths of the size that each letter is wide, before it is stretched. */
const ADVANCE = 500;
/** Codes of one font. */
const CODES = 256;
const BLANK = 0x20;

interface InvisibleFonts {
  /** The operators that set a word and a blank in this size and width (points); '' for a word without letters. */
  shown(document: Document, word: string, place: { size: number; room: number }): string;
}

/**
 * Fonts without any picture of a letter (Type 3, ISO 32000 9.6.5), one per 256 characters of Unicode, each saying by its
 * ToUnicode table what its codes mean. The standard fonts have Western letters only, and invisible letters need no real font.
 */
function invisibleFonts(document: Document): InvisibleFonts {
  const fonts = new Map<number, unknown>();
  let nothing: unknown;

  const fontOf = (high: number): unknown => {
    const known = fonts.get(high);
    if (known !== undefined) return known;
    nothing ??= emptyGlyph(document);
    const font = typeThree(document, high, nothing);
    fonts.set(high, font);
    return font;
  };

  return {
    shown(document, word, { size, room }) {
      const units = [...word].flatMap((letter) => (letter.length === 1 ? [letter.charCodeAt(0)] : []));
      if (units.length === 0) return '';
      const stretch = (100 * room) / ((units.length * size * ADVANCE) / 1_000);
      const runs = runsOf([...units, BLANK]).map(({ high, codes }) => {
        document.page.fonts[`Text${high}`] = fontOf(high);
        return `/Text${high} ${place(size)} Tf <${Buffer.from(codes).toString('hex')}> Tj`;
      });
      return `${place(Math.min(1_000, Math.max(1, stretch)))} Tz ${runs.join(' ')}`;
    },
  };
}

function runsOf(units: readonly number[]): { high: number; codes: number[] }[] {
  const runs: { high: number; codes: number[] }[] = [];
  for (const unit of units) {
    const last = runs.at(-1);
    if (last && last.high === unit >> 8) last.codes.push(unit & 255);
    else runs.push({ high: unit >> 8, codes: [unit & 255] });
  }
  return runs;
}

function emptyGlyph(document: Document): unknown {
  const glyph = document.ref({});
  glyph.end(Buffer.from(`${ADVANCE} 0 d0`));
  return glyph;
}

function typeThree(document: Document, high: number, glyph: unknown): unknown {
  const unicode = document.ref({});
  unicode.end(Buffer.from(toUnicode(high)));
  const font = document.ref({
    Type: 'Font',
    Subtype: 'Type3',
    FontBBox: [0, -200, ADVANCE, 800],
    FontMatrix: [0.001, 0, 0, 0.001, 0, 0],
    CharProcs: { n: glyph },
    Encoding: { Type: 'Encoding', Differences: [0, ...Array.from({ length: CODES }, () => 'n')] },
    FirstChar: 0,
    LastChar: CODES - 1,
    Widths: Array.from({ length: CODES }, () => ADVANCE),
    Resources: {},
    ToUnicode: unicode,
  });
  font.end(null);
  return font;
}

/** Code 0xNN of this font is the character U+HHNN (Adobe technical note 5411). */
function toUnicode(high: number): string {
  const name = high.toString(16).padStart(2, '0');
  return [
    '/CIDInit /ProcSet findresource begin 12 dict begin begincmap',
    '/CIDSystemInfo << /Registry (Adobe) /Ordering (UCS) /Supplement 0 >> def',
    `/CMapName /Text${name} def /CMapType 2 def`,
    '1 begincodespacerange <00> <ff> endcodespacerange',
    `1 beginbfrange <00> <ff> <${name}00> endbfrange`,
    'endcmap CMapName currentdict /CMap defineresource pop end end',
  ].join('\n');
}
