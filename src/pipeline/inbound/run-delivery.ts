// Runs the state machine of deliver.ts for one message: every effect starts something that later posts an event.
import type { InboundRecord } from '../../journal/types/inbound.js';
import { equalJitter } from '../../kit/backoff.js';
import { sleep } from '../../kit/clock.js';
import { readWhatHasArrived } from '../../kit/deadline.js';
import { codeOf, messageOf } from '../../kit/errors.js';
import { retry } from '../../kit/retry.js';
import type { Semaphore } from '../../kit/semaphore.js';
import { stopper } from '../../kit/stopper.js';
import { MSG } from '../../simprot/messages.js';
import type { InboundDeps } from '../gateways/gateway.js';
import type { ReceivingMessage } from '../server/ack-tracker.js';
import { begin, type Delivery, type DeliveryEffect, type DeliveryEvent, isFinal, next } from './deliver.js';
import type { InFlight } from './in-flight.js';
import { rawOf } from './spool-codec.js';
import type { DeliveryWindow } from './window.js';

/** How long a sender on the line waits for the link to come up, ms. */
const LINK_PATIENCE_MS = 5_000;

export interface Delivering extends Pick<InboundDeps, 'clock' | 'random' | 'log' | 'limits' | 'metrics' | 'acks'> {
  serverLink: InboundDeps['serverLink'];
  journal: Pick<InboundDeps['journal'], 'dispatched' | 'rejected' | 'quarantine'>;
  gatewayId: string;
  window: DeliveryWindow;
  /** Room for messages in back-off, which leave the window to others. Without room a message keeps its slot. */
  backingOff: Semaphore;
  /** Aborts when the gateway stops. */
  stopped: AbortSignal;
  answers: AnswerTimes;
}

/** When the server answered last, in monotonic ms: silence counts against a message only while others are answered. */
export interface AnswerTimes {
  lastAt: number;
}

export type End = { is: 'acknowledged' | 'quarantined' | 'stopped' } | { is: 'deferred'; reason: string };

export async function runDelivery(
  entry: InFlight,
  record: InboundRecord,
  message: ReceivingMessage,
  deps: Delivering,
): Promise<End> {
  const { acks, limits, stopped, answers, clock } = deps;
  const inbox = mailbox();
  const onStop = () => inbox.post({ is: 'stopped' });
  if (stopped.aborted) onStop();
  else stopped.addEventListener('abort', onStop, { once: true });
  const unregister = acks.register(record.requestId, (event) => {
    if (event.is !== 'disconnected') {
      answers.lastAt = clock.monotonic();
      entry.unansweredSince = null;
    }
    inbox.post(event);
  });
  const task = { entry, record, message, post: inbox.post };
  let [state, effect] = begin(record.rejections);
  let cancel = start(effect, task, deps);
  try {
    while (!isFinal(state)) {
      const event = await inbox.next();
      const policy = { rejections: limits.rejections, canDefer: entry.handle.defer !== undefined };
      const transition = next(state, event, policy);
      if (!transition) continue;
      cancel();
      [state, effect] = transition;
      observe(event, task, deps);
      cancel = start(effect, task, deps);
    }
  } finally {
    cancel();
    unregister();
    stopped.removeEventListener('abort', onStop);
  }
  return finish(state, effect, task, deps);
}

interface Task {
  entry: InFlight;
  record: InboundRecord;
  message: ReceivingMessage;
  post(event: DeliveryEvent): void;
}

/** Events, first in first out; bounded, because each comes from an answer of the server or from the one running effect. */
function mailbox() {
  const events: DeliveryEvent[] = [];
  let wake = () => {};
  return {
    post(event: DeliveryEvent): void {
      events.push(event);
      wake();
    },
    async next(): Promise<DeliveryEvent> {
      for (;;) {
        const event = events.shift();
        if (event) return event;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
  };
}

function observe(event: DeliveryEvent, { entry, record }: Task, { clock, log, metrics, gatewayId }: Delivering): void {
  const fields = { message_key: entry.key, request_id: record.requestId };
  if (event.is === 'rejected') {
    metrics.inboundMessage(gatewayId, 'rejected', (clock.monotonic() - entry.since) / 1000);
    log.warn({ ...fields, reason: event.detail }, 'server rejected inbound message');
  }
  if (event.is === 'timeout') {
    entry.unansweredSince ??= clock.now();
    log.warn(fields, 'server did not answer in time');
  }
}

/** Starts an effect; the returned function ends it. */
function start(effect: DeliveryEffect, task: Task, deps: Delivering): () => void {
  const ended = stopper();
  const run = async () => {
    if (effect.do === 'waitForLink') return waitForLink(task, deps, ended.signal);
    if (effect.do === 'send') return send(effect.attempt, task, deps, ended.signal);
    if (effect.do === 'backOff') return backOff(effect, task, deps, ended.signal);
  };
  void run().catch((error) => {
    if (!ended.signal.aborted)
      deps.log.error({ message_key: task.entry.key, err: messageOf(error) }, 'delivery step failed');
  });
  return () => ended.abort();
}

async function waitForLink({ entry, post }: Task, deps: Delivering, signal: AbortSignal): Promise<void> {
  const { serverLink, clock } = deps;
  if (serverLink.up) return post({ is: 'linkUp' });
  const cancel = clock.schedule(LINK_PATIENCE_MS, () => entry.handle.defer && post({ is: 'linkTimeout' }));
  try {
    await serverLink.untilUp(signal);
    post({ is: 'linkUp' });
  } finally {
    cancel();
  }
}

async function send(attempt: number, task: Task, deps: Delivering, signal: AbortSignal): Promise<void> {
  const { record, message, post } = task;
  const { serverLink, clock, journal, limits, answers } = deps;
  // The first attempt follows the event "received" at once and needs none of its own.
  if (attempt > 1) await retry(() => journal.dispatched(record.id, attempt), untilWritten(task, deps, signal));
  if (signal.aborted) return;
  const sentAt = clock.monotonic();
  const cancel = clock.schedule(limits.ackMs, async () => {
    await readWhatHasArrived();
    if (!signal.aborted) post({ is: 'timeout', othersAnswered: answers.lastAt > sentAt });
  });
  signal.addEventListener('abort', cancel, { once: true });
  try {
    await serverLink.send(MSG.receiving, message);
  } catch (error) {
    if (!signal.aborted) post(sendFailure(error, serverLink.up));
  }
}

/** A message that no frame can hold never gets through; anything else may, on the next link or a little later. */
function sendFailure(error: unknown, up: boolean): DeliveryEvent {
  if (codeOf(error) === 'session/too-large') return { is: 'rejected', detail: messageOf(error) };
  return up ? { is: 'timeout', othersAnswered: false } : { is: 'disconnected' };
}

async function backOff(
  { attempt, rejection }: Extract<DeliveryEffect, { do: 'backOff' }>,
  task: Task,
  deps: Delivering,
  signal: AbortSignal,
): Promise<void> {
  const { entry, record, post } = task;
  const { clock, random, limits, backingOff, window, journal } = deps;
  if (rejection !== null) await retry(() => journal.rejected(record.id, rejection), untilWritten(task, deps, signal));
  const leaveBackOff = backingOff.tryEnter(entry.handle.bytes);
  if (leaveBackOff) entry.releaseSlot();
  try {
    await sleep(clock, equalJitter(limits.backoff, attempt, random), signal);
    if (leaveBackOff) entry.releaseSlot = await window.enterRepeat(entry.handle.bytes, signal);
    // The delivery may have ended in the very moment in which the slot was granted.
    if (signal.aborted) entry.releaseSlot();
  } finally {
    leaveBackOff?.();
  }
  post({ is: 'elapsed' });
}

function untilWritten({ entry }: Task, { clock, random, log }: Delivering, signal: AbortSignal) {
  return {
    clock,
    random,
    signal,
    backoff: { first: 250, longest: 10_000 },
    onFailure: (error: Error, pause: number) =>
      log.error({ message_key: entry.key, err: messageOf(error), retry_in_ms: pause }, 'journal cannot be written'),
  };
}

async function finish(state: Delivery, effect: DeliveryEffect, task: Task, deps: Delivering): Promise<End> {
  const { entry, record } = task;
  const { journal, log } = deps;
  if ('rejection' in effect && effect.rejection !== null) await journal.rejected(record.id, effect.rejection);
  if (effect.do === 'defer') return { is: 'deferred', reason: effect.reason };
  if (effect.do !== 'quarantine') return { is: state.is === 'acknowledged' ? 'acknowledged' : 'stopped' };
  const { state: now } = await journal.quarantine(record.id, effect.reason, rawOf(entry.content));
  if (now === 'acknowledged') return { is: 'acknowledged' };
  log.error({ message_key: entry.key, reason: effect.reason }, 'inbound message quarantined');
  return { is: 'quarantined' };
}
