// The process that lays out faxes, from this side: what it makes, what becomes of a fax when it fails, and that nobody waits
// for it who need not.
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { afterAll, afterEach, describe, expect, test, vi } from 'vitest';
import { manualClock } from '../../../../test/fixtures/manual-clock.js';
import {
  CHROMIUM,
  dataUri,
  faxIn,
  GHOSTSCRIPT,
  NOW,
  POPPLER,
  picture,
  problemIn,
  RULES,
  sendRequestOf,
  without,
  wordsOf,
} from '../../../../test/fixtures/sent-faxes.js';
import { longestTurnAtBest } from '../../../../test/fixtures/turns.js';
import { waitFor } from '../../../../test/fixtures/wait-for.js';
import { systemClock } from '../../../kit/clock.js';
import { type Log, silentLog } from '../../../kit/log.js';
import { createFaxComposer, type FaxComposer, type FaxComposerOptions } from '../render/compose.js';
import { createFaxMaker } from '../render/make.js';

/** Layout on the main thread would hold it for seconds; handing the document over takes up to 0.1 s on a slow machine. */
const STALL_MS = 250;

const never = new AbortController().signal;
const folder = mkdtempSync(join(tmpdir(), 'fax-process-test-'));
/** Nothing else that runs at this time works here. */
vi.stubEnv('TMPDIR', folder);
const workFolders = () => readdirSync(folder).filter((name) => name.startsWith('gatepost-fax-'));

const opened: FaxComposer[] = [];
afterEach(async () => {
  for (const composer of opened.splice(0)) await composer.close();
  expect(workFolders()).toEqual([]);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function composer(more: Partial<FaxComposerOptions> = {}): FaxComposer {
  const made = createFaxComposer({ clock: systemClock, log: silentLog, chromium: null, ghostscript: null, ...more });
  opened.push(made);
  return made;
}

/** A module in place of ours. */
function moduleOf(name: string, code: string): string {
  const file = join(folder, `${name}.mjs`);
  writeFileSync(file, code);
  return file;
}

const OURS = fileURLToPath(new URL('../../../../dist/src/content/fax/process/compose-process.js', import.meta.url));
const ANSWER = `{ logged: [], result: { ok: true, fax: { kind: 'fax', to: '1', from: undefined, subject: '',
  pdf: Buffer.from('%PDF-'), tiff: null, pages: process.pid, reference: 'r' } } }`;

function warnings(): { log: Log; said: string[] } {
  const said: string[] = [];
  const log: Log = { ...silentLog, warn: (fields, message) => void said.push(`${message} ${JSON.stringify(fields)}`) };
  return { log, said };
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

describe('a fax that is laid out in a process of its own', () => {
  test('is the one that would be laid out here, to the byte', async () => {
    const image = dataUri(await picture(80, 80, 'ramp'));
    const sendRequest = sendRequestOf({
      BodyHtml: `<p>Dobrý den</p><img src="${image}">`,
      SubjectField: 'Offer',
      FromField: 'Ann',
    });
    const rules = { ...RULES, documents: 'tiff', header: 'Example', coverPage: true } as const;
    const clock = manualClock(NOW);
    const maker = createFaxMaker({ clock, log: silentLog, chromium: null, ghostscript: GHOSTSCRIPT ?? null });
    const here = faxIn(await maker.compose(sendRequest, rules, never));
    await maker.close();
    const there = faxIn(await composer({ clock, ghostscript: GHOSTSCRIPT ?? null }).compose(sendRequest, rules, never));
    expect(Buffer.from(there.pdf).equals(here.pdf)).toBe(true);
    expect(Buffer.from(there.tiff ?? []).equals(here.tiff ?? Buffer.alloc(0))).toBe(true);
    expect({ ...there, pdf: 0, tiff: 0 }).toEqual({ ...here, pdf: 0, tiff: 0 });
  });

  test('says in the log of the service what was missing', async () => {
    const { log, said } = warnings();
    const broken = join(folder, 'gs');
    writeFileSync(broken, '#!/bin/sh\necho no such device; exit 3\n', { mode: 0o755 });
    const composing = composer({ log, ghostscript: broken });
    const fax = faxIn(
      await composing.compose(sendRequestOf({ BodyText: 'x' }), { ...RULES, documents: 'tiff' }, never),
    );
    expect(fax.tiff).toBeNull();
    expect(said.join()).toMatch(/^page images failed, PDF only.*no such device/);
  });

  test('needs no process to be refused for its number', async () => {
    const composing = composer({ module: join(folder, 'none.mjs') });
    expect(problemIn(await composing.compose(sendRequestOf({ RemoteAddress: 'ann' }), RULES, never))).toContain(
      '"ann"',
    );
  });

  test('sees no secret of the service', async () => {
    const code = `process.on('message', () => process.send({ failed: JSON.stringify(process.env) }));`;
    const { log, said } = warnings();
    const env = { ...process.env, GATEPOST_TEST_SECRET: 'secret-word' };
    await composer({ log, env, module: moduleOf('env', code) }).compose(sendRequestOf({ BodyText: 'x' }), RULES, never);
    expect(said.join()).toContain('PATH');
    expect(said.join()).not.toContain('secret-word');
  });
});

describe('when the process fails', () => {
  test.each([
    ['dies over a picture', "process.kill(process.pid, 'SIGSEGV')"],
    ['cannot be done with one', "process.send({ failed: 'boom' })"],
    ['answers nonsense about one', "process.send({ result: '<script>' })"],
  ])('that %s, the fax leaves without its pictures', async (_what, trouble) => {
    const { log, said } = warnings();
    const code = `process.on('message', ({ pictures }) => (pictures ? ${trouble} : process.send(${ANSWER})));`;
    const fax = faxIn(
      await composer({ log, module: moduleOf('picky', code) }).compose(sendRequestOf({ BodyText: 'x' }), RULES, never),
    );
    expect(fax.reference).toBe('r');
    expect(said).toHaveLength(1);
    expect(said[0]).toMatch(/^composing a fax failed /);
  });

  test('twice, the send request is refused in one sentence, and the next one is not', async () => {
    const code = `process.on('message', ({ sendRequest }) => (sendRequest.BodyText === 'bad' ? process.exit(3) : process.send(${ANSWER})));`;
    const composing = composer({ module: moduleOf('dying', code) });
    expect(problemIn(await composing.compose(sendRequestOf({ BodyText: 'bad' }), RULES, never))).toBe(
      'the message cannot be laid out as a fax: the attempt failed twice',
    );
    expect(faxIn(await composing.compose(sendRequestOf({ BodyText: 'good' }), RULES, never)).reference).toBe('r');
  });

  test('by hanging, it is ended when its time is over, and the send request is refused', async () => {
    const clock = manualClock(NOW);
    const pids = join(folder, 'hanging.pid');
    const code = `import { writeFileSync } from 'node:fs';
      process.on('message', () => { writeFileSync(${JSON.stringify(pids)}, String(process.pid)); for (;;); });`;
    const composing = composer({ clock, composeMs: 10_000, module: moduleOf('hanging', code) });
    const composed = composing.compose(sendRequestOf({ BodyText: 'x' }), RULES, never);
    const pid = await waitFor('its process', () => Number(safeRead(pids)));
    await clock.advance(35_001);
    expect(problemIn(await composed)).toBe('the message cannot be laid out as a fax within 35 s');
    await clock.waitForTimers(1);
    await clock.advance(5_001);
    await waitFor('its end', () => !isAlive(pid));
    await composing.close();
    expect(clock.armed).toBe(0);
  });

  test('while nobody asks, the next fax does not notice', async () => {
    const { log, said } = warnings();
    const module = moduleOf('mortal', `process.on('message', () => process.send(${ANSWER}));`);
    const composing = composer({ log, module });
    const pid = async () => faxIn(await composing.compose(sendRequestOf({ BodyText: 'x' }), RULES, never)).pages;
    const first = await pid();
    process.kill(first, 'SIGKILL');
    await waitFor('its end', () => !isAlive(first));
    expect(await pid()).not.toBe(first);
    expect(said).toEqual([]);
  });
});

function safeRead(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

describe('the process', () => {
  const module = () => moduleOf('pid', `process.on('message', () => process.send(${ANSWER}));`);

  test('is one for all faxes, ends when none has come for a while, and starts again', async () => {
    const clock = manualClock(NOW);
    const composing = composer({ clock, idleMs: 30_000, module: module() });
    const pid = async () => faxIn(await composing.compose(sendRequestOf({ BodyText: 'x' }), RULES, never)).pages;
    const pids = await Promise.all([pid(), pid(), pid()]);
    expect(new Set(pids).size).toBe(1);
    await clock.advance(30_001);
    await waitFor('its end', () => !isAlive(pids[0] ?? 0));
    expect(await pid()).not.toBe(pids[0]);
    await composing.close();
    expect(clock.armed).toBe(0);
  });

  test('that nobody waits for any more is ended, and whoever waited hears it at once', async () => {
    const composing = composer({ module: moduleOf('silent', "process.on('message', () => {});") });
    const controller = new AbortController();
    const composed = composing.compose(sendRequestOf({ BodyText: 'x' }), RULES, controller.signal);
    const waiting = composing.compose(sendRequestOf({ BodyText: 'y' }), RULES, controller.signal);
    await waitFor('its folder', () => workFolders().length > 0);
    controller.abort(new Error('the server has gone'));
    await expect(composed).rejects.toThrow('the server has gone');
    await expect(waiting).rejects.toThrow('the server has gone');
    await waitFor('the end of its folder', () => workFolders().length === 0);
  });

  test('is gone when the composer is closed, which then takes no more send requests', async () => {
    const composing = composer({ module: module() });
    const { pages: pid } = faxIn(await composing.compose(sendRequestOf({ BodyText: 'x' }), RULES, never));
    await composing.close();
    expect(isAlive(pid)).toBe(false);
    await expect(composing.compose(sendRequestOf({ BodyText: 'x' }), RULES, never)).rejects.toThrow(
      'the fax composer is closed',
    );
  });

  test.runIf(GHOSTSCRIPT)(
    `finishes its fax when all processes of the service are told to stop${without(['gs', GHOSTSCRIPT])}`,
    async () => {
      const [parent, go, ghostscript] = ['parent', 'go', 'gs-waiting'].map((name) => join(folder, name));
      const script = `#!/bin/sh\necho $PPID > ${parent}; while [ ! -e ${go} ]; do sleep 0.02; done; exec ${GHOSTSCRIPT} "$@"\n`;
      writeFileSync(ghostscript ?? '', script, { mode: 0o755 });
      const { log, said } = warnings();
      const composing = composer({ log, ghostscript: ghostscript ?? null });
      const composed = composing.compose(sendRequestOf({ BodyText: 'x' }), { ...RULES, documents: 'tiff' }, never);
      process.kill(await waitFor('its process', () => Number(safeRead(parent ?? ''))), 'SIGTERM');
      writeFileSync(go ?? '', '');
      expect(faxIn(await composed).tiff).not.toBeNull();
      expect(said).toEqual([]);
    },
  );

  const needs = without(['chromium', CHROMIUM]);
  test.runIf(CHROMIUM)(`ends its browser, however it is ended itself${needs}`, async () => {
    const pids = join(folder, 'browser.pid');
    const chromium = join(folder, 'chromium');
    writeFileSync(chromium, `#!/bin/sh\necho $$ >> ${pids}\nexec ${CHROMIUM} "$@"\n`, { mode: 0o755 });
    // A busy machine takes long to start a browser.
    const composing = composer({ chromium, composeMs: 50_000 });
    const browser = async (nth: number) => {
      faxIn(await composing.compose(sendRequestOf({ BodyText: 'x' }), RULES, never));
      return Number(safeRead(pids).trim().split('\n')[nth]);
    };
    const first = await browser(0);
    const parent = /^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${first}/status`, 'utf8'))?.[1];
    process.kill(Number(parent), 'SIGKILL');
    await waitFor('the end of the browser whose process was killed', () => !isAlive(first));
    const second = await browser(1);
    await composing.close();
    expect(isAlive(second)).toBe(false);
  });
});

describe.runIf(POPPLER)(`a machine without the library for pictures${without(['pdftotext', POPPLER])}`, () => {
  test('sends the words, names the pictures in their places, and says in the log what to install', async () => {
    const hook = `export const resolve = async (name, context, next) => {
      if (name === 'sharp') throw new Error('absent');
      return next(name, context);
    };`;
    const code = `import { register } from 'node:module';
      register(${JSON.stringify(`data:text/javascript,${encodeURIComponent(hook)}`)});
      await import(${JSON.stringify(OURS)});`;
    const { log, said } = warnings();
    const image = dataUri(await picture(80, 80, 'ramp'));
    const sendRequest = sendRequestOf({ BodyHtml: `<p>before</p><img src="${image}"><p>after</p>` });
    const fax = faxIn(await composer({ log, module: moduleOf('no-sharp', code) }).compose(sendRequest, RULES, never));
    expect(wordsOf(fax.pdf)).toMatch(/before\s+\[a picture that cannot be shown\]\s+after/);
    expect(said.join()).toContain('npm install --include=optional sharp');
  });
});

describe('nobody else waits', () => {
  test('for a text of 150 pages, nor for large pictures', async () => {
    const composing = composer({ chromium: CHROMIUM ?? null, ghostscript: GHOSTSCRIPT ?? null });
    const rules = { ...RULES, documents: 'tiff', header: 'Example' } as const;
    const noise = { type: 'gaussian', mean: 128, sigma: 60 } as const;
    const photo = await sharp({ create: { width: 1600, height: 1200, channels: 3, background: '#888', noise } })
      .jpeg({ quality: 95 })
      .toBuffer();
    const images = Array.from({ length: 8 }, (_, at) => `<img width="${200 + at}" src="${dataUri(photo)}">`);
    const sendRequests = [
      sendRequestOf({ BodyText: `${'words '.repeat(10)}\n`.repeat(150 * 42) }),
      sendRequestOf({ BodyHtml: `<p>words</p>${images.join('')}` }),
    ];
    for (const sendRequest of sendRequests) {
      let pages = 0;
      const stall = await longestTurnAtBest(async () => {
        pages = faxIn(await composing.compose(sendRequest, rules, never)).pages;
      }, STALL_MS);
      expect(pages).toBeGreaterThan(0);
      expect(stall).toBeLessThanOrEqual(STALL_MS);
    }
  });
});
