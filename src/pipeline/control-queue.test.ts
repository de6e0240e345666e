// What people ask of a running connector through files: done in order, once, and never twice.
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { fact } from '../../test/fixtures/connector.js';
import { type ManualClock, manualClock } from '../../test/fixtures/manual-clock.js';
import { openJournal } from '../journal/open.js';
import type { Journal } from '../journal/types/journal.js';
import { createLog, silentLog } from '../kit/log.js';
import type { Loop } from '../kit/loop.js';
import { redactor } from '../kit/redact.js';
import { controlFolder, controlQueue, requestOptOut } from './control-queue.js';

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
  await fact(() => left().length === 0);
}

function ask(wish: 'out' | 'in', at = clock.now(), address = ANN) {
  requestOptOut(dataDir, { wish, group: 'shop', address, at });
}

it('an opt-out asked for while nobody runs is entered at the next start, and only one file was ever seen for it', async () => {
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

it('requests are done in the order of asking', async () => {
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
  await fact(() => left().length === 0);
  expect(await journal.optedOut('shop', ANN)).toBeNull();
});

it('a recipient who wrote STOP after somebody asked to opt them in again stays opted out', async () => {
  ask('in', 1_000);
  await journal.optOut({ group: 'shop', address: ANN, at: 1_001, source: 'keyword', detail: 'STOP' });
  await run();
  expect(await journal.optedOut('shop', ANN)).toMatchObject({ source: 'keyword' });
});

it('one that makes no sense is thrown away, said so, and holds nobody up', async () => {
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
  expect(lines.filter((line) => line.includes('makes no sense'))).toHaveLength(bad.length);
  expect((await journal.optOuts()).map(({ address }) => address)).toEqual([ANN]);
});

it('files that are no requests are left alone', async () => {
  ask('out');
  writeFileSync(join(controlFolder(dataDir), 'new-optout-half'), '{"wi');
  running = controlQueue({ dataDir, journal, gateways: { dispatchRequeued: () => {} }, clock, log: silentLog });
  await fact(() => left().length === 1);
  expect(left()).toEqual(['new-optout-half']);
});
