// A receiving gateway: driver.receive -> window -> ingest -> deliver -> confirm. A crash at any arrow repeats at most one step, and
// that repetition is harmless.
import type { DeliveryReceipt } from '../../driver/contract.js';
import { type Clock, sleep } from '../../kit/clock.js';
import { raceSignal } from '../../kit/deadline.js';
import { messageOf } from '../../kit/errors.js';
import type { Log } from '../../kit/log.js';
import { semaphore } from '../../kit/semaphore.js';
import { stopper } from '../../kit/stopper.js';
import type { GatewayView } from '../../model/gateway-view.js';
import type { GatewayConfig } from '../gateways/config.js';
import type { InboundDeps, InboundGateway } from '../gateways/gateway.js';
import { superviseSession } from '../gateways/session-supervisor.js';
import { createLateResults } from '../outbound/receipts.js';
import { type Carrying, carry } from './carry.js';
import { type InboundHandle, type InFlight, type InFlightTable, inFlightTable } from './in-flight.js';
import { ingest } from './ingest.js';
import { requeueLoop } from './requeue.js';
import { settleLoop } from './settle.js';
import { pushes } from './webhook.js';
import { deliveryWindow } from './window.js';

/** Messages in back-off that may leave the window to others, at most this many windows of them; their bytes are bounded by
 *  windowBytes as well. */
const PARKING_FACTOR = 16;
/** Acknowledged messages whose confirmation is under way, at most this many windows of them. */
const UNCONFIRMED_FACTOR = 8;
/** After the grace everything that still runs gets this long to end, ms; then the gateway counts as stopped. */
const END_MS = 2_000;

export function startInbound(config: GatewayConfig, deps: InboundDeps): InboundGateway {
  const { clock, log, limits } = deps;
  const gatewayId = config.info.Id;
  const table = inFlightTable(() => clock.monotonic());
  const window = deliveryWindow({ slots: limits.window, bytes: limits.windowBytes });
  const parking = semaphore({ places: limits.window * PARKING_FACTOR, weight: limits.windowBytes });
  const unconfirmed = semaphore({ places: limits.window * UNCONFIRMED_FACTOR, weight: 0 });
  const reading = stopper();
  const stopped = stopper();
  const ingesting = ingest(config, deps);
  const carrying: Carrying = {
    ...deps,
    gatewayId,
    table,
    window,
    parking,
    unconfirmed,
    ingest: ingesting,
    stopped: stopped.signal,
    answers: { lastAt: Number.NEGATIVE_INFINITY },
  };
  const carryOn = (entry: InFlight) => void carry(entry, carrying);
  // Receipts may come in here, as mails of a provider. The outbound gateway's settings say who is told of a late result.
  const applyReceipts = (receipts: readonly DeliveryReceipt[]) =>
    createLateResults(deps.otherDirection() ?? config, deps).applyReceipts(receipts);
  const asked = quietTime(clock);

  const supervisor = superviseSession(config, deps, reading.signal, receiveAll, {
    rekeyed: (changes) => table.rekey(changes),
    reportReceipts: applyReceipts,
  });

  async function receiveAll(session: unknown, signal: AbortSignal): Promise<void> {
    const { receive } = config.driver;
    if (!receive) return;
    asked.start();
    for await (const handle of receive(session, signal)) {
      asked.stop();
      await admit(handle, signal);
      asked.start();
    }
  }

  /** Waits for room, so that a full window stops the driver; the delivery itself runs beside it. */
  async function admit(handle: InboundHandle, signal: AbortSignal): Promise<void> {
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

  const requeue = requeueLoop(deps, { config, table, window, carry: carryOn });
  const settling = settleLoop(deps, { gatewayId, table, quietMs: asked.ms, sessionSince });
  const pushed = pushes(deps, { config, supervisor, ingest: ingesting, wake: requeue.wake, applyReceipts });

  function sessionSince(): number | null {
    const { state, since } = supervisor.view();
    return state === 'running' || state === 'degraded' ? since : null;
  }

  return {
    config,
    ...pushed,
    dispatchRequeued: requeue.wake,
    view: () => ({
      ...degraded(supervisor.view(), table),
      inFlight: window.used,
      window: limits.window,
      backingOff: parking.used,
      oldestMs: table.oldestMs(),
    }),
    async drain(cut) {
      supervisor.draining();
      reading.abort(new Error('draining'));
      const loops = Promise.all([requeue.stop(), settling.stop(), supervisor.idle()]);
      const delivered = () => Promise.all([window.empty(), unconfirmed.empty()]);
      // Messages in back-off are left to the next start; those that await an answer get the grace to finish.
      await raceSignal(Promise.all([loops, delivered()]), cut, 'draining').catch(() => undefined);
      stopped.abort(new Error('stopped'));
      await withinEnd(delivered(), 'deliveries', clock, log);
      await withinEnd(supervisor.close(), 'session', clock, log);
    },
  };
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

/** How long the driver has been asked for the next message without offering one. */
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

type StateView = Pick<GatewayView, 'id' | 'direction' | 'displayName' | 'device' | 'state' | 'problem' | 'since'>;

function degraded(view: StateView, table: InFlightTable): StateView {
  const { count, since } = table.unanswered();
  if (view.state !== 'running' || count === 0) return view;
  return { ...view, state: 'degraded', problem: `the contact center leaves ${count} messages unanswered`, since };
}
