// Sample faxes: one real page as TIFF and as PDF, made different by bytes after their end, which every reader ignores.
import PDFDocument from 'pdfkit';
import sharp from 'sharp';
import type { ComposedFax, FaxDocument } from '../../src/driver/contract.js';
import type { Samples } from './samples.js';

export interface OfferedFax {
  /** A whole TIFF. */
  readonly raw: Buffer;
  readonly from: string;
  readonly to: string;
}

/** What the counterparty was given to send: the TIFF or the PDF. */
export interface DeliveredFax {
  readonly to: string;
  readonly document: Buffer;
}

const TIFF = await tiffPage();
const PDF = await pdfPage();

export const faxSamples: Samples<FaxDocument, ComposedFax, OfferedFax, DeliveredFax> = {
  offered: (name) => ({ raw: marked(TIFF, name), from: '+420222333444', to: '+420555666777' }),
  carries: ({ raw, from }, offered) =>
    Buffer.from(raw).includes(offered.raw) && (from === null || digits(from) === digits(offered.from)),
  size: ({ raw }) => raw.length,
  outgoing: (name) => outboundFax(name),
  idOf: () => undefined,
  same: ({ to, document }, fax) =>
    digits(to) === digits(fax.to) &&
    [fax.pdf, fax.tiff].some((sent) => sent !== null && document.includes(Buffer.from(sent))),
  identity: ({ to, document }) => `${to} ${document.subarray(-80).toString('latin1')}`,
};

/** A composed fax of one page. */
export function outboundFax(name: string, to = '+420777123456'): ComposedFax {
  const documents = { pdf: marked(PDF, name), tiff: marked(TIFF, name), pages: 1 };
  return { kind: 'fax', to, from: undefined, subject: name, ...documents, reference: `ref ${name.slice(0, 40)}` };
}

function marked(document: Buffer, name: string): Buffer {
  return Buffer.concat([document, Buffer.from(`\n% ${name}\n`)]);
}

function digits(number: string): string {
  return number.replace(/^\+/, '');
}

/** A page of black bars, 1728 dots wide, fine resolution. */
async function tiffPage(): Promise<Buffer> {
  const [width, height] = [1728, 600];
  const dots = Buffer.alloc(width * height, 255);
  for (let y = 100; y < 500; y++) if (Math.floor(y / 50) % 2 === 0) dots.fill(0, y * width + 200, y * width + 1500);
  return sharp(dots, { raw: { width, height, channels: 1 } })
    .threshold()
    .toColourspace('b-w')
    .tiff({ compression: 'ccittfax4', bitdepth: 1, xres: 204 / 25.4, yres: 196 / 25.4 })
    .toBuffer();
}

function pdfPage(): Promise<Buffer> {
  const document = new PDFDocument({ size: 'A4', info: { CreationDate: new Date(0) } });
  const chunks: Buffer[] = [];
  document.on('data', (chunk: Buffer) => chunks.push(chunk));
  const whole = new Promise<Buffer>((resolve) => document.on('end', () => resolve(Buffer.concat(chunks))));
  document.fontSize(24).text('A page', 100, 100);
  document.end();
  return whole;
}
