// What one fax may take of the machine: time, memory, readers, and programs without network.
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { context } from '../../../../test/fixtures/mail.js';
import { manualClock } from '../../../../test/fixtures/manual-clock.js';
import { barPages, faxOf, LINES, need, repeated, tiffOf, WIDTH } from '../../../../test/fixtures/received-faxes.js';
import { waitFor } from '../../../../test/fixtures/wait-for.js';
import { systemClock } from '../../../kit/clock.js';
import { silentLog } from '../../../kit/log.js';
import { BROWSING, DRAWING, limited } from '../process/limited.js';
import type { FaxTask } from '../process/page-task.js';
import { formatOf, NO_PAGES, PAGE_LIMITS } from './examine.js';
import { createPageReading } from './page-reading.js';
import { PDF_PROGRAMS, pdfPages } from './pdf-pages.js';
import { readFax } from './read-fax.js';
import { createPageReader } from './read-pages.js';

const run = promisify(execFile);
let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gatepost-bounded-test-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('a program that reads files of strangers', () => {
  test.each([
    ['drawing', DRAWING, 'v'],
    ['browsing', BROWSING, 'd'],
  ])('has limits of its own: %s', async (_, limits, memory) => {
    const [file, args] = limited('sh', ['-c', `ulimit -c; ulimit -t; ulimit -${memory}`], limits);
    const { stdout } = await run(file, args);
    expect(stdout.trim().split('\n')).toEqual(['0', `${limits.cpuSeconds}`, `${limits.memoryKb}`]);
  });

  test('is ended when it takes more memory than that', async () => {
    const [file, args] = limited('sh', ['-c', 'a=x; while :; do a=$a$a; done'], { ...DRAWING, memoryKb: 50_000 });
    await expect(run(file, args)).rejects.toThrow();
  });

  const isolated = run('unshare', ['-cn', 'true'])
    .catch(() => run('unshare', ['-n', 'true']))
    .then(
      () => true,
      () => false,
    );

  test('sees no network where the machine has such a thing', async () => {
    const [file, args] = limited('cat', ['/proc/net/dev'], DRAWING);
    const { stdout } = await run(file, args);
    const names = [...stdout.matchAll(/^ *([\w.-]+):/gm)].map(([, name]) => name).filter((name) => name !== 'lo');
    if (await isolated) expect(names).toEqual([]);
  });

  test('gets its arguments as they are, and its absence is told by its exit code', async () => {
    const [file, args] = limited('printf', ['%s\\n', 'a b', '$(id)', "'"], DRAWING);
    expect((await run(file, args)).stdout).toBe("a b\n$(id)\n'\n");
    await expect(run(...limited('no-such-program', [], DRAWING))).rejects.toMatchObject({ code: 127 });
  });
});

/** Forms that draw each other, eight at a time. */
function endless(depth: number): Buffer {
  const form = (next: number) => `/Type/XObject/Subtype/Form/BBox[0 0 600 800]/Resources<</XObject<</A ${next} 0 R>>>>`;
  const object = (number: number, dictionary: string, content: string) =>
    `${number} 0 obj<<${dictionary}/Length ${content.length}>>stream\n${content}\nendstream endobj\n`;
  const head =
    '1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj 2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj ' +
    '3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Contents 4 0 R/Resources<</XObject<</A 5 0 R>>>>>>endobj ';
  const levels = Array.from({ length: depth }, (_, level) => object(5 + level, form(6 + level), '/A Do '.repeat(8)));
  const last = object(5 + depth, '/Type/XObject/Subtype/Form/BBox[0 0 600 800]', '0 0 600 800 re f');
  return Buffer.from(`%PDF-1.6\n${head}${object(4, '', '/A Do')}${levels.join('')}${last}trailer<</Root 1 0 R>>\n`);
}

const PAGES = { pages: 10, pixels: 1e7, totalPixels: 1e9, scratch: tmpdir(), signal: new AbortController().signal };

describe('a PDF', () => {
  test.each(['pdftoppm', 'gs'] as const)(
    'that is drawn for hours is given up after its time, by %s',
    async (program) => {
      if (!need(program).here) return;
      const clock = manualClock();
      const programs = PDF_PROGRAMS.filter(({ file }) => file === program);
      const { pages } = await pdfPages(endless(14), { ...PAGES, clock }, programs);
      let ended = false;
      const drawing = pages[Symbol.asyncIterator]()
        .next()
        .finally(() => {
          ended = true;
        });
      drawing.catch(() => {});
      await waitFor('the end of the drawing', async () => {
        await clock.advance(1_000);
        return ended;
      });
      await expect(drawing).rejects.toThrow('drawing page 1 took too long');
      expect(clock.armed).toBe(0);
    },
  );

  const gs = need('gs');
  const CANARY = '(CANARY) = showpage showpage';
  test.runIf(gs.here).each([
    ['PostScript in front of the PDF', `%!PS-Adobe-3.0\n%PDF-1.4\n${CANARY}\n`],
    ['PostScript that says it is PDF', `%PDF-1.4\n%!PS\n${CANARY}\n`],
    ['PostScript behind a blank', ` %!\n${CANARY}\n%PDF-1.4\n${CANARY}\n`],
    ['encapsulated PostScript behind its binary head', `\xc5\xd0\xd3\xc6%!PS\n${CANARY}\n%PDF-1.4 ${CANARY}`],
  ])(`is never run as a program: %s${gs.why}`, async (_, content) => {
    const raw = Buffer.from(content, 'latin1');
    const begins = formatOf(raw)?.begins ?? 0;
    const programs = PDF_PROGRAMS.filter(({ file }) => file === 'gs');
    const { pages } = await pdfPages(raw.subarray(begins), { ...PAGES, clock: systemClock }, programs);
    await expect(pages[Symbol.asyncIterator]().next()).rejects.toThrow(/^(?!.*CANARY)/);
  });

  test('that begins otherwise reaches no program', async () => {
    await expect(pdfPages(Buffer.from('%!PS\n%PDF-1.4'), { ...PAGES, clock: systemClock })).rejects.toThrow(
      'it does not begin as a PDF',
    );
  });

  test('in a file that begins as PostScript is handed over from its own beginning', async () => {
    const tasks: FaxTask[] = [];
    const reading = {
      read: async (task: FaxTask) => {
        tasks.push(task);
        return { ...NO_PAGES, notes: [] };
      },
      close: async () => {},
    };
    const deps = { reading, ocr: false as const, log: silentLog, ocrMissing: () => {} };
    const { attachments } = await readFax(faxOf(Buffer.from('%!PS\n%PDF-1.4 x')), { region: undefined }, context, deps);
    expect(Buffer.from(tasks[0]?.raw ?? []).toString()).toBe('%PDF-1.4 x');
    expect(Buffer.from(attachments[0]?.bytes ?? []).toString()).toBe('%!PS\n%PDF-1.4 x');
  });
});

describe('the time of a fax', () => {
  const timesOf = async (bytes: number, secondsPerFax: number) => {
    const times: { text: number; whole: number; ms: number }[] = [];
    const reading = {
      read: async ({ ocr, limits }: FaxTask, ms: number) => {
        times.push({ text: ocr?.ms ?? 0, whole: limits.faxMs, ms });
        return { ...NO_PAGES, notes: [] };
      },
      close: async () => {},
    };
    const deps = { reading, ocr: { languages: ['eng'], secondsPerFax }, log: silentLog, ocrMissing: () => {} };
    const raw = Buffer.alloc(bytes);
    raw.write('II*\0');
    await readFax(faxOf(raw), { region: undefined }, context, deps);
    return times[0];
  };

  test.each([
    ['a small file has little', 2_000, 60, { text: 20_000, whole: 60_000, ms: 47_000 }],
    ['a file of some pages has more', 40 * 1_024, 60, { text: 40_000, whole: 60_000, ms: 67_000 }],
    ['no file has more than a minute', 10_000_000, 60, { text: 60_000, whole: 60_000, ms: 67_000 }],
    ['unless the configuration gives more', 10_000_000, 200, { text: 200_000, whole: 200_000, ms: 207_000 }],
    ['or less', 10_000_000, 5, { text: 5_000, whole: 60_000, ms: 32_000 }],
  ])('%s', async (_, bytes, seconds, expected) => {
    expect(await timesOf(bytes, seconds)).toEqual(expected);
  });

  const reader = (asked: Uint8Array[]) =>
    createPageReader({
      clock: systemClock,
      recognizer: {
        available: (languages) => ({ languages, advice: null }),
        recognize: async (png) => {
          asked.push(png);
          return { kind: 'text', text: 'some', words: [] };
        },
        close: async () => {},
      },
    });
  const task = (raw: Buffer, limits = {}): FaxTask => ({
    raw,
    format: 'tiff',
    ocr: { languages: ['eng'], ms: 60_000 },
    limits: { ...PAGE_LIMITS, ...limits },
    title: 'Fax',
    time: 0,
  });

  test('is not spent on pages that are the same or blank', async () => {
    const asked: Uint8Array[] = [];
    const { texts } = await reader(asked).read(task(repeated(await tiffOf(barPages(1)), 20)));
    expect(asked).toHaveLength(1);
    expect(texts).toHaveLength(20);
    const blank = await reader(asked).read(task(await tiffOf([Buffer.alloc(WIDTH * LINES, 255)])));
    expect(asked).toHaveLength(1);
    expect(blank.texts).toEqual([{ page: 1, text: '' }]);
  });

  test('ends with the dots that all pages may have together', async () => {
    const dots = WIDTH * LINES;
    const raw = repeated(await tiffOf(barPages(1)), 30);
    const { pdf, count } = await reader([]).read(task(raw, { totalPixels: 5.5 * dots }));
    expect([pdf?.lastPage, count]).toEqual([5, 30]);
  });

  test('is over for the text when the pictures took it', async () => {
    const asked: Uint8Array[] = [];
    const { notes } = await reader(asked).read(task(await tiffOf(barPages(2)), { faxMs: 1 }));
    expect(asked).toEqual([]);
    expect(notes).toEqual(['There was no time to recognize the text of pages 1, 2.']);
  });
});

test('a fax that takes all its time does not hold up the next one', async () => {
  const module = join(folder, 'hang-at-odd.mjs');
  const answer = '{ count: 1, shown: [], texts: [], pdf: null, notes: [], ocrMissing: null }';
  await writeFile(
    module,
    `process.on('message', ({ title }) => { if (title === 'hang') for (;;); process.send(${answer}); });`,
  );
  const reading = createPageReading({ clock: systemClock, idleMs: 30_000, module });
  const task: FaxTask = { raw: Buffer.from('x'), format: 'tiff', ocr: null, limits: PAGE_LIMITS, title: '', time: 0 };
  const stop = new AbortController();
  const hanging = reading.read({ ...task, title: 'hang' }, 600_000, stop.signal);
  hanging.catch(() => {});
  for (let next = 0; next < 3; next += 1) expect((await reading.read(task, 50_000)).count).toBe(1);
  stop.abort(new Error('enough'));
  await expect(hanging).rejects.toThrow('enough');
  await reading.close();
});
