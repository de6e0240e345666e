// The stop of the whole service: bounded whatever hangs, final whatever the server says meanwhile, the journal closed last.
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { type Bed, IN, OUT, sendRequest, startBed, usual } from '../test/fixtures/connector.js';
import { waitFor } from '../test/fixtures/wait-for.js';
import { loadConfig } from './config.js';
import { silentLog } from './kit/log.js';
import { redactor } from './kit/redact.js';
import { controlFolder, requestOptOut, requestRelease } from './pipeline/control-requests.js';
import { startService } from './service.js';

/** Orchestrators kill after this long, ms. */
const KILLED_AFTER_MS = 10_000;
const ID = '99999999-0000-4000-8000-000000000001';

let bed: Bed;
afterEach(() => bed.close());

/** Stops the service on the clock of the test; gives the ms it took. */
async function stop(): Promise<number> {
  const start = bed.clock.monotonic();
  let ended = false;
  const stopped = bed.service.stop().finally(() => (ended = true));
  while (!ended) await bed.clock.advance(100);
  await stopped;
  return bed.clock.monotonic() - start;
}

async function reopenedCleanly(): Promise<boolean> {
  const before = bed.lines.length;
  await bed.restart();
  return !bed.lines.slice(before).some((line) => /unclean|not closed|ended without/i.test(line));
}

it('ends in time and closes the journal when sends hang and drivers do not close', async () => {
  bed = await startBed();
  const never = () => new Promise<never>(() => {});
  bed.outbound.onSend = never;
  const { close } = bed.inbound.driver;
  for (const { driver } of [bed.inbound, bed.outbound]) Object.assign(driver, { close: never });
  bed.fakeServer.sendRequest(sendRequest(ID));
  await waitFor('the send', () => bed.outbound.sends.length === 1);
  bed.fakeServer.onReceiving = () => 'silent';
  bed.inbound.put('one');
  await bed.fakeServer.waitForFrame('ES_MESSAGE_RECEIVING');
  expect(await stop()).toBeLessThan(KILLED_AFTER_MS);
  for (const { driver } of [bed.inbound, bed.outbound]) Object.assign(driver, { close });
  bed.fakeServer.onReceiving = () => true;
  expect(await reopenedCleanly()).toBe(true);
});

it('starts no gateway when a list is answered or the link comes back during the drain', async () => {
  bed = await startBed();
  let finish = () => {};
  bed.outbound.onSend = (mail) =>
    new Promise((resolve) => (finish = () => resolve({ kind: 'sent', deliverySystemId: mail.messageId })));
  bed.fakeServer.sendRequest(sendRequest(ID));
  await waitFor('the send', () => bed.outbound.sends.length === 1);
  const opened = [bed.inbound.opened, bed.outbound.opened];
  const stopped = bed.service.stop();
  await waitFor('the drain', () => bed.service.views().some(({ state }) => state === 'draining'));
  bed.fakeServer.send('SE_SL_MSGGATEWAYS', usual());
  bed.fakeServer.drop();
  await bed.clock.advance(1_000);
  await bed.fakeServer.waitForFrames('ES_LOGIN', 2);
  bed.fakeServer.send('SE_SL_MSGGATEWAYS', usual());
  finish();
  let ended = false;
  void stopped.finally(() => (ended = true));
  while (!ended) await bed.clock.advance(100);
  expect([bed.inbound.opened, bed.outbound.opened]).toEqual(opened);
  expect(bed.service.views()).toEqual([]);
  expect(bed.fakeServer.sent).toMatchObject([{ Id: ID, Data: null }]);
});

it('shows gateways that drain', async () => {
  bed = await startBed();
  let finish = () => {};
  bed.outbound.onSend = (mail) =>
    new Promise((resolve) => (finish = () => resolve({ kind: 'sent', deliverySystemId: mail.messageId })));
  bed.fakeServer.sendRequest(sendRequest(ID));
  await waitFor('the send', () => bed.outbound.sends.length === 1);
  bed.fakeServer.gateways = usual().filter(({ Id }) => Id === IN);
  await bed.clock.advance(60_000);
  await waitFor('the drain', () => bed.service.views().some(({ id, state }) => id === OUT && state === 'draining'));
  finish();
  await waitFor('the end of the drain', () => !bed.service.views().some(({ id }) => id === OUT));
});

it('refuses a data folder that another process uses, also with a journal of its own', async () => {
  bed = await startBed();
  const file = join(bed.folder, 'second.yaml');
  writeFileSync(
    file,
    'server: { mode: remote, host: 127.0.0.1, password: x }\ndataDir: data\njournal: sqlite:other.db\nhttp: { port: 0 }\n',
  );
  const platform = { clock: bed.clock, random: () => 0.5, log: silentLog, redactor: redactor(), env: {}, drivers: {} };
  await expect(startService(loadConfig(file, {}), platform)).rejects.toMatchObject({
    code: 'config/data-folder-busy',
    message: expect.stringContaining(join(bed.folder, 'data')),
  });
});

it('an opt-out is entered within a second while the window is full and a requeued message waits for a slot', async () => {
  bed = await startBed({ extra: 'inbound: { window: 1, refusals: 1 }' });
  const dataDir = join(bed.folder, 'data');
  bed.fakeServer.onReceiving = () => false;
  const first = bed.inbound.put('first');
  await waitFor('the quarantine', () => first.events.length === 1);
  bed.fakeServer.onReceiving = () => 'silent';
  bed.inbound.put('second');
  await bed.fakeServer.waitForFrames('ES_MESSAGE_RECEIVING', 2);
  requestRelease(dataDir, 1);
  await bed.clock.advance(1_000);
  await waitFor('the release', () => readdirSync(controlFolder(dataDir)).length === 0);
  requestOptOut(dataDir, { wish: 'out', group: 'shop', address: '+420601234567', at: bed.clock.now() });
  await bed.clock.advance(1_000);
  await waitFor('the opt-out', () => readdirSync(controlFolder(dataDir)).length === 0, 3_000);
});
