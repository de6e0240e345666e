// The page images of the line, made by Ghostscript: their size, their dots, and that it never holds anybody up.
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, afterEach, describe, expect, test, vi } from 'vitest';
import { manualClock } from '../../../../test/fixtures/manual-clock.js';
import {
  blackness,
  dataUri,
  faxIn,
  GHOSTSCRIPT,
  NOW,
  picture,
  RULES,
  sendRequestOf,
  without,
} from '../../../../test/fixtures/sent-faxes.js';
import { waitFor } from '../../../../test/fixtures/wait-for.js';
import { type Log, silentLog } from '../../../kit/log.js';
import type { FaxRules } from '../../../model/content.js';
import type { MessageContentInfo } from '../../../model/message.js';
import { createFaxMaker, type FaxMaker, type FaxMakerOptions } from '../render/make.js';

const never = new AbortController().signal;
const opened: FaxMaker[] = [];
const folder = mkdtempSync(join(tmpdir(), 'fax-out-test-'));

afterEach(async () => {
  for (const composer of opened.splice(0)) await composer.close();
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function maker(more: Partial<FaxMakerOptions> = {}): FaxMaker {
  const made = createFaxMaker({
    clock: manualClock(NOW),
    log: silentLog,
    chromium: null,
    ghostscript: null,
    ...more,
  });
  opened.push(made);
  return made;
}

/** Collects the warnings of a composer. */
function warnings(): { log: Log; said: string[] } {
  const said: string[] = [];
  const log: Log = { ...silentLog, warn: (fields, message) => void said.push(`${message} ${JSON.stringify(fields)}`) };
  return { log, said };
}

/** A program that notes its process id and then does what `script` says. */
function program(name: string, script: string): { file: string; pids: () => number[] } {
  const [file, pids] = [join(folder, name), join(folder, `${name}.pids`)];
  writeFileSync(file, `#!/bin/sh\necho $$ >> ${pids}\n${script}\n`, { mode: 0o755 });
  writeFileSync(pids, '');
  return { file, pids: () => readFileSync(pids, 'utf8').trim().split('\n').filter(Boolean).map(Number) };
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** Nothing else that runs at this time works here. */
vi.stubEnv('TMPDIR', folder);
const workFolders = () => readdirSync(folder).filter((name) => name.startsWith('gatepost-fax-'));

describe.runIf(GHOSTSCRIPT)(`page images${without(['gs', GHOSTSCRIPT])}`, () => {
  const ghostscript = GHOSTSCRIPT ?? '';
  const tiffOf = async (sendRequest: Partial<MessageContentInfo>, rules: Partial<FaxRules> = {}) =>
    faxIn(
      await maker({ ghostscript }).compose(
        sendRequestOf(sendRequest),
        { ...RULES, documents: 'tiff', ...rules },
        never,
      ),
    );

  test.each([
    ['A4', 'Standard', 98, 1146],
    ['A4', 'Fine', 196, 2292],
    ['A4', 'Superfine', 391, 4572],
    ['Letter', 'Standard', 98, 1078],
    ['Letter', 'Fine', 196, 2156],
    ['Legal', 'Superfine', 391, 5474],
  ] as const)('%s %s is 1728 dots wide, T.6, 204x%i', async (pageSize, resolution, down, height) => {
    const { tiff } = await tiffOf({ BodyText: 'x' }, { pageSize, resolution });
    const image = sharp(tiff ?? Buffer.alloc(0));
    expect(await image.metadata()).toMatchObject({
      width: 1728,
      height,
      density: 204,
      pages: 1,
    });
    const tags = directory(Buffer.from(tiff ?? []));
    // Resolutions are fractions; compression 4 is T.6; of the page number the second half is how many there are.
    expect({ x: tags.get(282), y: tags.get(283), compression: tags.get(259), page: tags.get(297) }).toEqual({
      x: 204,
      y: down,
      compression: 4,
      page: 0x10000,
    });
  });

  test('every page of the PDF is there, numbered, and the bytes are the same each time', async () => {
    const [one, other] = [
      await tiffOf({ BodyText: 'line\n'.repeat(150) }),
      await tiffOf({ BodyText: 'line\n'.repeat(150) }),
    ];
    expect((await sharp(one.tiff ?? undefined).metadata()).pages).toBe(one.pages);
    expect(Buffer.from(one.tiff ?? []).equals(Buffer.from(other.tiff ?? [0]))).toBe(true);
    // Nothing of the real time is in it.
    expect(
      Buffer.from(one.tiff ?? [])
        .toString('latin1')
        .match(/\d{4}:\d\d:\d\d [\d:]{8}/g),
    ).toEqual(Array.from({ length: one.pages }, () => '2026:11:22 10:15:30'));
  });

  test('the page is in the middle: as much white on the left as on the right', async () => {
    const { tiff } = await tiffOf({ BodyText: '_'.repeat(20) });
    const black = await blackness(Buffer.from(tiff ?? []), 1);
    const first = black.findIndex((share) => share > 0);
    const last = black.length - 1 - [...black].reverse().findIndex((share) => share > 0);
    expect(Math.abs(first - (1727 - last))).toBeLessThan(6);
  });

  test('a picture keeps its shades as dots, from black on the left to white on the right', async () => {
    const ramp = dataUri(await picture(900, 300, 'ramp'));
    const { tiff } = await tiffOf({ BodyHtml: `<img src="${ramp}">` });
    const page = sharp(tiff ?? undefined);
    const { data } = await page
      .extract({ left: 170, top: 200, width: 1388, height: 200 })
      .png()
      .toBuffer({ resolveWithObject: true });
    const black = await blackness(data, 139);
    for (let at = 1; at < black.length; at++) expect(black[at]).toBeLessThan(black[at - 1] ?? 0);
    expect(black[4]).toBeGreaterThan(0.4);
    expect(black[4]).toBeLessThan(0.7);
  });

  test('without Ghostscript, or with one that fails, the PDF leaves alone and the log says why', async () => {
    const rules: FaxRules = { ...RULES, documents: 'tiff' };
    expect(faxIn(await maker().compose(sendRequestOf({ BodyText: 'x' }), rules, never)).tiff).toBeNull();
    const { log, said } = warnings();
    const broken = program('gs-broken', 'echo no such device; exit 3');
    const fax = faxIn(
      await maker({ ghostscript: broken.file, log }).compose(sendRequestOf({ BodyText: 'x' }), rules, never),
    );
    expect([fax.pages, fax.tiff]).toEqual([1, null]);
    expect(said.join()).toMatch(/PDF only.*code 3: no such device/);
    expect(workFolders()).toEqual([]);
  });

  test('one that hangs is killed when its time is over, and when nobody waits any more', async () => {
    const clock = manualClock(NOW);
    const hanging = program('gs-hanging', 'exec sleep 600');
    const { log, said } = warnings();
    const slow = maker({ ghostscript: hanging.file, clock, log, composeMs: 5_000 });
    const composing = slow.compose(sendRequestOf({ BodyText: 'x' }), { ...RULES, documents: 'tiff' }, never);
    const [pid = 0] = await waitFor('Ghostscript', () => hanging.pids().length > 0 && hanging.pids());
    await clock.advance(5_001);
    expect(faxIn(await composing).tiff).toBeNull();
    expect([isAlive(pid), said.length, clock.armed]).toEqual([false, 1, 0]);

    const controller = new AbortController();
    const again = slow.compose(sendRequestOf({ BodyText: 'x' }), { ...RULES, documents: 'tiff' }, controller.signal);
    const second = await waitFor('Ghostscript', () => hanging.pids()[1]);
    controller.abort(new Error('stopped'));
    await expect(again).rejects.toThrow('stopped');
    expect([isAlive(second), clock.armed, workFolders()]).toEqual([false, 0, []]);
  });
});

/** The tags of the first page; of a fraction its numerator, of the others their four bytes. */
function directory(tiff: Buffer): Map<number, number> {
  const at = tiff.readUInt32LE(4);
  const entries = Array.from({ length: tiff.readUInt16LE(at) }, (_, index) => at + 2 + 12 * index);
  return new Map(
    entries.map((entry) => {
      const value = tiff.readUInt32LE(entry + 8);
      const isFraction = tiff.readUInt16LE(entry + 2) === 5;
      return [tiff.readUInt16LE(entry), isFraction ? tiff.readUInt32LE(value) / tiff.readUInt32LE(value + 4) : value];
    }),
  );
}
