// Owns a gateway's session: opened, used until it breaks, closed, opened again with back-off, for as long as the gateway runs.
// States: starting -> running -> (failing -> running)* -> draining -> stopped.
import type { DeliveryReceipt, DriverState, GatewayContext } from '../../driver/contract.js';
import type { Journal } from '../../journal/types/journal.js';
import type { Clock } from '../../kit/clock.js';
import { deadline, raceSignal } from '../../kit/deadline.js';
import { GatepostError, messageOf } from '../../kit/errors.js';
import { retry } from '../../kit/retry.js';
import type { GatewayView } from '../../model/gateway-view.js';
import type { GatewayConfig } from './config.js';
import type { GatewayDeps } from './gateway.js';

/** One bad minute of a mailbox is nothing; a refused password must not hammer it. */
const REOPEN = { first: 1_000, longest: 60_000 };
/** A session counts as healthy again, and its back-off starts afresh, only after it has survived this long, ms. */
const SURVIVED_MS = 30_000;

type SupervisorView = Pick<GatewayView, 'id' | 'direction' | 'displayName' | 'device' | 'state' | 'problem' | 'since'>;

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

/** What the line wants to hear of its driver. */
export interface Hooks {
  /** The counterparty renumbered, and the journal has the new keys. */
  rekeyed?(changes: readonly { from: string; to: string }[]): void;
  /** News of sent messages, to be put into the journal; straight into it when absent. */
  reportReceipts?(receipts: readonly DeliveryReceipt[]): Promise<void>;
}

/** `use` runs on the open session; when it returns or throws while `signal` is not aborted, the session counts as broken. */
export function superviseSession(
  config: GatewayConfig,
  deps: GatewayDeps,
  signal: AbortSignal,
  use: (session: unknown, signal: AbortSignal) => Promise<void>,
  hooks: Hooks = {},
): SessionSupervisor {
  const { driver, info } = config;
  const { clock, log } = deps;
  const context = contextOf(config, deps, hooks);
  let state: GatewayView['state'] = 'starting';
  let problem: string | null = null;
  let since = clock.now();
  let current: { session: unknown } | undefined;
  let waiters: { resolve: (session: unknown) => void; reject: (reason: unknown) => void }[] = [];

  const become = (next: GatewayView['state'], why: string | null) => {
    if (state === next && problem === why) return;
    const line = { from: state, to: next, ...(why ? { problem: why } : {}) };
    if (next === 'failing') log.error(line, 'gateway is failing');
    else log.info(line, `gateway is ${next}`);
    [state, problem, since] = [next, why, clock.now()];
  };

  const closeCurrent = async () => {
    const open = current;
    current = undefined;
    if (open)
      await driver
        .close(open.session)
        .catch((error) => log.warn({ error: messageOf(error) }, 'the session did not close cleanly'));
  };

  /** Stopping does not wait for a counterparty that is slow to answer; a session that comes too late is closed. */
  async function opened(opening: Promise<unknown>): Promise<unknown> {
    try {
      return await raceSignal(opening, signal, 'opening');
    } catch (error) {
      if (signal.aborted) void opening.then((late) => driver.close(late)).catch(() => undefined);
      throw error;
    }
  }

  async function oneSession(): Promise<void> {
    const session = await opened(driver.open(context));
    const start = clock.monotonic();
    current = { session };
    become('running', null);
    for (const waiter of waiters.splice(0)) waiter.resolve(session);
    try {
      await use(session, signal);
    } catch (error) {
      if (signal.aborted) return;
      await closeCurrent();
      throw new BrokenSession(error, clock.monotonic() - start);
    }
    if (signal.aborted) return;
    await closeCurrent();
    throw new BrokenSession(new Error('the session ended by itself'), clock.monotonic() - start);
  }

  async function run(): Promise<void> {
    while (!signal.aborted) {
      // Each series of failures has its own back-off: a session that survived a while starts a new series.
      await retry(oneSession, {
        clock,
        random: deps.random,
        signal,
        backoff: REOPEN,
        worthIt: (error) => !(error instanceof BrokenSession && error.lastedMs >= SURVIVED_MS),
        onFailure: failed,
      }).catch((error) => {
        if (!signal.aborted) failed(error);
      });
    }
  }

  function failed(error: unknown): void {
    deps.metrics.sessionFailed(info.Id);
    become('failing', deps.redactor.redact(wordsOf(error)));
  }

  const loop = run().finally(() => {
    for (const waiter of waiters.splice(0)) waiter.reject(signal.reason);
    waiters = [];
  });

  return {
    view: () => ({
      id: info.Id,
      direction: info.Direction,
      displayName: info.DisplayName ?? info.Id,
      device: driver.device,
      state,
      problem,
      since,
    }),
    session(asker) {
      if (current) return Promise.resolve(current.session);
      if (asker.aborted || signal.aborted) return Promise.reject(asker.reason ?? signal.reason);
      return new Promise((resolve, reject) => {
        const waiter = { resolve, reject };
        waiters.push(waiter);
        asker.addEventListener(
          'abort',
          () => {
            waiters = waiters.filter((other) => other !== waiter);
            reject(asker.reason);
          },
          { once: true },
        );
      });
    },
    draining: () => become('draining', null),
    idle: () => loop,
    async close() {
      await loop;
      await closeCurrent();
      become('stopped', null);
    },
  };
}

/** Who pushes will not wait for a gateway that cannot be opened; it is told to come again. */
const PUSH_PATIENCE_MS = 5_000;

/** The session for a request that waits on the line. */
export async function sessionFor(keeper: SessionSupervisor, clock: Clock, signal: AbortSignal): Promise<unknown> {
  const due = deadline(clock, PUSH_PATIENCE_MS, signal);
  try {
    return await keeper.session(due.signal);
  } finally {
    due.dispose();
  }
}

class BrokenSession extends Error {
  readonly lastedMs: number;
  constructor(cause: unknown, lastedMs: number) {
    super(wordsOf(cause), { cause });
    this.lastedMs = lastedMs;
  }
}

function wordsOf(error: unknown): string {
  const advice = error instanceof GatepostError && error.advice ? ` (${error.advice})` : '';
  return messageOf(error) + advice;
}

export function contextOf(
  { driver, info, settings }: GatewayConfig,
  deps: Pick<GatewayDeps, 'clock' | 'random' | 'log' | 'dataDir' | 'journal' | 'webhookUrl' | 'metrics' | 'shared'>,
  { rekeyed, reportReceipts }: Hooks = {},
): GatewayContext<unknown> {
  return {
    gateway: { id: info.Id, displayName: info.DisplayName ?? info.Id, direction: info.Direction },
    settings,
    clock: deps.clock,
    random: deps.random,
    log: deps.log,
    driverState: driverStateOf(deps.journal, info.Id, info.Direction, rekeyed),
    shared: deps.shared(driver.device),
    dataDir: deps.dataDir,
    webhookUrl: deps.webhookUrl(info.Id),
    reportReceipts: reportReceipts ?? ((receipts) => deps.journal.applyReceipts(info.Id, receipts)),
    inputRejected: (reason) => deps.metrics.inputRejected(info.Id, reason),
  };
}

function driverStateOf(journal: Journal, id: string, direction: 'I' | 'O', renamed: Hooks['rekeyed']): DriverState {
  return {
    async statesOf(keys) {
      const records = await journal.recordsOf(id, keys);
      return new Map([...records].map(([key, record]) => [key, record.state]));
    },
    skip: (entries) => journal.skip(id, entries),
    byFingerprint: (fingerprints) => journal.byFingerprint(id, fingerprints),
    async rekey(changes) {
      await journal.rekey(id, changes);
      renamed?.(changes);
    },
    getCheckpoint: (name) => journal.getCheckpoint(id, direction, name),
    putCheckpoint: (name, value) => journal.putCheckpoint(id, direction, name, value),
    putRecords: (collection, records) => journal.putRecords(id, collection, records),
    listRecords: (collection, prefix, limit) => journal.listRecords(id, collection, prefix, limit),
    deleteRecords: (collection, keys) => journal.deleteRecords(id, collection, keys),
    isSentId: async (sentId) => (await journal.delivery(id, sentId)) !== null,
  };
}
