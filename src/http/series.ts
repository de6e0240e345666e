// The table of the metrics: names, labels, buckets, and the help that is shown beside each.
//
// Labels: `gateway_id` is the id, `gateway` the display name. A metric that was renamed is served under its old name too,
// with the old labels (`gateway` is the id there, `name` the display name) and the old words, until the next release.
// gateway_up and quarantined have the same names as before: they have the old labels, and `gateway_id` beside them.
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

/** The gateway that a sample is about. */
export interface Subject {
  id: string;
  name: string;
}

/** What the server allows between SE_MESSAGE_SENDING and ES_MESSAGE_SENT. */
const ANSWER_DEADLINE_SECONDS = 90;
const ACK_BUCKETS = [0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600];
const ANSWER_BUCKETS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 75, 85, ANSWER_DEADLINE_SECONDS];

type Values = Readonly<Record<string, string>>;

interface CounterSpec {
  name: string;
  /** The name of the last release. */
  deprecated: string;
  labels?: readonly string[];
  /** Words of the last release for label values. */
  oldWords?: Values;
  help: string;
}

const deprecatedHelp = (name: string) => `Deprecated, use gatepost_${name}`;
const newLabels = ({ id, name }: Subject) => ({ gateway_id: id, gateway: name });

function counterOf(registry: Registry, { name, deprecated, labels = [], oldWords = {}, help }: CounterSpec) {
  const registers = [registry];
  const current = new Counter({
    name: `gatepost_${name}`,
    help,
    labelNames: ['gateway_id', 'gateway', ...labels],
    registers,
  });
  const old = new Counter({
    name: `gatepost_${deprecated}`,
    help: deprecatedHelp(name),
    labelNames: ['gateway', ...labels],
    registers,
  });
  const oldWord = (word: string) => oldWords[word] ?? word;
  return {
    inc(subject: Subject, values: Values = {}, by = 1): void {
      current.inc({ ...newLabels(subject), ...values }, by);
      const oldValues = Object.fromEntries(Object.entries(values).map(([label, word]) => [label, oldWord(word)]));
      old.inc({ gateway: subject.id, ...oldValues }, by);
    },
  };
}

function histogramOf(registry: Registry, spec: { name: string; deprecated: string; buckets: number[]; help: string }) {
  const { name, deprecated, buckets, help } = spec;
  const registers = [registry];
  const labelNames = ['gateway_id', 'gateway'];
  const current = new Histogram({ name: `gatepost_${name}`, help, labelNames, buckets, registers });
  const old = new Histogram({
    name: `gatepost_${deprecated}`,
    help: deprecatedHelp(name),
    labelNames: ['gateway'],
    buckets,
    registers,
  });
  return {
    observe(subject: Subject, seconds: number): void {
      current.observe(newLabels(subject), seconds);
      old.observe({ gateway: subject.id }, seconds);
    },
  };
}

export type Counters = ReturnType<typeof createCounters>;

export function createCounters(registry: Registry) {
  const registers = [registry];
  return {
    inboundMessages: counterOf(registry, {
      name: 'inbound_messages_total',
      deprecated: 'arrivals_total',
      labels: ['result'],
      oldWords: { rejected: 'refused' },
      help: 'Customer messages by the result of handing them to the server: acknowledged, duplicate (known before), rejected (is tried again), quarantined (waits for an operator)',
    }),
    ackSeconds: histogramOf(registry, {
      name: 'inbound_ack_duration_seconds',
      deprecated: 'arrival_ack_seconds',
      buckets: ACK_BUCKETS,
      help: 'From receiving a customer message to the acknowledgement of the server, retries included',
    }),
    confirmed: counterOf(registry, {
      name: 'inbound_confirmed_total',
      deprecated: 'confirmed_total',
      help: 'Acknowledged messages that were then confirmed to the mailbox or carrier (flagged, moved, deleted)',
    }),
    outboundMessages: counterOf(registry, {
      name: 'outbound_messages_total',
      deprecated: 'orders_total',
      labels: ['result'],
      help: 'Send requests answered to the server, by outcome: sent, partial (some recipients rejected), deferred, rejected, unknown (may have gone out), repeated (answered from the journal)',
    }),
    answerSeconds: histogramOf(registry, {
      name: 'outbound_answer_duration_seconds',
      deprecated: 'order_answer_seconds',
      buckets: ANSWER_BUCKETS,
      help: `From a send request to its answer; the server gives up at ${ANSWER_DEADLINE_SECONDS} s, so anything above the last bucket came too late`,
    }),
    sessionFailures: counterOf(registry, {
      name: 'gateway_session_failures_total',
      deprecated: 'gateway_broken_total',
      help: "Times the gateway's connection to its mailbox, relay or carrier broke or could not be opened",
    }),
    inputRejected: counterOf(registry, {
      name: 'rejected_input_total',
      deprecated: 'turned_away_total',
      labels: ['reason'],
      help: "Input that the gateway's driver rejected: forged or malformed pushes, broken PDUs, and the like",
    }),
    unhandled: withoutGateway(registers, 'unhandled_server_messages_total', 'ignored_msgs_total'),
    ...strangersAtThePort(registers),
    journalMisses: new Counter({
      name: 'gatepost_journal_read_failures_total',
      help: 'Scrapes in which the journal did not answer; the gauges that come from it were left out',
      registers,
    }),
  };
}

function strangersAtThePort(registers: Registry[]) {
  return {
    refusedLogins: new Counter({
      name: 'gatepost_embedded_server_refused_logins_total',
      help: 'Logins with a wrong account or password at the port of the embedded server',
      registers,
    }),
    cutConnections: new Counter({
      name: 'gatepost_embedded_server_cut_connections_total',
      help: 'Connections without a login that were cut at the port of the embedded server to make room for others',
      registers,
    }),
  };
}

function withoutGateway(registers: Registry[], name: string, deprecated: string) {
  const help =
    'MSGs from the server that could not be used (unknown code or unreadable content); rare or odd codes are counted as other';
  const current = new Counter({ name: `gatepost_${name}`, help, labelNames: ['code'], registers });
  const oldHelp = deprecatedHelp(name);
  const old = new Counter({ name: `gatepost_${deprecated}`, help: oldHelp, labelNames: ['code'], registers });
  return {
    inc(code: string): void {
      current.inc({ code });
      old.inc({ code });
    },
  };
}

interface GaugeSpec {
  name: string;
  deprecated: string;
  help: string;
}

function gaugeOf(registry: Registry, { name, deprecated, help }: GaugeSpec) {
  const registers = [registry];
  const current = new Gauge({ name: `gatepost_${name}`, help, labelNames: ['gateway_id', 'gateway'], registers });
  const old = new Gauge({
    name: `gatepost_${deprecated}`,
    help: deprecatedHelp(name),
    labelNames: ['gateway', 'name'],
    registers,
  });
  return {
    set(subject: Subject, value: number): void {
      current.set(newLabels(subject), value);
      old.set({ gateway: subject.id, name: subject.name }, value);
    },
    reset(): void {
      current.reset();
      old.reset();
    },
  };
}

export type Gauges = ReturnType<typeof createGauges>;

export function createGauges(registry: Registry) {
  const registers = [registry];
  for (const [name, help] of [
    ['outbound_answer_deadline_seconds', 'Seconds within which the server wants every send request answered'],
    ['order_limit_seconds', deprecatedHelp('outbound_answer_deadline_seconds')],
  ] as const)
    new Gauge({ name: `gatepost_${name}`, help, registers }).set(ANSWER_DEADLINE_SECONDS);
  const session = new Gauge({
    name: 'gatepost_server_session_up',
    help: '1 while logged in to the contact-center server',
    registers,
  });
  return {
    session,
    ...sameName(registers),
    ...windows(registers),
    ...inboundGauges(registry),
    ...outboundGauges(registry),
  };
}

/** Metrics whose names did not change. */
function sameName(registers: Registry[]) {
  return {
    up: new Gauge({
      name: 'gatepost_gateway_up',
      labelNames: ['gateway', 'name', 'direction', 'device', 'gateway_id'],
      help: '1 while the gateway runs, also when it is degraded; 0 while it starts, fails, drains or is skipped (see /ready for the reason). direction: I receives, O sends',
      registers,
    }),
    degraded: new Gauge({
      name: 'gatepost_gateway_degraded',
      labelNames: ['direction', 'gateway_id', 'gateway'],
      help: '1 while the gateway runs with a problem that an operator should look at (see /ready for the reason), else 0. direction: I receives, O sends',
      registers,
    }),
    suspects: new Gauge({
      name: 'gatepost_inbound_crash_suspects',
      help: 'Messages that were being read when the process died and that have not been read since then; anything but 0 is an alarm',
      registers,
    }),
    quarantined: new Gauge({
      name: 'gatepost_quarantined',
      labelNames: ['gateway', 'name', 'gateway_id'],
      help: 'Messages in quarantine: stored whole, waiting for an operator',
      registers,
    }),
  };
}

/** Replaced by metrics of one direction each. */
function windows(registers: Registry[]) {
  const labelNames = ['gateway', 'name', 'direction'];
  return {
    windowUsed: new Gauge({
      name: 'gatepost_window_used',
      help: 'Deprecated, use gatepost_inbound_in_flight and gatepost_outbound_in_flight',
      labelNames,
      registers,
    }),
    windowSize: new Gauge({
      name: 'gatepost_window_size',
      help: deprecatedHelp('inbound_in_flight_limit'),
      labelNames,
      registers,
    }),
  };
}

function inboundGauges(registry: Registry) {
  const registers = [registry];
  const current = (name: string, help: string) =>
    new Gauge({ name: `gatepost_${name}`, help, labelNames: ['gateway_id', 'gateway'], registers });
  return {
    inboundInFlight: current('inbound_in_flight', 'Messages handed to the server and not acknowledged'),
    inboundLimit: current(
      'inbound_in_flight_limit',
      'How many may be in flight; a full window stops the gateway reading',
    ),
    backingOff: gaugeOf(registry, {
      name: 'inbound_backing_off',
      deprecated: 'parked',
      help: 'Messages that wait to be handed over again after a rejection or timeout of the server',
    }),
    oldestInbound: gaugeOf(registry, {
      name: 'inbound_oldest_unacknowledged_seconds',
      deprecated: 'oldest_unacknowledged_seconds',
      help: 'Age of the oldest message that the server has not acknowledged; 0 when there is none',
    }),
    pending: gaugeOf(registry, {
      name: 'inbound_pending',
      deprecated: 'open_arrivals',
      help: 'Messages in the journal that the server has not acknowledged, quarantine not counted',
    }),
    unconfirmed: gaugeOf(registry, {
      name: 'inbound_unconfirmed',
      deprecated: 'unconfirmed',
      help: 'Messages that the server acknowledged and that are not yet confirmed to the mailbox or carrier',
    }),
    mismatch: gaugeOf(registry, {
      name: 'inbound_reconciliation_mismatch',
      deprecated: 'ledger_mismatch',
      help: 'Messages received yesterday and today (UTC) that are neither delivered, waiting nor quarantined; anything but 0 is an alarm',
    }),
  };
}

function outboundGauges(registry: Registry) {
  return {
    outboundInFlight: gaugeOf(registry, {
      name: 'outbound_in_flight',
      deprecated: 'orders_in_flight',
      help: 'Send requests being worked on',
    }),
    oldestOutbound: gaugeOf(registry, {
      name: 'outbound_oldest_age_seconds',
      deprecated: 'oldest_order_seconds',
      help: 'Age of the oldest unanswered send request; compare with gatepost_outbound_answer_deadline_seconds. 0 when there is none',
    }),
  };
}
