// Owns the outbound line of one gateway: every outbound message gets one answer in time; one MessageId is carried by one delivery
// at a time, and a repeat joins it.
import type { RawRequest } from '../../driver/contract.js';
import type { Acceptance } from '../../journal/types/outbound.js';
import { type Deadline, deadline, raceSignal } from '../../kit/deadline.js';
import { messageOf } from '../../kit/errors.js';
import { semaphore } from '../../kit/semaphore.js';
import { stopper } from '../../kit/stopper.js';
import type { GatewayConfig } from '../gateways/config.js';
import type { OutboundDeps, OutboundGateway, Pushed, SendResult } from '../gateways/gateway.js';
import { sessionFor, superviseSession } from '../gateways/session-supervisor.js';
import type { OutboundResult } from '../metrics.js';
import { deliver as deliverMessage, type SendRequest } from './deliver.js';
import { defaultPolicy, type End, failed } from './outcome.js';
import { lateResults } from './receipts.js';

/**
 * Outbound messages that may be under way per send: while one is on the wire, others are composed and journaled. A crash finds them
 * begun, hence uncertain; where uncertain outbound messages are sent again that costs nothing, elsewhere none are begun ahead.
 */
const AHEAD_FACTOR = 10;
/** Sends at once when a driver does not say otherwise. */
const DEFAULT_CONCURRENCY = 5;

export function startOutbound(config: GatewayConfig, deps: OutboundDeps): OutboundGateway {
  const { clock, log, journal, metrics, redactor } = deps;
  const { driver, settings, info } = config;
  const stopping = stopper();
  const cutting = stopper();
  const places = driver.concurrency?.(settings) ?? DEFAULT_CONCURRENCY;
  const sends = semaphore({ places, weight: Number.POSITIVE_INFINITY });
  const policy = driver.whenUncertain?.(settings) ?? defaultPolicy(driver.channel);
  const ahead = policy === 'Resend' ? AHEAD_FACTOR : 1;
  const sendRequests = semaphore({ places: places * ahead, weight: Number.POSITIVE_INFINITY });
  const running = new Map<string, { since: number; answer: Promise<SendResult> }>();
  const reporting = lateResults(config, deps);
  const keeper = superviseSession(config, deps, stopping.signal, (_session, signal) => untilAborted(signal), {
    reportReceipts: reporting.receipts,
  });

  const left = (since: number) => Math.max(0, deps.answerMs - (clock.monotonic() - since));
  const count = (result: OutboundResult, since: number) =>
    metrics.outboundMessage(info.Id, result, (clock.monotonic() - since) / 1000);

  async function deliver(sendRequest: SendRequest, since: number): Promise<SendResult> {
    try {
      const acceptance = await journal.accept(intakeOf(sendRequest, clock.now()));
      return await decide(sendRequest, await orphaned(acceptance), since);
    } catch (error) {
      log.error({ messageId: sendRequest.MessageId, error: messageOf(error) }, 'the journal cannot take an order');
      return failed('deferred', `not sent: the connector's journal cannot take the order: ${messageOf(error)}`);
    }
  }

  /** Begun here, but no delivery of ours carries it any more: the journal could not take its outcome. */
  async function orphaned(acceptance: Acceptance): Promise<Acceptance> {
    const { messageId, attempts } = acceptance.outboundMessage;
    if (acceptance.kind !== 'joins' || running.has(messageId)) return acceptance;
    const sendRequest = await journal.recordOutcome(messageId, attempts, {
      kind: 'unknown',
      detail: 'its outcome was never recorded',
    });
    return { kind: 'uncertain', outboundMessage: sendRequest };
  }

  function decide(sendRequest: SendRequest, acceptance: Acceptance, since: number): Promise<SendResult> {
    const inFlight = running.get(sendRequest.MessageId);
    if (inFlight) return join(inFlight.answer, since);
    if (acceptance.kind === 'answered') {
      count('repeated', since);
      return Promise.resolve({ error: null, deliverySystemId: acceptance.outboundMessage.deliverySystemId });
    }
    const answer = carry(sendRequest, acceptance, since).finally(() => running.delete(sendRequest.MessageId));
    running.set(sendRequest.MessageId, { since, answer });
    return answer;
  }

  /** A repeat of an outbound message in flight gets the same result, but inside its own time. */
  async function join(answer: Promise<SendResult>, since: number): Promise<SendResult> {
    const due = deadline(clock, left(since));
    try {
      return await raceSignal(answer, due.signal, 'the order is still being sent');
    } catch (error) {
      return failed('unknown', `delivery uncertain: ${messageOf(error)}`);
    } finally {
      due.dispose();
    }
  }

  async function carry(sendRequest: SendRequest, acceptance: Acceptance, since: number): Promise<SendResult> {
    const due = deadline(clock, left(since), cutting.signal);
    const end = await inTurn(sendRequest, acceptance, due).catch((error): End => {
      log.error({ messageId: sendRequest.MessageId, error: messageOf(error) }, 'an order ended in an unforeseen way');
      return failed('unknown', `delivery uncertain: ${redactor.redact(messageOf(error))}`);
    });
    due.dispose();
    count(end.result, since);
    return { error: end.error, deliverySystemId: end.deliverySystemId };
  }

  async function inTurn(sendRequest: SendRequest, acceptance: Acceptance, due: Deadline): Promise<End> {
    const leave = await sendRequests.enter(1, due.signal).catch(() => undefined);
    if (!leave) return overtaken(sendRequest);
    try {
      return await deliverMessage(sendRequest, acceptance, due, { ...deps, config, keeper, sends, reporting });
    } finally {
      leave();
    }
  }

  async function overtaken(sendRequest: SendRequest): Promise<End> {
    const detail = `not sent: ${sendRequests.used} orders of this gateway were ahead and took all the time there was`;
    const attempt = await journal.beginAttempt(
      sendRequest.MessageId,
      sendRequest.DeliverySystemId ?? sendRequest.MessageId,
    );
    await journal.recordOutcome(sendRequest.MessageId, attempt, { kind: 'deferred', detail });
    return failed('deferred', detail);
  }

  async function webhook(request: RawRequest): Promise<Pushed> {
    if (!driver.webhook) return { reply: { status: 404 } };
    const session = await sessionFor(keeper, clock, request.signal);
    const { reply, messages = [], receipts = [], otherDirection = false } = await driver.webhook(session, request);
    // Nobody here could hand it over, so it must not hear "taken": the counterparty keeps it and comes again.
    if (messages.length > 0) throw new Error('a message was pushed to a gateway that only sends');
    if (receipts.length > 0) await reporting.receipts(receipts);
    return { reply, otherDirection };
  }

  return {
    config,
    deliver,
    webhook,
    view: () => ({
      ...keeper.view(),
      inFlight: running.size,
      window: places,
      backingOff: 0,
      oldestMs: [...running.values()].reduce((age, { since }) => Math.max(age, clock.monotonic() - since), 0),
    }),
    async drain(cut) {
      keeper.draining();
      const all = Promise.allSettled([...running.values()].map(({ answer }) => answer));
      await raceSignal(all, cut, 'draining').catch(() => undefined);
      cutting.abort(new Error('the connector is stopping'));
      await all;
      stopping.abort(new Error('stopped'));
      await keeper.close();
    },
  };
}

function intakeOf(sendRequest: SendRequest, at: number) {
  return {
    messageId: sendRequest.MessageId,
    gatewayId: sendRequest.GatewayId,
    remoteAddress: sendRequest.RemoteAddress ?? '',
    subject: sendRequest.SubjectField ?? '',
    bytes: (sendRequest.BodyHtml?.length ?? 0) + (sendRequest.BodyText?.length ?? 0),
    at,
  };
}

function untilAborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
