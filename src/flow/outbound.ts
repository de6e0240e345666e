// Owns the outbound line of one gateway: every order gets one answer in time; one MessageId is carried by one delivery
// at a time, and a repeat joins it.
import type { RawRequest } from '../driver/contract.js';
import type { Acceptance } from '../journal/journal.js';
import { type Deadline, deadline, raceSignal } from '../kit/deadline.js';
import { messageOf } from '../kit/errors.js';
import { stopper } from '../kit/stopper.js';
import { window } from '../kit/window.js';
import type { Definition } from './definition.js';
import { deliverOrder, type Order } from './delivery.js';
import { reports } from './faxes.js';
import type { OrderResult } from './meters.js';
import { defaultPolicy, type End, failed } from './outcome.js';
import { keepSession, sessionFor } from './session-keeper.js';
import type { OrderAnswer, OutboundTools, OutboundUnit, Pushed } from './unit.js';

/**
 * Orders that may be under way per send: while one is on the wire, others are composed and journaled. A crash finds them
 * begun, hence uncertain; where uncertain orders are sent again that costs nothing, elsewhere none are begun ahead.
 */
const AHEAD_FACTOR = 10;
/** Sends at once when a driver does not say otherwise. */
const DEFAULT_CONCURRENCY = 5;

export function startOutbound(definition: Definition, tools: OutboundTools): OutboundUnit {
  const { clock, log, journal, meters, redactor } = tools;
  const { driver, settings, info } = definition;
  const stopping = stopper();
  const cutting = stopper();
  const places = driver.concurrency?.(settings) ?? DEFAULT_CONCURRENCY;
  const sends = window({ places, weight: Number.POSITIVE_INFINITY });
  const policy = driver.whenUncertain?.(settings) ?? defaultPolicy(driver.channel);
  const ahead = policy === 'Resend' ? AHEAD_FACTOR : 1;
  const orders = window({ places: places * ahead, weight: Number.POSITIVE_INFINITY });
  const running = new Map<string, { since: number; answer: Promise<OrderAnswer> }>();
  const reporting = reports(definition, tools);
  const keeper = keepSession(definition, tools, stopping.signal, (_session, signal) => untilAborted(signal), {
    report: reporting.heard,
  });

  const left = (since: number) => Math.max(0, tools.answerMs - (clock.monotonic() - since));
  const count = (result: OrderResult, since: number) =>
    meters.order(info.Id, result, (clock.monotonic() - since) / 1000);

  async function deliver(order: Order, since: number): Promise<OrderAnswer> {
    try {
      const acceptance = await journal.accept(intakeOf(order, clock.now()));
      return await decide(order, await orphaned(acceptance), since);
    } catch (error) {
      log.error({ messageId: order.MessageId, error: messageOf(error) }, 'the journal cannot take an order');
      return failed('deferred', `not sent: the connector's journal cannot take the order: ${messageOf(error)}`);
    }
  }

  /** Begun here, but no delivery of ours carries it any more: the journal could not take its outcome. */
  async function orphaned(acceptance: Acceptance): Promise<Acceptance> {
    const { messageId, attempts } = acceptance.order;
    if (acceptance.kind !== 'joins' || running.has(messageId)) return acceptance;
    const order = await journal.settle(messageId, attempts, {
      kind: 'unknown',
      detail: 'its outcome was never recorded',
    });
    return { kind: 'uncertain', order };
  }

  function decide(order: Order, acceptance: Acceptance, since: number): Promise<OrderAnswer> {
    const inFlight = running.get(order.MessageId);
    if (inFlight) return join(inFlight.answer, since);
    if (acceptance.kind === 'answered') {
      count('repeated', since);
      return Promise.resolve({ error: null, deliverySystemId: acceptance.order.deliverySystemId });
    }
    const answer = carry(order, acceptance, since).finally(() => running.delete(order.MessageId));
    running.set(order.MessageId, { since, answer });
    return answer;
  }

  /** A repeat of an order in flight gets the same result, but inside its own time. */
  async function join(answer: Promise<OrderAnswer>, since: number): Promise<OrderAnswer> {
    const due = deadline(clock, left(since));
    try {
      return await raceSignal(answer, due.signal, 'the order is still being sent');
    } catch (error) {
      return failed('unknown', `delivery uncertain: ${messageOf(error)}`);
    } finally {
      due.dispose();
    }
  }

  async function carry(order: Order, acceptance: Acceptance, since: number): Promise<OrderAnswer> {
    const due = deadline(clock, left(since), cutting.signal);
    const end = await inTurn(order, acceptance, due).catch((error): End => {
      log.error({ messageId: order.MessageId, error: messageOf(error) }, 'an order ended in an unforeseen way');
      return failed('unknown', `delivery uncertain: ${redactor.redact(messageOf(error))}`);
    });
    due.dispose();
    count(end.result, since);
    return { error: end.error, deliverySystemId: end.deliverySystemId };
  }

  async function inTurn(order: Order, acceptance: Acceptance, due: Deadline): Promise<End> {
    const leave = await orders.enter(1, due.signal).catch(() => undefined);
    if (!leave) return overtaken(order);
    try {
      return await deliverOrder(order, acceptance, due, { ...tools, definition, keeper, sends, reporting });
    } finally {
      leave();
    }
  }

  async function overtaken(order: Order): Promise<End> {
    const detail = `not sent: ${orders.used} orders of this gateway were ahead and took all the time there was`;
    const attempt = await journal.begin(order.MessageId, order.DeliverySystemId ?? order.MessageId);
    await journal.settle(order.MessageId, attempt, { kind: 'deferred', detail });
    return failed('deferred', detail);
  }

  async function webhook(request: RawRequest): Promise<Pushed> {
    if (!driver.webhook) return { reply: { status: 404 } };
    const session = await sessionFor(keeper, clock, request.signal);
    const { reply, arrivals = [], news = [], elsewhere = false } = await driver.webhook(session, request);
    // Nobody here could hand it over, so it must not hear "taken": the counterparty keeps it and comes again.
    if (arrivals.length > 0) throw new Error('a message was pushed to a gateway that only sends');
    if (news.length > 0) await reporting.heard(news);
    return { reply, elsewhere };
  }

  return {
    definition,
    deliver,
    webhook,
    view: () => ({
      ...keeper.view(),
      inFlight: running.size,
      window: places,
      parked: 0,
      oldestMs: [...running.values()].reduce((age, { since }) => Math.max(age, clock.monotonic() - since), 0),
    }),
    async drain(graceMs) {
      keeper.draining();
      const all = Promise.allSettled([...running.values()].map(({ answer }) => answer));
      const grace = deadline(clock, graceMs);
      await raceSignal(all, grace.signal, 'draining').catch(() => undefined);
      grace.dispose();
      cutting.abort(new Error('the connector is stopping'));
      await all;
      stopping.abort(new Error('stopped'));
      await keeper.close();
    },
  };
}

function intakeOf(order: Order, at: number) {
  return {
    messageId: order.MessageId,
    gatewayId: order.GatewayId,
    remoteAddress: order.RemoteAddress ?? '',
    subject: order.SubjectField ?? '',
    bytes: (order.BodyHtml?.length ?? 0) + (order.BodyText?.length ?? 0),
    at,
  };
}

function untilAborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
