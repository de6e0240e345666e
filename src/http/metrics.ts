// Owns the figures Prometheus collects: what the two straight lines report as it happens (counters, histograms) and
// what is looked up at the moment of a scrape (gauges). A scrape is answered whatever state the journal is in.
import { collectDefaultMetrics, Registry } from 'prom-client';
import type { GatewayBacklog, ReconciliationRow } from '../journal/types/inbound.js';
import { cached } from '../kit/cached.js';
import type { Clock } from '../kit/clock.js';
import { messageOf } from '../kit/errors.js';
import type { Log } from '../kit/log.js';
import type { GatewayView, ServerView } from '../model/gateway-view.js';
import {
  type Counters,
  createCounters,
  createGauges,
  type Gauges,
  INBOUND_RESULTS,
  OUTBOUND_RESULTS,
} from './series.js';

/** The server may send any word as a code; Prometheus keeps every label value it has ever seen. */
const MOST_CODES = 50;
/** Reasons are fixed words of the drivers; anything else is a slip and must not become a label of its own. */
const WORD = /^[a-z][a-z_]{0,39}$/;
const CODE = /^[A-Z][A-Z0-9_]{0,63}$/;
/** Journal readings may be this old; several scrapers cost what one does. */
const BACKLOG_CACHE_MS = 2_000;
/** Adding up the ledger goes through every inbound message of two days. */
const RECONCILIATION_CACHE_MS = 60_000;
/** Below the 10 s after which Prometheus gives a scrape up. */
const JOURNAL_PATIENCE_MS = 5_000;
const DAY_MS = 86_400_000;

export interface MetricSources {
  server(): ServerView;
  gateways(): readonly GatewayView[];
  journal: {
    backlog(): Promise<readonly GatewayBacklog[]>;
    reconciliation(since: number): Promise<readonly ReconciliationRow[]>;
  };
}

/** The verbs of the flow's `Meters`, and the page made from them. */
export interface PrometheusMetrics {
  inboundMessage(gatewayId: string, result: (typeof INBOUND_RESULTS)[number], seconds: number): void;
  confirmed(gatewayId: string): void;
  outboundMessage(gatewayId: string, result: (typeof OUTBOUND_RESULTS)[number], seconds: number): void;
  sessionFailed(gatewayId: string): void;
  inputRejected(gatewayId: string, reason: string): void;
  unhandledMessage(code: string): void;
  /** Hands in what the gauges look at; until then the session is 0 and the others are absent. The flow needs its meters
   *  before it can be looked at itself. */
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
  const codes = new Set<string>();
  let look: () => Promise<void> = async () => {};
  return {
    inboundMessage(gateway, result, seconds) {
      counters.inboundMessages.inc({ gateway, result });
      if (result === 'acknowledged') counters.ackSeconds.observe({ gateway }, seconds);
    },
    confirmed: (gateway) => counters.confirmed.inc({ gateway }),
    outboundMessage(gateway, result, seconds) {
      counters.outboundMessages.inc({ gateway, result });
      counters.answerSeconds.observe({ gateway }, seconds);
    },
    sessionFailed: (gateway) => counters.broken.inc({ gateway }),
    inputRejected: (gateway, reason) =>
      counters.inputRejected.inc({ gateway, reason: WORD.test(reason) ? reason : 'other' }),
    unhandledMessage(code) {
      if (CODE.test(code) && codes.size < MOST_CODES) codes.add(code);
      counters.ignored.inc({ code: codes.has(code) ? code : 'other' });
    },
    watch(sources) {
      look = watching({ sources, gauges, counters, clock, log });
    },
    async scrape() {
      await look();
      return registry.metrics();
    },
    contentType: registry.contentType,
  };
}

interface Watch {
  sources: MetricSources;
  gauges: Gauges;
  counters: Counters;
  clock: Clock;
  log: Log;
}

/** One look at everything. The journal is asked first, then all gauges are replaced in one go, so that scrapes at the
 *  same time never see half of them. */
function watching({ sources, gauges, counters, clock, log }: Watch): () => Promise<void> {
  const { journal } = sources;
  const reading = { clock, withinMs: JOURNAL_PATIENCE_MS, what: 'reading the journal for metrics' };
  const backlog = cached({ ...reading, keepMs: BACKLOG_CACHE_MS }, () => journal.backlog());
  const reconciliation = cached({ ...reading, keepMs: RECONCILIATION_CACHE_MS }, () =>
    journal.reconciliation(startOfYesterday(clock.now())),
  );
  return async () => {
    const [rows, sums] = await Promise.allSettled([backlog(), reconciliation()]);
    const failed = [rows, sums].find((result) => result.status === 'rejected');
    if (failed) {
      counters.journalMisses.inc();
      log.warn({ problem: messageOf(failed.reason) }, 'journal gauges left out of a scrape');
    }
    const gateways = sources.gateways();
    for (const gauge of Object.values(gauges)) gauge.reset();
    gauges.session.set(sources.server().is === 'up' ? 1 : 0);
    for (const gateway of gateways) setGateway(gateway, gauges, counters);
    const names = new Map(gateways.map(({ id, displayName }) => [id, displayName]));
    const receiving = gateways.filter(({ direction }) => direction === 'I').map(({ id }) => id);
    const journaled = { gauges, receiving, labels: (id: string) => ({ gateway: id, name: names.get(id) ?? '' }) };
    if (rows.status === 'fulfilled') setWaiting(rows.value, journaled);
    if (sums.status === 'fulfilled') setMismatches(sums.value, journaled);
  };
}

function setGateway(view: GatewayView, gauges: Gauges, counters: Counters): void {
  const { id: gateway, displayName: name, direction, device } = view;
  gauges.up.set({ gateway, name, direction, device }, view.state === 'running' ? 1 : 0);
  gauges.windowUsed.set({ gateway, name, direction }, view.inFlight);
  gauges.windowSize.set({ gateway, name, direction }, view.window);
  // Counters that exist from the first scrape on: `increase()` does not see the step from nothing to 1.
  counters.broken.inc({ gateway }, 0);
  if (direction === 'I') {
    gauges.parked.set({ gateway, name }, view.backingOff);
    gauges.oldestInbound.set({ gateway, name }, view.oldestMs / 1000);
    for (const result of INBOUND_RESULTS) counters.inboundMessages.inc({ gateway, result }, 0);
    counters.confirmed.inc({ gateway }, 0);
  } else {
    gauges.outboundInFlight.set({ gateway, name }, view.inFlight);
    gauges.oldestOutbound.set({ gateway, name }, view.oldestMs / 1000);
    for (const result of OUTBOUND_RESULTS) counters.outboundMessages.inc({ gateway, result }, 0);
  }
}

/** What the journal says is shown for every receiving gateway, 0 included, and for those that are gone and left something. */
interface Journaled {
  gauges: Gauges;
  receiving: readonly string[];
  labels(gatewayId: string): { gateway: string; name: string };
}

function setWaiting(rows: readonly GatewayBacklog[], { gauges, receiving, labels }: Journaled): void {
  const none = { pending: 0, unconfirmed: 0, quarantined: 0 };
  for (const row of [...receiving.map((gatewayId) => ({ gatewayId, ...none })), ...rows]) {
    gauges.open.set(labels(row.gatewayId), row.pending);
    gauges.quarantined.set(labels(row.gatewayId), row.quarantined);
    gauges.unconfirmed.set(labels(row.gatewayId), row.unconfirmed);
  }
}

/** Days are added up without sign: one missing on Monday and one too many on Tuesday are two faults, not none. */
function setMismatches(rows: readonly ReconciliationRow[], { gauges, receiving, labels }: Journaled): void {
  for (const id of receiving) gauges.mismatch.set(labels(id), 0);
  for (const { gatewayId, received, delivered, waiting, quarantined } of rows)
    gauges.mismatch.inc(labels(gatewayId), Math.abs(received - delivered - waiting - quarantined));
}

function startOfYesterday(now: number): number {
  return Math.floor(now / DAY_MS) * DAY_MS - DAY_MS;
}
