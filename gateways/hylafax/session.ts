// Owns what an open gateway holds: conversations with the server, a few at a time, the live channel, and for sending the
// follow-up of jobs.
import { setMaxListeners } from 'node:events';
import { GatepostError, type GatewayContext, semaphore } from '../../src/driver/contract.js';
import { type Bell, bell } from './bell.js';
import { type Records, records } from './records.js';
import type { Settings } from './settings.js';
import { type Admin, openTalk, type Talk } from './talk.js';
import { keepTriggered } from './trigger.js';
import { type Watch, watch } from './watch.js';

/** Each is a process of the server's. */
const TALKS = 4;

/** Holds one conversation: `work` gets it logged in, and it ends with it. */
export type Converse = <T>(signal: AbortSignal, work: (talk: Talk) => Promise<T>, admin?: Admin) => Promise<T>;

export interface Session {
  readonly context: GatewayContext<Settings>;
  readonly converse: Converse;
  /** Aborts when the gateway is closed. */
  readonly closed: AbortSignal;
  /** Rings when something was received. */
  readonly arrived: Bell;
  readonly records: Records;
  readonly jobs: Watch;
  close(): Promise<void>;
}

/** Logs in once, which shows whether the server can be used; changes nothing. */
export async function openSession(context: GatewayContext<Settings>): Promise<Session> {
  const { clock, gateway } = context;
  const closing = new AbortController();
  const closed = closing.signal;
  // Every conversation listens to it, also those that wait for their turn.
  setMaxListeners(0, closed);
  const talks = semaphore({ places: TALKS, weight: Number.POSITIVE_INFINITY });
  const converse: Converse = async (signal, work, admin) => {
    const either = eitherOf(signal, closed);
    try {
      const leave = await talks.enter(0, either.signal);
      try {
        const talk = await openTalk(context, either.signal, admin);
        return await work(talk).finally(() => talk.close());
      } finally {
        leave();
      }
    } finally {
      either.release();
    }
  };
  const sending = gateway.direction === 'O';
  await converse(closed, async () => {}, sending ? 'no' : 'needed');
  if (!sending && context.settings.AdminPassword === undefined)
    context.log.info({}, 'AdminPassword is not set: faxes that HylaFAX shows to administrators only are not received');
  const notes = records(context);
  const open = sending ? await notes.open() : [];
  const jobs = watch({ context, converse, records: notes, open, closed });
  const arrived = bell(clock);
  const channel = keepTriggered({
    context,
    events: sending ? 'J*S*' : 'R*',
    hear: (line) => (sending ? jobs.hear(line) : arrived.ring()),
    signal: closed,
  });
  return {
    ...{ context, converse, closed, arrived, records: notes, jobs },
    async close() {
      closing.abort(new GatepostError('hylafax/closed', 'the gateway is being closed'));
      await Promise.all([jobs.ended, channel, talks.empty()]);
    },
  };
}

/** Aborts with either. Unlike AbortSignal.any it leaves nothing with a signal that lives as long as the gateway. */
function eitherOf(...signals: readonly AbortSignal[]): { signal: AbortSignal; release(): void } {
  const controller = new AbortController();
  const ends = signals.map((signal) => {
    const end = () => controller.abort(signal.reason);
    if (signal.aborted) end();
    else signal.addEventListener('abort', end, { once: true });
    return () => signal.removeEventListener('abort', end);
  });
  return { signal: controller.signal, release: () => ends.forEach((end) => void end()) };
}
