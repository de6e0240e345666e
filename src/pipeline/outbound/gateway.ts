// One outbound gateway: its session, and its capacity. A message first takes a place among those that are under way, then, when
// it is composed and journaled, one of the slots for sending.
import type { RawRequest } from '../../driver/contract.js';
import { type Deadline, deadline, raceSignal } from '../../kit/deadline.js';
import { GatepostError, messageOf } from '../../kit/errors.js';
import { type Semaphore, semaphore } from '../../kit/semaphore.js';
import { stopper } from '../../kit/stopper.js';
import type { GatewayConfig } from '../gateways/config.js';
import type { Delivery, OutboundDeps, OutboundGateway, Pushed, SendResult } from '../gateways/gateway.js';
import { type SessionSupervisor, sessionFor, superviseSession } from '../gateways/session-supervisor.js';
import { type End, notSent, uncertain } from './answers.js';
import { LEAST_MS } from './decide.js';
import { deliver } from './deliver.js';
import { behind, Stopping, stopReason } from './delivery-context.js';
import { defaultPolicy } from './outcome.js';
import { createLateResults, type LateResults } from './receipts.js';

/**
 * Messages under way per slot: while one is being sent, others are composed and journaled. After a crash their outcome is unknown;
 * where the policy is to send again that costs nothing, elsewhere no attempt begins ahead of its slot.
 */
const AHEAD_FACTOR = 10;
/** Sends at once when a driver does not say otherwise. */
const DEFAULT_CONCURRENCY = 5;

export function startOutbound(config: GatewayConfig, deps: OutboundDeps): OutboundGateway {
  return new Gateway(config, deps);
}

class Gateway implements OutboundGateway {
  readonly config: GatewayConfig;
  readonly #deps: OutboundDeps;
  readonly #concurrency: number;
  /** Bounded by the server's own window of requests; each waits no longer than its answer is due. */
  readonly #underWay: Semaphore;
  readonly #slots: Semaphore;
  readonly #lateResults: LateResults;
  readonly #supervisor: SessionSupervisor;
  readonly #stopping = stopper();
  /** Aborts when the grace of a drain is over. */
  readonly #cut = stopper();
  readonly #running = new Map<Promise<SendResult>, number>();

  constructor(config: GatewayConfig, deps: OutboundDeps) {
    const { driver, settings } = config;
    this.config = config;
    this.#deps = deps;
    this.#concurrency = driver.concurrency?.(settings) ?? DEFAULT_CONCURRENCY;
    const policy = driver.whenUncertain?.(settings) ?? defaultPolicy(driver.channel);
    const ahead = policy === 'Resend' ? AHEAD_FACTOR : 1;
    this.#slots = semaphoreOf(this.#concurrency);
    this.#underWay = semaphoreOf(this.#concurrency * ahead);
    this.#lateResults = createLateResults(config, deps);
    this.#supervisor = superviseSession(config, deps, this.#stopping.signal, (_session, signal) => aborted(signal), {
      reportReceipts: this.#lateResults.applyReceipts,
    });
  }

  get accepts(): boolean {
    const { state } = this.#supervisor.view();
    return state !== 'draining' && state !== 'stopped';
  }

  deliver(delivery: Delivery): Promise<SendResult> {
    const since = this.#deps.clock.monotonic();
    const result = this.#deliver(delivery, since).finally(() => this.#running.delete(result));
    this.#running.set(result, since);
    return result;
  }

  async #deliver(delivery: Delivery, since: number): Promise<SendResult> {
    const { clock, metrics, log, redactor } = this.#deps;
    const due = deadline(clock, delivery.due.remaining(), this.#cut.signal);
    const end = await this.#inTurn(delivery, due).catch((error): End => {
      log.error({ message_id: delivery.message.messageId, err: messageOf(error) }, 'delivery failed unexpectedly');
      return uncertain(redactor.redact(messageOf(error)));
    });
    due.dispose();
    metrics.outboundMessage(this.config.info.Id, end.result, (clock.monotonic() - since) / 1000);
    return { error: end.error, deliverySystemId: end.deliverySystemId };
  }

  async #inTurn({ message, request, due: whole }: Delivery, due: Deadline): Promise<End> {
    const { clock, journal } = this.#deps;
    const startBy = deadline(clock, Math.max(0, whole.remaining() - LEAST_MS), due.signal);
    const release = await this.#underWay.enter(1, startBy.signal).catch(() => undefined);
    startBy.dispose();
    if (release) {
      const { config } = this;
      const shared = { supervisor: this.#supervisor, slots: this.#slots, lateResults: this.#lateResults };
      return deliver(message, request, { ...this.#deps, ...shared, config, due }).finally(release);
    }
    const detail = stopReason(due) ?? behind(this.#underWay.used);
    const outcome = { kind: 'deferred', detail } as const;
    // Nothing was sent, whether the journal can record that or not.
    const record = await journal.recordNotSent(message.messageId, this.config.info.Id, outcome).catch(() => message);
    return notSent(record.attempts, 'deferred', detail);
  }

  async webhook(request: RawRequest): Promise<Pushed> {
    const { driver } = this.config;
    if (!driver.webhook) return { reply: { status: 404 } };
    const session = await sessionFor(this.#supervisor, this.#deps.clock, request.signal);
    const { reply, messages = [], receipts = [], otherDirection = false } = await driver.webhook(session, request);
    // An outbound gateway cannot hand a message over, so the counterparty must not get a 2xx for it: it will come again.
    if (messages.length > 0) throw new Error('a message was pushed to a gateway that only sends');
    if (receipts.length > 0) await this.#lateResults.applyReceipts(receipts);
    return { reply, otherDirection };
  }

  view() {
    const now = this.#deps.clock.monotonic();
    return {
      ...this.#supervisor.view(),
      inFlight: this.#running.size,
      window: this.#concurrency,
      backingOff: 0,
      oldestMs: [...this.#running.values()].reduce((age, since) => Math.max(age, now - since), 0),
    };
  }

  async drain(cut: AbortSignal): Promise<void> {
    this.#supervisor.draining();
    await raceSignal(this.#idle(), cut, 'draining').catch(() => undefined);
    this.#cut.abort(stopping(cut));
    await this.#idle();
    this.#stopping.abort(new Error('stopped'));
    await this.#supervisor.close();
  }

  /** Also for deliveries that begin meanwhile. */
  async #idle(): Promise<void> {
    while (this.#running.size > 0) await Promise.allSettled([...this.#running.keys()]);
  }
}

/** A drain ends by its own deadline when the list has changed, else because the process ends. */
function stopping({ reason }: AbortSignal): Stopping {
  const ownDeadline = reason instanceof GatepostError && reason.code === 'deadline';
  return new Stopping(ownDeadline ? 'the gateway is being restarted or removed' : 'Gatepost is stopping');
}

function semaphoreOf(slots: number): Semaphore {
  return semaphore({ slots, weight: Number.POSITIVE_INFINITY });
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
