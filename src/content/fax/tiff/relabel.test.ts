// Pages whose file names another coding than they have.
import { execFileSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { directoryOf, drawn, LINES, need, tiffOf, WIDTH } from '../../../../test/fixtures/received-faxes.js';
import { systemClock } from '../../../kit/clock.js';
import { tiffPages } from './tiff-pages.js';

const LIMITS = { pages: 1, pixels: WIDTH * LINES, totalPixels: WIDTH * LINES, clock: systemClock };
const tiffcp = need('tiffcp');
let folder = '';
let dots: Buffer = Buffer.alloc(0);
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gatepost-relabel-test-'));
  dots = await drawn(['HELLO FAX 12345', 'Please cancel my order']);
  await writeFile(join(folder, 'from.tif'), await tiffOf([dots], { compression: 'none' }));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function coded(...args: string[]): Promise<Buffer> {
  execFileSync('tiffcp', [...args, join(folder, 'from.tif'), join(folder, 'to.tif')], { stdio: 'ignore' });
  return readFile(join(folder, 'to.tif'));
}

/** `tiff` with other labels: short values of fields that it has. */
function labelled(tiff: Buffer, labels: Readonly<Record<number, number>>): Buffer {
  for (const { tag, at } of directoryOf(tiff).entries) {
    const value = labels[tag];
    if (value !== undefined) tiff.writeUInt16LE(value, at + 8);
  }
  return tiff;
}

async function pageOf(tiff: Buffer) {
  const signal = new AbortController().signal;
  const { pages } = tiffPages(tiff, { ...LIMITS, scratch: folder, signal });
  for await (const page of pages) return page;
  throw new Error('the file has no page');
}

const [COMPRESSION, FIRST_BIT, OPTIONS] = [259, 266, 292];
const LSB = ['-f', 'lsb2msb'];

describe('a page of the wrong label', () => {
  test.runIf(tiffcp.here).each<[string, string[], Record<number, number>]>([
    ['Group 4, said to be Group 3', ['-c', 'g4'], { [COMPRESSION]: 3 }],
    ['Group 4 in one strip, said to be Group 3', ['-c', 'g4', '-r', '5000'], { [COMPRESSION]: 3 }],
    ['Group 4, said to be run lengths', ['-c', 'g4'], { [COMPRESSION]: 2 }],
    ['Group 4, said to be uncompressed', ['-c', 'g4'], { [COMPRESSION]: 1 }],
    ['Group 3, said to be Group 4', ['-c', 'g3:1d'], { [COMPRESSION]: 4 }],
    ['Group 3 with fill bits, said to be Group 4', ['-c', 'g3:1d:fill'], { [COMPRESSION]: 4 }],
    ['two-dimensional Group 3, said to be Group 4', ['-c', 'g3:2d'], { [COMPRESSION]: 4 }],
    ['Group 3, said to be two-dimensional', ['-c', 'g3:1d'], { [OPTIONS]: 1 }],
    ['two-dimensional Group 3, said to be one-dimensional', ['-c', 'g3:2d'], { [OPTIONS]: 0 }],
    ['Group 4 with bits in the other order', ['-c', 'g4', ...LSB], { [FIRST_BIT]: 1 }],
    ['Group 3 with bits in the other order', ['-c', 'g3:1d', ...LSB], { [FIRST_BIT]: 1 }],
    ['Group 4 with bits in the other order, said to be Group 3', ['-c', 'g4', ...LSB], { 259: 3, 266: 1 }],
  ])(`is shown as it is: %s${tiffcp.why}`, async (_, args, labels) => {
    const { raster, damage } = await pageOf(labelled(await coded(...args), labels));
    expect(damage).toBeNull();
    expect(raster?.data.equals(dots)).toBe(true);
  });

  test.runIf(tiffcp.here)(`and damage, is shown with a note${tiffcp.why}`, async () => {
    const tiff = await coded('-c', 'g4', '-r', '5000');
    tiff.fill(0, 400, 420);
    const { raster, damage } = await pageOf(tiff);
    expect(damage).toBe('is damaged; parts of it may be missing or wrong');
    expect(raster?.height).toBe(LINES);
  });
});
