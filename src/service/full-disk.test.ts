// The whole connector on a small disk that runs full.
import { afterEach, describe, expect, it } from 'vitest';
import { type Fixture, sendRequest, startFixture } from '../../test/fixtures/connector.js';
import { mail } from '../../test/fixtures/fake-driver.js';
import { waitFor } from '../../test/fixtures/wait-for.js';
import { canMount, type SmallDisk, smallDisk } from '../../test/servers/small-disk.js';

const SENT = '99999999-0000-4000-8000-000000000001';
const NEW = '99999999-0000-4000-8000-000000000002';
const LATER = '99999999-0000-4000-8000-000000000003';

let fixture: Fixture;
let disk: SmallDisk | undefined;
afterEach(async () => {
  await fixture.close();
  disk?.remove();
});

async function ready(): Promise<{ status: number; text: string }> {
  // One check is good for two seconds.
  await fixture.clock.advance(2_000);
  const response = await fetch(`${fixture.service.http.url}/ready`);
  return { status: response.status, text: await response.text() };
}

describe.skipIf(!canMount())('a disk that runs full', () => {
  it.each([
    ['below its reserve', 2 * 1024 * 1024],
    ['to the last byte', 0],
  ])('%s: nothing is confirmed, /ready is red, and all goes on by itself', async (_, leave) => {
    disk = smallDisk(64);
    if (!disk) throw new Error('no disk');
    fixture = await startFixture({ dataDir: disk.path });
    const { fakeServer, inbound, outbound, clock } = fixture;
    const before = inbound.put('before', mail('before'));
    await waitFor('the first mail to be confirmed', () => before.events.includes('confirmed'));
    fakeServer.sendRequest(sendRequest(SENT));
    await waitFor('the first answer', () => fakeServer.sent.length === 1);

    disk.fill(leave);
    const red = await ready();
    expect(red).toMatchObject({ status: 503, text: expect.stringMatching(/the disk is nearly full/) });
    const during = inbound.put('during', mail('during'));
    fakeServer.sendRequest(sendRequest(NEW));
    const { content } = await fakeServer.waitForFrame('ES_MESSAGE_SENT', ({ Id }) => Id === NEW);
    expect(content.Data).toMatch(/^not sent: .*the disk is nearly full/);
    expect(content.Data).not.toContain(disk.path);
    await waitFor('the mail to be refused', () =>
      fixture.lines.some((line) => line.includes('inbound message failed here')),
    );
    expect([outbound.sends.length, fakeServer.received.length, during.events]).toEqual([1, 1, []]);
    // The server repeats what it was not answered: it was sent, and so it is told, as long as that can be written at all.
    if (leave > 0) {
      fakeServer.sendRequest(sendRequest(SENT));
      await waitFor('the repeat', () => fakeServer.sent.filter(({ Id }) => Id === SENT).length === 2);
      expect(fakeServer.sent.filter(({ Id }) => Id === SENT).map(({ Data }) => Data)).toEqual([null, null]);
    }

    disk.free();
    expect((await ready()).status).toBe(200);
    for (let minute = 0; minute < 10 && !during.events.includes('confirmed'); minute++) await clock.advance(60_000);
    await waitFor('the mail to be confirmed', () => during.events.includes('confirmed'));
    fakeServer.sendRequest(sendRequest(LATER));
    const later = await fakeServer.waitForFrame('ES_MESSAGE_SENT', ({ Id }) => Id === LATER);
    expect([later.content.Data, outbound.sends.length]).toEqual([null, 2]);
    expect(fakeServer.violations).toEqual([]);
  });
});
