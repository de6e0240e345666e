// What leaves where there is a browser: the message as it looks, with nothing fetched and nothing run, and no browser left over.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Browser, type Page, chromium as playwright } from 'playwright-core';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { type ManualClock, manualClock } from '../../../../test/fixtures/manual-clock.js';
import {
  blackness,
  CHROMIUM,
  dataUri,
  faxIn,
  GHOSTSCRIPT,
  NOW,
  POPPLER,
  pagesOf,
  picture,
  problemIn,
  RULES,
  sendRequestOf,
  without,
  wordsOf,
} from '../../../../test/fixtures/sent-faxes.js';
import { waitFor } from '../../../../test/fixtures/wait-for.js';
import { systemClock } from '../../../kit/clock.js';
import { type Log, silentLog } from '../../../kit/log.js';
import type { FaxRules } from '../../../model/content.js';
import type { MessageContentInfo } from '../../../model/message.js';
import { lockedContext } from './browser-page.js';
import { createFaxMaker, type FaxMaker, type FaxMakerOptions } from './make.js';
import { paperOf } from './page.js';
import { type FaxJob, sheetOf } from './sheet.js';

const never = new AbortController().signal;
const folder = mkdtempSync(join(tmpdir(), 'fax-browser-test-'));
const started = join(folder, 'pids');
/** Chromium, noting its process id. */
const chromium = join(folder, 'chromium');
writeFileSync(chromium, `#!/bin/sh\necho $$ >> ${started}\nexec ${CHROMIUM} "$@"\n`, { mode: 0o755 });
writeFileSync(started, '');

const clock: ManualClock = manualClock(NOW);
/** One browser for most of the tests. */
const shared = createFaxMaker({ clock, log: silentLog, chromium, ghostscript: GHOSTSCRIPT ?? null });
const opened: FaxMaker[] = [];

afterEach(async () => {
  for (const composer of opened.splice(0)) await composer.close();
});
afterAll(async () => {
  await shared.close();
  const left = browsers().filter(isAlive);
  rmSync(folder, { recursive: true, force: true });
  expect(left).toEqual([]);
});

function maker(more: Partial<FaxMakerOptions>): FaxMaker {
  const made = createFaxMaker({ clock, log: silentLog, chromium, ghostscript: null, ...more });
  opened.push(made);
  return made;
}

const compose = async (sendRequest: Partial<MessageContentInfo>, rules: Partial<FaxRules> = {}) =>
  faxIn(await shared.compose(sendRequestOf(sendRequest), { ...RULES, ...rules }, never));

function browsers(): number[] {
  return readFileSync(started, 'utf8').trim().split('\n').filter(Boolean).map(Number);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

function warnings(): { log: Log; said: string[] } {
  const said: string[] = [];
  const log: Log = { ...silentLog, warn: (fields, message) => void said.push(`${message} ${JSON.stringify(fields)}`) };
  return { log, said };
}

/** A web server that counts who comes. */
async function trap(): Promise<{ address: string; seen: string[]; close: () => Promise<void> }> {
  const seen: string[] = [];
  const server = createServer((request, response) => {
    seen.push(request.url ?? '');
    response.end('<p>fetched</p>');
  });
  server.on('connection', () => seen.push('a connection'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  const close = () => new Promise<void>((resolve) => void server.close(() => resolve()));
  return { address: `http://127.0.0.1:${port}`, seen, close };
}

const needs = without(['chromium', CHROMIUM], ['pdftotext', POPPLER]);

describe.runIf(CHROMIUM && POPPLER)(`the layout of a browser${needs}`, () => {
  test('has the words of the message, its tables side by side, its subject, and where its links go', async () => {
    const html = `<p>Dobrý den, <b>pane Nováku</b>, Ελληνικά, Кириллица 👍🏽</p>
      <table border="1"><tr><td>Kávovar</td><td>12 990 Kč</td></tr></table>
      <a style="color:red" href="https://example.com/a">the offer</a> <a href="https://example.com/">example.com</a>`;
    const { pdf, pages } = await compose({ BodyHtml: html, SubjectField: 'Vaše objednávka' });
    const words = wordsOf(pdf);
    expect(words).toContain('Dobrý den, pane Nováku, Ελληνικά, Кириллица');
    expect(words).toMatch(/Kávovar +12 990 Kč/);
    expect(words).toContain('the offer (https://example.com/a) example.com');
    expect(words.trim()).toMatch(/^Vaše objednávka/);
    expect([pages, pagesOf(pdf)]).toEqual([1, 1]);
  });

  test('keeps the lines and blanks of a text', async () => {
    const { pdf } = await compose({ BodyText: 'Dear Sir,\n\nA     B\n1     2\n<b>& so on\n\nJohn' });
    const lines = wordsOf(pdf)
      .split('\n')
      .map((line) => line.trim())
      .filter(Boolean);
    expect(lines.map((line) => line.replace(/ {2,}/, ' … '))).toEqual([
      'Dear Sir,',
      'A … B',
      '1 … 2',
      '<b>& so on',
      'John',
    ]);
  });

  test('a line on top of every page says when, who and which page of how many', async () => {
    const rules = { header: 'Example & Sons <Ltd.>', station: '+420 222 000 111' };
    const { pdf, pages } = await compose({ BodyHtml: '<p>paragraph</p>'.repeat(100) }, rules);
    expect(pages).toBeGreaterThan(2);
    for (let page = 1; page <= pages; page++) {
      const top = wordsOf(pdf, page).trim().split('\n')[0]?.replace(/\s+/g, ' ');
      expect(top).toBe(`2026-11-22 10:15 UTC Example & Sons <Ltd.> +420 222 000 111 page ${page} of ${pages}`);
    }
  });

  test('a cover page says from whom, to whom, what about, when and how many pages', async () => {
    const sendRequest = {
      BodyHtml: '<p>The message</p>',
      FromField: 'Jana Malá',
      ToField: 'Petr <Novák>',
      SubjectField: 'Offer',
    };
    const { pdf, pages } = await compose(sendRequest, { coverPage: true, station: '+420222000111' });
    expect([pages, pagesOf(pdf)]).toEqual([2, 2]);
    const lines = wordsOf(pdf, 1)
      .split('\n')
      .map((line) => line.replace(/\s+/g, ' ').trim())
      .filter(Boolean);
    expect(lines.slice(1)).toEqual([
      'From Jana Malá, +420222000111',
      'To Petr <Novák>, +420222333444',
      'Subject Offer',
      'Date 2026-11-22 10:15 UTC',
      'Pages 2, this one included',
    ]);
    expect(wordsOf(pdf, 2).trim()).toBe('The message');
  });

  test('nothing is wider than the page, whatever its sender asked for', async () => {
    const html = `<table width="1400"><tr><td width="700">left</td><td width="700">right end</td></tr></table>
      <p style="white-space:nowrap">${'never to be broken '.repeat(20)}last</p><pre>${'x '.repeat(200)}end</pre>
      <table style="min-width:1400px"><tr><td>far</td><td>away</td></tr></table><div style="display:none">hidden words</div>`;
    const { pdf } = await compose({ BodyHtml: html });
    const words = wordsOf(pdf);
    for (const word of ['left', 'right end', 'last', 'end', 'away']) expect(words).toContain(word);
    expect(words).not.toContain('hidden words');
    // A browser makes everything small when something is too wide for the page.
    const box = execFileSync('pdftotext', ['-bbox', '-', '-'], { input: pdf, encoding: 'utf8' });
    const [, top, bottom] = /yMin="([\d.]+)" xMax="[\d.]+" yMax="([\d.]+)">last</.exec(box) ?? [];
    expect(Number(bottom) - Number(top)).toBeGreaterThan(13);
  });

  test('columns of a table are as wide as their words; only what would not fit at all is broken', async () => {
    const row = (at: number) => `<tr><td>A${1000 + at}</td><td>${'many words '.repeat(12)}</td><td>${at}3.37</td></tr>`;
    const rows = Array.from({ length: 9 }, (_, at) => row(at + 1)).join('');
    const words = wordsOf((await compose({ BodyHtml: `<table border="1" width="100%">${rows}</table>` })).pdf);
    expect(words.match(/\bA100\d\b/g)).toHaveLength(9);
    expect(words.match(/\b\d3\.37/g)).toHaveLength(9);
    const address = `https://example.com/${'abcdefghij'.repeat(12)}`;
    const linked = `<table border="1"><tr><td>A1000</td><td>${address}</td><td>1234.50</td></tr></table>`;
    const found = wordsOf((await compose({ BodyHtml: linked })).pdf);
    expect(found).toContain('A1000');
    expect(found).toContain('1234.50');
    const many = Array.from({ length: 30 }, (_, at) => `<td>column${at}</td>`).join('');
    const { pdf } = await compose({ BodyHtml: `<table border="1"><tr>${many}</tr></table>` });
    const letters = (text: string) => [...text.replace(/\s/g, '')].sort().join('');
    expect(letters(wordsOf(pdf))).toBe(letters(many.replace(/<[^>]*>/g, '')));
    const box = execFileSync('pdftotext', ['-bbox', '-', '-'], { input: pdf, encoding: 'utf8' });
    for (const [, right] of box.matchAll(/xMax="([\d.]+)"/g)) expect(Number(right)).toBeLessThan(595);
  });

  test('every line of a text goes its own direction', async () => {
    const { pdf } = await compose({ BodyText: 'Dear Sir\nplease note\nשלום עולם\n\nthe end' });
    const box = execFileSync('pdftotext', ['-bbox', '-', '-'], { input: pdf, encoding: 'utf8' });
    const place = (word: string) => new RegExp(`xMin="([\\d.]+)" .*xMax="([\\d.]+)"[^>]*>${word}<`).exec(box) ?? [];
    expect(Number(place('Dear')[1])).toBeLessThan(60);
    expect(Number(place('the')[1])).toBeLessThan(60);
    expect(Math.max(...[...box.matchAll(/xMax="([\d.]+)"/g)].map(([, x]) => Number(x)))).toBeGreaterThan(530);
  });

  test('the same send request at the same time gives the same bytes', async () => {
    const sendRequest = { BodyHtml: `<p>Hello</p><img src="${dataUri(await picture(60, 60, 'ramp'))}">` };
    const [one, other] = [await compose(sendRequest, { header: 'H' }), await compose(sendRequest, { header: 'H' })];
    expect(Buffer.from(one.pdf).equals(other.pdf)).toBe(true);
  });

  test('what would have too many pages is refused with their number', async () => {
    const exact = await shared.compose(sendRequestOf({ BodyHtml: '<p>x</p>'.repeat(8_000) }), RULES, never);
    expect(problemIn(exact)).toMatch(/^the fax would have (?:about )?[23]\d\d pages, at most 200 are sent$/);
    const tall = '<div style="height:9999px">x</div>'.repeat(2_000);
    const many = await shared.compose(sendRequestOf({ BodyHtml: tall }), RULES, never);
    expect(problemIn(many)).toMatch(/^the fax would have about \d{1,2},\d{3} pages, at most 200 are sent$/);
  });
});

describe.runIf(CHROMIUM && GHOSTSCRIPT)(
  `pictures and shades${without(['chromium', CHROMIUM], ['gs', GHOSTSCRIPT])}`,
  () => {
    const tiffOf = async (html: string) =>
      Buffer.from((await compose({ BodyHtml: html }, { documents: 'tiff' })).tiff ?? []);

    test('grey words on a coloured ground go over the line as black ones on white do', async () => {
      const loud = await tiffOf(
        '<table bgcolor="#224488"><tr><td style="color:#cccccc;background:#336699">words</td></tr></table>',
      );
      const plain = await tiffOf('<table><tr><td>words</td></tr></table>');
      expect(loud.length).toBeGreaterThan(200);
      expect(loud.equals(plain)).toBe(true);
    });

    test('a picture is as wide as it is asked to be, and keeps its shades', async () => {
      const ramp = dataUri(await picture(300, 100, 'ramp'));
      const black = await blackness(await tiffOf(`<img src="${ramp}" width="480" height="160">`), 1);
      const inked = black.flatMap((share, at) => (share > 0 ? [at] : []));
      const [first = 0, last = 0] = [inked[0], inked.at(-1)];
      // 480 CSS pixels are 5 inches; the lightest shades at the right end are white.
      expect(last - first).toBeGreaterThan(0.9 * 5 * 204);
      expect(last - first).toBeLessThan(5 * 204 + 4);
      const tenths = Array.from({ length: 9 }, (_, tenth) => {
        const part = black.slice(first + tenth * 102, first + (tenth + 1) * 102);
        return part.reduce((sum, share) => sum + share, 0);
      });
      for (let at = 1; at < tenths.length; at++) expect(tenths[at]).toBeLessThan(tenths[at - 1] ?? 0);
    });

    test('each place of the same picture has its own size, and one that cannot be read takes nobody else away', async () => {
      const dark = dataUri(await picture(100, 100, 0));
      const html = `<img src="data:image/png;base64,AAAA"><br><img src="${dark}" width="96" height="96"><br><img src="${dark}" width="192" height="96">`;
      const black = await blackness(await tiffOf(html), 1);
      // An inch is 196 of the page's 2292 lines: one picture blackens these of its columns, two twice as many.
      const wide = black.filter((share) => share > 0.9 * (196 / 2292)).length;
      const narrow = black.filter((share) => share > 0.9 * (392 / 2292)).length;
      expect(Math.abs(narrow - 204)).toBeLessThan(8);
      expect(Math.abs(wide - 408)).toBeLessThan(8);
    });
  },
);

describe.runIf(CHROMIUM)(`what a message cannot do${without(['chromium', CHROMIUM])}`, () => {
  const jobOf = (html: string): FaxJob => {
    const body = { html, text: html, plain: false, pictures: [] };
    return { body, paper: paperOf(RULES), header: undefined, cover: undefined, subject: '', language: '', now: NOW };
  };

  const nastyFor = (address: string) => `<p>visible</p><img src="${address}/img" srcset="${address}/set 2x">
    <link rel="stylesheet" href="${address}/css"><style>@import url(${address}/import); p { background: url(${address}/background) }</style>
    <iframe src="${address}/frame"></iframe><object data="${address}/object"></object><video src="${address}/video" autoplay></video>
    <script src="${address}/script"></script><script>document.body.innerHTML = 'taken over'; fetch('${address}/fetch')</script>
    <img src="data:,x" onerror="document.body.innerHTML = 'taken over'"><a href="${address}/ping" ping="${address}/pinged">x</a>
    <form action="${address}/form"><input autofocus onfocus="this.form.submit()"></form>`;

  test('fetch anything, or run anything', async () => {
    const { address, seen, close } = await trap();
    const refresh = `<meta http-equiv="refresh" content="0;url=${address}/refresh">`;
    const cleaned = await compose({ BodyHtml: refresh + nastyFor(address) });
    expect(wordsOf(cleaned.pdf)).toContain('visible');
    expect(seen).toEqual([]);
    await close();
  });

  // Each lock alone, with the others open.
  test.each<[string, (browser: Browser, html: string) => Promise<Page>]>([
    [
      'the browser keeps what is not cleaned from it',
      async (browser, html) => {
        const page = await (await lockedContext(browser, paperOf(RULES))).newPage();
        await page.setContent(html);
        return page;
      },
    ],
    [
      'the sheet itself forbids it to a browser that would let it',
      async (browser, html) => {
        const page = await browser.newPage();
        await page.setContent(sheetOf(jobOf(html), { shown: () => undefined, squeeze: 'none' }));
        return page;
      },
    ],
  ])('%s', async (_lock, show) => {
    const { address, seen, close } = await trap();
    const browser = await playwright.launch({
      executablePath: chromium,
      chromiumSandbox: process.getuid?.() !== 0,
      args: ['--disable-gpu', '--disable-dev-shm-usage'],
    });
    try {
      const page = await show(browser, nastyFor(address));
      const words = await page.evaluate('document.body.innerText');
      expect(words).toContain('visible');
      expect(words).not.toContain('taken over');
      // A browser on its own may knock at a door that it then does not go through.
      expect(seen.filter((what) => what !== 'a connection')).toEqual([]);
    } finally {
      await browser.close();
      await close();
    }
  });

  test('read the environment of the process', async () => {
    const secret = 'GATEPOST_TEST_SECRET';
    const composing = maker({ env: { ...process.env, [secret]: 'secret-word' } });
    faxIn(await composing.compose(sendRequestOf({ BodyText: 'x' }), RULES, never));
    const pid = browsers().filter(isAlive).at(-1);
    expect(readFileSync(`/proc/${pid}/environ`, 'latin1')).not.toContain(secret);
  });
});

describe.runIf(CHROMIUM)(`the browser itself${without(['chromium', CHROMIUM])}`, () => {
  test('is one for all faxes, and is ended when none has come for a while', async () => {
    const before = browsers().length;
    const own = manualClock(NOW);
    const mine = maker({ clock: own, idleMs: 30_000 });
    const sendRequests = [1, 2, 3].map((number) =>
      mine.compose(sendRequestOf({ BodyText: `fax ${number}` }), RULES, never),
    );
    expect((await Promise.all(sendRequests)).map((result) => faxIn(result).pages)).toEqual([1, 1, 1]);
    const [pid = 0, ...more] = browsers().slice(before);
    expect([more.length, isAlive(pid), own.armed]).toEqual([0, true, 1]);
    await own.advance(30_001);
    await waitFor('the end of the browser', () => !isAlive(pid));
    expect(faxIn(await mine.compose(sendRequestOf({ BodyText: 'later' }), RULES, never)).pages).toBe(1);
    expect(browsers().length - before).toBe(2);
  });

  test('is gone when the composer is closed, and no timer is left', async () => {
    const before = browsers().length;
    const own = manualClock(NOW);
    const mine = maker({ clock: own });
    faxIn(await mine.compose(sendRequestOf({ BodyText: 'x' }), RULES, never));
    const [pid = 0] = browsers().slice(before);
    await mine.close();
    expect([isAlive(pid), own.armed]).toEqual([false, 0]);
  });

  test('killed from outside, it is replaced', async () => {
    const before = browsers().length;
    const mine = maker({});
    faxIn(await mine.compose(sendRequestOf({ BodyText: 'x' }), RULES, never));
    process.kill(browsers()[before] ?? 0, 'SIGKILL');
    await waitFor('its end', () => !isAlive(browsers()[before] ?? 0));
    expect(faxIn(await mine.compose(sendRequestOf({ BodyText: 'y' }), RULES, never)).pages).toBe(1);
  });

  test('one that does not start, or has no time, costs looks and a line in the log, never the fax', async () => {
    const broken = join(folder, 'broken');
    writeFileSync(broken, '#!/bin/sh\necho no display >&2; exit 1\n', { mode: 0o755 });
    for (const more of [{ chromium: broken }, { clock: systemClock, composeMs: 1 }]) {
      const { log, said } = warnings();
      const fax = faxIn(await maker({ ...more, log }).compose(sendRequestOf({ BodyText: 'the words' }), RULES, never));
      expect(wordsOf(fax.pdf)).toContain('the words');
      expect(said.join()).toContain('plain layout used');
    }
  });

  test('ends with the fax that nobody waits for any more', async () => {
    const before = browsers().length;
    const mine = maker({});
    const controller = new AbortController();
    const composing = mine.compose(sendRequestOf({ BodyHtml: '<p>x</p>'.repeat(20_000) }), RULES, controller.signal);
    const pid = await waitFor('the browser', () => browsers()[before]);
    controller.abort(new Error('the server has gone'));
    await expect(composing).rejects.toThrow('the server has gone');
    await mine.close();
    expect(isAlive(pid)).toBe(false);
  });
});
