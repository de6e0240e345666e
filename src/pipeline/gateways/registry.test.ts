// The life of gateways: what a send request is told while a list is awaited or a gateway restarts, and that a stop ends.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { gateway, IN, OUT } from '../../../test/fixtures/connector.js';
import { type FakeDriver, fakeDriver } from '../../../test/fixtures/fake-driver.js';
import { type ManualClock, manualClock } from '../../../test/fixtures/manual-clock.js';
import { createSecretStore } from '../../../test/fixtures/secret-store.js';
import { waitFor } from '../../../test/fixtures/wait-for.js';
import type { AnyDriver } from '../../driver/contract.js';
import { openJournal } from '../../journal/open.js';
import type { Journal } from '../../journal/types/journal.js';
import type { OutboundRecord } from '../../journal/types/outbound.js';
import { deadline } from '../../kit/deadline.js';
import { type Deferred, deferred } from '../../kit/deferred.js';
import { silentLog } from '../../kit/log.js';
import { redactor } from '../../kit/redact.js';
import { noCrashRecord } from '../inbound/crash-record.js';
import { noMetrics } from '../metrics.js';
import type { OutboundGateway, SendResult } from './gateway.js';
import { openPolicy } from './policy/policy.js';
import { type GatewayRegistry, type GatewayRegistryDeps, gatewayRegistry, type OutboundLookup } from './registry.js';
import { secretsFrom } from './secrets.js';

let folder: string;
let clock: ManualClock;
let journal: Journal;
let driver: FakeDriver;
let registry: GatewayRegistry;
/** While set, loading the driver waits for it. */
let loading: Deferred<void> | undefined;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'gatepost-registry-'));
  clock = manualClock();
  journal = await openJournal(`sqlite:${join(folder, 'journal.db')}`, { clock, log: silentLog });
  driver = fakeDriver();
  loading = undefined;
  registry = gatewayRegistry(deps());
});
afterEach(async () => {
  await turning(registry.stop(0));
  await journal.close();
  rmSync(folder, { recursive: true, force: true });
});

function deps(changes: Partial<AnyDriver> = {}): GatewayRegistryDeps {
  const load = async () => {
    await loading?.promise;
    return { ...driver.driver, ...changes };
  };
  return {
    journal,
    clock,
    random: () => 0.5,
    log: silentLog,
    redactor: redactor(),
    metrics: noMetrics,
    policy: openPolicy,
    dataDir: folder,
    crashes: noCrashRecord,
    secretStore: createSecretStore(),
    webhookUrl: (id) => `http://gatepost.test/webhooks/${id}`,
    drivers: { test: load },
    secrets: secretsFrom({ env: {}, folder }),
    serverLink: { up: false, untilUp: () => new Promise(() => {}), send: async () => {}, reset() {} },
    acks: {} as never,
    reader: {} as never,
    fax: {} as never,
    link: () => '',
    limits: { window: 2, windowBytes: 1e6, ackMs: 1_000, backoff: { first: 1, longest: 1 }, rejections: 2 },
    drainMs: 15_000,
  };
}

/** Turns the clock until `work` has ended. */
async function turning<T>(work: Promise<T>): Promise<T> {
  let ended = false;
  const end = work.finally(() => (ended = true));
  end.catch(() => undefined);
  while (!ended) await clock.advance(250);
  return end;
}

const listed = (settings: string, direction: 'I' | 'O' = 'O') =>
  gateway(direction === 'O' ? OUT : IN, direction, `Test ${settings}`);
const ask = (ms = 85_000) => registry.outbound(OUT, deadline(clock, ms));
const A = '{ "Name": "a" }';
const B = '{ "Name": "b" }';

/** A send request that hangs on the gateway until the returned function is called. */
async function sendHangs(): Promise<() => void> {
  const hanging = deferred<void>();
  driver.onSend = async (mail) => {
    await hanging.promise;
    return { kind: 'sent', deliverySystemId: mail.messageId };
  };
  void deliverOn(await running(), await accepted(1));
  await waitFor('the send', () => driver.sends.length === 1);
  return () => hanging.resolve();
}

async function running(): Promise<OutboundGateway> {
  const found = await ask();
  if (found.is !== 'running') throw new Error('the gateway does not run');
  return found.gateway;
}

async function accepted(number: number): Promise<OutboundRecord> {
  const messageId = `99999999-0000-4000-8000-00000000000${number}`;
  const request = { messageId, gatewayId: OUT, remoteAddress: '', subject: '', bytes: 1, at: 0 };
  return (await journal.accept(request)).outboundMessage;
}

function deliverOn(to: OutboundGateway, message: OutboundRecord): Promise<SendResult> {
  const request = { MessageId: message.messageId, GatewayId: OUT, RemoteAddress: 'ann@example.com', BodyText: 'x' };
  return to.deliver({ message, request, due: deadline(clock, 85_000) });
}

describe('a send request asks for its gateway', () => {
  it('before the first list: it waits and gets the gateway', async () => {
    const asked = ask();
    await registry.apply([listed(A)]);
    expect(await asked).toMatchObject({ is: 'running' });
  });

  it('before the first list, which never comes: unavailable when its time is over, never absent', async () => {
    const asked = ask(5_000);
    await clock.advance(5_000);
    expect(await asked).toMatchObject({ is: 'unavailable', reason: expect.stringContaining('not been received') });
  });

  it('after the link was lost: absent only when the next list says so', async () => {
    await registry.apply([]);
    registry.invalidateList();
    const asked = ask();
    let answer: OutboundLookup | undefined;
    void asked.then((found) => (answer = found));
    await clock.advance(10_000);
    expect(answer).toBeUndefined();
    await registry.apply([]);
    expect(await asked).toMatchObject({ is: 'absent' });
  });

  it('after the link was lost: a gateway that runs takes it at once', async () => {
    await registry.apply([listed(A)]);
    registry.invalidateList();
    expect(await ask()).toMatchObject({ is: 'running' });
  });

  it('of a gateway with bad settings: absent, with the reason', async () => {
    await registry.apply([listed('{ "Nmae": "a" }')]);
    expect(await ask()).toMatchObject({ is: 'absent', reason: expect.stringContaining('did you mean "Name"') });
  });

  it('before a drain that begins until it delivers: the drain waits for the delivery, and the gateway says that it drains', async () => {
    await registry.apply([listed(A)]);
    const found = await running();
    const message = await accepted(2);
    const finish = await sendHangs();
    const second = deferred<void>();
    driver.onSend = async (mail) => {
      await second.promise;
      return { kind: 'sent', deliverySystemId: mail.messageId };
    };
    expect(found.accepts).toBe(true);
    const applied = registry.apply([listed(B)]);
    await waitFor('the drain', () => registry.views()[0]?.state === 'draining');
    expect(found.accepts).toBe(false);
    const late = deliverOn(found, message);
    await waitFor('the second send', () => driver.sends.length === 2);
    finish();
    await clock.advance(5_000);
    second.resolve();
    await turning(applied);
    expect(await late).toMatchObject({ error: null });
    expect(await deliverOn(found, await accepted(3))).toMatchObject({ error: expect.stringMatching(/^not sent: /) });
  });

  it('while the gateway restarts with other settings: all that wait get the new one', async () => {
    await registry.apply([listed(A)]);
    const finish = await sendHangs();
    const applied = registry.apply([listed(B)]);
    await clock.advance(1_000);
    const waiting = [ask(), ask(), ask()];
    expect(registry.views()).toMatchObject([{ id: OUT, state: 'draining', inFlight: 1 }]);
    finish();
    await turning(applied);
    for (const asked of waiting) {
      const found = await asked;
      expect(found.is === 'running' && found.gateway.config.settings).toMatchObject({ Name: 'b' });
    }
  });

  it('while the gateway drains because the list dropped it: absent, though it is still visible', async () => {
    await registry.apply([listed(A)]);
    const finish = await sendHangs();
    const applied = registry.apply([]);
    await clock.advance(1_000);
    expect(await ask()).toMatchObject({ is: 'absent' });
    expect(registry.views()).toMatchObject([{ state: 'draining' }]);
    finish();
    await turning(applied);
    expect(registry.views()).toEqual([]);
  });

  it('while the connector stops: unavailable at once', async () => {
    const asked = ask();
    const stopped = registry.stop(1_000);
    expect(await asked).toEqual({ is: 'unavailable', reason: 'the connector is stopping' });
    await turning(stopped);
  });
});

describe('a request at a webhook', () => {
  const push = () => ({
    method: 'POST',
    path: '',
    url: '',
    headers: {},
    body: Buffer.alloc(0),
    signal: new AbortController().signal,
  });
  const withWebhook = () => gatewayRegistry(deps({ webhook: async () => ({ reply: { status: 204 } }) }));

  it('before the list is known waits for its gateway', async () => {
    registry = withWebhook();
    const reply = registry.webhook(OUT, push());
    await registry.apply([listed(A)]);
    expect(await reply).toEqual({ status: 204 });
  });

  it('that finds no list in time is to come again', async () => {
    registry = withWebhook();
    await expect(turning(registry.webhook(OUT, push()))).rejects.toMatchObject({ code: 'gateway/not-ready' });
  });

  it('of a gateway that the list does not contain is 404', async () => {
    registry = withWebhook();
    await registry.apply([]);
    expect(await registry.webhook(OUT, push())).toEqual({ status: 404 });
  });

  it('of a skipped gateway is to come again', async () => {
    registry = withWebhook();
    await registry.apply([listed('{}')]);
    await expect(registry.webhook(OUT, push())).rejects.toMatchObject({ code: 'gateway/not-ready' });
  });
});

describe('stopping', () => {
  it('a list that is applied during the drain starts nothing', async () => {
    await registry.apply([listed(A)]);
    const finish = await sendHangs();
    const stopped = registry.stop(6_000);
    await registry.apply([listed(A), listed(A, 'I')]);
    finish();
    await turning(stopped);
    await registry.apply([listed(A)]);
    expect(driver.opened).toBe(1);
    expect(registry.views()).toEqual([]);
  });

  it('a gateway whose driver is still loading does not start afterwards', async () => {
    loading = deferred();
    const applied = registry.apply([listed(A)]);
    await turning(registry.stop(1_000));
    loading.resolve();
    await applied;
    expect([driver.opened, registry.views()]).toEqual([0, []]);
  });

  it('cuts the long grace of a gateway that drains already', async () => {
    await registry.apply([listed(A)]);
    await sendHangs();
    const applied = registry.apply([]);
    const start = clock.monotonic();
    await turning(registry.stop(2_000));
    expect(clock.monotonic() - start).toBeLessThanOrEqual(4_000);
    await turning(applied);
  });

  it('does not wait for a driver that does not close', async () => {
    registry = gatewayRegistry(deps({ close: () => new Promise(() => {}) }));
    await registry.apply([listed(A)]);
    await waitFor('the session', () => driver.opened === 1);
    const start = clock.monotonic();
    await turning(registry.stop(2_000));
    expect(clock.monotonic() - start).toBeLessThanOrEqual(4_000);
  });
});
