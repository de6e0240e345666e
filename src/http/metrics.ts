import { collectDefaultMetrics, Registry } from 'prom-client';
import type { GatewayBacklog, ReconciliationRow } from '../journal/types/inbound.js';
import { cached } from '../kit/cached.js';
import type { Clock } from '../kit/clock.js';
import { messageOf } from '../kit/errors.js';
import type { Log } from '../kit/log.js';
import type { GatewayView, ServerView } from '../model/gateway-view.js';
import { INBOUND_RESULTS, type Metrics, OUTBOUND_RESULTS } from '../model/metrics.js';
import { type Counters, createCounters, createGauges, type Gauges, type Subject } from './series.js';

/** The server may send any word as a code; Prometheus keeps every label value it has ever seen. */
const MOST_CODES = 50;
/** Reasons are fixed words of the drivers; anything else must not become a label value. */
const WORD = /^[a-z][a-z_]{0,39}$/;
const CODE = /^[A-Z][A-Z0-9_]{0,63}$/;
/** Journal readings may be this old; several scrapers cost what one does. */
const BACKLOG_CACHE_MS = 2_000;
/** Reconciliation goes through every inbound message of two days. */
const RECONCILIATION_CACHE_MS = 60_000;
/** Below the 10 s after which Prometheus gives a scrape up. */
const JOURNAL_PATIENCE_MS = 5_000;
const DAY_MS = 86_400_000;

export interface MetricSources {
  server(): ServerView;
  gateways(): readonly GatewayView[];
  /** Messages that were being read when the process died, and that have not been read since then. */
  suspects?(): number;
  /** What strangers did at the port of the embedded server; absent without one. */
  strangers?: () => Strangers;
  journal: {
    backlog(): Promise<readonly GatewayBacklog[]>;
    reconciliation(since: number): Promise<readonly ReconciliationRow[]>;
  };
}

/** Counts that only grow. */
export interface Strangers {
  readonly refusedLogins: number;
  readonly cutConnections: number;
}

/** What the pipelines count, and the page made of it. A scrape is answered whatever state the journal is in. */
export interface PrometheusMetrics extends Metrics {
  /** Hands in what the gauges show; until then the session is 0 and the others are absent. */
  watch(sources: MetricSources): void;
  /** The page in Prometheus' text format. */
  scrape(): Promise<string>;
  readonly contentType: string;
}

export function createMetrics({ clock, log }: { clock: Clock; log: Log }): PrometheusMetrics {
  const registry = new Registry();
  const gauges = createGauges(registry);
  const counters = createCounters(registry);
  collectDefaultMetrics({ register: registry, prefix: 'gatepost_' });
  const subjects = new Subjects();
  let refresh: () => Promise<void> = async () => {};
  return {
    ...counting(counters, subjects),
    watch(sources) {
      subjects.readFrom(sources.gateways);
      refresh = watching({ sources, gauges, counters, subjects, clock, log });
    },
    async scrape() {
      await refresh();
      return registry.metrics();
    },
    contentType: registry.contentType,
  };
}

/** Display names by gateway id, as of the last scrape; asked for at once only for an id that is not known. */
class Subjects {
  readonly #names = new Map<string, string>();
  #gateways: () => readonly GatewayView[] = () => [];

  readFrom(gateways: () => readonly GatewayView[]): void {
    this.#gateways = gateways;
  }

  refresh(views = this.#gateways()): void {
    for (const { id, displayName } of views) this.#names.set(id, displayName);
  }

  of(id: string): Subject {
    if (!this.#names.has(id)) this.refresh();
    return { id, name: this.#names.get(id) ?? '' };
  }
}

function counting(counters: Counters, subjects: Subjects): Metrics {
  const codes = new Set<string>();
  return {
    inboundMessage(id, result, seconds) {
      counters.inboundMessages.inc(subjects.of(id), { result });
      if (result === 'acknowledged') counters.ackSeconds.observe(subjects.of(id), seconds);
    },
    confirmed: (id) => counters.confirmed.inc(subjects.of(id)),
    outboundMessage(id, result, seconds) {
      counters.outboundMessages.inc(subjects.of(id), { result });
      counters.answerSeconds.observe(subjects.of(id), seconds);
    },
    sessionFailed: (id) => counters.sessionFailures.inc(subjects.of(id)),
    inputRejected: (id, reason) =>
      counters.inputRejected.inc(subjects.of(id), { reason: WORD.test(reason) ? reason : 'other' }),
    unhandledMessage(code) {
      if (CODE.test(code) && codes.size < MOST_CODES) codes.add(code);
      counters.unhandled.inc(codes.has(code) ? code : 'other');
    },
  };
}

interface Watch {
  sources: MetricSources;
  gauges: Gauges;
  counters: Counters;
  subjects: Subjects;
  clock: Clock;
  log: Log;
}

/** The journal is asked first, then all gauges are replaced in one go, so that scrapes at the same time never see half of them. */
function watching({ sources, gauges, counters, subjects, clock, log }: Watch): () => Promise<void> {
  const { journal } = sources;
  const reading = { clock, withinMs: JOURNAL_PATIENCE_MS, what: 'reading the journal for metrics' };
  const backlog = cached({ ...reading, keepMs: BACKLOG_CACHE_MS }, () => journal.backlog());
  const reconciliation = cached({ ...reading, keepMs: RECONCILIATION_CACHE_MS }, () =>
    journal.reconciliation(startOfYesterday(clock.now())),
  );
  let seen: Strangers = { refusedLogins: 0, cutConnections: 0 };
  return async () => {
    const now = { ...(sources.strangers?.() ?? seen) };
    counters.refusedLogins.inc(now.refusedLogins - seen.refusedLogins);
    counters.cutConnections.inc(now.cutConnections - seen.cutConnections);
    seen = now;
    const [rows, sums] = await Promise.allSettled([backlog(), reconciliation()]);
    const failed = [rows, sums].find((result) => result.status === 'rejected');
    if (failed) {
      counters.journalMisses.inc();
      log.warn({ err: messageOf(failed.reason) }, 'journal gauges left out of a scrape');
    }
    const gateways = sources.gateways();
    subjects.refresh(gateways);
    for (const gauge of Object.values(gauges)) gauge.reset();
    gauges.session.set(sources.server().is === 'up' ? 1 : 0);
    gauges.suspects.set(sources.suspects?.() ?? 0);
    for (const gateway of gateways) setGateway(gateway, gauges, counters);
    const receiving = gateways.filter(({ direction }) => direction === 'I').map(({ id }) => id);
    if (rows.status === 'fulfilled') setWaiting(rows.value, { gauges, receiving, subjects });
    if (sums.status === 'fulfilled') setMismatches(sums.value, { gauges, receiving, subjects });
  };
}

function setGateway(view: GatewayView, gauges: Gauges, counters: Counters): void {
  const { id, displayName: name, direction, device } = view;
  const subject = { id, name };
  const runs = view.state === 'running' || view.state === 'degraded';
  gauges.up.set({ gateway: id, name, direction, device, gateway_id: id }, runs ? 1 : 0);
  gauges.degraded.set({ direction, gateway_id: id, gateway: name }, view.state === 'degraded' ? 1 : 0);
  gauges.windowUsed.set({ gateway: id, name, direction }, view.inFlight);
  gauges.windowSize.set({ gateway: id, name, direction }, view.window);
  // Counters exist from the first scrape on: `increase()` does not see the change from nothing to 1.
  counters.sessionFailures.inc(subject, {}, 0);
  if (direction === 'I') {
    gauges.inboundInFlight.set({ gateway_id: id, gateway: name }, view.inFlight);
    gauges.inboundLimit.set({ gateway_id: id, gateway: name }, view.window);
    gauges.backingOff.set(subject, view.backingOff);
    gauges.oldestInbound.set(subject, view.oldestMs / 1000);
    for (const result of INBOUND_RESULTS) counters.inboundMessages.inc(subject, { result }, 0);
    counters.confirmed.inc(subject, {}, 0);
  } else {
    gauges.outboundInFlight.set(subject, view.inFlight);
    gauges.oldestOutbound.set(subject, view.oldestMs / 1000);
    for (const result of OUTBOUND_RESULTS) counters.outboundMessages.inc(subject, { result }, 0);
  }
}

/** The journal's figures are shown for every receiving gateway, 0 included, and for those that are gone and left something. */
interface Journaled {
  gauges: Gauges;
  receiving: readonly string[];
  subjects: Subjects;
}

function setWaiting(rows: readonly GatewayBacklog[], { gauges, receiving, subjects }: Journaled): void {
  const none = { pending: 0, unconfirmed: 0, quarantined: 0 };
  for (const row of [...receiving.map((gatewayId) => ({ gatewayId, ...none })), ...rows]) {
    const subject = subjects.of(row.gatewayId);
    gauges.pending.set(subject, row.pending);
    gauges.quarantined.set({ gateway: subject.id, name: subject.name, gateway_id: subject.id }, row.quarantined);
    gauges.unconfirmed.set(subject, row.unconfirmed);
  }
}

/** Days are added up without sign: one missing on Monday and one too many on Tuesday are two faults, not none. */
function setMismatches(rows: readonly ReconciliationRow[], { gauges, receiving, subjects }: Journaled): void {
  const sums = new Map(receiving.map((id) => [id, 0]));
  for (const { gatewayId, received, delivered, waiting, quarantined } of rows)
    sums.set(gatewayId, (sums.get(gatewayId) ?? 0) + Math.abs(received - delivered - waiting - quarantined));
  for (const [id, sum] of sums) gauges.mismatch.set(subjects.of(id), sum);
}

function startOfYesterday(now: number): number {
  return Math.floor(now / DAY_MS) * DAY_MS - DAY_MS;
}
