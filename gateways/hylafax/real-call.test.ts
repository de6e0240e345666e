// A fax that is really sent and really received: HylaFAX with two soft modems, one calling the other.
import PDFDocument from 'pdfkit';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ComposedFax, DeliveryReceipt, FaxDocument, InboundMessage } from '../../src/driver/contract.js';
import { attemptOf, contextOf } from '../../test/conformance/context.js';
import { createDriverState } from '../../test/fixtures/driver-state.js';
import { waitFor } from '../../test/fixtures/wait-for.js';
import { type Hylafax, startHylafax, whyNoHylafax } from '../../test/servers/hylafax.js';
import { hylaFax } from './driver.js';

const why = whyNoHylafax();
const SEND_REQUEST = '99999999-0000-4000-8000-00000000ca11';
const WIDTH = 1728;
const HEIGHT = 2292;

describe.runIf(!why)(`a real call${why ? ` (skipped: ${why})` : ''}`, () => {
  let server: Hylafax;
  beforeAll(async () => {
    server = await startHylafax({ modems: true });
  }, 120_000);
  afterAll(() => server?.close());

  it('a fax goes out on one modem, and the same page comes in on the other', async () => {
    const { user, password, adminPassword, port, modems } = server;
    const login = { Host: '127.0.0.1', Port: port, User: user, Password: password, AdminPassword: adminPassword };
    const receipts: DeliveryReceipt[] = [];
    const outbound = await hylaFax.open(
      contextOf(hylaFax, { ...login, Modem: modems[0].name, StationId: '+420 222 333' }, { direction: 'O', receipts }),
    );
    const driverState = createDriverState();
    const inbound = await hylaFax.open(
      contextOf(hylaFax, { ...login, Modem: modems[1].name, AfterReceive: 'Delete' }, { direction: 'I', driverState }),
    );
    const stop = new AbortController();
    const notes: string[] = [];
    try {
      const messages = hylaFax.receive?.(inbound, stop.signal)[Symbol.asyncIterator]();
      const nextFax = messages?.next();
      const page = await pageOf('A real page, and one that is compared.');
      const outcome = await hylaFax.send?.(
        outbound,
        { ...page.fax, to: '+15555551002' },
        {
          ...attemptOf(SEND_REQUEST),
          note: (detail) => void notes.push(detail),
        },
      );
      // The modems are programs: on a busy machine a call may fail and be made again after the answer, as with real lines.
      if (outcome?.kind === 'sent' && outcome.state === 'delivered') {
        expect(notes).toContain('calling, dial 1 of 12');
        expect(outcome).toMatchObject({
          kind: 'sent',
          state: 'delivered',
          detail: expect.stringMatching(/^HylaFAX job \d+: 1 page sent in \d+ calls?$/),
        });
      } else {
        await waitFor(
          'the receipt of a later call',
          () => receipts.some(({ state }) => state === 'delivered'),
          150_000,
        );
      }
      const result = await nextFax;
      const message: InboundMessage<FaxDocument> = result?.value;
      expect(message.content).toMatchObject({
        from: modems[0].number,
        to: '15555551002',
        station: '+420 222 333',
        callerName: 'Modem ttyA',
        pages: 1,
        problem: null,
        notes: [],
      });
      expect(message.content?.facts).toContainEqual({
        name: 'Speed',
        value: expect.stringMatching(/^\d+ bit\/s$/),
      });
      expect(message.content?.facts).toContainEqual({ name: 'Modem', value: modems[1].name });
      expect(await likeness(page.dots, Buffer.from(message.content?.raw ?? []))).toBeGreaterThan(0.97);

      expect(server.received()).toHaveLength(1);
      driverState.acknowledge(message);
      await message.confirm();
      expect(server.received()).toHaveLength(0);
    } finally {
      stop.abort();
      await Promise.all([hylaFax.close(outbound), hylaFax.close(inbound)]);
    }
  }, 300_000);
});

/** A page like the fax composer makes: a PDF, and the same as TIFF G4 in fine resolution. */
async function pageOf(text: string): Promise<{ fax: ComposedFax; dots: Buffer }> {
  const pixels = sharp(Buffer.from(drawing(text))).flatten({ background: '#ffffff' });
  const grey = await pixels.resize(WIDTH, HEIGHT, { fit: 'fill' }).greyscale().threshold(128).raw().toBuffer();
  const raw = { width: WIDTH, height: HEIGHT, channels: 1 } as const;
  const tiff = await sharp(grey, { raw })
    .toColourspace('b-w')
    .tiff({ compression: 'ccittfax4', bitdepth: 1, xres: 204 / 25.4, yres: 196 / 25.4, miniswhite: true })
    .toBuffer();
  const pdf = await pdfOf(text);
  return {
    fax: { kind: 'fax', to: '', from: undefined, subject: text, pdf, tiff, pages: 1, reference: SEND_REQUEST },
    dots: grey,
  };
}

function drawing(text: string): string {
  const bars = Array.from(
    { length: 12 },
    (_, at) => `<rect x="100" y="${300 + at * 60}" width="${200 + at * 40}" height="24"/>`,
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" width="864" height="1146"><text x="100" y="200" font-size="40">${text}</text>${bars.join('')}</svg>`;
}

function pdfOf(text: string): Promise<Buffer> {
  const document = new PDFDocument({ size: 'A4' });
  const chunks: Buffer[] = [];
  document.on('data', (chunk: Buffer) => chunks.push(chunk));
  const whole = new Promise<Buffer>((resolve) => document.on('end', () => resolve(Buffer.concat(chunks))));
  document.fontSize(24).text(text, 100, 100);
  document.end();
  return whole;
}

/** The share of equal dots; the received page may differ by some lines. */
async function likeness(sent: Buffer, tiff: Buffer): Promise<number> {
  const { data, info } = await sharp(tiff).greyscale().threshold(128).raw().toBuffer({ resolveWithObject: true });
  expect(info.width).toBe(WIDTH);
  expect(Math.abs(info.height - HEIGHT)).toBeLessThan(30);
  const length = Math.min(data.length, sent.length);
  let equal = 0;
  for (let at = 0; at < length; at++) if (data[at] === sent[at]) equal += 1;
  return equal / length;
}
