// A sender that is waiting on the line and is told to come again later: what the journal makes of it.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { fact, gateway, IN } from '../../test/fixtures/connector.js';
import { mail, standIn } from '../../test/fixtures/fake-driver.js';
import { manualClock } from '../../test/fixtures/manual-clock.js';
import { createReader } from '../content/create-reader.js';
import type { AnyDriver, InboundMessage } from '../driver/contract.js';
import { sharedByDevice } from '../driver/shared-state.js';
import { openJournal } from '../journal/open.js';
import { silentLog } from '../kit/log.js';
import { redactor } from '../kit/redact.js';
import { startInbound } from './inbound/gateway.js';
import { noMetrics } from './metrics.js';
import { ackTracker } from './server/ack-tracker.js';
import type { ServerLink } from './server/link.js';

const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

/** One inbound gateway on a real journal, with a link that is up or down as the test says and a server that takes all. */
async function startUnit() {
  const folder = mkdtempSync(join(tmpdir(), 'gatepost-postponed-'));
  undo.push(() => rmSync(folder, { recursive: true, force: true }));
  const clock = manualClock();
  const journal = await openJournal(`sqlite:${join(folder, 'journal.db')}`, { clock, log: silentLog });
  undo.push(() => journal.close());
  const stop = new AbortController();
  const acks = ackTracker({ journal, clock, random: () => 0.5, log: silentLog, signal: stop.signal });
  const reader = createReader({ clock, log: silentLog });
  undo.push(() => reader.close());
  const link = { up: false, deaf: false };
  const serverLink: ServerLink = {
    get up() {
      return link.up;
    },
    untilUp: (signal) =>
      new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true })),
    reset() {},
    async send(_code, content) {
      if (link.deaf) return;
      const requestId: unknown = Reflect.get(Object(content), 'RequestId');
      await acks.received({ Id: 'taken-1', Reference: String(requestId), Data: 'true' });
    },
  };
  const waiting: InboundMessage[] = [];
  let wake = () => {};
  const driver: AnyDriver = {
    ...standIn().driver,
    async *receive(_session: unknown, signal: AbortSignal) {
      signal.addEventListener('abort', () => wake(), { once: true });
      while (!signal.aborted) {
        const next = waiting.shift();
        if (next) yield next;
        else await new Promise<void>((resolve) => (wake = resolve));
      }
    },
  };
  const config = { info: gateway(IN, 'I', 'TestIn {}'), driver, settings: {} };
  const unit = startInbound(config, {
    journal,
    clock,
    serverLink,
    acks,
    reader,
    random: () => 0.5,
    log: silentLog,
    redactor: redactor(),
    metrics: noMetrics,
    dataDir: folder,
    shared: sharedByDevice(),
    webhookUrl: () => '',
    link: () => '',
    notify: async () => false,
    otherDirection: () => undefined,
    limits: { window: 4, windowBytes: 1e6, ackMs: 1_000, backoff: { first: 10, longest: 10 }, rejections: 3 },
  });
  undo.push(async () => {
    let ended = false;
    const end = unit.drain(AbortSignal.abort()).finally(() => (ended = true));
    while (!ended) await clock.advance(100);
    await end;
  });
  /** The sender comes with its mail and waits for the answer. */
  const come = (): string[] => {
    const answers: string[] = [];
    const raw = Buffer.from(mail('one'));
    waiting.push({
      key: 'one',
      fingerprint: '',
      bytes: raw.length,
      content: { kind: 'mail', raw, receivedAt: clock.now() },
      confirm: async () => void answers.push('taken'),
      reject: async () => void answers.push('refused'),
      defer: async (reason) => void answers.push(reason),
    });
    wake();
    return answers;
  };
  return { unit, journal, clock, link, come };
}

const openOf = async (journal: { backlog(): Promise<readonly { pending: number }[]> }) =>
  (await journal.backlog()).reduce((sum, { pending }) => sum + pending, 0);

describe('a sender that was told to come again later', () => {
  it('is not waited for until it does, and is then taken under the same requestId', async () => {
    const { journal, clock, link, come } = await startUnit();
    const first = come();
    while (first.length === 0) await clock.advance(1_000);
    expect(first).toEqual(['the contact center is not connected']);
    expect(await openOf(journal)).toBe(0);
    expect(await journal.reconciliation(0)).toEqual([]);
    const { requestId } = (await journal.recordsOf(IN, ['one'])).get('one') ?? {};

    link.up = true;
    const second = come();
    await fact(() => second.length > 0);
    expect(second).toEqual(['taken']);
    expect((await journal.recordsOf(IN, ['one'])).get('one')).toMatchObject({ requestId, messageId: 'taken-1' });
    expect(await journal.reconciliation(0)).toMatchObject([{ received: 1, delivered: 1, waiting: 0 }]);
  });

  it('because Gatepost stops is not waited for either', async () => {
    const { unit, journal, clock, link, come } = await startUnit();
    Object.assign(link, { up: true, deaf: true });
    const answers = come();
    while ((await openOf(journal)) === 0) await clock.advance(1);
    let ended = false;
    const end = unit.drain(AbortSignal.abort()).finally(() => (ended = true));
    while (!ended) await clock.advance(1);
    await end;
    expect(answers).toEqual(['Gatepost is stopping']);
    expect(await openOf(journal)).toBe(0);
  });

  it('hears so even when the journal cannot note it', async () => {
    const { journal, clock, come } = await startUnit();
    journal.deferred = () => Promise.reject(new Error('disk full'));
    const answers = come();
    while (answers.length === 0) await clock.advance(1_000);
    expect(answers).toEqual(['the contact center is not connected']);
  });
});
