// A receiving gateway: driver.receive -> window -> ingest -> deliver -> confirm. A crash at any arrow repeats at most one step, and
// that repetition is harmless.
import type { DeliveryReceipt } from '../../driver/contract.js';
import { type Clock, sleep } from '../../kit/clock.js';
import { raceSignal } from '../../kit/deadline.js';
import { messageOf } from '../../kit/errors.js';
import type { Log } from '../../kit/log.js';
import type { Loop } from '../../kit/loop.js';
import { type Semaphore, semaphore } from '../../kit/semaphore.js';
import { stopper } from '../../kit/stopper.js';
import type { GatewayView } from '../../model/gateway-view.js';
import type { GatewayConfig } from '../gateways/config.js';
import type { InboundDeps, InboundGateway } from '../gateways/gateway.js';
import { type SessionSupervisor, type SupervisorView, superviseSession } from '../gateways/session-supervisor.js';
import { createLateResults } from '../outbound/receipts.js';
import { type Carrying, carry } from './carry.js';
import { type InboundHandle, type InFlight, type InFlightTable, inFlightTable } from './in-flight.js';
import { type Ingest, ingest } from './ingest.js';
import { requeueLoop } from './requeue.js';
import { settleLoop } from './settle.js';
import { pushes } from './webhook.js';
import { type DeliveryWindow, deliveryWindow } from './window.js';

/** Messages in back-off that may leave the window to others, at most this many windows of them; their bytes are bounded by
 *  windowBytes as well. */
const BACKING_OFF_FACTOR = 16;
/** Acknowledged messages whose confirmation is under way, at most this many windows of them. */
const UNCONFIRMED_FACTOR = 8;
/** After the grace everything that still runs gets this long to end, ms; then the gateway counts as stopped. */
const END_MS = 2_000;

export function startInbound(config: GatewayConfig, deps: InboundDeps): InboundGateway {
  const parts = createParts(config, deps);
  const { table, window, carryOn } = parts;
  // Receipts may come in here, as mails of a provider. The outbound gateway's settings say who is told of a late result.
  const applyReceipts = (receipts: readonly DeliveryReceipt[]) =>
    createLateResults(deps.otherDirection() ?? config, deps).applyReceipts(receipts);
  const receiver = createReceiver(config, parts, deps.clock);
  const supervisor = superviseSession(config, deps, parts.reading.signal, receiver.receiveAll, {
    rekeyed: (changes) => table.rekey(changes),
    reportReceipts: applyReceipts,
  });
  const requeue = requeueLoop(deps, { config, table, window, carry: carryOn });
  const settling = settleLoop(deps, {
    gatewayId: config.info.Id,
    table,
    quietMs: receiver.quietMs,
    sessionSince: () => sessionSince(supervisor),
  });
  return {
    config,
    ...pushes(deps, { config, supervisor, ingest: parts.ingest, wake: requeue.wake, applyReceipts }),
    dispatchRequeued: requeue.wake,
    view: () => viewOf(supervisor.view(), parts, deps.limits.window),
    drain: (cut) => drain({ ...parts, supervisor, loops: [requeue, settling] }, cut, deps),
  };
}

interface Parts {
  table: InFlightTable;
  window: DeliveryWindow;
  backingOff: Semaphore;
  unconfirmed: Semaphore;
  ingest: Ingest;
  /** Aborts when nothing new is received any more. */
  reading: AbortController;
  /** Aborts when what is under way has to end. */
  stopped: AbortController;
  carryOn(entry: InFlight): void;
}

function createParts(config: GatewayConfig, deps: InboundDeps): Parts {
  const { clock, limits } = deps;
  const stopped = stopper();
  const shared = {
    table: inFlightTable(() => clock.monotonic()),
    window: deliveryWindow({ slots: limits.window, bytes: limits.windowBytes }),
    backingOff: semaphore({ slots: limits.window * BACKING_OFF_FACTOR, weight: limits.windowBytes }),
    unconfirmed: semaphore({ slots: limits.window * UNCONFIRMED_FACTOR, weight: 0 }),
    ingest: ingest(config, deps),
  };
  const carrying: Carrying = {
    ...deps,
    ...shared,
    gatewayId: config.info.Id,
    stopped: stopped.signal,
    answers: { lastAt: Number.NEGATIVE_INFINITY },
  };
  return { ...shared, reading: stopper(), stopped, carryOn: (entry) => void carry(entry, carrying) };
}

interface Receiver {
  receiveAll(session: unknown, signal: AbortSignal): Promise<void>;
  /** How long the driver has been asked for the next message without offering one, ms. */
  quietMs(): number;
}

function createReceiver({ driver }: GatewayConfig, parts: Parts, clock: Clock): Receiver {
  const asked = quietTime(clock);
  return {
    async receiveAll(session, signal) {
      if (!driver.receive) return;
      asked.start();
      for await (const handle of driver.receive(session, signal)) {
        asked.stop();
        await admit(handle, parts, signal);
        asked.start();
      }
    },
    quietMs: asked.ms,
  };
}

/** Waits for room, so that a full window stops the driver; the delivery itself runs beside it. */
async function admit(handle: InboundHandle, { table, window, carryOn }: Parts, signal: AbortSignal): Promise<void> {
  const entry = table.reserve(handle);
  if (!entry) return;
  try {
    entry.releaseSlot = await window.enterNew(handle.bytes, signal);
  } catch (error) {
    table.release(entry);
    throw error;
  }
  carryOn(entry);
}

function sessionSince(supervisor: SessionSupervisor): number | null {
  const { state, since } = supervisor.view();
  return state === 'running' || state === 'degraded' ? since : null;
}

interface Draining extends Parts {
  supervisor: SessionSupervisor;
  loops: readonly Loop[];
}

async function drain(parts: Draining, cut: AbortSignal, { clock, log }: InboundDeps): Promise<void> {
  const { supervisor, loops, reading, stopped, window, unconfirmed } = parts;
  supervisor.draining();
  reading.abort(new Error('draining'));
  const quiet = Promise.all([...loops.map((loop) => loop.stop()), supervisor.idle()]);
  const delivered = () => Promise.all([window.empty(), unconfirmed.empty()]);
  // Messages in back-off are left to the next start; those that await an answer get the grace to finish.
  await raceSignal(Promise.all([quiet, delivered()]), cut, 'draining').catch(() => undefined);
  stopped.abort(new Error('stopped'));
  await withinEnd(delivered(), 'deliveries', clock, log);
  await withinEnd(supervisor.close(), 'session', clock, log);
}

/** A driver or reader that hangs must not keep the process: what is unfinished goes on from the journal at the next start. */
async function withinEnd(work: Promise<unknown>, part: string, clock: Clock, log: Log): Promise<void> {
  const settled = stopper();
  const late = sleep(clock, END_MS, settled.signal).then(
    () => log.warn({ reason: `${part} did not end within ${END_MS} ms` }, 'gateway stopped without waiting any longer'),
    () => undefined,
  );
  const done = work.catch((error) => log.warn({ err: messageOf(error) }, 'gateway did not stop cleanly'));
  await Promise.race([done, late]);
  settled.abort();
}

function quietTime(clock: Clock) {
  let since: number | null = null;
  return {
    start(): void {
      since = clock.monotonic();
    },
    stop(): void {
      since = null;
    },
    ms: () => (since === null ? 0 : clock.monotonic() - since),
  };
}

function viewOf(state: SupervisorView, { table, window, backingOff }: Parts, limit: number): GatewayView {
  return {
    ...degraded(state, table),
    inFlight: window.used,
    window: limit,
    backingOff: backingOff.used,
    oldestMs: table.oldestMs(),
  };
}

function degraded(view: SupervisorView, table: InFlightTable): SupervisorView {
  const { count, since } = table.unanswered();
  if (view.state !== 'running' || count === 0) return view;
  return { ...view, state: 'degraded', problem: `the contact center leaves ${count} messages unanswered`, since };
}
