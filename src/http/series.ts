// Owns the table of our metrics: names, labels, buckets, and the sentence a person on call reads beside each.
//
// Labels: `gateway` is the gateway's id everywhere. Gauges carry its display name as `name` too, so that a page or an
// alert can be read by people; counters do not, because a renamed gateway would begin a new series.
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

export const INBOUND_RESULTS = ['acknowledged', 'duplicate', 'rejected', 'quarantined'] as const;
export const OUTBOUND_RESULTS = ['sent', 'partial', 'deferred', 'rejected', 'unknown', 'repeated'] as const;

/** What the server allows between SE_MESSAGE_SENDING and ES_MESSAGE_SENT. */
const SEND_LIMIT_SECONDS = 90;

export type Counters = ReturnType<typeof createCounters>;

export function createCounters(registry: Registry) {
  const registers = [registry];
  const counter = <L extends string>(name: string, labelNames: L[], help: string) =>
    new Counter({ name: `gatepost_${name}`, help, labelNames, registers });
  const histogram = (name: string, buckets: number[], help: string) =>
    new Histogram({ name: `gatepost_${name}`, help, labelNames: ['gateway'], buckets, registers });
  return {
    inboundMessages: counter(
      'arrivals_total',
      ['gateway', 'result'],
      'Customer messages received, by what came of handing them to the server: acknowledged, duplicate (known before), refused (will be tried again), quarantined (waits for a person)',
    ),
    ackSeconds: histogram(
      'arrival_ack_seconds',
      [0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600],
      "From receiving a customer message to the server's acknowledgement, retries included",
    ),
    confirmed: counter(
      'confirmed_total',
      ['gateway'],
      'Acknowledged messages that were then confirmed to the mailbox or carrier (flagged, moved, deleted)',
    ),
    outboundMessages: counter(
      'orders_total',
      ['gateway', 'result'],
      'Send orders answered to the server, by outcome: sent, partial (some recipients refused), deferred, rejected, unknown (may have gone out), repeated (answered from the record)',
    ),
    answerSeconds: histogram(
      'order_answer_seconds',
      [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 75, 85, SEND_LIMIT_SECONDS],
      `From a send order to its answer; the server gives up at ${SEND_LIMIT_SECONDS} s, so anything above the last bucket is a broken promise`,
    ),
    broken: counter(
      'gateway_broken_total',
      ['gateway'],
      "Times the gateway's connection to its mailbox, relay or carrier broke or could not be opened",
    ),
    inputRejected: counter(
      'turned_away_total',
      ['gateway', 'reason'],
      "Input that the gateway's driver turned away: forged or malformed pushes, broken PDUs, and the like",
    ),
    ignored: counter(
      'ignored_msgs_total',
      ['code'],
      'MSGs from the server that could not be used (unknown code or unreadable content); rare or odd codes are counted as other',
    ),
    journalMisses: counter(
      'journal_read_failures_total',
      [],
      'Scrapes in which the journal did not answer; the gauges that come from it were left out',
    ),
  };
}

export type Gauges = ReturnType<typeof createGauges>;

export function createGauges(registry: Registry) {
  const gauge = <L extends string>(name: string, labelNames: L[], help: string) =>
    new Gauge({ name: `gatepost_${name}`, help, labelNames, registers: [registry] });
  const perGateway = (name: string, help: string) => gauge(name, ['gateway', 'name'], help);
  const perDirection = (name: string, help: string) => gauge(name, ['gateway', 'name', 'direction'], help);
  gauge('order_limit_seconds', [], 'Seconds within which the server wants every send order answered').set(
    SEND_LIMIT_SECONDS,
  );
  return {
    session: gauge('server_session_up', [], '1 while logged in to the contact-center server'),
    up: gauge(
      'gateway_up',
      ['gateway', 'name', 'direction', 'device'],
      '1 while the gateway runs; 0 while it starts, fails, drains or is skipped (see /ready for the reason). direction: I receives, O sends',
    ),
    windowUsed: perDirection('window_used', 'Messages in flight now: handed over and not acknowledged, or being sent'),
    windowSize: perDirection('window_size', 'How many may be in flight; a full window stops the gateway reading'),
    parked: perGateway('parked', 'Arrivals waiting to be handed over again after a refusal or silence of the server'),
    oldestInbound: perGateway(
      'oldest_unacknowledged_seconds',
      'Age of the oldest arrival the server has not acknowledged; 0 when there is none',
    ),
    outboundInFlight: perGateway('orders_in_flight', 'Send orders being worked on'),
    oldestOutbound: perGateway(
      'oldest_order_seconds',
      'Age of the oldest unanswered send order; compare with gatepost_order_limit_seconds. 0 when there is none',
    ),
    open: perGateway(
      'open_arrivals',
      'Arrivals in the journal that the server has not acknowledged, quarantine not counted',
    ),
    quarantined: perGateway('quarantined', 'Messages in quarantine: kept whole, waiting for a person'),
    unconfirmed: perGateway(
      'unconfirmed',
      'Messages the server has taken that are not yet confirmed to the mailbox or carrier',
    ),
    mismatch: perGateway(
      'ledger_mismatch',
      'Messages seen yesterday and today (UTC) that are neither delivered, waiting nor quarantined; anything but 0 is an alarm',
    ),
  };
}
