import { afterEach, beforeEach, expect, it } from 'vitest';
import { gateway, OUT } from '../../../test/fixtures/connector.js';
import { type FakeDriver, fakeDriver } from '../../../test/fixtures/fake-driver.js';
import { type ManualClock, manualClock } from '../../../test/fixtures/manual-clock.js';
import { silentLog } from '../../kit/log.js';
import { redactor } from '../../kit/redact.js';
import { noMetrics } from '../metrics.js';
import { type SessionSupervisor, superviseSession } from './session-supervisor.js';

let clock: ManualClock;
let driver: FakeDriver;
let stop: AbortController;
let endSession: (error?: Error) => void;
let supervisor: SessionSupervisor;

beforeEach(async () => {
  clock = manualClock();
  driver = fakeDriver();
  stop = new AbortController();
  const use = (_session: unknown, signal: AbortSignal) =>
    new Promise<void>((resolve, reject) => {
      endSession = (error) => (error ? reject(error) : resolve());
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
  const deps = { clock, random: () => 0.5, log: silentLog, redactor: redactor(), metrics: noMetrics, dataDir: '' };
  const rest = { journal: {} as never, shared: () => (() => {}) as never, webhookUrl: () => '' };
  const config = { info: gateway(OUT, 'O', 'Test {}'), driver: driver.driver, settings: {} };
  supervisor = superviseSession(config, { ...deps, ...rest }, stop.signal, use);
  await clock.advance(0);
});
afterEach(async () => {
  stop.abort();
  await supervisor.close();
  expect(supervisor.view().state).toBe('stopped');
});

const state = () => supervisor.view().state;

it('is degraded while a problem is reported, and running again after it', () => {
  supervisor.report('half of the messages wait');
  expect(supervisor.view()).toMatchObject({ state: 'degraded', problem: 'half of the messages wait' });
  supervisor.report(null);
  expect(supervisor.view()).toMatchObject({ state: 'running', problem: null });
});

it('forgets a reported problem when the session breaks', async () => {
  supervisor.report('half of the messages wait');
  endSession(new Error('cut'));
  await clock.advance(0);
  expect(supervisor.view()).toMatchObject({ state: 'failing', problem: 'cut' });
  await clock.advance(1_000);
  expect(supervisor.view()).toMatchObject({ state: 'running', problem: null });
});

it('stays draining whatever happens to the session or is reported', async () => {
  supervisor.draining();
  supervisor.report('too late');
  endSession(new Error('cut'));
  await clock.advance(0);
  expect(state()).toBe('draining');
  await clock.advance(1_000);
  expect([state(), driver.opened]).toEqual(['draining', 2]);
});

it('gives the session to all that wait for it once it is open again', async () => {
  driver.openFailure = 'no';
  endSession();
  await clock.advance(0);
  const waiting = [supervisor.session(stop.signal), supervisor.session(stop.signal)];
  const gaveUp = supervisor.session(AbortSignal.abort(new Error('out of time')));
  await expect(gaveUp).rejects.toThrow('out of time');
  driver.openFailure = null;
  await clock.advance(2_000);
  expect(await Promise.all(waiting)).toHaveLength(2);
});
