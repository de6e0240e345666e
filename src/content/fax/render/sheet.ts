// The HTML of a fax: the message in black on white, its cover page and its header line. Shades and colours are left out, because
// dithering makes letters on them unreadable.
import { escapeHtml } from '../../html/escape.js';
import { type FaxBody, withPictures } from './body.js';
import { areaOf, type CoverLine, type Paper } from './page.js';

/** Input of every layout. */
export interface FaxJob {
  readonly body: FaxBody;
  readonly paper: Paper;
  readonly header: { readonly time: string; readonly sender: string } | undefined;
  /** undefined: no cover page. */
  readonly cover: readonly CoverLine[] | undefined;
  /** Above the message where there is no cover page that shows it; '' for none. */
  readonly subject: string;
  /** BCP 47; '' when not known. */
  readonly language: string;
  /** Ms since the epoch. */
  readonly now: number;
}

export type Laid = { ok: true; pdf: Buffer; pages: number } | { ok: false; problem: string };

/** A picture in its place: its address, and its size on the page in CSS pixels once that is decided. */
export interface Shown {
  readonly src: string;
  readonly size?: { readonly width: number; readonly height: number };
}

/** CSS pixels in a point. */
export const PIXELS = 96 / 72;
/** Longer addresses are not printed: they cannot be typed from paper. */
const MAX_SHOWN_LINK = 100;

export interface SheetOptions {
  /** Picture `index` in its `place`, counted through the message; undefined when it cannot be shown. */
  readonly shown: (index: number, place: number) => Shown | undefined;
  /** For the cover page; undefined as long as they are not counted. */
  readonly pages?: number;
  readonly squeeze: Squeeze;
}

/**
 * What is done to a message that is wider than the page: nothing; widths that the sender asks for do not count; besides, long
 * words may break within tables, too, where columns would otherwise be as wide as their longest word; or every word may.
 */
export const SQUEEZES = ['none', 'widths', 'long words', 'words'] as const;
export type Squeeze = (typeof SQUEEZES)[number];

export function sheetOf(job: FaxJob, { shown, pages, squeeze }: SheetOptions): string {
  const { body, language } = job;
  let places = 0;
  const words = withAddresses(body.html);
  const message = withPictures(squeeze === 'long words' ? withBreaks(words) : words, (index, attributes) => {
    const place = places++;
    return picture(shown(index, place), `data-place="${place}" data-index="${index}"`, attributes);
  });
  const lang = language === '' ? '' : ` lang="${escapeHtml(language)}"`;
  const subject = job.subject === '' ? '' : `<h1 class="fax-subject" dir="auto">${escapeHtml(job.subject)}</h1>`;
  return [
    `<!doctype html><html${lang}><head><meta charset="utf-8"><title>Fax</title>`,
    // The third lock, beside the offline page and the blocked requests.
    `<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">`,
    `<style>${styleOf(job)}${squeeze === 'none' ? '' : NARROW}${squeeze === 'words' ? BROKEN : ''}</style></head><body>`,
    job.cover ? coverPage(job.cover, pages) : '',
    `<div id="fax-message"${body.plain ? ' class="fax-plain"' : ''} dir="auto">${subject}${message}</div></body></html>`,
  ].join('\n');
}

/** For the top margin of every page. The counts are filled in by the browser. */
export function headerTemplate({ header, paper }: FaxJob): string {
  if (!header) return '<span></span>';
  const box = `position:absolute;top:${paper.headerTop}pt;left:${paper.margin.side}pt;right:${paper.margin.side}pt`;
  const font = 'font:9pt Arial,Helvetica,sans-serif;color:#000';
  const rule = 'border-bottom:0.75pt solid #000;padding-bottom:2pt';
  const page = 'page <span class="pageNumber"></span> of <span class="totalPages"></span>';
  const cut = 'flex:1;text-align:center;overflow:hidden;text-overflow:ellipsis;white-space:nowrap;padding:0 12pt';
  return `<div style="${box};${font};${rule};display:flex"><span>${header.time}</span><span style="${cut}">${escapeHtml(header.sender)}</span><span>${page}</span></div>`;
}

const NARROW = `
table, tbody, tr, td, th, col, colgroup, div, p, pre { width: auto !important; min-width: 0 !important }
[style*="display:flex"], [style*="display:inline-flex"] { display: block !important }`;

const BROKEN = '* { overflow-wrap: anywhere !important }';

function styleOf({ paper }: FaxJob): string {
  const area = areaOf(paper);
  return `
html, body { margin: 0; padding: 0 }
body { font: 12pt/1.4 Arial, Helvetica, "Liberation Sans", "DejaVu Sans", sans-serif; overflow-wrap: break-word }
*, *::before, *::after { color: #000 !important; background: none !important; border-color: #000 !important;
  text-shadow: none !important; box-shadow: none !important; max-width: 100% !important; float: none }
#fax-message { width: 100%; display: flow-root }
.fax-plain p { white-space: pre-wrap; margin: 0.9em 0 0 }
.fax-plain > :first-child, .fax-plain .fax-next { margin-top: 0 }
[nowrap], [style*="white-space:nowrap"] { white-space: normal !important }
[style*="white-space:pre"] { white-space: pre-wrap !important }
p, li, blockquote { orphans: 2; widows: 2 }
blockquote { margin: 0.6em 0; padding-left: 0.8em; border-left: 1.5pt solid #000 }
h1, h2, h3, h4, h5, h6 { break-after: avoid; line-height: 1.2 }
.fax-subject { font-size: 14pt; margin: 0 0 12pt }
pre { white-space: pre-wrap; font-family: "Liberation Mono", "DejaVu Sans Mono", monospace; font-size: 10pt }
hr { border: 0; border-top: 0.75pt solid #000 }
tr, img { break-inside: avoid }
thead { display: table-header-group }
table[border]:not([border="0"], [cellpadding]) :is(td, th) { padding: 1pt 3pt }
img { max-height: ${Math.floor(area.height * PIXELS) - 2}px; image-rendering: pixelated }
.fax-lost { display: inline-block; border: 0.75pt solid #000; padding: 1pt 4pt }
.fax-cover { height: ${Math.floor(area.height * PIXELS) - 4}px; overflow: hidden; break-after: page }
.fax-cover h1 { font-size: 40pt; letter-spacing: 0.2em; margin: 36pt 0 30pt }
.fax-cover table { border-collapse: collapse; width: 100%; font-size: 13pt }
.fax-cover th { text-align: left; width: 24mm; vertical-align: top; padding: 8pt 12pt 8pt 0; white-space: nowrap }
.fax-cover td { padding: 8pt 0 }
.fax-cover tr { border-bottom: 0.75pt solid #000 }`;
}

function coverPage(lines: readonly CoverLine[], pages: number | undefined): string {
  const all = [...lines, { name: 'Pages', value: pages === undefined ? '…' : `${pages}, this one included` }];
  const row = ({ name, value }: CoverLine) => `<tr><th>${name}</th><td dir="auto">${escapeHtml(value)}</td></tr>`;
  return `<div class="fax-cover"><h1>FAX</h1><table>${all.map(row).join('')}</table></div>`;
}

/** The size in the sender's style counts until the picture is measured. */
function picture(shown: Shown | undefined, marks: string, attributes: string): string {
  if (!shown) return '<span class="fax-lost">[a picture that cannot be shown]</span>';
  if (!shown.size) return `<img ${marks} src="${shown.src}" ${attributes}>`;
  const { width, height } = shown.size;
  const others = attributes.replace(/\b(?:style|width|height)="[^"]*"/g, '');
  return `<img src="${shown.src}" ${others} style="width:${width}px;height:${height}px">`;
}

/** A link on paper needs its address. */
function withAddresses(html: string): string {
  return html.replace(/<a ([^<>]*)>([^<]+)<\/a>/g, (all, attributes: string, text: string) => {
    const href = /\bhref="(https?:[^"]+)"/.exec(attributes)?.[1];
    if (href === undefined || href.length > MAX_SHOWN_LINK || bare(href) === bare(text)) return all;
    return `${all} (${href})`;
  });
}

/** Characters of a word that nothing but a very narrow column must break, and of its parts where it is broken. */
const LONG_WORD = /(<[^<>]*>)|((?:&[#\w]+;|[^\s<&]){25,})/gu;
const PARTS = /(?:&[#\w]+;|[^&]){8}/gu;

function withBreaks(html: string): string {
  return html.replace(LONG_WORD, (_all, tag?: string, word?: string) => tag ?? word?.replace(PARTS, '$&<wbr>') ?? '');
}

function bare(address: string): string {
  return address
    .toLowerCase()
    .replace(/^https?:\/\//, '')
    .replace(/\/$/, '')
    .replace(/\s+/g, '');
}
