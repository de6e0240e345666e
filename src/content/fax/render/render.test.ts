// What leaves for a send request on any machine: the plain layout, and what is refused.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { manualClock } from '../../../../test/fixtures/manual-clock.js';
import {
  dataUri,
  faxIn,
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
import { systemClock } from '../../../kit/clock.js';
import { silentLog } from '../../../kit/log.js';
import type { FaxRules } from '../../../model/content.js';
import type { MessageContentInfo } from '../../../model/message.js';
import { type Face, STANDARD_FACE } from './fonts.js';
import { createFaxMaker, type FaxMaker, type FaxMakerOptions } from './make.js';
import { paperOf } from './page.js';
import type { FaxJob } from './sheet.js';
import { typeset } from './typeset.js';

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

const compose = (sendRequest: Partial<MessageContentInfo>, rules: Partial<FaxRules> = {}) =>
  maker().compose(sendRequestOf(sendRequest), { ...RULES, ...rules }, never);

describe('what is composed', () => {
  test('number, sender, subject and reference come from the send request', async () => {
    const sendRequest = {
      BodyText: 'Hello',
      FromField: '222 111 000',
      SubjectField: 'Offer\r\nBcc: x',
      DeliverySystemId: 'D-1',
    };
    const fax = faxIn(await compose(sendRequest));
    expect(fax).toMatchObject({ kind: 'fax', to: '+420222333444', from: '+420222111000', subject: 'Offer Bcc: x' });
    expect(fax).toMatchObject({ pages: 1, reference: 'D-1', tiff: null });
    expect(Buffer.from(fax.pdf).toString('latin1', 0, 5)).toBe('%PDF-');
  });

  test('a proposed id that is too long for a reference gives way to the MessageId', async () => {
    const { MessageId } = sendRequestOf();
    expect(faxIn(await compose({ BodyText: 'x', DeliverySystemId: 'd'.repeat(81) })).reference).toBe(MessageId);
    expect(faxIn(await compose({ BodyText: 'x', DeliverySystemId: null })).reference).toBe(MessageId);
  });

  test('the same send request at the same time gives the same bytes', async () => {
    const sendRequest = {
      BodyHtml: `<p>Dobrý den</p><img src="${dataUri(await picture(50, 50, 128))}">`,
      SubjectField: 'S',
    };
    const [one, other] = [faxIn(await compose(sendRequest)), faxIn(await compose(sendRequest))];
    expect(Buffer.from(one.pdf).equals(other.pdf)).toBe(true);
  });
});

describe('what is refused, in one sentence', () => {
  test.each<[string, Partial<MessageContentInfo>, string]>([
    ['no body', {}, 'the message has no text'],
    ['blank text', { BodyText: ' \n\t\n' }, 'the message has no text'],
    ['HTML without words', { BodyHtml: '<div><br><script>alert(1)</script></div>' }, 'the message has no text'],
    [
      'a number that is none',
      { BodyText: 'x', RemoteAddress: 'ann@example.com' },
      '"ann@example.com" is not a fax number',
    ],
    ['no number', { BodyText: 'x', RemoteAddress: null }, 'RemoteAddress is empty'],
  ])('%s', async (_what, sendRequest, words) => {
    expect(problemIn(await compose(sendRequest))).toContain(words);
  });

  test('a document of thousands of pages, at once and with its size', async () => {
    const line = `${'words '.repeat(14)}\n`;
    expect(problemIn(await compose({ BodyText: line.repeat(95_000) }))).toMatch(
      /^the fax would have about [12],\d{3} pages, at most 200 are sent$/,
    );
    expect(problemIn(await compose({ BodyText: 'x\n'.repeat(40_000) }))).toMatch(
      /about (?:8|9)\d\d pages, at most 200/,
    );
    const html = `<p>${'words '.repeat(20)}</p>`.repeat(20_000);
    expect(problemIn(await compose({ BodyHtml: html }))).toContain('the message is too long for a fax');
  });

  test('never more than 200 pages leave, and up to 200 do', async () => {
    const fax = faxIn(await compose({ BodyText: 'x\n'.repeat(8_000) }));
    expect(fax.pages).toBeGreaterThan(150);
    expect(fax.pages).toBeLessThanOrEqual(200);
  });

  test('a tag bomb costs its tags, not the words', async () => {
    const started = performance.now();
    const fax = faxIn(await compose({ BodyHtml: `${'<div><b>'.repeat(60_000)}the words` }));
    expect(fax.pages).toBeLessThan(200);
    expect(performance.now() - started).toBeLessThan(20_000);
  });
});

describe('what stops', () => {
  test('a composer that is told to stop says why, and leaves nothing behind', async () => {
    const controller = new AbortController();
    controller.abort(new Error('the server has gone'));
    await expect(maker().compose(sendRequestOf({ BodyText: 'x' }), RULES, controller.signal)).rejects.toThrow(
      'the server has gone',
    );
  });

  test('a closed composer takes no more send requests', async () => {
    const closed = maker();
    await closed.close();
    await expect(closed.compose(sendRequestOf({ BodyText: 'x' }), RULES, never)).rejects.toThrow(
      'the fax composer is closed',
    );
    await closed.close();
  });
});

describe.runIf(POPPLER)(`the plain layout${without(['pdftotext', POPPLER])}`, () => {
  const text = async (sendRequest: Partial<MessageContentInfo>, rules: Partial<FaxRules> = {}) =>
    wordsOf(faxIn(await compose(sendRequest, rules)).pdf);

  test('says what the text says, line by line, the subject above it', async () => {
    const words = await text({ SubjectField: 'Your order', BodyText: 'Dear Sir,\n\n- one\n- two\n\nJohn' });
    expect(
      words
        .split('\n')
        .map((line) => line.trim())
        .filter(Boolean),
    ).toEqual(['Your order', 'Dear Sir,', '- one', '- two', 'John']);
  });

  test('has the words of HTML, the addresses of its links, and in place of remote pictures what they say', async () => {
    const words = await text({
      BodyHtml:
        '<h1>Title</h1><p>See <a href="https://example.com/a">here</a>.</p><img src="http://192.0.2.1/x.png" alt="our logo">',
    });
    for (const part of ['Title', 'See here [https://example.com/a].', 'our logo']) expect(words).toContain(part);
  });

  test('has letters of Europe, and stands in for those that no font has', async () => {
    const words = await text({ BodyText: 'Žluťoučký kůň Ελληνικά Кириллица 日本 👍🏽 ﬁne' });
    expect(words).toContain('Žluťoučký kůň Ελληνικά Кириллица');
    expect(words).toContain('[3 characters of this message could not be printed.]');
  });

  test('sets Hebrew and Arabic from the right, with what is Latin in it from the left', async () => {
    const fax = faxIn(await compose({ BodyText: 'שלום עולם Hello World סוף\nمرحبا بالعالم' }));
    const box = execFileSync('pdftotext', ['-bbox', '-', '-'], { input: fax.pdf, encoding: 'utf8' });
    const left = (word: string) => Number(new RegExp(`xMin="([\\d.]+)"[^>]*>${word}<`).exec(box)?.[1]);
    expect(left('Hello')).toBeLessThan(left('World'));
    const first = [...box.matchAll(/xMax="([\d.]+)"/g)].map(([, x]) => Number(x));
    expect(Math.max(...first)).toBeGreaterThan(530);
  });

  test('sets right-to-left words inside a Latin line in their own order, and turns brackets', async () => {
    const fax = faxIn(await compose({ BodyText: 'Order (שלום עולם) today' }));
    const box = execFileSync('pdftotext', ['-bbox', '-', '-'], { input: fax.pdf, encoding: 'utf8' });
    // pdftotext gives the letters as they stand on paper.
    const onPaper = (word: string) => Array.from(word).reverse().join('');
    const left = (word: string) => Number(new RegExp(`xMin="([\\d.]+)"[^>]*>[^<]*${word}`).exec(box)?.[1]);
    expect(left('Order')).toBeLessThan(left(onPaper('עולם')));
    expect(left(onPaper('עולם'))).toBeLessThan(left(onPaper('שלום')));
    expect(left(onPaper('שלום'))).toBeLessThan(left('today'));
  });

  test('numbers are numbers, whichever way the words around them go', async () => {
    const lines = ['הזמנה:4711', 'א-12.50-ב', 'رقم ٤٧١١ اليوم', 'قيمة:١٢٫٥٠', 'Order הזמנה:8.25', 'שלום abc-DEF 42'];
    // In the order of the dots on paper, which pdftotext keeps when it is told to.
    const seen = execFileSync('pdftotext', ['-raw', '-', '-'], {
      input: faxIn(await compose({ BodyText: lines.join('\n') })).pdf,
      encoding: 'utf8',
    });
    for (const number of ['4711', '12.50', '٤٧١١', '١٢٫٥٠', '8.25', 'abc-DEF', '42']) expect(seen).toContain(number);
  });

  test('a line on top of every page says when, who and which page of how many', async () => {
    const rules = { header: 'Example Ltd.', station: '+420 222 000 111' };
    const fax = faxIn(await compose({ BodyText: 'line\n'.repeat(150) }, rules));
    expect(fax.pages).toBe(pagesOf(fax.pdf));
    expect(fax.pages).toBeGreaterThan(2);
    for (let page = 1; page <= fax.pages; page++) {
      const [top = ''] = wordsOf(fax.pdf, page).split('\n');
      expect(top.replace(/\s+/g, ' ').trim()).toBe(
        `2026-11-22 10:15 UTC Example Ltd. +420 222 000 111 page ${page} of ${fax.pages}`,
      );
    }
    expect(await text({ BodyText: 'x' })).not.toContain('page 1');
  });

  test('a cover page says from whom, to whom, what about, when and how many pages', async () => {
    const sendRequest = {
      BodyText: 'The message',
      FromField: 'Jana Malá',
      ToField: 'Petr Novák',
      SubjectField: 'Offer',
    };
    const fax = faxIn(await compose(sendRequest, { coverPage: true, station: '+420222000111' }));
    expect(fax.pages).toBe(2);
    const lines = wordsOf(fax.pdf, 1)
      .split('\n')
      .map((line) => line.replace(/\s+/g, ' ').trim())
      .filter(Boolean);
    expect(lines.slice(1)).toEqual([
      'From Jana Malá, +420222000111',
      'To Petr Novák, +420222333444',
      'Subject Offer',
      'Date 2026-11-22 10:15 UTC',
      'Pages 2, this one included',
    ]);
    expect(wordsOf(fax.pdf, 2).trim()).toBe('The message');
  });

  test('has the size of paper that the gateway asks for', async () => {
    const sizes = await Promise.all(
      (['A4', 'Letter', 'Legal'] as const).map(async (pageSize) => {
        const { pdf } = faxIn(await compose({ BodyText: 'x' }, { pageSize }));
        return /Page size:\s+([\d.]+ x [\d.]+)/.exec(
          execFileSync('pdfinfo', ['-'], { input: pdf, encoding: 'utf8' }),
        )?.[1];
      }),
    );
    expect(sizes).toEqual(['595.28 x 841.89', '612 x 792', '612 x 1008']);
  });

  test('without any font on the machine, letters lose their marks before they are lost', async () => {
    const body = { html: '', text: 'Žluťoučký kůň – „naïve“ 5 € Жук', plain: true, pictures: [] };
    const paper = paperOf(RULES);
    const job: FaxJob = { body, paper, header: undefined, cover: undefined, subject: '', language: '', now: NOW };
    const missing: Face = { regular: join(folder, 'none.ttf'), bold: join(folder, 'none-bold.ttf') };
    for (const face of [STANDARD_FACE, missing]) {
      const laid = await typeset(job, [], never, face);
      const words = laid.ok ? wordsOf(laid.pdf) : laid.problem;
      expect(words).toContain('Žlutoucký kun – „naïve“ 5 € ???');
      expect(words).toContain('[3 characters of this message could not be printed.]');
    }
  });

  test('a long name in the line on top leaves time and page number alone', async () => {
    const header = 'The Extraordinarily Long Name of a Company that Likes Names.';
    const [top = ''] = (await text({ BodyText: 'x' }, { header, station: '+420 222 000 111' })).split('\n');
    expect(top.trim()).toMatch(/^2026-11-22 10:15 UTC +The Extraordinarily Long Name.*… +page 1 of 1$/);
  });

  test('a picture that is cut off is shown as far as it goes', async () => {
    const whole = await picture(400, 400, 128);
    const cut = dataUri(whole.subarray(0, Math.floor(whole.length * 0.7)));
    expect(await text({ BodyHtml: `<p>before</p><img src="${cut}"><p>after</p>` })).not.toContain('cannot be shown');
  });

  test('a picture that cannot be read is named in its place, and the words are there', async () => {
    const words = await text({ BodyHtml: '<p>before</p><img src="data:image/png;base64,AAAA"><p>after</p>' });
    expect(words).toMatch(/before\s+\[a picture that cannot be shown\]\s+after/);
  });
});

test('the event loop turns while a long document is laid out', async () => {
  let turns = 0;
  let turning = true;
  const turn = () => {
    turns += 1;
    if (turning) setImmediate(turn);
  };
  turn();
  const fax = faxIn(
    await maker({ clock: systemClock }).compose(
      sendRequestOf({ BodyText: `${'words '.repeat(16)}\n`.repeat(4_000) }),
      RULES,
      never,
    ),
  );
  turning = false;
  expect(fax.pages).toBeGreaterThan(50);
  expect(turns).toBeGreaterThan(30);
});
