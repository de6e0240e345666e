// The session of one gateway: opened, used until it breaks, closed, opened again with back-off, as long as the gateway runs.
//
// starting -> running             the session is open
// starting, running -> failing    it could not be opened, or broke; tried again after a pause
// failing  -> running             it is open again
// starting, failing -> degraded   the session is open, and the driver reported a problem while it was being opened
// running <-> degraded            the driver reported a problem, or the last one as over; the session goes on
// any      -> draining            the gateway takes nothing new; a session that breaks is still opened again
// draining -> stopped             final
import type { GatewayContext } from '../../driver/contract.js';
import type { Clock } from '../../kit/clock.js';
import { deadline, raceSignal } from '../../kit/deadline.js';
import { type Deferred, deferred } from '../../kit/deferred.js';
import { GatepostError, messageOf } from '../../kit/errors.js';
import { retry } from '../../kit/retry.js';
import type { GatewayView } from '../../model/gateway-view.js';
import type { GatewayConfig } from './config.js';
import { type DriverHooks, driverContext } from './driver-context.js';
import type { GatewayDeps } from './gateway.js';
import { nameOf } from './slots.js';

/** One bad minute of a mailbox is nothing; a rejected password must not lock the account. */
const REOPEN = { first: 1_000, longest: 60_000 };
/** A session that lasted this long, ms, was healthy: the back-off starts afresh after it. */
const SURVIVED_MS = 30_000;
/** A counterparty that pushes waits no longer than this for a session, ms; the answer asks it to come again. */
const PUSH_PATIENCE_MS = 5_000;

export type SupervisorView = Pick<
  GatewayView,
  'id' | 'direction' | 'displayName' | 'device' | 'state' | 'problem' | 'since'
>;

type State = Exclude<GatewayView['state'], 'skipped'>;

/** Draining is left only for stopped, and stopped for nothing. */
const NEXT: Readonly<Record<State, readonly State[]>> = {
  starting: ['running', 'degraded', 'failing', 'draining', 'stopped'],
  running: ['degraded', 'failing', 'draining', 'stopped'],
  degraded: ['running', 'degraded', 'failing', 'draining', 'stopped'],
  failing: ['running', 'degraded', 'failing', 'draining', 'stopped'],
  draining: ['stopped'],
  stopped: [],
};

export interface SessionSupervisor {
  view(): SupervisorView;
  /** The open session; waits for it while it is being (re)opened. Rejects when `signal` aborts. */
  session(signal: AbortSignal): Promise<unknown>;
  draining(): void;
  /** Resolves when the loop has ended (after its signal aborted). The last session is still open then. */
  idle(): Promise<void>;
  /** Closes the session. */
  close(): Promise<void>;
}

/** `use` runs on the open session; when it returns or throws while `signal` is not aborted, the session counts as broken. */
export function superviseSession(
  config: GatewayConfig,
  deps: GatewayDeps,
  signal: AbortSignal,
  use: (session: unknown, signal: AbortSignal) => Promise<void>,
  hooks: DriverHooks = {},
): SessionSupervisor {
  const supervisor = new Supervisor(config, deps, signal, use);
  supervisor.start(hooks);
  return supervisor;
}

class Supervisor implements SessionSupervisor {
  readonly #config: GatewayConfig;
  readonly #deps: GatewayDeps;
  readonly #signal: AbortSignal;
  readonly #use: (session: unknown, signal: AbortSignal) => Promise<void>;
  readonly #waiting = new Set<Deferred<unknown>>();
  #state: State = 'starting';
  #problem: string | null = null;
  #since: number;
  #open: { session: unknown } | undefined;
  /** What the driver reported in this session, by what it concerns. Bounded: `about` is one of a driver's few fixed words. */
  #reported = new Map<string, string>();
  #loop = Promise.resolve();

  constructor(
    config: GatewayConfig,
    deps: GatewayDeps,
    signal: AbortSignal,
    use: (session: unknown, signal: AbortSignal) => Promise<void>,
  ) {
    this.#config = config;
    this.#deps = deps;
    this.#signal = signal;
    this.#use = use;
    this.#since = deps.clock.now();
  }

  start(hooks: DriverHooks): void {
    const context = driverContext(this.#config, this.#deps, hooks);
    this.#loop = this.#run(() => this.#oneSession(context)).finally(() => {
      for (const waiter of this.#waiting) waiter.reject(new Error('the gateway has stopped'));
    });
  }

  view(): SupervisorView {
    const { info, driver } = this.#config;
    return {
      id: info.Id,
      direction: info.Direction,
      displayName: nameOf(info),
      device: driver.device,
      state: this.#state,
      problem: this.#problem,
      since: this.#since,
    };
  }

  session(signal: AbortSignal): Promise<unknown> {
    if (this.#open) return Promise.resolve(this.#open.session);
    if (this.#signal.aborted) return Promise.reject(this.#signal.reason);
    const waiter = deferred<unknown>();
    this.#waiting.add(waiter);
    return raceSignal(waiter.promise, signal, 'opening the session').finally(() => this.#waiting.delete(waiter));
  }

  /** Belongs to one session: what an earlier one reports late changes nothing. */
  #report(reported: Map<string, string>, about: string, problem: string | null): void {
    if (problem === null) reported.delete(about);
    else reported.set(about, problem);
    if (reported === this.#reported && (this.#state === 'running' || this.#state === 'degraded')) this.#showReported();
  }

  #showReported(): void {
    if (this.#reported.size === 0) this.#become('running', null);
    else this.#become('degraded', this.#deps.redactor.redact([...this.#reported.values()].join('; ')));
  }

  draining(): void {
    this.#become('draining', null);
  }

  idle(): Promise<void> {
    return this.#loop;
  }

  async close(): Promise<void> {
    await this.#loop;
    await this.#closeOpen();
    this.#become('stopped', null);
  }

  #become(next: State, problem: string | null): void {
    if (!NEXT[this.#state].includes(next) || (this.#state === next && this.#problem === problem)) return;
    const fields = { from: this.#state, to: next, ...(problem !== null && { reason: problem }) };
    const { log } = this.#deps;
    if (next === 'failing') log.error(fields, 'gateway is failing');
    else if (next === 'degraded') log.warn(fields, 'gateway is degraded');
    else log.info(fields, `gateway is ${next}`);
    [this.#state, this.#problem, this.#since] = [next, problem, this.#deps.clock.now()];
  }

  async #run(oneSession: () => Promise<void>): Promise<void> {
    const { clock, random } = this.#deps;
    const failed = (error: unknown) => this.#failed(error);
    while (!this.#signal.aborted) {
      // Each series of failures has its own back-off: a session that survived a while starts a new series.
      await retry(oneSession, {
        clock,
        random,
        signal: this.#signal,
        backoff: REOPEN,
        worthIt: (error) => !(error instanceof BrokenSession && error.lastedMs >= SURVIVED_MS),
        onFailure: failed,
      }).catch((error) => {
        if (!this.#signal.aborted) failed(error);
      });
    }
  }

  async #oneSession(context: GatewayContext<unknown>): Promise<void> {
    await this.#deps.policy.admit(this.#config);
    if (this.#signal.aborted) return;
    const reported = new Map<string, string>();
    this.#reported = reported;
    const reportProblem = (about: string, problem: string | null) => this.#report(reported, about, problem);
    const session = await this.#opened(this.#config.driver.open({ ...context, reportProblem }));
    const start = this.#deps.clock.monotonic();
    this.#open = { session };
    this.#showReported();
    for (const waiter of this.#waiting) waiter.resolve(session);
    const failure = await this.#use(session, this.#signal).then(
      () => new Error('the session ended by itself'),
      (error: unknown) => error,
    );
    if (this.#signal.aborted) return;
    await this.#closeOpen();
    throw new BrokenSession(failure, this.#deps.clock.monotonic() - start);
  }

  /** Stopping does not wait for a counterparty that is slow to answer; a session that comes too late is closed. */
  async #opened(opening: Promise<unknown>): Promise<unknown> {
    const { driver } = this.#config;
    try {
      return await raceSignal(opening, this.#signal, 'opening the session');
    } catch (error) {
      if (this.#signal.aborted) void opening.then((late) => driver.close(late)).catch(() => undefined);
      throw error;
    }
  }

  async #closeOpen(): Promise<void> {
    const open = this.#open;
    this.#open = undefined;
    if (!open) return;
    await this.#config.driver
      .close(open.session)
      .catch((error) => this.#deps.log.warn({ err: messageOf(error) }, 'session did not close cleanly'));
  }

  #failed(error: unknown): void {
    this.#deps.metrics.sessionFailed(this.#config.info.Id);
    this.#become('failing', this.#deps.redactor.redact(sentenceOf(error)));
  }
}

/** The session for a request whose counterparty waits for the reply. */
export async function sessionFor(supervisor: SessionSupervisor, clock: Clock, signal: AbortSignal): Promise<unknown> {
  const due = deadline(clock, PUSH_PATIENCE_MS, signal);
  try {
    return await supervisor.session(due.signal);
  } finally {
    due.dispose();
  }
}

class BrokenSession extends Error {
  readonly lastedMs: number;
  constructor(cause: unknown, lastedMs: number) {
    super(sentenceOf(cause), { cause });
    this.lastedMs = lastedMs;
  }
}

function sentenceOf(error: unknown): string {
  const advice = error instanceof GatepostError && error.advice ? ` (${error.advice})` : '';
  return messageOf(error) + advice;
}
