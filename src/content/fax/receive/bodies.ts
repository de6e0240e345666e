import type { FaxDocument } from '../../../model/content.js';
import type { Rendered } from '../../footer.js';
import { escapeHtml } from '../../html/escape.js';
import { boundaryBefore, cleanLine, cleanText, cutText } from '../../limits.js';
import type { PagesRead, ShownPage } from '../process/page-task.js';

/** Facts of a call that are shown; modems report fewer. */
const MAX_FACTS = 20;
const MAX_FACT_LENGTH = 200;
/** Characters of recognized text; the document holds all of it. */
const MAX_TEXT = 300_000;

export interface ShownFax {
  /** `Fax from +420 777 123 456, 3 pages` */
  readonly title: string;
  readonly fax: Pick<FaxDocument, 'facts' | 'callerName' | 'station'>;
  /** The called number in display form; '' when unknown. */
  readonly called: string;
  readonly pages: Pick<PagesRead, 'shown' | 'texts' | 'count'> & { readonly documentEnds: number };
  /** Format of the file, `TIFF` or `PDF`. */
  readonly original: string;
}

export function showFax({ title, fax, called, pages, original }: ShownFax): Rendered {
  const facts = factsOf(fax, called);
  const rest = restOf(pages, original);
  const html = [
    `<p><b>${escapeHtml(title)}</b>${facts.map((fact) => `<br>\n${escapeHtml(fact)}`).join('')}</p>`,
    ...pages.shown.map(pictureOf),
    ...(rest === '' ? [] : [`<p>${escapeHtml(rest)}</p>`]),
  ];
  const text = [[title, ...facts].join('\n'), textOf(pages.texts)];
  return { html: html.join('\n'), text: text.filter((block) => block !== '').join('\n\n') };
}

/** `3 pages`, `3 of 5 pages`, `3 of ? pages` when the total is unknown; '' when the count is unknown. */
export function pagesWords(count: number | null, expected: number | null, brokeOff: boolean): string {
  if (count === null) return brokeOff ? 'incomplete' : '';
  if (expected !== null && expected > count) return `${count} of ${expected} pages`;
  if (brokeOff) return `${count} of ? pages`;
  return count === 1 ? '1 page' : `${count} pages`;
}

function factsOf(fax: ShownFax['fax'], called: string): string[] {
  const all = [
    { name: 'To', value: called },
    { name: 'Caller', value: fax.callerName ?? '' },
    { name: 'Station', value: fax.station ?? '' },
    ...fax.facts,
  ];
  return all
    .slice(0, MAX_FACTS)
    .map(({ name, value }) => ({ name: cleanLine(name), value: cleanLine(value) }))
    .filter(({ value }) => value !== '')
    .map(({ name, value }) => cutText(name === '' ? value : `${name}: ${value}`, MAX_FACT_LENGTH));
}

function pictureOf({ page, png, width, height }: ShownPage): string {
  const base64 = Buffer.from(png.buffer, png.byteOffset, png.byteLength).toString('base64');
  const place = `width="${width}" height="${height}" style="max-width:100%;height:auto;border:1px solid #ccc"`;
  return `<p>Page ${page}<br>\n<img src="data:image/png;base64,${base64}" alt="Page ${page}" ${place}></p>`;
}

/** Where to find the pages that are not shown; '' when all are shown. */
function restOf({ shown, count, documentEnds }: ShownFax['pages'], original: string): string {
  const from = (shown.at(-1)?.page ?? 0) + 1;
  if (count === null || count < from) return '';
  const parts: string[] = [];
  if (documentEnds >= from) parts.push(`${range(from, documentEnds)}: see the attached PDF`);
  const beyond = Math.max(from, documentEnds + 1);
  if (count >= beyond) parts.push(`${range(beyond, count)}: see the attached ${original}`);
  const words = parts.join('; ');
  return words.charAt(0).toUpperCase() + words.slice(1);
}

function range(from: number, to: number): string {
  return from === to ? `page ${from}` : `pages ${from} to ${to}`;
}

function textOf(texts: PagesRead['texts']): string {
  const pages = texts.map(({ page, text }) => `--- page ${page} ---\n${tidy(text) || '(no text)'}`).join('\n\n');
  if (pages.length <= MAX_TEXT) return pages;
  return `${pages.slice(0, boundaryBefore(pages, MAX_TEXT))}\n(the rest of the text is in the attached PDF)`;
}

/** OCR leaves blanks at the ends of lines, and empty lines between lines. */
function tidy(text: string): string {
  return cleanText(text)
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n')
    .replace(/\n{3,}/g, '\n\n')
    .trim();
}
