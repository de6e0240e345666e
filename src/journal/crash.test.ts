// kill -9 between any two operations, again and again on the same journal: nothing is lost and nothing is doubled.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { beforeAll, expect, test } from 'vitest';
import { later, only, place } from '../../test/fixtures/journal.js';
import type { Journal } from './types/journal.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const BUILT = `${ROOT}dist/src`;
const CHILD = fileURLToPath(new URL('../../test/fixtures/journal-crash-child.mjs', import.meta.url));

// The child cannot run TypeScript, so it runs the compiled journal, which must be that of these sources.
beforeAll(() => {
  const newest = (folder: string) =>
    Math.max(
      ...readdirSync(folder, { withFileTypes: true, recursive: true })
        .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
        .map((entry) => statSync(`${entry.parentPath}/${entry.name}`).mtimeMs),
    );
  const built = `${BUILT}/journal/open.js`;
  const source = Math.max(newest(`${ROOT}src/journal`), newest(`${ROOT}src/kit`));
  if (existsSync(built) && statSync(built).mtimeMs > source) return;
  try {
    execFileSync(`${ROOT}node_modules/.bin/tsc`, ['-p', 'tsconfig.build.json'], { cwd: ROOT, stdio: 'pipe' });
  } catch {
    // Types are another command's business; what matters here is that the journal was written out.
  }
  expect(statSync(built).mtimeMs).toBeGreaterThan(source);
}, 120_000);

/** Runs the child until it has said `lines` lines and kills it; returns all that it said. */
async function killedAfter(url: string, lines: number): Promise<string[][]> {
  const child: ChildProcess = spawn(process.execPath, [CHILD, BUILT, url], { stdio: ['ignore', 'pipe', 'inherit'] });
  const closed = once(child, 'close');
  later(() => void child.kill('SIGKILL'));
  const said: string[][] = [];
  if (!child.stdout) throw new Error('the child has no output');
  for await (const line of createInterface({ input: child.stdout })) {
    said.push(line.split(' '));
    if (said.length === lines) child.kill('SIGKILL');
  }
  const [, signal] = await closed;
  expect(signal).toBe('SIGKILL');
  return said;
}

const RANK = ['pending', 'acknowledged', 'confirmed'];
const rankOf = (state: unknown) => RANK.indexOf(state === 'spooled' ? 'pending' : String(state));

/** Every state that the child has printed is in the journal, under the RequestId that the child got. */
async function checkMails(journal: Journal, said: readonly string[][]): Promise<void> {
  const printed = said.filter(([state]) => rankOf(state) >= 0);
  const known = await journal.recordsOf(
    'in',
    printed.map(([, key]) => String(key)),
  );
  for (const [state, key, requestId] of printed) {
    const record = known.get(String(key));
    expect(record?.requestId, `${key} keeps its requestId`).toBe(requestId);
    expect(rankOf(record?.state), `${key} is ${state} at least`).toBeGreaterThanOrEqual(rankOf(state));
    if (state === 'spooled' && record?.state === 'pending')
      expect(String(await journal.quarantinedRaw(record.id)), `${key} is here whole`).toBe(`raw ${key}`);
    expect(await journal.attachment(`link-${key}`), `the attachment of ${key}`).not.toBeNull();
  }
}

/** What may have gone out is never offered for sending again, and nothing went out twice. */
async function checkOutboundMessages(journal: Journal, said: readonly string[][]): Promise<void> {
  const sent = said.filter(([operation]) => operation === 'SENT').map(([, id]) => String(id));
  expect(new Set(sent).size).toBe(sent.length);
  for (const id of sent) expect(['sent', 'unknown']).toContain((await journal.outboundMessage(id))?.state);
  for (const [operation, id] of said) {
    if (operation === 'settled') expect((await journal.outboundMessage(String(id)))?.state).toBe('sent');
    if (operation !== 'delivered') continue;
    const { ids } = only(await journal.traces(String(id)));
    expect(ids).toContainEqual({ label: 'Delivery', value: 'delivered (2 of 2 parts)' });
  }
}

test('a journal that was killed many times has everything once', async () => {
  const { url, open, rows } = place();
  const said: string[][] = [];
  for (const lines of [1, 2, 3, 5, 17, 60, 151, 400]) {
    said.push(...(await killedAfter(url, lines)));
    const journal = await open();
    await journal.reclaimAbandoned(0);
    await checkMails(journal, said);
    await checkOutboundMessages(journal, said);
    const reconciliation = only(
      await journal
        .reconciliation(0)
        .then((days) => (days.length === 0 ? [{ received: 0, delivered: 0, waiting: 0 }] : days)),
    );
    expect(reconciliation.received).toBe(reconciliation.delivered + reconciliation.waiting);
    await journal.close();
  }
  expect(rows('select key from inbound_messages group by key having count(*) > 1')).toEqual([]);
  expect(
    rows(
      "select 1 from delivery_log where event in ('received', 'acknowledged', 'confirmed') group by event, subject having count(*) > 1",
    ),
  ).toEqual([]);
});

test('the lock of a killed process is gone with it', async () => {
  const { url, open } = place();
  await killedAfter(url, 30);
  await (await open()).healthy();
});

test('while the child lives, no other process can write', async () => {
  const { url, open } = place();
  const child = spawn(process.execPath, [CHILD, BUILT, url], { stdio: ['ignore', 'pipe', 'inherit'] });
  later(() => void child.kill('SIGKILL'));
  const closed = once(child, 'close');
  await once(child.stdout, 'data');
  await expect(open()).rejects.toMatchObject({
    code: 'journal/busy',
    message: expect.stringContaining(`process ${child.pid}`),
  });
  child.stdout.resume();
  child.kill('SIGKILL');
  await closed;
  await open();
});
