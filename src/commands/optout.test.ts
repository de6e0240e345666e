// `gatepost optout` against a real journal and a real request loop.
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { manualClock } from '../../test/fixtures/manual-clock.js';
import { waitFor } from '../../test/fixtures/wait-for.js';
import { type JournalReader, openJournal, openJournalReader } from '../journal/open.js';
import type { Journal } from '../journal/types/journal.js';
import { silentLog } from '../kit/log.js';
import { controlQueue } from '../pipeline/control-queue.js';
import { controlFolder } from '../pipeline/control-requests.js';
import { type OptOutDeps, optOutAdd, optOutList, optOutRemove } from './optout.js';
import { errorText } from './output.js';

const ANN = '+420601234567';
const TWILIO = '11111111-1111-4111-8111-111111111111';
let dataDir: string;
let journal: Journal;
let reader: JournalReader;
let deps: OptOutDeps;
let printed: string;

beforeEach(async () => {
  dataDir = mkdtempSync(join(tmpdir(), 'gatepost-optout-'));
  const clock = manualClock();
  const url = `sqlite:${join(dataDir, 'journal.db')}`;
  journal = await openJournal(url, { clock, log: silentLog });
  await journal.putCheckpoint(TWILIO, 'I', 'displayName', 'Main number');
  await journal.putCheckpoint('in-1', 'I', 'displayName', 'Twin');
  await journal.putCheckpoint('in-2', 'I', 'displayName', 'Twin');
  reader = await openJournalReader(url);
  printed = '';
  const print = (text: string) => {
    printed += text;
  };
  const output = { out: print, say: print, isTerminal: false };
  deps = { journal: reader, names: await reader.names(), dataDir, clock, output };
});
afterEach(async () => {
  await reader.close();
  await journal.close();
  rmSync(dataDir, { recursive: true, force: true });
});

/** What a running service does with the requests. */
async function serve() {
  const { clock } = deps;
  const running = controlQueue({
    dataDir,
    journal,
    gateways: { dispatchRequeued: () => {} },
    clock,
    log: silentLog,
  });
  await waitFor('the control folder to be empty', () => readdirSync(controlFolder(dataDir)).length === 0);
  await running.stop();
}

const entered = async () => (await journal.optOuts()).map(({ group, address }) => `${group} ${address}`);

describe('optout add', () => {
  it('enters the number in E.164 into the group, and prints the time', async () => {
    expect(await optOutAdd('00420 601 234-567', { group: 'Newsletter' }, deps)).toBe(0);
    expect(printed).toBe(
      `${ANN} gets no more messages from Newsletter: within a second while gatepost runs, otherwise when it is started\n`,
    );
    expect(await entered()).toEqual([]);
    await serve();
    expect(await entered()).toEqual([`Newsletter ${ANN}`]);
  });

  it('takes the id or the name of a gateway for the group of that gateway', async () => {
    await optOutAdd(ANN, { group: 'main NUMBER' }, deps);
    await optOutAdd('60999', { group: TWILIO.toUpperCase() }, deps);
    await serve();
    expect(await entered()).toEqual([`${TWILIO} ${ANN}`, `${TWILIO} 60999`]);
    expect(printed).toContain('no more messages from Main number');
  });

  it('enters it into the OptOutGroup of the gateway that is named: that is where send requests are looked up', async () => {
    const withGroup = { ...deps, groups: new Map([[TWILIO, 'support']]) };
    await optOutAdd(ANN, { group: 'Main number' }, withGroup);
    await serve();
    expect(await entered()).toEqual([`support ${ANN}`]);
    expect(printed).toContain('no more messages from support');
    printed = '';
    await optOutList({ group: TWILIO }, withGroup);
    expect(printed).toContain(ANN);
    await optOutRemove(ANN, { group: 'Main number' }, withGroup);
    await serve();
    expect(await entered()).toEqual([]);
  });

  it.each(['0123', '00123', '012345', '01234567'])('keeps the leading 0 of the short code %s', async (shortCode) => {
    await optOutAdd(shortCode, { group: 'g' }, deps);
    await serve();
    expect(await entered()).toEqual([`g ${shortCode}`]);
    await optOutRemove(shortCode, {}, deps);
    await serve();
    expect(await entered()).toEqual([]);
  });

  it.each([
    ['601234567890', { group: 'g' }, 'country code'],
    ['ann@example.com', { group: 'g' }, 'country code'],
    ['+4206012345678901', { group: 'g' }, 'country code'],
    ['', { group: 'g' }, 'country code'],
    [ANN, {}, '--group'],
    [ANN, { group: ' ' }, '--group'],
    [ANN, { group: 'twin' }, 'in-1, in-2'],
  ])('rejects %s %o with a reason and an advice', async (address, options, says) => {
    const refusal = await optOutAdd(address, options, deps).catch((error: unknown) => error);
    expect(refusal).toMatchObject({ code: expect.stringMatching(/^optout\//), advice: expect.any(String) });
    expect(errorText(refusal)).toContain(says);
    await serve();
    expect(await entered()).toEqual([]);
  });
});

describe('optout remove and list', () => {
  beforeEach(async () => {
    const entry = { address: ANN, at: deps.clock.now(), source: 'keyword', detail: 'STOP \u001b[2J' } as const;
    await journal.optOut({ ...entry, group: TWILIO });
    await journal.optOut({ ...entry, group: 'Newsletter' });
    await journal.optOut({ ...entry, group: 'Newsletter', address: 'Odd Sender' });
  });

  it('shows names for gateways, and removes what would steer a terminal', async () => {
    expect(await optOutList({}, deps)).toBe(0);
    expect(printed).toMatch(/\+420601234567\s+Main number\s+2026-11-22 10:00:00\.000\s+keyword\s+STOP/);
    expect(printed.trim().split('\n')).toHaveLength(4);
    expect(printed).not.toContain('\u001b');
    printed = '';
    await optOutList({ group: 'Main number' }, deps);
    expect(printed.trim().split('\n')).toHaveLength(2);
    printed = '';
    await optOutList({ group: 'nobody' }, deps);
    expect(printed).toBe('the opt-out registry is empty\n');
  });

  it('takes a number out of one group, or of all that have it', async () => {
    await optOutRemove(`${ANN.slice(0, 4)} ${ANN.slice(4)}`, { group: 'Newsletter' }, deps);
    await serve();
    expect(await entered()).toEqual([`${TWILIO} ${ANN}`, 'Newsletter Odd Sender']);
    await optOutRemove(ANN, {}, deps);
    await optOutRemove('Odd Sender', {}, deps);
    await serve();
    expect(await entered()).toEqual([]);
  });

  it('rejects a number that is not in the registry', async () => {
    await expect(optOutRemove('+1', { group: 'Newsletter' }, deps)).rejects.toMatchObject({
      code: 'optout/unknown',
      message: '+1 is not in the opt-out registry of Newsletter',
    });
  });
});
