import { dithered, type Picture } from '../tiff/dither.js';
import type { Lettering } from './fonts.js';
import { areaOf } from './page.js';
import { hasRightToLeft, paragraphOf } from './right-to-left.js';
import type { FaxJob } from './sheet.js';

export type Document = PDFKit.PDFDocument;

/** Points between two lines. */
const LINE_GAP = 3;
/** The beginning of a list's item, or of a quote; lines that follow are set behind it. */
const HANGING = /^(\s*)((?:[-*\u2022]|\d{1,3}[.)]|>(?: ?>)*)\s+)/;
/** A rule across the page, from <hr> or typed. */
const RULE = /^\s*(?:-{10,}|_{10,}|={10,})\s*$/;
const LOST = '[a picture that cannot be shown]';

export interface Sheet {
  readonly doc: Document;
  readonly job: FaxJob;
  readonly bold: string;
  readonly regular: string;
  readonly letters: Lettering;
  /** Data URIs of the pictures in the document, by number and width. */
  readonly dithered: Map<string, string>;
  /** Where the number of pages goes on the cover. */
  pagesAt: number | undefined;
}

/** Goes on with the next page when this one is full. */
export function setLine({ doc, job, letters }: Sheet, line: string): void {
  const { side } = job.paper.margin;
  const { width } = areaOf(job.paper);
  const written = letters.written(line);
  if (written.trim() === '') {
    if (!atTop(doc)) doc.moveDown(0.5);
    return;
  }
  if (RULE.test(written)) {
    ruleAcross(doc, job);
    return;
  }
  if (hasRightToLeft(written)) {
    setBidirectional(doc, job, written.trim());
    return;
  }
  const mark = (HANGING.exec(written) ?? /^(\s*)/.exec(written))?.[0] ?? '';
  // At least half of the width stays for the words.
  const indent = Math.min(doc.widthOfString(mark), width / 2);
  const y = lineTop(doc);
  if (mark.trim() !== '') doc.text(mark, side, y, { lineBreak: false });
  doc.text(written.slice(mark.length), side + indent, y, { width: width - indent, lineGap: LINE_GAP });
}

/** Where the next line begins: on the next page when this one is full. */
function lineTop(doc: Document): number {
  if (doc.y + doc.currentLineHeight() > doc.page.maxY()) doc.addPage();
  return doc.y;
}

/** Each piece is placed by itself: pdfkit orders neither words nor blanks of text from right to left. */
function setBidirectional(doc: Document, { paper }: FaxJob, text: string): void {
  const { side } = paper.margin;
  const { width } = areaOf(paper);
  const paragraph = paragraphOf(text);
  for (const { start, end } of brokenLines(doc, text, width)) {
    const pieces = paragraph.visual(start, end);
    const used = pieces.reduce((sum, piece) => sum + doc.widthOfString(piece), 0);
    const y = lineTop(doc);
    let x = paragraph.rightToLeft ? Math.max(side, side + width - used) : side;
    for (const piece of pieces) {
      if (piece.trim() !== '') doc.text(piece, x, y, { lineBreak: false });
      x += doc.widthOfString(piece);
    }
    doc.x = side;
    doc.y = y + doc.currentLineHeight() + LINE_GAP;
  }
}

/** Where the lines of a paragraph of this width begin and end, without the blanks between them. */
function brokenLines(doc: Document, text: string, width: number): { start: number; end: number }[] {
  const lines: { start: number; end: number }[] = [];
  let line: { start: number; end: number } | undefined;
  for (const { 0: word, index } of text.matchAll(/\S+/g)) {
    const end = index + word.length;
    if (line && doc.widthOfString(text.slice(line.start, end)) <= width) {
      line.end = end;
      continue;
    }
    line = { start: index, end };
    lines.push(line);
  }
  return lines;
}

function ruleAcross(doc: Document, { paper }: FaxJob): void {
  const { side } = paper.margin;
  const y = doc.y + doc.currentLineHeight() / 2;
  doc
    .moveTo(side, y)
    .lineTo(side + areaOf(paper).width, y)
    .lineWidth(0.75)
    .stroke();
  doc.moveDown(1);
}

function atTop(doc: Document): boolean {
  return doc.y <= doc.page.margins.top;
}

/** `index`: its number; `asked`: the width that its sender wants, CSS pixels; 0 for its own. */
export async function setPicture(
  sheet: Sheet,
  picture: Picture | undefined,
  { index, width: asked }: { index: number; width: number },
): Promise<void> {
  if (!picture) {
    setLine(sheet, LOST);
    return;
  }
  const { doc, job } = sheet;
  const { dots, margin } = job.paper;
  const area = areaOf(job.paper);
  // A pixel is three quarters of a point (CSS Values, 6.2).
  const wanted = (asked || picture.width) * 0.75;
  const width = Math.min(wanted, area.width, (area.height * picture.width) / picture.height);
  const height = (width * picture.height) / picture.width;
  const size = { across: (width * dots.across) / 72, down: (height * dots.down) / 72 };
  const key = `${index} ${width}`;
  // pdfkit stores pictures of the same address once.
  const png = sheet.dithered.get(key) ?? `data:image/png;base64,${(await dithered(picture, size)).toString('base64')}`;
  sheet.dithered.set(key, png);
  if (doc.y + height > doc.page.maxY()) doc.addPage();
  const { y } = doc;
  doc.image(png, margin.side, y, { width, height });
  doc.x = margin.side;
  doc.y = y + height + LINE_GAP;
}
