// Requests of the command line to a running connector: done in order, once, and never twice.
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type ManualClock, manualClock } from '../../test/fixtures/manual-clock.js';
import { waitFor } from '../../test/fixtures/wait-for.js';
import { openJournal } from '../journal/open.js';
import type { Journal } from '../journal/types/journal.js';
import { createLog } from '../kit/create-log.js';
import { silentLog } from '../kit/log.js';
import type { Loop } from '../kit/loop.js';
import { redactor } from '../kit/redact.js';
import { controlQueue } from './control-queue.js';
import { controlFolder, requestOptOut, requestRelease, requestResolve } from './control-requests.js';

const ANN = '+420601234567';
let dataDir: string;
let clock: ManualClock;
let journal: Journal;
let lines: string[];
let running: Loop | undefined;

beforeEach(async () => {
  dataDir = mkdtempSync(join(tmpdir(), 'gatepost-requests-'));
  clock = manualClock();
  journal = await openJournal(`sqlite:${join(dataDir, 'journal.db')}`, { clock, log: silentLog });
  lines = [];
  running = undefined;
});
afterEach(async () => {
  await running?.stop();
  await journal.close();
  rmSync(dataDir, { recursive: true, force: true });
});

const left = () => readdirSync(controlFolder(dataDir));

async function run() {
  const log = createLog({
    level: 'debug',
    redactor: redactor(),
    pretty: false,
    write: (line) => void lines.push(line),
  });
  running = controlQueue({ dataDir, journal, gateways: { dispatchRequeued: () => {} }, clock, log });
  await waitFor('an empty folder', () => left().length === 0);
}

function ask(wish: 'out' | 'in', at = clock.now(), address = ANN) {
  requestOptOut(dataDir, { wish, group: 'shop', address, at });
}

it('an opt-out asked for while no connector runs is entered at the next start, from one file', async () => {
  ask('out');
  expect(left()).toHaveLength(1);
  await run();
  expect(await journal.optedOut('shop', ANN)).toEqual({
    group: 'shop',
    address: ANN,
    at: clock.now(),
    source: 'operator',
    detail: null,
  });
});

it('opt-outs are done in the order of asking', async () => {
  for (const [index, wish] of (['out', 'in', 'out', 'in', 'out'] as const).entries()) ask(wish, 1_000 + index);
  ask('out', 10, '+1');
  ask('in', 11, '+1');
  await run();
  expect((await journal.optOuts()).map(({ address, at }) => [address, at])).toEqual([[ANN, 1_004]]);
});

it('a running service does it within a second', async () => {
  await run();
  await journal.optOut({ group: 'shop', address: ANN, at: clock.now(), source: 'keyword', detail: 'STOP' });
  ask('in');
  await clock.waitForTimers(1);
  await clock.advance(1_000);
  await waitFor('an empty folder', () => left().length === 0);
  expect(await journal.optedOut('shop', ANN)).toBeNull();
});

it('a recipient who wrote STOP after an operator asked to opt them in again stays opted out', async () => {
  ask('in', 1_000);
  await journal.optOut({ group: 'shop', address: ANN, at: 1_001, source: 'keyword', detail: 'STOP' });
  await run();
  expect(await journal.optedOut('shop', ANN)).toMatchObject({ source: 'keyword' });
});

it('an invalid request is dropped with a log line, and the others are done', async () => {
  ask('out');
  const name = (digit: number) => `optout-${String(digit).padStart(15, '0')}-${'0'.repeat(36)}.json`;
  const bad = [
    '{',
    '[]',
    '{"wish":"out"}',
    `"${'x'.repeat(70_000)}"`,
    '{"wish":"out","group":"","address":"+1","at":1}',
  ];
  for (const [index, text] of bad.entries()) writeFileSync(join(controlFolder(dataDir), name(index)), text);
  await run();
  expect(lines.filter((line) => line.includes('request of an operator is invalid'))).toHaveLength(bad.length);
  expect((await journal.optOuts()).map(({ address }) => address)).toEqual([ANN]);
});

it('files that are no requests are left alone', async () => {
  ask('out');
  writeFileSync(join(controlFolder(dataDir), 'new-optout-half'), '{"wi');
  running = controlQueue({ dataDir, journal, gateways: { dispatchRequeued: () => {} }, clock, log: silentLog });
  await waitFor('one file left', () => left().length === 1);
  expect(left()).toEqual(['new-optout-half']);
});

const ID = '99999999-0000-4000-8000-000000000001';

async function unknownMessage(): Promise<void> {
  const at = clock.now();
  await journal.accept({ messageId: ID, gatewayId: 'g', remoteAddress: ANN, subject: 'Hi', bytes: 1, at });
  const attempt = await journal.beginAttempt(ID, 'dsi-1');
  await journal.recordOutcome(ID, attempt, { kind: 'unknown', detail: 'the connection was lost' });
}

it.each([
  ['sent', 'sent'],
  ['not-sent', 'failed'],
] as const)('the decision %s about a message of unknown outcome is recorded', async (verdict, state) => {
  await unknownMessage();
  const pending = requestResolve(dataDir, { messageId: ID, verdict, note: 'by phone', at: clock.now() });
  expect(pending.done()).toBe(false);
  await run();
  expect(pending.done()).toBe(true);
  expect((await journal.outboundMessage(ID))?.state).toBe(state);
});

it('gateways are woken for a message that was requeued, and not every second', async () => {
  let woken = 0;
  const requeueing = { ...journal, requeue: async () => ({ key: 'k', gatewayId: 'in' }) as never };
  const gateways = { dispatchRequeued: () => void woken++ };
  requestRelease(dataDir, 7);
  running = controlQueue({ dataDir, journal: requeueing, gateways, clock, log: silentLog });
  await waitFor('an empty folder', () => left().length === 0);
  for (let second = 0; second < 5; second++) {
    await clock.waitForTimers(1);
    await clock.advance(1_000);
  }
  expect(woken).toBe(1);
});

it('a decision that comes too late changes nothing and is dropped', async () => {
  await unknownMessage();
  requestResolve(dataDir, { messageId: ID, verdict: 'sent', note: null, at: 1 });
  requestResolve(dataDir, { messageId: ID, verdict: 'not-sent', note: null, at: 2 });
  await run();
  expect((await journal.outboundMessage(ID))?.state).toBe('sent');
  expect(lines.filter((line) => line.includes('decision of an operator was not needed'))).toHaveLength(1);
});

it('a decision about a message that the journal does not know is dropped and keeps back no other', async () => {
  await unknownMessage();
  requestResolve(dataDir, { messageId: 'bbbbbbbb-0000-4000-8000-000000000009', verdict: 'sent', note: null, at: 1 });
  requestResolve(dataDir, { messageId: ID, verdict: 'sent', note: null, at: 2 });
  await run();
  expect((await journal.outboundMessage(ID))?.state).toBe('sent');
});

it('a request that fails is tried again, and requests of another kind are done meanwhile', async () => {
  await unknownMessage();
  requestResolve(dataDir, { messageId: ID, verdict: 'sent', note: null, at: clock.now() });
  ask('out');
  let full = true;
  const failing = {
    ...journal,
    optOut: (entry: Parameters<Journal['optOut']>[0]) =>
      full ? Promise.reject(new Error('the disk is full')) : journal.optOut(entry),
  };
  const gateways = { dispatchRequeued: () => {} };
  running = controlQueue({ dataDir, journal: failing, gateways, clock, log: silentLog });
  await waitFor('the decision', () => left().length === 1);
  expect((await journal.outboundMessage(ID))?.state).toBe('sent');
  full = false;
  await clock.waitForTimers(1);
  await clock.advance(1_000);
  await waitFor('an empty folder', () => left().length === 0);
  expect(await journal.optedOut('shop', ANN)).not.toBeNull();
});
