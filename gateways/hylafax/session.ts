import { setMaxListeners } from 'node:events';
import { GatepostError, type GatewayContext, semaphore } from '../../src/driver/contract.js';
import { type WakeSignal, wakeSignal } from '../../src/driver/shared/wake-signal.js';
import { keepEventChannel } from './event-channel.js';
import { openClient, type WithClient } from './hfaxd-client.js';
import { createJobStore, type JobStore } from './job-store.js';
import { type JobTracker, trackJobs } from './job-tracker.js';
import type { Settings } from './settings.js';

/** Connections at once; each is a process of the server. */
const MAX_CLIENTS = 4;

export interface Session {
  readonly context: GatewayContext<Settings>;
  readonly withClient: WithClient;
  /** Aborts when the gateway is closed. */
  readonly closed: AbortSignal;
  /** Woken when HylaFAX announces a reception. */
  readonly received: WakeSignal;
  readonly store: JobStore;
  readonly tracker: JobTracker;
  close(): Promise<void>;
}

/** Logs in once, which shows whether the server can be used; changes nothing there. */
export async function openSession(context: GatewayContext<Settings>): Promise<Session> {
  const closing = new AbortController();
  const { signal: closed } = closing;
  // Every client listens to this signal, also the ones that wait for a slot.
  setMaxListeners(0, closed);
  const { withClient, idle } = clientPool(context, closed);
  const sending = context.gateway.direction === 'O';
  await withClient(closed, async () => {}, sending ? 'no' : 'needed');
  if (!sending && context.settings.AdminPassword === undefined)
    context.log.info({}, 'AdminPassword not set, protected faxes stay invisible');
  const store = createJobStore(context);
  const followed = sending ? await store.followed() : [];
  const tracker = trackJobs({ context, withClient, store, followed, closed });
  const received = wakeSignal(context.clock);
  const channel = keepEventChannel({
    context,
    events: sending ? 'J*S*' : 'R*',
    onLine: (line) => (sending ? tracker.onEvent(line) : received.wake()),
    signal: closed,
  });
  return {
    ...{ context, withClient, closed, received, store, tracker },
    async close() {
      closing.abort(new GatepostError('hylafax/closed', 'the gateway is being closed'));
      await Promise.all([tracker.stopped, channel, idle()]);
    },
  };
}

function clientPool(context: GatewayContext<Settings>, closed: AbortSignal) {
  const slots = semaphore({ slots: MAX_CLIENTS, weight: Number.POSITIVE_INFINITY });
  const withClient: WithClient = async (signal, work, admin) => {
    const either = eitherOf(signal, closed);
    try {
      const release = await slots.enter(0, either.signal);
      try {
        const client = await openClient(context, either.signal, admin);
        return await work(client).finally(() => client.close());
      } finally {
        release();
      }
    } finally {
      either.dispose();
    }
  };
  return { withClient, idle: () => slots.empty() };
}

/** Aborts with either. AbortSignal.any would leave a reference in `closed`, which lives as long as the gateway. */
function eitherOf(...signals: readonly AbortSignal[]): { signal: AbortSignal; dispose(): void } {
  const controller = new AbortController();
  const ends = signals.map((signal) => {
    const end = () => controller.abort(signal.reason);
    if (signal.aborted) end();
    else signal.addEventListener('abort', end, { once: true });
    return () => signal.removeEventListener('abort', end);
  });
  return { signal: controller.signal, dispose: () => ends.forEach((end) => void end()) };
}
