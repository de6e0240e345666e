// `gatepost render-fax` and `gatepost parse --fax` as an operator calls them.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, describe, expect, test } from 'vitest';
import { CLI } from '../../test/e2e/connector.js';
import { barPages, drawn, need, picturesOf, tiffOf } from '../../test/fixtures/received-faxes.js';
import { GHOSTSCRIPT, POPPLER, without, wordsOf } from '../../test/fixtures/sent-faxes.js';

const folder = mkdtempSync(join(tmpdir(), 'fax-commands-test-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Ended {
  code: number | null;
  bytes: Buffer;
  said: string;
}

function gatepost(args: readonly string[], input: string | Uint8Array): Ended {
  const { status, stdout, stderr } = spawnSync(process.execPath, [CLI, ...args], { input, maxBuffer: 1e9 });
  return { code: status, bytes: stdout, said: stderr.toString() };
}

const sendRequest = (more: object = {}) => JSON.stringify({ BodyText: 'Hello by fax', SubjectField: 'Offer', ...more });

describe('gatepost render-fax', () => {
  const render = (input: string, ...args: string[]) => gatepost(['render-fax', ...args], input);

  test.runIf(POPPLER)(
    `writes the PDF of a send request${without(['pdftotext', POPPLER])}`,
    () => {
      for (const more of [[], ['--plain']]) {
        const { code, bytes, said } = render(sendRequest(), ...more);
        expect([code, said]).toEqual([0, '']);
        expect(
          wordsOf(bytes)
            .split(/\s*\n\s*/)
            .filter(Boolean),
        ).toEqual(['Offer', 'Hello by fax']);
      }
    },
    60_000,
  );

  test.runIf(POPPLER)(`does what its options say${without(['pdftotext', POPPLER])}`, () => {
    const options = ['--plain', '--cover', '--page-size', 'Letter', '--header', 'Example', '--station', '+420 222'];
    const { code, bytes } = render(sendRequest({ RemoteAddress: '+420 222 333 444', FromField: 'Ann' }), ...options);
    expect(code).toBe(0);
    const words = wordsOf(bytes).replace(/\s+/g, ' ');
    expect(words).toContain('Example +420 222 page 1 of 2');
    expect(words).toMatch(/From Ann, Example, \+420 222 To \+420222333444 Subject Offer .* 2, this one included/);
    expect(execFileSync('pdfinfo', ['-'], { input: bytes }).toString()).toMatch(/Page size:\s+612 x 792/);
  });

  test.runIf(GHOSTSCRIPT)(`gives the page images with --tiff${without(['gs', GHOSTSCRIPT])}`, async () => {
    const { code, bytes } = render(sendRequest(), '--plain', '--tiff', '--resolution', 'Standard');
    expect(code).toBe(0);
    expect(await sharp(bytes).metadata()).toMatchObject({ format: 'tiff', width: 1728, height: 1146, pages: 1 });
  });

  test.each([
    ['no JSON', '{"BodyText":', [], 'the send request is not JSON: '],
    ['no object', '[]', [], 'the message has no text: there is nothing to fax'],
    ['nothing', '', [], 'the send request is not JSON: '],
    ['a send request with a member of the wrong kind', '{"BodyText":7}', [], 'the send request cannot be read: '],
    ['no text', '{}', [], 'the message has no text: there is nothing to fax'],
    ['a number that is none', sendRequest({ RemoteAddress: 'ann' }), [], '"ann" is not a fax number: '],
    [
      'thousands of pages',
      sendRequest({ BodyText: 'x\n'.repeat(90_000) }),
      ['--plain'],
      'the fax would have about 1,9',
    ],
  ])('rejects %s in one sentence, with what to do, and gives no document', (_what, input, args, sentence) => {
    const { code, bytes, said } = render(input, ...args);
    const [first = '', advice, ...more] = said.trimEnd().split('\n');
    expect(first.slice(0, sentence.length)).toBe(sentence);
    expect(advice).toMatch(/^ {2}→ /);
    expect([code, bytes.length, more]).toEqual([1, 0, []]);
  });

  test('rejects an unknown paper size', () => {
    const { code, bytes, said } = render(sendRequest(), '--page-size', 'A0');
    expect([code, bytes.length]).toEqual([1, 0]);
    expect(said).toContain('Allowed choices are A4, Letter, Legal.');
  });
});

describe('gatepost parse --fax', () => {
  const parse = (input: string | Uint8Array, ...args: string[]) => gatepost(['parse', '--fax', ...args], input);

  test('turns a TIFF into the message, and writes its files', async () => {
    const input = await tiffOf([await drawn(['HELLO FAX 12345']), ...barPages(1)]);
    const files = join(folder, 'files', 'deep');
    const { code, bytes, said } = parse(input, '--from', '777123456', '--region', 'cz', '--attachments', files);
    expect([code, said]).toEqual([0, '']);
    const message = JSON.parse(bytes.toString());
    expect(message).toMatchObject({
      GatewayId: '00000000-0000-0000-0000-000000000000',
      RemoteAddress: '+420777123456',
      FromField: '+420 777 123 456',
      SubjectField: 'Fax from +420 777 123 456, 2 pages',
      Direction: 'I',
    });
    expect(message.BodyText).toContain('HELLO FAX 12345');
    expect(picturesOf(message.BodyHtml)).toHaveLength(2);
    const written = readdirSync(files).sort();
    expect(written.map((name) => name.replace(/\d{4}-\d\d-\d\d/, 'DAY'))).toEqual([
      '1-fax-DAY-+420777123456.pdf',
      '2-fax-DAY-+420777123456.tif',
    ]);
    expect(readFileSync(join(files, written[1] ?? '')).equals(input)).toBe(true);
    for (const name of written) expect(message.BodyText).toContain(encodeURIComponent(name.slice(2)));
  });

  const deps = need('gs', 'pdftoppm');
  test.runIf(deps.here)(`turns a PDF into the message${deps.why}`, () => {
    const page = '/Helvetica findfont 48 scalefont setfont 72 700 moveto (HELLO) show showpage';
    const input = execFileSync('gs', ['-q', '-dBATCH', '-dNOPAUSE', '-sDEVICE=pdfwrite', '-o', '-', '-c', page]);
    const { code, bytes } = parse(input, '--gateway', '11111111-1111-4111-8111-111111111111');
    const message = JSON.parse(bytes.toString());
    expect([code, message.GatewayId]).toEqual([0, '11111111-1111-4111-8111-111111111111']);
    expect(message.SubjectField).toBe('Fax from an unknown number, 1 page');
    expect(picturesOf(message.BodyHtml)).toHaveLength(1);
  });

  test.each([
    ['nothing', '', 'The file of the fax is empty.'],
    ['a file that is no fax', 'Dear Sir', 'The file of the fax is neither TIFF nor PDF; it is attached as it came.'],
    ['a TIFF that is cut off', 'II*\0\x08\0\0\0', 'The file of the fax is broken: it ends within page 1.'],
  ])('%s is no failure: the message says what it is', (_what, input, note) => {
    const { code, bytes } = parse(Buffer.from(input, 'latin1'));
    expect(code).toBe(0);
    expect(JSON.parse(bytes.toString()).BodyText).toContain(note);
  });

  test.each([
    [
      'a folder that is a file',
      ['--fax', '--attachments', join(folder, 'a-file')],
      'the attachments cannot be written to ',
    ],
    ['a region that is none', ['--fax', '--region', 'Czechia'], '--region Czechia is not a country'],
    ['options of faxes for a mail', ['--from', '+420777123456'], '--from and --region describe the caller of a fax'],
  ])('rejects %s in one sentence, with what to do', (_what, args, sentence) => {
    writeFileSync(join(folder, 'a-file'), '');
    const { code, bytes, said } = gatepost(['parse', ...args], 'II*\0');
    const [first, advice, ...more] = said.trimEnd().split('\n');
    expect(first).toContain(sentence);
    expect(advice).toMatch(/^ {2}→ /);
    expect([code, bytes.length, more]).toEqual([1, 0, []]);
  });
});
