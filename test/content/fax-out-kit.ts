// Owns what the tests of outgoing faxes share: an order, rules, pictures, and what poppler and libtiff say of a document.
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import sharp from 'sharp';
import type { ComposedFax, FaxResult } from '../../src/content/fax/compose.js';
import type { FaxRulesInput } from '../../src/content/reader.js';
import type { MessageContentInfo } from '../../src/simprot/messages.js';

export const NOW = Date.UTC(2026, 10, 22, 10, 15, 30);
export const CHROMIUM = existing('/usr/bin/chromium');
export const GHOSTSCRIPT = existing('/usr/bin/gs');
export const POPPLER = existing('/usr/bin/pdftotext');

function existing(file: string): string | undefined {
  return existsSync(file) ? file : undefined;
}

/** For the title of what cannot run here. */
export function without(...needed: [string, string | undefined][]): string {
  const missing = needed.flatMap(([name, file]) => (file ? [] : [name]));
  return missing.length > 0 ? ` (skipped: no ${missing.join(', no ')})` : '';
}

export const RULES: FaxRulesInput = {
  region: 'CZ',
  pageSize: 'A4',
  resolution: 'Fine',
  documents: 'pdf',
  header: undefined,
  station: undefined,
  coverPage: false,
};

export function orderOf(more: Partial<MessageContentInfo> = {}): MessageContentInfo {
  return {
    GatewayId: '00000000-0000-0000-0000-000000000000',
    MessageId: '5f2c8f0e-6f0e-4c38-9d0a-0d5c4d8e7a11',
    RemoteAddress: '+420 222 333 444',
    ...more,
  };
}

export function faxIn(result: FaxResult): ComposedFax {
  if (!result.ok) throw new Error(`refused: ${result.problem}`);
  return result.fax;
}

export function problemIn(result: FaxResult): string {
  if (result.ok) throw new Error('was composed');
  return result.problem;
}

/** The words of a PDF; of one page, counted from 1, when `page` is given. */
export function wordsOf(pdf: Uint8Array, page?: number): string {
  const pages = page === undefined ? [] : ['-f', String(page), '-l', String(page)];
  return execFileSync('pdftotext', ['-layout', ...pages, '-', '-'], { input: pdf, encoding: 'utf8' });
}

export function pagesOf(pdf: Uint8Array): number {
  const info = execFileSync('pdfinfo', ['-'], { input: pdf, encoding: 'utf8' });
  return Number(/^Pages:\s+(\d+)$/m.exec(info)?.[1]);
}

/** A picture of one shade, or from black on the left to white on the right. */
export async function picture(width: number, height: number, shade: number | 'ramp'): Promise<Buffer> {
  const data = Buffer.alloc(width * height);
  for (let at = 0; at < data.length; at++) {
    data[at] = shade === 'ramp' ? Math.round(((at % width) * 255) / (width - 1)) : shade;
  }
  return sharp(data, { raw: { width, height, channels: 1 } })
    .png()
    .toBuffer();
}

export function dataUri(bytes: Buffer): string {
  return `data:image/png;base64,${bytes.toString('base64')}`;
}

/** Shares of black in the columns of a black and white picture, each column `step` dots wide. */
export async function blackness(image: Buffer, step: number, page = 0): Promise<number[]> {
  const { data, info } = await sharp(image, { page }).greyscale().raw().toBuffer({ resolveWithObject: true });
  const columns = Math.floor(info.width / step);
  const black = new Array<number>(columns).fill(0);
  for (let at = 0; at < data.length; at += info.channels) {
    const column = Math.floor(((at / info.channels) % info.width) / step);
    if ((data[at] ?? 255) < 128 && column < columns) black[column] = (black[column] ?? 0) + 1;
  }
  return black.map((count) => count / (step * info.height));
}
