import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type ManualClock, manualClock } from '../../test/fixtures/manual-clock.js';
import { openJournal } from '../journal/open.js';
import type { Journal } from '../journal/types/journal.js';
import { GatepostError } from '../kit/errors.js';
import { silentLog } from '../kit/log.js';
import { controlQueue } from '../pipeline/control-queue.js';
import { type ResolveDeps, resolveCommand, resolveList } from './resolve.js';

const ID = '99999999-0000-4000-8000-000000000001';
let dataDir: string;
let clock: ManualClock;
let journal: Journal;
let printed: string;

beforeEach(async () => {
  dataDir = mkdtempSync(join(tmpdir(), 'gatepost-resolve-'));
  clock = manualClock();
  journal = await openJournal(`sqlite:${join(dataDir, 'journal.db')}`, { clock, log: silentLog });
  printed = '';
  const message = { gatewayId: 'g', remoteAddress: '+420601234567', subject: 'Hi', bytes: 1, at: clock.now() };
  await journal.accept({ ...message, messageId: ID });
  const attempt = await journal.beginAttempt(ID, 'dsi-1');
  await journal.recordOutcome(ID, attempt, { kind: 'unknown', detail: 'the connection was lost' });
});
afterEach(async () => {
  await journal.close();
  rmSync(dataDir, { recursive: true, force: true });
});

function deps(changes: Partial<ResolveDeps> = {}): ResolveDeps {
  const print = (text: string) => {
    printed += text;
  };
  return {
    journal,
    names: new Map([['g', 'Texts']]),
    dataDir,
    clock,
    output: { out: print, say: print, isTerminal: false },
    resolveDirectly: ({ messageId, verdict, note, at }) => journal.resolve(messageId, verdict, note, at),
    ...changes,
  };
}

const busy = () => Promise.reject(new GatepostError('journal/busy', 'the journal is in use'));

/** Turns the clock until `work` has ended. */
async function turning<T>(work: Promise<T>): Promise<T> {
  let ended = false;
  void work.finally(() => (ended = true));
  while (!ended) await clock.advance(200);
  return work;
}

it('without an id lists the messages that wait for a decision', async () => {
  expect(await resolveList(deps())).toBe(0);
  expect(printed).toContain(ID);
  expect(printed).toContain('Texts');
  expect(printed).toContain('the connection was lost');
});

it('without a connector records the decision itself; any id of the message will do', async () => {
  expect(await resolveCommand('dsi-1', { sent: true, note: 'by phone' }, deps())).toBe(0);
  expect(printed).toMatch(/is recorded as sent.*\(note: by phone\)\nrecorded: the message is now sent/);
  expect((await journal.outboundMessage(ID))?.state).toBe('sent');
  printed = '';
  await resolveList(deps());
  expect(printed).toBe('no message waits for a decision\n');
});

it('lets a running connector record the decision and prints the result', async () => {
  const gateways = { dispatchRequeued: () => {} };
  const connector = controlQueue({ dataDir, journal, gateways, clock, log: silentLog });
  const code = await turning(resolveCommand(ID, { notSent: true }, deps({ resolveDirectly: busy })));
  expect([code, (await journal.outboundMessage(ID))?.state]).toEqual([0, 'failed']);
  expect(printed).toContain('recorded: the message is now not sent');
  await connector.stop();
});

it('does not wait for ever for a connector that hangs', async () => {
  expect(await turning(resolveCommand(ID, { sent: true }, deps({ resolveDirectly: busy })))).toBe(1);
  expect(printed).toContain('has not recorded it yet');
});

it.each([
  ['neither --sent nor --not-sent', ID, {}, 'resolve/verdict'],
  ['both', ID, { sent: true, notSent: true }, 'resolve/verdict'],
  ['an id that no message has', 'nothing-like-this', { sent: true }, 'resolve/unknown'],
] as const)('rejects %s', async (_what, id, options, code) => {
  await expect(resolveCommand(id, options, deps())).rejects.toMatchObject({ code });
});

it('rejects a message whose outcome is known', async () => {
  await journal.resolve(ID, 'sent', null, clock.now());
  await expect(resolveCommand(ID, { sent: true }, deps())).rejects.toMatchObject({ code: 'resolve/known' });
});
