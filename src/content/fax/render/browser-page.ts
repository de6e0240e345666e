import type { Browser, BrowserContext, Page } from 'playwright-core';
import { z } from 'zod';
import { GatepostError } from '../../../kit/errors.js';
import { type Dots, dithered, type Picture } from '../tiff/dither.js';
import { areaOf, MAX_PAGES, type Paper, tooManyPages } from './page.js';
import { countPages, dated } from './pdf.js';
import {
  type FaxJob,
  headerTemplate,
  type Laid,
  PIXELS,
  type Shown,
  SQUEEZES,
  type Squeeze,
  sheetOf,
} from './sheet.js';

/** Multiples of MAX_PAGES up to which the estimated pages are counted exactly. */
const WORTH_COUNTING = 1.5;
/** Characters of all pictures in one message; later pictures are left out, and would not fit into the PDF either. */
const MAX_PICTURE_DATA = 50_000_000;

/** Without scripts and network, and separate from every other fax. */
export async function lockedContext(browser: Browser, paper: Paper): Promise<BrowserContext> {
  const area = areaOf(paper);
  const context = await browser.newContext({
    javaScriptEnabled: false,
    offline: true,
    acceptDownloads: false,
    serviceWorkers: 'block',
    viewport: { width: Math.floor(area.width * PIXELS), height: Math.floor(area.height * PIXELS) },
  });
  await context.route('**/*', (route) => route.abort());
  return context;
}

export async function layOutIn(
  context: BrowserContext,
  job: FaxJob,
  pictures: readonly (Picture | undefined)[],
  signal: AbortSignal,
): Promise<Laid> {
  const page = await context.newPage();
  await page.emulateMedia({ media: 'print' });
  const squeeze = await settle(page, job, pictures);
  const { height } = await sizeOf(page);
  const estimate = height / (areaOf(job.paper).height * PIXELS);
  if (estimate > WORTH_COUNTING * MAX_PAGES) return { ok: false, problem: tooManyPages(estimate, true) };
  const made = await shownOn(page, job.paper, pictures, signal);
  const options = { shown: (_index: number, place: number) => made.get(place), squeeze };
  const first = await print(page, job, sheetOf(job, options));
  const pages = countPages(first);
  if (pages === 0) throw new GatepostError('fax/chromium', 'Chromium printed a document whose pages cannot be counted');
  if (pages > MAX_PAGES) return { ok: false, problem: tooManyPages(pages) };
  const pdf = job.cover ? await print(page, job, sheetOf(job, { ...options, pages })) : first;
  return { ok: true, pdf: dated(pdf, job.now), pages };
}

/** Shows the message with placeholders for its pictures, with the least squeeze that makes it fit the width of the page. */
async function settle(page: Page, job: FaxJob, pictures: readonly (Picture | undefined)[]): Promise<Squeeze> {
  const shown = (index: number) => placeholder(pictures[index]);
  for (const squeeze of SQUEEZES) {
    await page.setContent(sheetOf(job, { shown, squeeze }));
    const { width, room } = await sizeOf(page);
    if (width <= room) return squeeze;
  }
  return 'words';
}

async function print(page: Page, job: FaxJob, sheet: string): Promise<Buffer> {
  await page.setContent(sheet);
  const { width, height, margin } = job.paper;
  return page.pdf({
    width: inches(width),
    height: inches(height),
    margin: {
      top: inches(margin.top),
      bottom: inches(margin.bottom),
      left: inches(margin.side),
      right: inches(margin.side),
    },
    displayHeaderFooter: job.header !== undefined,
    headerTemplate: headerTemplate(job),
    footerTemplate: '<span></span>',
    printBackground: true,
    tagged: false,
  });
}

function inches(points: number): string {
  return `${points / 72}in`;
}

/** An empty picture of the same size. */
function placeholder(picture: Picture | undefined): Shown | undefined {
  if (!picture) return undefined;
  const svg = `<svg xmlns='http://www.w3.org/2000/svg' width='${picture.width}' height='${picture.height}'/>`;
  return { src: `data:image/svg+xml,${encodeURIComponent(svg)}` };
}

/** The pictures, each dithered to the dots of its place on the page. */
async function shownOn(
  page: Page,
  { dots }: Paper,
  pictures: readonly (Picture | undefined)[],
  signal: AbortSignal,
): Promise<Map<number, Shown>> {
  const made = new Map<string, string>();
  const shown = new Map<number, Shown>();
  let room = MAX_PICTURE_DATA;
  for (const { place, index, width, height } of await placesOn(page)) {
    signal.throwIfAborted();
    const picture = pictures[index];
    if (!picture) continue;
    const size = { across: Math.round((width * dots.across) / 96), down: Math.round((height * dots.down) / 96) };
    const key = `${index} ${size.across} ${size.down}`;
    const src = made.get(key) ?? (await pngOf(picture, size));
    made.set(key, src);
    room -= src.length;
    if (room < 0) continue;
    shown.set(place, { src, size: { width, height } });
  }
  return shown;
}

async function pngOf(picture: Picture, size: Dots): Promise<string> {
  return `data:image/png;base64,${(await dithered(picture, size)).toString('base64')}`;
}

const measured = z.array(
  z.object({ place: z.number(), index: z.number(), width: z.number(), height: z.number(), declared: z.number() }),
);

/**
 * Sizes in CSS pixels. A picture that is narrower than its own attribute was squeezed to the page, and its height shrinks with it.
 */
async function placesOn(page: Page): Promise<{ place: number; index: number; width: number; height: number }[]> {
  const found = await page.evaluate(`[...document.querySelectorAll('img[data-place]')].map((img) => {
    const { width, height } = img.getBoundingClientRect();
    const declared = parseFloat(img.style.width.endsWith('px') ? img.style.width : img.getAttribute('width') ?? '');
    const percent = (img.style.width || img.getAttribute('width') || '').endsWith('%');
    return { place: Number(img.dataset.place), index: Number(img.dataset.index), width, height, declared: percent ? 0 : declared || 0 };
  })`);
  return measured.parse(found).map(({ declared, ...box }) => {
    const squeezed = declared > box.width + 1 && box.width > 0;
    return squeezed ? { ...box, height: (box.height * box.width) / declared } : box;
  });
}

const size = z.object({ width: z.number(), room: z.number(), height: z.number() });

async function sizeOf(page: Page): Promise<z.output<typeof size>> {
  const found = await page.evaluate(`({
    width: document.documentElement.scrollWidth,
    room: document.documentElement.clientWidth,
    height: document.documentElement.scrollHeight,
  })`);
  return size.parse(found);
}
