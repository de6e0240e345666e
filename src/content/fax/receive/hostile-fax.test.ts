// Files that no fax machine made, each within a bounded time and never without a message; and what happens to the process that
// looks into them.
import { execFileSync } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { brokenPromises, context } from '../../../../test/fixtures/mail.js';
import { manualClock } from '../../../../test/fixtures/manual-clock.js';
import {
  barPages,
  declaring,
  directoryOf,
  drawn,
  faxOf,
  need,
  picturesOf,
  repeated,
  TAG,
  tiffOf,
} from '../../../../test/fixtures/received-faxes.js';
import { longestTurnAtBest } from '../../../../test/fixtures/turns.js';
import { waitFor } from '../../../../test/fixtures/wait-for.js';
import { systemClock } from '../../../kit/clock.js';
import { silentLog } from '../../../kit/log.js';
import type { FaxDocument } from '../../../model/content.js';
import { createReader } from '../../create-reader.js';
import type { ReadMessage } from '../../reader.js';
import type { FaxTask } from '../process/page-task.js';
import { PAGE_LIMITS } from './examine.js';
import { createRecognizer, type Recognized, type Recognizer } from './ocr.js';
import { createPageReading } from './page-reading.js';
import { PDF_PROGRAMS, pdfPages } from './pdf-pages.js';
import { readFax } from './read-fax.js';
import { createPageReader } from './read-pages.js';

/** Decoding on the main thread would hold it for seconds; copying the file to the process takes up to 0.1 s on a slow machine. */
const STALL_MS = 250;

/** Failures of the process; none of these files may cause one. */
const failures: object[] = [];
const log = { ...silentLog, warn: (fields: object) => void failures.push(fields) };
const reader = createReader({ clock: systemClock, log, ocr: false });
afterAll(() => reader.close());

/** Ms that any file may take; most take a tenth of a second. Wide, because the machine may be busy. */
const LONGEST_MS = 60_000;

async function read(raw: Uint8Array, more: Partial<FaxDocument> = {}): Promise<ReadMessage> {
  const startedAt = systemClock.monotonic();
  const message = await reader.readFax(faxOf(raw, more), { region: 'CZ' }, context);
  expect(systemClock.monotonic() - startedAt).toBeLessThan(LONGEST_MS);
  expect(brokenPromises(message)).toEqual([]);
  expect(failures).toEqual([]);
  return message;
}

const original = (message: ReadMessage) => message.attachments.at(-1)?.bytes.byteLength;

describe('a file that is no fax', () => {
  test('declares 900 million dots in 1 KB: it is not decoded', async () => {
    const bomb = declaring(await tiffOf(barPages(1)), {
      [TAG.width]: 30_000,
      [TAG.height]: 30_000,
      [TAG.rowsPerStrip]: 30_000,
    });
    const message = await read(bomb);
    expect(message.notes).toEqual(['Page 1 cannot be shown: it declares 30000 x 30000 dots, which no fax has.']);
    expect(original(message)).toBe(bomb.length);
  });

  test('has one line of 4,000,000,000 dots', async () => {
    const { notes } = await read(declaring(await tiffOf(barPages(1)), { [TAG.width]: 4_000_000_000, [TAG.height]: 1 }));
    expect(notes.join()).toContain('4000000000 x 1 dots');
  });

  test('says that more lines are there than are: the page is shown as far as it goes', async () => {
    const { message, notes } = await read(declaring(await tiffOf(barPages(1)), { [TAG.height]: 9_000 }));
    expect(picturesOf(message.BodyHtml)).toHaveLength(1);
    expect(notes).toEqual(['Page 1 is damaged; parts of it may be missing or wrong.']);
  });

  test('has a list of pages that runs in a circle', async () => {
    const circle = repeated(await tiffOf(barPages(1)), 3);
    circle.writeUInt32LE(directoryOf(circle).at, circle.length - 4);
    const { message, notes } = await read(circle);
    expect(notes).toEqual(['The file of the fax is broken: its list of pages runs in a circle.']);
    expect(picturesOf(message.BodyHtml)).toHaveLength(3);
  });

  test('has 65,535 pages: the first are shown, and the message says where the others are', async () => {
    const { message } = await read(repeated(await tiffOf(barPages(1, { height: 100 }), { height: 100 }), 65_535));
    expect(message.SubjectField).toBe('Fax from +420 777 123 456, 65535 pages');
    expect(message.BodyHtml).toContain(
      'Pages 41 to 200: see the attached PDF; pages 201 to 65535: see the attached TIFF',
    );
  });

  test('has 2,000 pages of full size', async () => {
    const file = repeated(await tiffOf(barPages(1)), 2_000);
    const message = await read(file);
    expect(picturesOf(message.message.BodyHtml)).toHaveLength(40);
    expect(message.message.BodyText).toContain('2000 pages');
    expect(original(message)).toBe(file.length);
  });

  test('is cut off: the pages before the cut are shown', async () => {
    const file = await tiffOf(barPages(4));
    const { message, notes } = await read(file.subarray(0, Math.floor(file.length * 0.6)));
    expect(picturesOf(message.BodyHtml).length).toBeGreaterThanOrEqual(1);
    expect(notes.join()).toMatch(/The file of the fax is broken: it ends within page \d\./);
  });

  test('has dots that cannot be decoded: the other pages are shown', async () => {
    const file = repeated(await tiffOf(barPages(1)), 3);
    for (const { tag, at } of directoryOf(file).entries) if (tag === TAG.compression) file.writeUInt16LE(34712, at + 8);
    const { message, notes } = await read(file);
    expect(picturesOf(message.BodyHtml)).toHaveLength(2);
    expect(notes).toEqual(['Page 1 cannot be shown: it is compression 34712, which is not read here.']);
  });

  test('has a page in the middle that cannot be decoded: the others keep their numbers', async () => {
    const file = repeated(await tiffOf(barPages(1, { height: 100 }), { height: 100 }), 60);
    for (const { tag, at } of directoryOf(file).entries) if (tag === TAG.compression) file.writeUInt16LE(34712, at + 8);
    const { message } = await read(file);
    expect(message.BodyHtml).toContain('<p>Page 2<br>');
    expect(message.BodyHtml).toContain('<p>Pages 42 to 60: see the attached PDF</p>');
  });

  test.each([
    ['nothing', '', 'The file of the fax is empty.'],
    ['text named tif', 'Dear Sir or Madam', 'The file of the fax is neither TIFF nor PDF; it is attached as it came.'],
    ['a TIFF of four bytes', 'II*\0', 'The file of the fax is broken: it ends within page 1.'],
    [
      'a TIFF whose first page is nowhere',
      'II*\0\xff\xff\xff\xff',
      'The file of the fax is broken: it ends within page 1.',
    ],
    ['a TIFF without any page', 'II*\0\0\0\0\0', 'The file of the fax holds no page.'],
  ])('is %s', async (_, content, note) => {
    const message = await read(Buffer.from(content, 'latin1'));
    expect(message.notes).toEqual([note]);
    expect(message.attachments).toHaveLength(content === '' ? 0 : 1);
  });

  test('is larger than is looked into: it arrives, attached', async () => {
    const huge = Buffer.alloc(70 * 1024 * 1024);
    huge.write('II*\0');
    expect((await read(huge)).notes.join()).toContain('(70 MB) is too large to be shown');
  });

  test('is a PDF in its first bytes only', async () => {
    const { notes } = await read(Buffer.from(`%PDF-1.7\n${'nonsense '.repeat(1_000)}`));
    expect(notes.join()).toContain('The PDF cannot be shown: ');
  });

  const pdf = need('pdftoppm');
  test.runIf(pdf.here)(`is a PDF of a page of 5 x 5 km: it is drawn small${pdf.why}`, async () => {
    const box = '1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj 2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj';
    const page = '3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 14000000 14000000]>>endobj';
    const { message } = await read(Buffer.from(`%PDF-1.4\n${box} ${page}\ntrailer<</Root 1 0 R>>\n`));
    expect(picturesOf(message.BodyHtml)[0]).toMatchObject({ width: 864, height: 864 });
  });

  test('whatever bytes of a real one are changed', async () => {
    const whole = await tiffOf(barPages(2, { height: 300 }), { height: 300 });
    const change = fc.record({
      cut: fc.double({ min: 0, max: 1, noNaN: true }),
      changes: fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { maxLength: 30 }),
      // Most of the file is dots; what holds surprises are the directories behind them.
      tail: fc.array(fc.tuple(fc.integer({ min: 1, max: 400 }), fc.nat(255)), { maxLength: 12 }),
    });
    await fc.assert(
      fc.asyncProperty(change, async ({ cut, changes, tail }) => {
        const raw = Buffer.from(whole);
        for (const [at, value] of changes) if (at > 3) raw[at] = value;
        for (const [back, value] of tail) raw[whole.length - back] = value;
        await read(cut > 0.5 ? raw : raw.subarray(0, Math.max(4, Math.floor(raw.length * cut * 2))));
      }),
      { numRuns: 300 },
    );
  });
});

describe('reading a large fax', () => {
  test('does not hold up anybody else', async () => {
    const file = repeated(await tiffOf([await drawn(['HELLO'])]), 60);
    const large = Buffer.concat([file, Buffer.alloc(20 * 1024 * 1024)]);
    const stall = await longestTurnAtBest(() => reader.readFax(faxOf(large), { region: 'CZ' }, context), STALL_MS);
    expect(stall).toBeLessThanOrEqual(STALL_MS);
  }, 120_000);
});

/** A task on one small page. */
async function taskOf(more: Partial<FaxTask> = {}): Promise<FaxTask> {
  const raw = await tiffOf(barPages(2, { height: 300 }), { height: 300 });
  return { raw, format: 'tiff', ocr: null, limits: PAGE_LIMITS, title: 'Fax', time: 0, ...more };
}

describe('reading the pages of a fax', () => {
  const reading = createPageReader({ clock: systemClock });
  const pagesOf = async (limits: Partial<typeof PAGE_LIMITS>) => {
    const raw = repeated(await tiffOf(barPages(1, { height: 300 }), { height: 300 }), 10);
    return reading.read(await taskOf({ raw, limits: { ...PAGE_LIMITS, ...limits } }));
  };

  test('ends where the document would become too large', async () => {
    const whole = await pagesOf({});
    const size = (whole.pdf?.bytes.length ?? 0) / 10;
    expect(whole.pdf?.lastPage).toBe(10);
    const { pdf, count } = await pagesOf({ pdfBytes: 300 });
    expect(pdf?.lastPage).toBeGreaterThan(0);
    expect(pdf?.lastPage).toBeLessThan(10);
    expect(pdf?.bytes.length).toBeLessThan(10 * size);
    expect(count).toBe(10);
  });

  test('ends when its time is over, and says so', async () => {
    const { notes, count, shown } = await pagesOf({ picturesMs: 0.001 });
    expect(notes.join()).toMatch(/^Drawing the pages took too long; it ended after \d of them\.$/);
    expect(count).toBe(10);
    expect(shown.length).toBeLessThan(10);
  });
});

describe('the recognition of text', () => {
  const recognizer = (recognize: Recognizer['recognize']): Recognizer => ({
    available: (languages) => ({ languages, advice: null }),
    recognize,
    close: async () => {},
  });
  const pagesWith = async (answers: Recognized[], ms = 60_000) => {
    const asked: number[] = [];
    const seen = createPageReader({
      clock: systemClock,
      recognizer: recognizer(async (_png, _languages, limit) => {
        asked.push(limit);
        return answers.shift() ?? { kind: 'text', text: 'some', words: [] };
      }),
    });
    return { asked, pages: await seen.read(await taskOf({ ocr: { languages: ['eng'], ms } })) };
  };

  test('that takes too long costs nothing but the text of its page', async () => {
    const { pages } = await pagesWith([{ kind: 'late' }]);
    expect(pages.notes).toEqual(['Recognizing the text took too long on page 1.']);
    expect(pages.shown).toHaveLength(2);
    expect(pages.texts).toEqual([{ page: 2, text: 'some' }]);
    expect(pages.pdf?.lastPage).toBe(2);
  });

  test('that fails, or finds nothing sensible, says so once for all its pages', async () => {
    expect((await pagesWith([{ kind: 'failed', reason: 'boom' }, { kind: 'unclear' }])).pages.notes).toEqual([
      'No text could be recognized on page 2.',
      'Recognizing the text failed (boom) on page 1.',
    ]);
  });

  test('gets its share of the time of the fax for a page, and nothing when that is used up', async () => {
    expect((await pagesWith([], 5_000)).asked[0]).toBeLessThanOrEqual(5_000);
    const { asked, pages } = await pagesWith([], 100);
    expect(asked).toEqual([]);
    expect(pages.notes).toEqual(['There was no time to recognize the text of pages 1, 2.']);
  });

  test('ends a real engine that is late, and starts it again for the next page', async () => {
    const engine = createRecognizer({ clock: systemClock, scratch: tmpdir() });
    const raw = await taskOf({ ocr: { languages: ['eng'], ms: 60_000 } });
    const page = (await createPageReader({ clock: systemClock }).read({ ...raw, ocr: null })).shown[0]?.png;
    expect(await engine.recognize(page ?? raw.raw, ['eng'], 1)).toEqual({ kind: 'late' });
    expect(await engine.recognize(page ?? raw.raw, ['eng'], 50_000)).toMatchObject({ kind: 'text' });
    await engine.close();
  });

  test('survives what is no picture', async () => {
    const engine = createRecognizer({ clock: systemClock, scratch: tmpdir() });
    expect(await engine.recognize(Buffer.from('junk'), ['eng'], 50_000)).toMatchObject({ kind: 'failed' });
    await engine.close();
  });

  test('takes several languages, wherever their packages are', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'gatepost-ocr-test-'));
    const english = dirname(createRequire(import.meta.url).resolve('@tesseract.js-data/eng/package.json'));
    const data = join(english, '4.0.0_best_int', 'eng.traineddata.gz');
    for (const language of ['eng', 'deu']) {
      await mkdir(join(folder, language, '4.0.0_best_int'), { recursive: true });
      await copyFile(data, join(folder, language, '4.0.0_best_int', `${language}.traineddata.gz`));
    }
    const resolve = (name: string) => join(folder, name.replace('@tesseract.js-data/', ''));
    const engine = createRecognizer({ clock: systemClock, scratch: folder, resolve });
    const png = await sharp(await drawn(['GUTEN TAG 778']), { raw: { width: 1728, height: 2292, channels: 1 } })
      .png()
      .toBuffer();
    expect(await engine.recognize(png, ['eng', 'deu'], 50_000)).toMatchObject({
      kind: 'text',
      text: 'GUTEN TAG 778\n',
    });
    await engine.close();
    await rm(folder, { recursive: true, force: true });
  });

  test('that is not installed says what to install, and never looks outside the folder of packages', () => {
    const absent = createRecognizer({
      clock: systemClock,
      scratch: '',
      resolve: (name) => {
        throw new Error(`no ${name}`);
      },
    });
    expect(absent.available(['eng']).advice).toBe(
      'text recognition is not installed: npm install tesseract.js @tesseract.js-data/eng',
    );
    const present = createRecognizer({ clock: systemClock, scratch: '', resolve: (name) => name });
    expect(present.available(['../../eng', 'deu']).languages).toEqual(['deu']);
  });
});

describe('the process that reads faxes', () => {
  let folder = '';
  const usual = process.env.TMPDIR;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'gatepost-fax-test-'));
    // Nobody else's folders are between ours.
    process.env.TMPDIR = folder;
  });
  afterAll(async () => {
    if (usual === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = usual;
    await rm(folder, { recursive: true, force: true });
  });

  const moduleOf = async (name: string, code: string) => {
    await writeFile(join(folder, name), code);
    return join(folder, name);
  };
  const deps = (
    module: string,
    clock = systemClock,
    ocr: { languages: string[]; secondsPerFax: number } | false = false,
  ) => ({
    reading: createPageReading({ clock, idleMs: 30_000, module }),
    ocr,
    log: silentLog,
    ocrMissing: () => {},
  });
  const scratchFolders = async () => (await readdir(folder)).filter((name) => name.startsWith('gatepost-fax-'));

  test('may crash: the fax arrives with its file and a note', async () => {
    const crashing = deps(
      await moduleOf('crash.mjs', "process.on('message', () => process.kill(process.pid, 'SIGSEGV'));"),
    );
    const { notes, attachments } = await readFax(faxOf((await taskOf()).raw), { region: 'CZ' }, context, crashing);
    expect(notes).toEqual([
      'The pages of the fax cannot be shown: reading them failed. The file is attached as it came.',
    ]);
    expect(attachments).toHaveLength(1);
    await crashing.reading.close();
  });

  test('may crash over the text: the fax arrives with its pictures', async () => {
    const answer = '{ count: 2, shown: [], texts: [], pdf: null, notes: [], ocrMissing: null }';
    const code = `process.on('message', (task) => (task.ocr ? process.exit(3) : process.send(${answer})));`;
    const crashing = deps(await moduleOf('ocr.mjs', code), systemClock, { languages: ['eng'], secondsPerFax: 10 });
    const { notes, message } = await readFax(faxOf((await taskOf()).raw), { region: 'CZ' }, context, crashing);
    expect(notes).toEqual(['The text was not recognized: it failed or took too long.']);
    expect(message.SubjectField).toContain('2 pages');
    await crashing.reading.close();
  });

  test('may find no library for pictures: the fax says once what to install, and is not tried again', async () => {
    const ours = new URL('../../../../dist/src/content/fax/process/page-process.js', import.meta.url).href;
    const hook = `export const resolve = async (name, context, next) => {
      if (name === 'sharp') throw new Error('absent');
      return next(name, context);
    };`;
    const tried = join(folder, 'tried');
    const code = `import { register } from 'node:module'; import { appendFileSync } from 'node:fs';
      const send = process.send.bind(process);
      process.send = (reply) => { appendFileSync(${JSON.stringify(tried)}, 'x'); return send(reply); };
      register(${JSON.stringify(`data:text/javascript,${encodeURIComponent(hook)}`)});
      await import(${JSON.stringify(ours)});`;
    const lacking = deps(await moduleOf('no-sharp.mjs', code));
    const { notes, attachments } = await readFax(faxOf((await taskOf()).raw), { region: 'CZ' }, context, lacking);
    expect(notes).toEqual([
      'The pages of the fax cannot be shown: the library for pictures is not installed: npm install --include=optional sharp. The file is attached as it came.',
    ]);
    expect(attachments).toHaveLength(1);
    expect(await readFile(tried, 'utf8')).toBe('x');
    await lacking.reading.close();
  });

  test('may hang: it is ended when its time is over', async () => {
    const clock = manualClock();
    const hanging = deps(await moduleOf('hang.mjs', "process.on('message', () => { for (;;); });"), clock);
    const reading = readFax(faxOf((await taskOf()).raw), { region: 'CZ' }, context, hanging);
    let ended = false;
    const watched = reading.finally(() => {
      ended = true;
    });
    // Each attempt arms a timer of its own, and so does the killing of the process between them: time goes on until both ended.
    await waitFor('the end of both attempts', async () => {
      await clock.advance(60_000);
      return ended;
    });
    expect((await watched).notes.join()).toContain('reading them failed');
    await hanging.reading.close();
    expect(clock.armed).toBe(0);
  });

  test('may hang: an abort ends the reading and the process at once', async () => {
    const hanging = deps(await moduleOf('hang-abort.mjs', "process.on('message', () => { for (;;); });"));
    const stop = new AbortController();
    const reading = readFax(
      faxOf((await taskOf()).raw),
      { region: undefined },
      { ...context, signal: stop.signal },
      hanging,
    );
    await waitFor('the process to start', async () => (await scratchFolders()).length > 0);
    stop.abort(new Error('the gateway stops'));
    await expect(reading).rejects.toThrow('the gateway stops');
    await hanging.reading.close();
    expect(await scratchFolders()).toEqual([]);
    // The limits of the task end it after half a minute.
  }, 20_000);

  test('may answer nonsense: that counts as failed', async () => {
    const lying = deps(await moduleOf('lie.mjs', "process.on('message', () => process.send({ shown: '<script>' }));"));
    const { notes } = await readFax(faxOf((await taskOf()).raw), { region: 'CZ' }, context, lying);
    expect(notes.join()).toContain('reading them failed');
    await lying.reading.close();
  });

  test('stays while there is work, ends when idle, and starts again', async () => {
    const clock = manualClock();
    const answer = '{ count: process.pid, shown: [], texts: [], pdf: null, notes: [], ocrMissing: null }';
    const module = await moduleOf('pid.mjs', `process.on('message', () => process.send(${answer}));`);
    const reading = createPageReading({ clock, idleMs: 30_000, module });
    const pid = async () => (await reading.read(await taskOf(), 60_000)).count;
    const first = await pid();
    expect(await scratchFolders()).toHaveLength(1);
    await clock.advance(29_000);
    expect(await pid()).toBe(first);
    await clock.advance(30_000);
    expect(await pid()).not.toBe(first);
    await reading.close();
    expect(clock.armed).toBe(0);
    expect(await scratchFolders()).toEqual([]);
  });
});

describe('a machine without pdftoppm', () => {
  const limits = { pages: 10, pixels: 1e6, totalPixels: 1e9 };
  const options = { ...limits, clock: systemClock, scratch: tmpdir(), signal: new AbortController().signal };
  const absent = { file: 'no-such-program', args: () => [] };
  const gs = need('gs');

  test.runIf(gs.here)(`shows PDF by ghostscript${gs.why}`, async () => {
    const postscript = '/Helvetica findfont 48 scalefont setfont 72 90 moveto (LAST) show showpage showpage';
    const args = ['-q', '-dBATCH', '-dNOPAUSE', '-sDEVICE=pdfwrite', '-sPAPERSIZE=a4', '-o', '-', '-c', postscript];
    const { pages } = await pdfPages(execFileSync('gs', args), options, [absent, ...PDF_PROGRAMS.slice(1)]);
    const shares: number[] = [];
    for await (const { raster } of pages) shares.push(raster?.data.filter((dot) => dot < 128).length ?? 0);
    expect(shares).toHaveLength(2);
    expect(shares[0]).toBeGreaterThan(1_000);
    expect(shares[1]).toBe(0);
  });

  test('and ghostscript says so', async () => {
    const { pages } = await pdfPages(Buffer.from('%PDF-1.4'), options, [absent]);
    await expect(pages[Symbol.asyncIterator]().next()).rejects.toThrow(
      'this machine has no program that renders PDF: install poppler-utils or ghostscript',
    );
  });
});
