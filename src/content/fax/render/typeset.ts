// The plain layout, for machines without a browser. It needs nothing but pdfkit, and yields to the event loop.
import { yieldToEventLoop } from '../../../kit/clock.js';
import type { Picture } from '../tiff/dither.js';
import { pictureIn } from './body.js';
import { type Face, findFace, hasWinAnsi, lettering, STANDARD_FACE } from './fonts.js';
import { type Document, type Sheet, setLine, setPicture } from './lines.js';
import { areaOf, type CoverLine, MAX_PAGES, tooManyPages } from './page.js';
import type { FaxJob, Laid } from './sheet.js';

const SIZE = 11.5;
/** Of the header line. */
const SMALL = 9;
/** Characters laid out in one go: a few ms. */
const PIECE = 1_500;
/** Characters between two turns of the event loop: about 15 ms. */
const STRETCH = 6_000;
/** What a line costs besides its characters. */
const LINE_COST = 40;

/** Rejects with the signal's reason only. `face`: absent, the best one that is installed. */
export async function typeset(
  job: FaxJob,
  pictures: readonly (Picture | undefined)[],
  signal: AbortSignal,
  face: Face = findFace(),
): Promise<Laid> {
  const sheet = await open(job, face);
  const { doc } = sheet;
  const chunks: Buffer[] = [];
  doc.on('data', (chunk: Buffer) => chunks.push(chunk));
  const ended = new Promise<void>((resolve) => doc.on('end', resolve));
  if (job.cover) cover(sheet, job.cover);
  if (job.subject) heading(sheet, job.subject);
  const problem = await fill(sheet, pictures, signal);
  if (problem !== undefined) return { ok: false, problem };
  const { count: pages } = doc.bufferedPageRange();
  finish(sheet, pages);
  doc.end();
  await ended;
  return { ok: true, pdf: Buffer.concat(chunks), pages };
}

async function open(job: FaxJob, face: Face): Promise<Sheet> {
  const { default: PDFDocument } = await import('pdfkit');
  const { width, height, margin } = job.paper;
  const doc = new PDFDocument({
    size: [width, height],
    margins: { top: margin.top, bottom: margin.bottom, left: margin.side, right: margin.side },
    bufferPages: true,
    info: { CreationDate: new Date(job.now), Producer: 'Gatepost', Creator: 'Gatepost' },
  });
  let used = face;
  try {
    doc.registerFont('regular', face.regular).registerFont('bold', face.bold).font('bold').font('regular');
  } catch {
    used = STANDARD_FACE;
    doc.font(used.regular);
  }
  const registered = used === face ? { regular: 'regular', bold: 'bold' } : used;
  doc.fontSize(SIZE);
  return { doc, job, ...registered, letters: lettering(coverageOf(doc)), dithered: new Map(), pagesAt: undefined };
}

/** The characters of the current font. The declarations of pdfkit lack the font object. */
function coverageOf(doc: Document): (codePoint: number) => boolean {
  const held: unknown = Reflect.get(doc, '_font');
  const font = typeof held === 'object' && held !== null && 'font' in held ? held.font : undefined;
  const set = typeof font === 'object' && font !== null && 'characterSet' in font ? font.characterSet : undefined;
  if (!Array.isArray(set)) return hasWinAnsi;
  const known = new Set<unknown>(set);
  return (codePoint) => known.has(codePoint);
}

/** The problem, if there is one. */
async function fill(
  sheet: Sheet,
  pictures: readonly (Picture | undefined)[],
  signal: AbortSignal,
): Promise<string | undefined> {
  const { text } = sheet.job.body;
  let [done, sinceTurn] = [0, 0];
  for (const line of text.split('\n')) {
    for (const piece of piecesOf(line)) {
      const picture = pictureIn(piece);
      if (picture) await setPicture(sheet, pictures[picture.index], picture);
      else setLine(sheet, piece);
      done += piece.length;
      sinceTurn += piece.length + LINE_COST;
      if (sheet.doc.bufferedPageRange().count > MAX_PAGES) return tooManyPages((MAX_PAGES * text.length) / done, true);
      if (sinceTurn < STRETCH) continue;
      sinceTurn = 0;
      await yieldToEventLoop();
      signal.throwIfAborted();
    }
    done += 1;
  }
  if (sheet.letters.lost > 0)
    setLine(sheet, `[${sheet.letters.lost} characters of this message could not be printed.]`);
  return undefined;
}

/** A line of endless length in pieces that end between two words, where that is possible. */
function piecesOf(line: string): string[] {
  const pieces: string[] = [];
  let from = 0;
  while (line.length - from > PIECE) {
    const blank = line.lastIndexOf(' ', from + PIECE);
    const to = blank > from ? blank + 1 : from + PIECE;
    pieces.push(line.slice(from, to));
    from = to;
  }
  pieces.push(line.slice(from));
  return pieces;
}

function heading({ doc, bold, regular, letters, job }: Sheet, subject: string): void {
  const { side } = job.paper.margin;
  doc.font(bold, SIZE + 2).text(letters.written(subject), side, doc.y, { width: areaOf(job.paper).width });
  doc.font(regular, SIZE).moveDown(0.8);
}

/** One page, always. */
function cover(sheet: Sheet, lines: readonly CoverLine[]): void {
  const { doc, bold, regular, job, letters } = sheet;
  const { side, top } = job.paper.margin;
  const { width } = areaOf(job.paper);
  doc
    .font(bold, 40)
    .text('FAX', side, top + 36, { characterSpacing: 8 })
    .moveDown(0.7);
  for (const { name, value } of [...lines, { name: 'Pages', value: '' }]) {
    const { y } = doc;
    doc.font(bold, 13).text(name, side, y, { lineBreak: false });
    if (name === 'Pages') sheet.pagesAt = y;
    doc.font(regular, 13).text(letters.written(value) || ' ', side + VALUES, y, { width: width - VALUES });
    const rule = doc.y + 7;
    doc
      .moveTo(side, rule)
      .lineTo(side + width, rule)
      .lineWidth(0.75)
      .stroke();
    doc.y = rule + 9;
  }
  doc.fontSize(SIZE).addPage();
}

/** Room for the time and for the page number, points. */
const BESIDE = 105;
/** Where the values on the cover begin, points behind the margin. */
const VALUES = 75;

/** The lines that need the number of pages. */
function finish({ doc, job, regular, letters, pagesAt }: Sheet, pages: number): void {
  const { paper, header } = job;
  const { side } = paper.margin;
  const { width } = areaOf(paper);
  if (pagesAt !== undefined) {
    doc.switchToPage(0);
    doc.font(regular, 13).text(`${pages}, this one included`, side + VALUES, pagesAt, { lineBreak: false });
  }
  if (!header) return;
  const sender = letters.written(header.sender);
  for (let page = 0; page < pages; page++) {
    doc.switchToPage(page);
    doc.font(regular, SMALL);
    const put = (text: string, align: 'left' | 'center' | 'right', inset: number) => {
      const box = { width: width - 2 * inset, height: SMALL + 2, align, ellipsis: true };
      doc.text(text, side + inset, paper.headerTop, box);
    };
    put(header.time, 'left', 0);
    put(sender, 'center', BESIDE);
    put(`page ${page + 1} of ${pages}`, 'right', 0);
    const rule = paper.headerTop + SMALL + 4;
    doc
      .moveTo(side, rule)
      .lineTo(side + width, rule)
      .lineWidth(0.75)
      .stroke();
  }
}
