// What of a PDF is drawn, by each of the programs that draw it.
import { tmpdir } from 'node:os';
import { describe, expect, test } from 'vitest';
import { need } from '../../../../test/fixtures/received-faxes.js';
import { systemClock } from '../../../kit/clock.js';
import { PDF_PROGRAMS, pdfPages } from './pdf-pages.js';

const LIMITS = { pages: 1, pixels: 1e7, totalPixels: 1e9, scratch: tmpdir(), clock: systemClock };

/** A page of two black squares, the left lower one inside of 100..200 in both directions, the right upper one of 400..500. */
const SQUARES = '100 100 100 100 re f 400 400 100 100 re f';

function pdfOf(page: string, { pages = '', content = SQUARES } = {}): Buffer {
  const objects = [
    '<</Type/Catalog/Pages 2 0 R>>',
    `<</Type/Pages/Kids[3 0 R]/Count 1${pages}>>`,
    `<</Type/Page/Parent 2 0 R/Contents 4 0 R/Resources<<>>${page}>>`,
    `<</Length ${content.length}>>stream\n${content}\nendstream`,
  ];
  const body = objects.map((object, index) => `${index + 1} 0 obj\n${object}\nendobj\n`).join('');
  return Buffer.from(`%PDF-1.6\n${body}trailer<</Root 1 0 R/Size 5>>\n%%EOF\n`, 'latin1');
}

async function drawnBy(file: string, pdf: Buffer) {
  const programs = PDF_PROGRAMS.filter((program) => program.file === file);
  const options = { ...LIMITS, signal: new AbortController().signal };
  const { pages } = await pdfPages(pdf, options, programs);
  for await (const { raster } of pages) if (raster) return raster;
  throw new Error('no page was drawn');
}

/** Share of the page that is black. */
const darkness = (data: Buffer) => data.filter((dot) => dot < 128).length / data.length;

describe.each(['pdftoppm', 'gs'] as const)('the page of a PDF, drawn by %s', (program) => {
  const { here, why } = need(program);
  const MEDIA = '/MediaBox[0 0 600 600]';

  test.runIf(here).each<[string, string, string, number]>([
    ['without a crop box is drawn whole', MEDIA, '', 2 / 36],
    ['with a crop box is drawn inside of it only', `${MEDIA}/CropBox[0 0 300 300]`, '', 1 / 9],
    ['that inherits its crop box', '', `${MEDIA}/CropBox[0 0 300 300]`, 1 / 9],
    ['with a crop box and turned', `${MEDIA}/CropBox[0 0 300 300]/Rotate 90`, '', 1 / 9],
    ['that inherits box and turning', '', `${MEDIA}/CropBox[0 0 300 300]/Rotate 270`, 1 / 9],
    ['with a crop box and a unit of its own', `${MEDIA}/CropBox[0 0 300 300]/UserUnit 2`, '', 1 / 9],
    ['with a crop box of which one corner is first', `${MEDIA}/CropBox[300 300 0 0]`, '', 1 / 9],
    ['with a crop box that goes beyond the page', `${MEDIA}/CropBox[-300 -300 300 300]`, '', 1 / 9],
    [
      'with a crop box of its own, not the inherited one',
      `/CropBox[0 0 300 300]`,
      `${MEDIA}/CropBox[0 0 50 50]`,
      1 / 9,
    ],
  ])(`%s${why}`, async (_, page, pages, share) => {
    const { data, width, height } = await drawnBy(program, pdfOf(page, { pages }));
    // Ghostscript puts the page on an A4 sheet.
    const sheet = program === 'gs' ? (width * height) / width ** 2 : 1;
    expect(darkness(data) * sheet).toBeCloseTo(share, 2);
  });
});

const poppler = need('pdftoppm');
test.runIf(poppler.here)(`an empty crop box is none${poppler.why}`, async () => {
  const { data } = await drawnBy('pdftoppm', pdfOf('/MediaBox[0 0 600 600]/CropBox[0 0 0 0]'));
  expect(darkness(data)).toBeCloseTo(2 / 36, 2);
});
