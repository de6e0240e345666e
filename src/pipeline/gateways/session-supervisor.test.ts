import { afterEach, beforeEach, expect, it } from 'vitest';
import { gateway, OUT } from '../../../test/fixtures/connector.js';
import { type FakeDriver, fakeDriver } from '../../../test/fixtures/fake-driver.js';
import { type ManualClock, manualClock } from '../../../test/fixtures/manual-clock.js';
import { createSecretStore } from '../../../test/fixtures/secret-store.js';
import type { GatewayContext } from '../../driver/contract.js';
import { silentLog } from '../../kit/log.js';
import { redactor } from '../../kit/redact.js';
import { noMetrics } from '../metrics.js';
import { openPolicy } from './policy/policy.js';
import { type SessionSupervisor, superviseSession } from './session-supervisor.js';

let clock: ManualClock;
let driver: FakeDriver;
let stop: AbortController;
let endSession: (error?: Error) => void;
let supervisor: SessionSupervisor;
/** One of each session, in the sequence of opening. */
let reports: GatewayContext<unknown>['reportProblem'][];
const report = (about: string, problem: string | null) => reports.at(-1)?.(about, problem);

beforeEach(async () => {
  clock = manualClock();
  driver = fakeDriver();
  reports = [];
  driver.onOpen = ({ reportProblem }) => void reports.push(reportProblem);
  stop = new AbortController();
  const use = (_session: unknown, signal: AbortSignal) =>
    new Promise<void>((resolve, reject) => {
      endSession = (error) => (error ? reject(error) : resolve());
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
  const secrets = redactor();
  secrets.add('the-password');
  const deps = { clock, random: () => 0.5, log: silentLog, redactor: secrets, metrics: noMetrics, dataDir: '' };
  const rest = {
    journal: {} as never,
    shared: () => (() => {}) as never,
    secretStore: createSecretStore(),
    policy: openPolicy,
    webhookUrl: () => '',
  };
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
  report('backlog', 'half of the messages wait');
  expect(supervisor.view()).toMatchObject({ state: 'degraded', problem: 'half of the messages wait' });
  report('backlog', null);
  expect(supervisor.view()).toMatchObject({ state: 'running', problem: null });
});

it('shows all problems, and is running again after the last of them', () => {
  report('backlog', 'half of the messages wait');
  const { since } = supervisor.view();
  report('fetch', 'the mail server hands nothing out');
  report('fetch', 'the mail server hands nothing out');
  expect(supervisor.view().problem).toBe('half of the messages wait; the mail server hands nothing out');
  report('backlog', null);
  expect(supervisor.view()).toMatchObject({ state: 'degraded', problem: 'the mail server hands nothing out', since });
  report('unknown', null);
  report('fetch', null);
  expect(state()).toBe('running');
});

it('shows no secret in a problem', () => {
  report('login', 'the server says: the-password is old');
  expect(supervisor.view().problem).not.toContain('the-password');
});

it('is degraded from the start when the problem was reported while the session was being opened', async () => {
  driver.onOpen = ({ reportProblem }) => reportProblem('idle', 'the mail server announces nothing');
  endSession(new Error('cut'));
  await clock.advance(0);
  expect(state()).toBe('failing');
  await clock.advance(1_000);
  expect(supervisor.view()).toMatchObject({ state: 'degraded', problem: 'the mail server announces nothing' });
});

it('ignores what a session reports that is over', async () => {
  endSession(new Error('cut'));
  await clock.advance(0);
  report('backlog', 'too late');
  expect(supervisor.view()).toMatchObject({ state: 'failing', problem: 'cut' });
  await clock.advance(1_000);
  reports[0]?.('backlog', 'much too late');
  expect([state(), reports.length]).toEqual(['running', 2]);
});

it('forgets a reported problem when the session breaks', async () => {
  report('backlog', 'half of the messages wait');
  endSession(new Error('cut'));
  await clock.advance(0);
  expect(supervisor.view()).toMatchObject({ state: 'failing', problem: 'cut' });
  await clock.advance(1_000);
  expect(supervisor.view()).toMatchObject({ state: 'running', problem: null });
});

it('stays draining whatever happens to the session or is reported', async () => {
  supervisor.draining();
  report('backlog', 'too late');
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
