// A fax that is really sent and really received: the shipped command, a HylaFAX with two modems that call each other, and a
// kill -9 in the middle of the call.
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findGhostscript } from '../../src/content/fax/process/programs.js';
import { waitFor } from '../fixtures/wait-for.js';
import { type FakeServer, startFakeServer } from '../servers/fake-server.js';
import { type Hylafax, startHylafax, whyNoHylafax } from '../servers/hylafax.js';
import type { Running } from '../servers/process.js';
import { type Folder, folder, gatepost, gateway, IN, kill, OUT, remote } from './connector.js';

const SEND_REQUEST = 'aaaaaaaa-0000-4000-8000-00000000fa01';
const why = whyNoHylafax() ?? (findGhostscript(process.env) ? undefined : 'ghostscript is not installed');
const sendRequest = {
  MessageId: SEND_REQUEST,
  GatewayId: OUT,
  Direction: 'O',
  RemoteAddress: '5551002',
  SubjectField: 'Offer',
  BodyHtml:
    '<h1>HELLO FAX 12345</h1><p>Quick brown foxes jump over the lazy dog.</p><table border="1"><tr><td>Saddle</td></tr></table>',
};

describe.runIf(!why)(`a fax through two real modems${why ? ` (skipped: ${why})` : ''}`, () => {
  let server: Hylafax;
  let fakeServer: FakeServer;
  let place: Folder;
  let connector: Running;

  beforeAll(async () => {
    [server, fakeServer, place] = [await startHylafax({ modems: true }), await startFakeServer(), folder()];
    const { port, user, password, adminPassword, modems } = server;
    const login = { Host: '127.0.0.1', Port: port, User: user, Password: password, AdminPassword: adminPassword };
    fakeServer.gateways = [
      gateway(IN, 'I', 'HylaFax', { ...login, Modem: modems[1].name, AfterReceive: 'Delete', PollSeconds: 1 }, 'Fax'),
      gateway(
        OUT,
        'O',
        'HylaFax',
        { ...login, Modem: modems[0].name, StationId: '+420 222 333', PollSeconds: 1 },
        'Fax',
      ),
    ];
    await start();
  }, 120_000);
  afterAll(async () => {
    await connector?.stop();
    await server?.close();
    await fakeServer?.close();
    place?.remove();
  });

  async function start(): Promise<void> {
    connector = gatepost(['start', '--config', place.configure(remote(fakeServer.port))]);
    for (const direction of ['I', 'O'])
      await waitFor(`the ${direction} gateway to run`, () =>
        connector
          .output()
          .split('\n')
          .some((line) => line.includes(`"direction":"${direction}"`) && line.includes('gateway is running')),
      );
  }

  it('is sent once although its connector is killed during the call, and arrives as pages, text and file', async () => {
    fakeServer.sendRequest(sendRequest);
    const [modem] = server.modems;
    await waitFor('the modem to call', () => server.read(`status/${modem.name}`).startsWith('Sending job'), 60_000);
    await kill(connector);
    await start();
    // The new process owes the answer: its lookup finds the call under way, and the end of the call is the answer.
    expect((await fakeServer.waitForFrames('ES_MESSAGE_SENT', 1))[0]?.content.Data).toBeNull();
    fakeServer.sendRequest(sendRequest);
    const [, second] = await fakeServer.waitForFrames('ES_MESSAGE_SENT', 2);
    expect(second?.content).toMatchObject({ Id: SEND_REQUEST, RefId: OUT, Data: null });
    expect(server.jobs('doneq')).toHaveLength(1);

    const { content: message } = await fakeServer.waitForFrame('ES_MESSAGE_RECEIVING');
    expect(message).toMatchObject({ GatewayId: IN, RemoteAddress: server.modems[0].number });
    expect(message.SubjectField).toMatch(/1 page$/);
    expect(message.BodyText).toContain('HELLO FAX 12345');
    expect(message.BodyText).toMatch(/lazy dog/);
    expect(message.BodyHtml).toContain('<img');
    await waitFor('the fax to be gone from the modems', () => server.received().length === 0, 30_000);
    const [pdf, tiff] = await Promise.all(linksIn(String(message.BodyHtml)).map(bytesAt));
    expect(pdf?.subarray(0, 5).toString()).toBe('%PDF-');
    expect(await likeness(await rendered(), tiff ?? Buffer.alloc(0))).toBeGreaterThan(0.97);

    fakeServer.sendRequest(sendRequest);
    expect((await fakeServer.waitForFrames('ES_MESSAGE_SENT', 3))[2]?.content.Data).toBeNull();
    expect([server.jobs('sendq').length, server.jobs('doneq').length]).toEqual([0, 1]);
    expect(fakeServer.received).toHaveLength(1);
    expect(fakeServer.violations).toEqual([]);
    expect(await trace()).toMatch(/dial 1/);
  }, 280_000);

  async function trace(): Promise<string> {
    const explain = gatepost(['explain', SEND_REQUEST, '--config', join(place.path, 'gatepost.yaml')]);
    await explain.ended;
    return explain.output();
  }

  /** What `render-fax` says would leave. */
  async function rendered(): Promise<Buffer> {
    const command = ['render-fax', '--tiff', '--station', '+420 222 333'];
    const running = gatepost(command, { input: JSON.stringify(sendRequest) });
    await running.ended;
    return running.bytes();
  }
});

function linksIn(html: string): string[] {
  return [...html.matchAll(/<a href="(http[^"]+)"/g)].map(([, link = '']) => link.replaceAll('&amp;', '&'));
}

async function bytesAt(link: string): Promise<Buffer> {
  return Buffer.from(await (await fetch(link)).arrayBuffer());
}

/** The share of equal dots. The header line holds the minute, so the top is left out; the end of a page may be cut. */
async function likeness(sent: Buffer, received: Buffer): Promise<number> {
  const [one, other] = await Promise.all([dotsOf(sent), dotsOf(received)]);
  expect(other.info.width).toBe(one.info.width);
  const from = one.info.width * 150;
  const to = Math.min(one.data.length, other.data.length);
  expect(to).toBeGreaterThan(from * 2);
  let equal = 0;
  for (let at = from; at < to; at++) if (one.data[at] === other.data[at]) equal += 1;
  return equal / (to - from);
}

function dotsOf(tiff: Buffer) {
  return sharp(tiff).greyscale().threshold(128).raw().toBuffer({ resolveWithObject: true });
}
