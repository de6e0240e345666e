// Asks a provider for the delivery states of messages whose final state was not known when their send ended. Durable: the
// tracked messages are driver records, so a restart goes on.
//
// A tracked message is in one stage:
//   sending -> polling | ended      its send still runs and asks by itself; then the poller asks, or the send saw the end
//   polling -> polling | ended      asked at `at`; ended by a final state, a message that is gone, or the last question
//   ended                           not asked any more; remembered for `retainMs` after it was sent, then forgotten

import type { Clock } from '../../kit/clock.js';
import { raceSignal } from '../../kit/deadline.js';
import { messageOf } from '../../kit/errors.js';
import type { Log } from '../../kit/log.js';
import type { DeliveryReceipt } from '../../model/receipt.js';
import type { DriverState } from '../contract.js';
import { z } from '../settings.js';
import type { Progress } from './pending-sends.js';
import { wakeSignal } from './wake-signal.js';

const COLLECTION = 'sent';
/** The journal learns a pushed final state from the push; the poller verifies it this much later, ms. */
const AFTER_PUSH_MS = 10_000;
/** Messages are forgotten in batches, at most this long after their time, ms. */
const FORGET_BATCH_MS = 60_000;

export interface StatusPollerOptions {
  readonly context: {
    readonly clock: Clock;
    readonly log: Log;
    readonly driverState: DriverState;
    readonly gateway: { readonly direction: 'I' | 'O' };
    reportReceipts(receipts: readonly DeliveryReceipt[]): Promise<void>;
  };
  /** Aborts when the gateway closes. */
  readonly closed: AbortSignal;
  /** Messages tracked at once, a bound on memory and on questions: beyond it the oldest are forgotten. */
  readonly maxTracked: number;
  /** Ms until the first question about a message that an earlier process tracked. */
  readonly resumeMs: number;
  /** Ms for which an ended message keeps its owner. */
  readonly retainMs: number;
  /** Ms until the next question about a message of this age; null when there is none. */
  nextPollMs(ageMs: number): number | null;
  /** Asks for one message; `gone` when the provider no longer has it; undefined when the answer says nothing about its state. */
  poll(id: string, signal: AbortSignal): Promise<Polled | 'gone' | undefined>;
  /** Called once when a message ends, with the handle that it was tracked under. Never rejects. */
  onEnd?(handle: string, signal: AbortSignal): Promise<void>;
}

export interface Polled {
  readonly progress: Progress;
  readonly receipt: DeliveryReceipt;
}

export interface StatusPoller {
  /** Records which send request a provider's message belongs to, and the handle to release at its end. Never rejects: a journal
   *  that cannot write must not turn "sent" into "unknown". */
  track(id: string, messageId: string, handle?: string | null): Promise<void>;
  /** The MessageId that a provider's message belongs to, as far as it is remembered. */
  ownerOf(id: string): string | undefined;
  /** The provider's id of a message whose final state is not known. */
  idOf(messageId: string): string | undefined;
  /** Starts to ask for a message whose send has ended with this progress. */
  start(id: string, known: Progress): void;
  /** Notes progress that the provider pushed and that is journaled from there. */
  pushed(id: string, progress: Progress): void;
  /** Ends a message whose final state a send has seen; `signal` bounds the release of its handle. */
  end(id: string, signal: AbortSignal): Promise<void>;
  /** Resolves when the polling has ended, which it does when the gateway closes. */
  readonly stopped: Promise<void>;
}

/** Versions up to 0.1 wrote the MessageId under `order`. */
const recordSchema = z
  .object({
    messageId: z.string().optional(),
    order: z.string().optional(),
    at: z.number(),
    handle: z.string().nullish(),
  })
  .transform(({ messageId, order, at, handle }) => ({
    messageId: messageId ?? order ?? '',
    at,
    handle: handle ?? null,
  }));

type Stage = { readonly is: 'sending' } | { readonly is: 'polling'; readonly at: number } | { readonly is: 'ended' };

interface Tracked {
  readonly messageId: string;
  /** When it was handed to the provider, ms since the epoch. */
  readonly at: number;
  readonly handle: string | null;
  stage: Stage;
  /** Rank of the progress that the journal knows. */
  rank: number;
}

export async function statusPoller(options: StatusPollerOptions): Promise<StatusPoller> {
  const { closed, context } = options;
  const { clock, log } = context;
  const tracked = await load(options);
  const wake = wakeSignal(clock);
  const store = recordStore(options, tracked);

  async function end(id: string, signal: AbortSignal): Promise<void> {
    const message = tracked.get(id);
    if (!message || message.stage.is === 'ended') return;
    message.stage = { is: 'ended' };
    if (message.handle !== null) await options.onEnd?.(message.handle, AbortSignal.any([closed, signal]));
    if (options.retainMs === 0) await store.forget([id]);
  }

  async function run(): Promise<void> {
    while (!closed.aborted) {
      await wake.pause(earliest(tracked, options.retainMs) - clock.now(), closed);
      for (const [id, message] of [...tracked]) {
        if (closed.aborted) return;
        if (message.stage.is === 'polling' && message.stage.at <= clock.now()) await ask(options, id, message, end);
      }
      if (!closed.aborted) await store.forgetExpired();
    }
  }

  return {
    async track(id, messageId, handle = null) {
      const known = tracked.get(id);
      const record = { messageId, at: known?.at ?? clock.now(), handle: handle ?? known?.handle ?? null };
      tracked.set(id, { ...record, stage: { is: 'sending' }, rank: known?.rank ?? -1 });
      await store.put(id, record);
    },
    ownerOf: (id) => tracked.get(id)?.messageId,
    idOf: (messageId) =>
      [...tracked].find(([, message]) => message.messageId === messageId && message.stage.is !== 'ended')?.[0],
    start(id, known) {
      const message = tracked.get(id);
      if (!message || message.stage.is === 'ended') return;
      message.rank = Math.max(message.rank, known.rank);
      message.stage = { is: 'polling', at: nextPollAt(options, message) };
      wake.wake();
    },
    pushed(id, { rank, final }) {
      const message = tracked.get(id);
      if (!message) return;
      if (!final) message.rank = Math.max(message.rank, rank);
      else if (message.stage.is === 'polling') {
        message.stage = { is: 'polling', at: clock.now() + AFTER_PUSH_MS };
        wake.wake();
      }
    },
    end,
    stopped: run().catch((error) => log.error({ err: messageOf(error) }, 'polling for delivery states stopped')),
  };
}

async function load({ context, maxTracked, resumeMs }: StatusPollerOptions): Promise<Map<string, Tracked>> {
  const { driverState, gateway, clock } = context;
  const stored = gateway.direction === 'O' ? await driverState.listRecords(COLLECTION, '', maxTracked) : [];
  const tracked = new Map<string, Tracked>();
  for (const { key, value } of stored) {
    const record = recordSchema.safeParse(value);
    if (record.success)
      tracked.set(key, { ...record.data, stage: { is: 'polling', at: clock.now() + resumeMs }, rank: -1 });
  }
  return tracked;
}

/** Without another question the message ends right after the present one; Infinity keeps it from being asked twice. */
function nextPollAt({ context: { clock }, nextPollMs }: StatusPollerOptions, { at }: Tracked): number {
  const pause = nextPollMs(clock.now() - at);
  return pause === null ? Number.POSITIVE_INFINITY : clock.now() + pause;
}

async function ask(
  options: StatusPollerOptions,
  id: string,
  message: Tracked,
  end: (id: string, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const { context, closed } = options;
  const at = nextPollAt(options, message);
  message.stage = { is: 'polling', at };
  const fields = { provider_id: id, message_id: message.messageId };
  try {
    const polled = await raceSignal(options.poll(id, closed), closed, 'asking for a delivery state');
    if (polled === 'gone') return await end(id, closed);
    if (polled && polled.progress.rank > message.rank) {
      await context.reportReceipts([polled.receipt]);
      message.rank = polled.progress.rank;
    }
    if (polled?.progress.final) return await end(id, closed);
  } catch (error) {
    if (closed.aborted) return;
    context.log.debug({ ...fields, err: messageOf(error) }, 'delivery state could not be fetched');
  }
  if (at !== Number.POSITIVE_INFINITY) return;
  context.log.info(fields, 'delivery state never became final');
  await end(id, closed);
}

/** When the next question or the next batch of forgetting is due. */
function earliest(tracked: ReadonlyMap<string, Tracked>, retainMs: number): number {
  let first = Number.POSITIVE_INFINITY;
  for (const { stage, at } of tracked.values()) {
    if (stage.is === 'polling') first = Math.min(first, stage.at);
    if (stage.is === 'ended') first = Math.min(first, at + retainMs + FORGET_BATCH_MS);
  }
  return first;
}

/** The driver records behind `tracked`. A failure is logged: the record is forgotten with the next batch or after a restart. */
function recordStore({ context, maxTracked, retainMs }: StatusPollerOptions, tracked: Map<string, Tracked>) {
  const { driverState, log, clock } = context;
  async function forget(ids: readonly string[]): Promise<void> {
    if (ids.length === 0) return;
    for (const id of ids) tracked.delete(id);
    await driverState
      .deleteRecords(COLLECTION, ids)
      .catch((error) => log.warn({ err: messageOf(error) }, 'records of sent messages were not deleted'));
  }
  return {
    forget,
    forgetExpired: () =>
      forget(
        [...tracked].flatMap(([id, { stage, at }]) => (isExpired(stage, at + retainMs - clock.now()) ? [id] : [])),
      ),
    async put(id: string, record: { messageId: string; at: number; handle: string | null }): Promise<void> {
      try {
        await driverState.putRecords(COLLECTION, [{ key: id, value: record }]);
        await forget([...tracked.keys()].slice(0, Math.max(0, tracked.size - maxTracked)));
      } catch (error) {
        const fields = { provider_id: id, message_id: record.messageId, err: messageOf(error) };
        log.warn(fields, 'sent message was not recorded for polling');
      }
    },
  };
}

const isExpired = ({ is }: Stage, remainingMs: number) => is === 'ended' && remainingMs <= 0;
