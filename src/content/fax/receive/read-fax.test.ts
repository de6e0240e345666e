// Received faxes to MessageContentInfo: fields, pictures, document, text.
import { execFileSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { brokenPromises, context, names, ownText } from '../../../../test/fixtures/mail.js';
import {
  barPages,
  darkness,
  drawn,
  faxOf,
  JBIG,
  LINES,
  need,
  PROGRAMS,
  picturesOf,
  tiffOf,
  WIDTH,
} from '../../../../test/fixtures/received-faxes.js';
import { systemClock } from '../../../kit/clock.js';
import { silentLog } from '../../../kit/log.js';
import type { FaxDocument } from '../../../model/content.js';
import { createReader } from '../../create-reader.js';
import type { ReadMessage } from '../../reader.js';
import { pagesWords } from './bodies.js';
import { callerOf } from './caller.js';

const reader = createReader({ clock: systemClock, log: silentLog, ocr: false });
afterAll(() => reader.close());

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gatepost-fax-test-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const read = (raw: Uint8Array, more: Partial<FaxDocument> = {}, region = 'CZ') =>
  reader.readFax(faxOf(raw, more), { region }, context);

/** What `program` makes of a TIFF. */
async function converted(tiff: Buffer, program: string, ...args: string[]): Promise<Buffer> {
  const [from, to] = [join(folder, 'from.tif'), join(folder, 'to.tif')];
  await writeFile(from, tiff);
  execFileSync(program, [...args, from, to], { stdio: 'ignore' });
  return readFile(to);
}

const tiffcp = need('tiffcp');
const pdf = need('pdftoppm', 'gs');

describe('a fax arrives', () => {
  let message: ReadMessage;
  const facts = [
    { name: 'Speed', value: '14400 bit/s' },
    { name: 'Duration', value: '0:42' },
  ];
  beforeAll(async () => {
    message = await read(await tiffOf(barPages(3)), {
      to: '222333444',
      station: 'ACME <FAX>',
      callerName: 'Jan Novák',
      providerId: 'recvq/fax00012.tif',
      pages: 3,
      facts,
    });
  });

  test('with the members of the message filled in', () => {
    expect(message.message).toMatchObject({
      DeliverySystemId: 'recvq/fax00012.tif',
      FromField: 'Jan Novák <+420 777 123 456>',
      RemoteAddress: '+420777123456',
      ToField: '+420 222 333 444',
      SubjectField: 'Fax from +420 777 123 456, 3 pages',
      Direction: 'I',
      ReceivedSentTime: '2026-11-22T10:15:30.123Z',
    });
    expect(message.notes).toEqual([]);
    expect(brokenPromises(message)).toEqual([]);
  });

  test('with its facts at the head of both bodies', () => {
    const head = [
      'To: +420 222 333 444',
      'Caller: Jan Novák',
      'Station: ACME <FAX>',
      'Speed: 14400 bit/s',
      'Duration: 0:42',
    ];
    expect(ownText(message)).toBe(['Fax from +420 777 123 456, 3 pages', ...head].join('\n'));
    expect(message.message.BodyHtml).toContain('Station: ACME &lt;FAX&gt;<br>');
    expect(message.message.BodyHtml).toContain('Speed: 14400 bit/s');
  });

  test('with every page as a picture, in order', async () => {
    const pictures = picturesOf(message.message.BodyHtml);
    expect(pictures).toHaveLength(3);
    const tops = await Promise.all(pictures.map(async ({ png }) => (await darkness(png)).top));
    for (const [page, top] of tops.entries()) expect(top).toBeCloseTo((page + 1) / 5, 2);
  });

  test('with a document of all pages and the file itself attached, named by day and caller', () => {
    expect(names(message)).toEqual(['fax-2026-11-22-+420777123456.pdf', 'fax-2026-11-22-+420777123456.tif']);
    const [pdf, tiff] = message.attachments;
    expect(Buffer.from(pdf?.bytes ?? []).toString('latin1', 0, 5)).toBe('%PDF-');
    expect([pdf?.type, tiff?.type]).toEqual(['application/pdf', 'image/tiff']);
  });

  test('the file itself unchanged', async () => {
    const raw = await tiffOf(barPages(2));
    const before = Buffer.from(raw);
    const { attachments } = await read(raw);
    expect(Buffer.from(attachments[1]?.bytes ?? []).equals(before)).toBe(true);
  });

  test('as the same message whenever it is read, and as another when it is sent again', async () => {
    const raw = await tiffOf(barPages(1));
    const [first, again, later] = [await read(raw), await read(raw), await read(raw, { receivedAt: 1 })];
    expect(again.message).toEqual(first.message);
    expect(again.attachments.map(({ id }) => id)).toEqual(first.attachments.map(({ id }) => id));
    expect(later.message.DeliverySystemId).not.toBe(first.message.DeliverySystemId);
    expect(first.message.DeliverySystemId).toMatch(/^[\w-]{43}@gatepost$/);
  });
});

describe('the pictures', () => {
  test.each([
    ['204x98', 98, LINES / 2, 1.33],
    ['204x196', 196, LINES, 1.33],
    ['204x391', 391, LINES * 2, 1.33],
    ['200x100', 100, LINES / 2, 1.33],
  ])('show the page as it is on paper: %s', async (name, along, height) => {
    const across = Number(name.split('x')[0]);
    const pages = barPages(1, { height });
    const { message } = await read(await tiffOf(pages, { height, across, along }));
    const [picture] = picturesOf(message.BodyHtml);
    expect(picture?.width).toBe(864);
    expect((picture?.height ?? 0) / 864).toBeCloseTo((height * across) / (WIDTH * along), 2);
  });

  test('are small and readable: a page of text keeps its strokes', async () => {
    const dots = await drawn(['The quick brown fox jumps', 'over the lazy dog 0123456789']);
    const { message } = await read(await tiffOf([dots]));
    const [picture] = picturesOf(message.BodyHtml);
    const before = dots.filter((dot) => dot === 0).length / dots.length;
    const { share } = await darkness(picture?.png ?? Buffer.alloc(0));
    expect(picture?.png.length).toBeLessThan(40_000);
    expect(share / before).toBeGreaterThan(0.8);
    expect(share / before).toBeLessThan(1.4);
  });

  test.runIf(tiffcp.here).each([
    ['Group 4', 'g4', []],
    ['Group 3', 'g3:1d', []],
    ['Group 3, two-dimensional', 'g3:2d', []],
    ['Group 3, bits in the other order', 'g3:1d', ['-f', 'lsb2msb']],
    ['Group 4, bits in the other order', 'g4', ['-f', 'lsb2msb']],
    ['PackBits', 'packbits', []],
    ['Group 4, bytes in the other order', 'g4', ['-B']],
    ['Group 4 in a BigTIFF', 'g4', ['-8']],
    ['Group 4 in a BigTIFF, bytes in the other order', 'g4', ['-8', '-B']],
  ])(`are the same whatever the file is made like: %s${tiffcp.why}`, async (_, compression, more) => {
    const raw = await tiffOf(barPages(2), { compression: 'none' });
    const { message, notes } = await read(await converted(raw, 'tiffcp', '-c', compression, ...more));
    expect(notes).toEqual([]);
    const pictures = picturesOf((await read(raw)).message.BodyHtml);
    expect(picturesOf(message.BodyHtml).map(({ png }) => png)).toEqual(pictures.map(({ png }) => png));
  });

  test('are dark on light, whichever of the two the file counts as zero', async () => {
    const raw = await tiffOf(barPages(1), { compression: 'none' });
    const [picture] = picturesOf((await read(raw)).message.BodyHtml);
    expect((await darkness(picture?.png ?? raw)).share).toBeCloseTo(0.05, 2);
    // Zero is white (photometric interpretation 0): the same bits are the opposite picture.
    const opposite = Buffer.from(raw);
    const at = opposite.readUInt32LE(4);
    for (let entry = at + 2; entry < opposite.length - 12; entry += 12) {
      if (opposite.readUInt16LE(entry) === 262) opposite.writeUInt16LE(0, entry + 8);
    }
    const [other] = picturesOf((await read(opposite)).message.BodyHtml);
    expect((await darkness(other?.png ?? raw)).share).toBeCloseTo(0.95, 2);
  });

  test('keep the shades of a photograph that fills a sixth of the page', async () => {
    const dots = await drawn(['A letter with a photograph']);
    // Dots that become denser from left to right, as a screened photograph has them.
    for (let y = 600; y < 1300; y += 1) {
      for (let x = 300; x < 1250; x += 1) {
        const dense = ((x * 7 + y * 13) * 2_654_435_761) % 4_294_967_296 < (4_294_967_296 * (x - 300)) / 950;
        dots[y * WIDTH + x] = dense ? 0 : 255;
      }
    }
    const [photo] = picturesOf((await read(await tiffOf([dots]))).message.BodyHtml);
    const [letter] = picturesOf((await read(await tiffOf([await drawn(['A letter'])]))).message.BodyHtml);
    expect(await shades(photo?.png)).toBeGreaterThan(8);
    expect(await shades(letter?.png)).toBeLessThanOrEqual(4);
  });

  test('are made of JBIG where tiffcp is installed; elsewhere the fax says what it is', async () => {
    const { message, notes } = await read(JBIG);
    const [picture] = picturesOf(message.BodyHtml);
    if (PROGRAMS.tiffcp) expect((await darkness(picture?.png ?? Buffer.alloc(0))).share).toBeGreaterThan(0.05);
    else expect(notes.join()).toContain('it is JBIG');
  });

  test('of many pages end where the message would become too large, and the message says where the others are', async () => {
    const { message } = await read(await tiffOf(barPages(60, { height: 200 }), { height: 200 }));
    expect(picturesOf(message.BodyHtml)).toHaveLength(40);
    expect(message.BodyHtml).toContain('<p>Pages 41 to 60: see the attached PDF</p>');
    expect(message.SubjectField).toBe('Fax from +420 777 123 456, 60 pages');
  });
});

async function shades(png: Buffer | undefined): Promise<number> {
  return new Set(await sharp(png).greyscale().raw().toBuffer()).size;
}

describe('the pictures of noise', () => {
  test('end where the message would become too large, by their size', async () => {
    const random = fc.sample(fc.uint8Array({ minLength: 65_536, maxLength: 65_536 }), { numRuns: 1, seed: 7 })[0] ?? [];
    const noise = Buffer.alloc(WIDTH * LINES);
    for (let at = 0; at < noise.length; at += 1) noise[at] = ((random[at % 65_521] ?? 0) & 1) * 255;
    const { message } = await read(await tiffOf(Array.from({ length: 12 }, () => noise)));
    const shown = picturesOf(message.BodyHtml);
    expect(shown.length).toBeGreaterThan(1);
    expect(shown.length).toBeLessThan(12);
    expect(shown.reduce((sum, { png }) => sum + png.length, 0)).toBeLessThanOrEqual(2_000_000);
    expect(message.BodyHtml).toContain(`<p>Pages ${shown.length + 1} to 12: see the attached PDF</p>`);
  });
});

describe('the text', () => {
  const seeing = createReader({ clock: systemClock, log: silentLog });
  afterAll(() => seeing.close());

  test('of every page is recognized, stands in the message, and can be searched in the document', async () => {
    const pages = [await drawn(['HELLO FAX 12345', 'Please cancel my order']), await drawn(['SECOND SHEET'])];
    const { message, notes, attachments } = await seeing.readFax(faxOf(await tiffOf(pages)), { region: 'CZ' }, context);
    expect(notes).toEqual([]);
    expect(message.BodyText).toMatch(
      /--- page 1 ---\nHELLO FAX 12345\s+Please cancel my order\s+--- page 2 ---\nSECOND SHEET/,
    );
    if (!PROGRAMS.pdftotext) return;
    const found = execFileSync('pdftotext', ['-', '-'], { input: attachments[0]?.bytes }).toString();
    expect(found).toMatch(/HELLO FAX 12345\s+Please cancel my order\s+SECOND SHEET/);
  });

  test.runIf(PROGRAMS.pdftotext)('has each of its words in the document, where it stands on the page', async () => {
    const rows = ['+420 222 000 111', 'Total 1,234.50 EUR', 'ref. 4711-B/7'];
    const { message, attachments } = await seeing.readFax(
      faxOf(await tiffOf([await drawn(rows)])),
      { region: 'CZ' },
      context,
    );
    const [, text = ''] = ownText({ ...NONE, message }).split('--- page 1 ---');
    const box = execFileSync('pdftotext', ['-bbox', '-', '-'], { input: attachments[0]?.bytes }).toString();
    const found = [...box.matchAll(/xMin="([\d.]+)" yMin="([\d.]+)" xMax="([\d.]+)" yMax="([\d.]+)">([^<]*)</g)];
    expect(found.map(([, , , , , word]) => word)).toEqual(text.trim().split(/\s+/));
    // Text is drawn 150 dots from the left, its feet 220 and then 110 dots lower for each row; a dot is 1/204 by 1/196 inch.
    for (const [row, first] of ['+420', 'Total', 'ref.'].entries()) {
      const [, left, top, , bottom] = found.find(([, , , , , word]) => word === first) ?? [];
      expect(Math.abs(Number(left) - (150 * 72) / 204)).toBeLessThan(4);
      const feet = ((220 + row * 110) * 72) / 196;
      expect(Number(top)).toBeLessThan(feet - 10);
      expect(Number(bottom)).toBeGreaterThan(feet - 2);
      expect(Number(bottom)).toBeLessThan(feet + 14);
    }
  });

  test('of a coarse page (204x98) is recognized, too', async () => {
    const height = LINES / 2;
    const raw = await tiffOf([await drawn(['HELLO FAX 12345'], { height })], { height, along: 98 });
    const { message } = await seeing.readFax(faxOf(raw), { region: 'CZ' }, context);
    expect(message.BodyText).toContain('HELLO FAX 12345');
  });

  test('that nobody can read is none, and no letters are made up', async () => {
    const { message } = await seeing.readFax(faxOf(await tiffOf(barPages(1))), { region: 'CZ' }, context);
    expect(ownText({ ...NONE, message })).toBe('Fax from +420 777 123 456, 1 page\n\n--- page 1 ---\n(no text)');
  });

  test('in a language whose data is not installed is not recognized, and both the fax and, once, the log say what to do', async () => {
    const said: object[] = [];
    const log = { ...silentLog, warn: (fields: object) => void said.push(fields) };
    const other = createReader({ clock: systemClock, log, ocr: { languages: ['tlh'], secondsPerFax: 20 } });
    const raw = await tiffOf(barPages(1));
    const advice = 'text recognition is not installed: npm install @tesseract.js-data/tlh';
    for (let times = 0; times < 2; times += 1) {
      const { message, notes } = await other.readFax(faxOf(raw), { region: 'CZ' }, context);
      expect(notes).toEqual([`No text was recognized: ${advice}`]);
      expect(message.BodyText).toContain(advice);
      expect(picturesOf(message.BodyHtml)).toHaveLength(1);
    }
    expect(said).toEqual([{ advice }]);
    await other.close();
  });
});

const NONE: ReadMessage = {
  message: { DeliverySystemId: '', RemoteAddress: '', BodyHtml: '', BodyText: '' },
  attachments: [],
  rfcMessageId: null,
  references: null,
  notes: [],
};

describe('a PDF', () => {
  const postscript =
    '/Helvetica findfont 48 scalefont setfont 72 700 moveto (HELLO FAX 12345) show showpage 72 90 moveto (LAST) show showpage';
  const pdfOf = (...more: string[]) =>
    execFileSync('gs', [
      '-q',
      '-dBATCH',
      '-dNOPAUSE',
      '-sDEVICE=pdfwrite',
      '-sPAPERSIZE=a4',
      ...more,
      '-o',
      '-',
      '-c',
      postscript,
    ]);

  test.runIf(pdf.here)(
    `is shown page by page, and attached once: there is nothing to add to it${pdf.why}`,
    async () => {
      const { message, notes, attachments } = await read(pdfOf());
      expect(notes).toEqual([]);
      expect(message.SubjectField).toBe('Fax from +420 777 123 456, 2 pages');
      const [first, last] = picturesOf(message.BodyHtml);
      expect((await darkness(first?.png ?? Buffer.alloc(0))).top).toBeCloseTo(1 - 734 / 842, 1);
      expect((await darkness(last?.png ?? Buffer.alloc(0))).top).toBeGreaterThan(0.8);
      expect(attachments.map(({ name }) => name)).toEqual(['fax-2026-11-22-+420777123456.pdf']);
    },
  );

  test.runIf(pdf.here)(`with a password arrives as it is, and says why it is not shown${pdf.why}`, async () => {
    const { notes, attachments } = await read(
      pdfOf('-sOwnerPassword=a', '-sUserPassword=b', '-dEncryptionR=3', '-dKeyLength=128'),
    );
    expect(notes).toEqual(['The PDF cannot be shown: it is protected with a password.']);
    expect(attachments).toHaveLength(1);
  });

  test('with a script in it is shown without running it, and the agent is warned', async () => {
    const script = Buffer.from(
      '%PDF-1.4\n1 0 obj<</OpenAction<</S/JavaScript/JS(app.alert(1))>>>>endobj\ntrailer<<>>\n',
    );
    const { notes } = await read(script);
    expect(notes.at(-1)).toBe(
      'The PDF holds a script, a program call or an embedded file, which no fax does. Open it with care.',
    );
  });
});

describe('a file of a fax service', () => {
  const fixture = (name: string) => readFile(new URL(`../../../../test/fixtures/fax/${name}`, import.meta.url));

  test.each(['no-resolution.tif', 'control-204x98.tif'])('%s: the page is as high as on paper', async (name) => {
    const [picture] = picturesOf((await read(await fixture(name))).message.BodyHtml);
    expect((picture?.height ?? 0) / (picture?.width ?? 1)).toBeCloseTo(1.38, 2);
  });

  test.runIf(pdf.here)(`of which a half was cut away is read without that half${pdf.why}`, async () => {
    const seeing = createReader({ clock: systemClock, log: silentLog });
    const raw = await fixture('upper-half.pdf');
    const { message } = await seeing.readFax(faxOf(raw), { region: 'CZ' }, context);
    await seeing.close();
    expect(message.BodyText).toContain('Order 4711 please');
    expect(message.BodyText).not.toContain('margin note');
    const [picture] = picturesOf(message.BodyHtml);
    expect((picture?.height ?? 0) / (picture?.width ?? 1)).toBeCloseTo(421 / 595, 1);
  });
});

describe('whom a fax comes from', () => {
  const caller = (
    from: string | null,
    station: string | null = null,
    callerName: string | null = null,
    region?: string,
  ) => callerOf({ from, station, callerName }, region);

  test.each([
    [
      'a number of the region becomes E.164',
      caller('777 123 456', null, null, 'CZ'),
      '+420777123456',
      '+420 777 123 456',
    ],
    ['a number with country code needs no region', caller('00420777123456'), '+420777123456', '+420 777 123 456'],
    ['without a region a number stays as it is dialled', caller('5551001'), '5551001', '5551001'],
    ['a short one, too', caller('21', null, null, 'CZ'), '21', '21'],
    [
      'a withheld number is none: the station speaks',
      caller('anonymous', '+420 222 333 444'),
      '+420222333444',
      '+420 222 333 444',
    ],
    ['a station that is only a name stands for itself', caller(null, 'ACME FAX'), 'ACME FAX', 'ACME FAX'],
    ['zeros are no number', caller('0000000', 'ACME FAX'), 'ACME FAX', 'ACME FAX'],
    ['nobody', caller(null), 'unknown', 'unknown'],
    ['the name of the caller goes before the station', caller('5551001', 'ACME', 'Ann'), '5551001', 'Ann <5551001>'],
    ['a station that is a number is no name', caller('5551001', '555 1001'), '5551001', '5551001'],
    ['a SIP address is its number', caller('sip:+420777123456@gw.example'), '+420777123456', '+420 777 123 456'],
    [
      'with parameters, brackets and a name, too',
      caller('"Ann" <sips:+420777123456;ext=1@gw.example:5061;user=phone>;tag=1'),
      '+420777123456',
      '+420 777 123 456',
    ],
    [
      'the number in a SIP address is read in the region',
      caller('sip:777123456@10.0.0.1;user=phone', null, null, 'CZ'),
      '+420777123456',
      '+420 777 123 456',
    ],
    ['a plus written in percent is one', caller('sip:%2B420777123456@gw.example'), '+420777123456', '+420 777 123 456'],
    [
      'a tel address loses its parameters',
      caller('tel:+420-777-123-456;cpc=ordinary'),
      '+420777123456',
      '+420 777 123 456',
    ],
    ['a SIP extension', caller('sip:21@pbx.example', null, null, 'CZ'), '21', '21'],
    ['a withheld SIP address', caller('sip:anonymous@anonymous.invalid', 'ACME FAX'), 'ACME FAX', 'ACME FAX'],
    ['a withheld SIP address without a station', caller('<sip:anonymous@gw.example>'), 'unknown', 'unknown'],
    ['a SIP address without a number', caller('sip:alice@pbx.example'), 'alice@pbx.example', 'alice@pbx.example'],
    ['a station without a name is one', caller('5551001', 'ModemA'), '5551001', 'ModemA <5551001>'],
  ])('%s', (_, { remote, from }, address, field) => {
    expect([remote, from]).toEqual([address, field]);
  });
});

describe('a fax that is not whole', () => {
  test.each([
    [3, null, false, '3 pages'],
    [1, 1, false, '1 page'],
    [3, 5, true, '3 of 5 pages'],
    [3, 5, false, '3 of 5 pages'],
    [3, null, true, '3 of ? pages'],
    [0, null, true, '0 of ? pages'],
    [null, null, true, 'incomplete'],
    [null, null, false, ''],
  ])('%s of %s, broken off %s: "%s"', (count, expected, brokeOff, words) => {
    expect(pagesWords(count, expected, brokeOff)).toBe(words);
  });

  test('says so in its subject and both bodies, with the words of the counterparty', async () => {
    const problem = 'Failure to receive page data {E401}';
    const { message, notes } = await read(await tiffOf(barPages(2)), { problem, expectedPages: 5 });
    expect(message.SubjectField).toBe('Fax from +420 777 123 456, 2 of 5 pages');
    expect(notes).toEqual([`The fax is not complete: ${problem}.`]);
    expect(message.BodyHtml).toContain(problem);
  });

  test('says it when the counterparty counted other pages than there are', async () => {
    const { notes } = await read(await tiffOf(barPages(2)), { pages: 3, notes: ['The line was bad.'] });
    expect(notes).toEqual(['The call had 3 pages, the file holds 2.', 'The line was bad.']);
  });
});
