// The stop of the whole service: bounded whatever hangs, final whatever the server says meanwhile, the journal closed last.
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { type Fixture, IN, OUT, sendRequest, startFixture, usual } from '../test/fixtures/connector.js';
import { waitFor } from '../test/fixtures/wait-for.js';
import { loadConfig } from './config.js';
import { silentLog } from './kit/log.js';
import { redactor } from './kit/redact.js';
import { controlFolder, requestOptOut, requestRelease } from './pipeline/control-requests.js';
import { startService } from './service.js';

/** Orchestrators kill after this long, ms. */
const KILLED_AFTER_MS = 10_000;
const ID = '99999999-0000-4000-8000-000000000001';

let fixture: Fixture;
afterEach(() => fixture.close());

/** Stops the service on the clock of the test; gives the ms it took. */
async function stop(): Promise<number> {
  const start = fixture.clock.monotonic();
  let ended = false;
  const stopped = fixture.service.stop().finally(() => (ended = true));
  while (!ended) await fixture.clock.advance(100);
  await stopped;
  return fixture.clock.monotonic() - start;
}

async function reopenedCleanly(): Promise<boolean> {
  const before = fixture.lines.length;
  await fixture.restart();
  return !fixture.lines.slice(before).some((line) => /unclean|not closed|ended without/i.test(line));
}

it('ends in time and closes the journal when sends hang and drivers do not close', async () => {
  fixture = await startFixture();
  const never = () => new Promise<never>(() => {});
  fixture.outbound.onSend = never;
  const { close } = fixture.inbound.driver;
  for (const { driver } of [fixture.inbound, fixture.outbound]) Object.assign(driver, { close: never });
  fixture.fakeServer.sendRequest(sendRequest(ID));
  await waitFor('the send', () => fixture.outbound.sends.length === 1);
  fixture.fakeServer.onReceiving = () => 'silent';
  fixture.inbound.put('one');
  await fixture.fakeServer.waitForFrame('ES_MESSAGE_RECEIVING');
  expect(await stop()).toBeLessThan(KILLED_AFTER_MS);
  for (const { driver } of [fixture.inbound, fixture.outbound]) Object.assign(driver, { close });
  fixture.fakeServer.onReceiving = () => true;
  expect(await reopenedCleanly()).toBe(true);
});

it('starts no gateway when a list is answered or the link comes back during the drain', async () => {
  fixture = await startFixture();
  let finish = () => {};
  fixture.outbound.onSend = (mail) =>
    new Promise((resolve) => (finish = () => resolve({ kind: 'sent', deliverySystemId: mail.messageId })));
  fixture.fakeServer.sendRequest(sendRequest(ID));
  await waitFor('the send', () => fixture.outbound.sends.length === 1);
  const opened = [fixture.inbound.opened, fixture.outbound.opened];
  const stopped = fixture.service.stop();
  await waitFor('the drain', () => fixture.service.views().some(({ state }) => state === 'draining'));
  fixture.fakeServer.send('SE_SL_MSGGATEWAYS', usual());
  fixture.fakeServer.drop();
  await fixture.clock.advance(1_000);
  await fixture.fakeServer.waitForFrames('ES_LOGIN', 2);
  fixture.fakeServer.send('SE_SL_MSGGATEWAYS', usual());
  finish();
  let ended = false;
  void stopped.finally(() => (ended = true));
  while (!ended) await fixture.clock.advance(100);
  expect([fixture.inbound.opened, fixture.outbound.opened]).toEqual(opened);
  expect(fixture.service.views()).toEqual([]);
  expect(fixture.fakeServer.sent).toMatchObject([{ Id: ID, Data: null }]);
});

it('shows gateways that drain', async () => {
  fixture = await startFixture();
  let finish = () => {};
  fixture.outbound.onSend = (mail) =>
    new Promise((resolve) => (finish = () => resolve({ kind: 'sent', deliverySystemId: mail.messageId })));
  fixture.fakeServer.sendRequest(sendRequest(ID));
  await waitFor('the send', () => fixture.outbound.sends.length === 1);
  fixture.fakeServer.gateways = usual().filter(({ Id }) => Id === IN);
  await fixture.clock.advance(60_000);
  await waitFor('the drain', () => fixture.service.views().some(({ id, state }) => id === OUT && state === 'draining'));
  finish();
  await waitFor('the end of the drain', () => !fixture.service.views().some(({ id }) => id === OUT));
});

it('rejects a data folder that another process uses, also with a journal of its own', async () => {
  fixture = await startFixture();
  const file = join(fixture.folder, 'second.yaml');
  writeFileSync(
    file,
    'server: { mode: remote, host: 127.0.0.1, password: x }\ndataDir: data\njournal: sqlite:other.db\nhttp: { port: 0 }\n',
  );
  const platform = {
    clock: fixture.clock,
    random: () => 0.5,
    log: silentLog,
    redactor: redactor(),
    env: {},
    drivers: {},
  };
  await expect(startService(loadConfig(file, {}), platform)).rejects.toMatchObject({
    code: 'config/data-folder-busy',
    message: expect.stringContaining(join(fixture.folder, 'data')),
  });
});

it('an opt-out is entered within a second while the window is full and a requeued message waits for a slot', async () => {
  fixture = await startFixture({ extra: 'inbound: { window: 1, refusals: 1 }' });
  const dataDir = join(fixture.folder, 'data');
  fixture.fakeServer.onReceiving = () => false;
  const first = fixture.inbound.put('first');
  await waitFor('the quarantine', () => first.events.length === 1);
  fixture.fakeServer.onReceiving = () => 'silent';
  fixture.inbound.put('second');
  await fixture.fakeServer.waitForFrames('ES_MESSAGE_RECEIVING', 2);
  requestRelease(dataDir, 1);
  await fixture.clock.advance(1_000);
  await waitFor('the release', () => readdirSync(controlFolder(dataDir)).length === 0);
  requestOptOut(dataDir, { wish: 'out', group: 'shop', address: '+420601234567', at: fixture.clock.now() });
  await fixture.clock.advance(1_000);
  await waitFor('the opt-out', () => readdirSync(controlFolder(dataDir)).length === 0, 3_000);
});
