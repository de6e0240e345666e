// Whether the connector is alive and ready: a status code for orchestrators, sentences for operators.
import { cached } from '../kit/cached.js';
import { type Clock, isoTime } from '../kit/clock.js';
import { GatepostError, messageOf } from '../kit/errors.js';
import type { GatewayView, ServerView } from '../model/gateway-view.js';

/** How long a journal check is good for: several probers at short intervals must not become a write load. */
const JOURNAL_CHECK_MS = 2_000;
/** A disk that takes longer than this to answer is not one to work on; below the usual 10 s of probers. */
const JOURNAL_PATIENCE_MS = 5_000;

export interface ProbeSources {
  server(): ServerView;
  /** True once the server has sent its gateway list. */
  listed(): boolean;
  gateways(): readonly GatewayView[];
  /** The journal's `healthy`: rejects when it cannot write. */
  healthy(): Promise<void>;
  /** Messages that were being read when the process died, and that have not been read since then. */
  suspects?(): number;
  /** Takes secrets out of sentences that came from libraries and counterparties; the log's redactor. */
  redact?(text: string): string;
}

export interface Readiness {
  status: 'ready' | 'not ready';
  /** A gateway needs an operator, whether ready or not. */
  degraded: boolean;
  /** Everything that is wrong, one sentence each; empty when all is well. */
  problems: string[];
  /** Times are ISO 8601 in UTC, null where there is none. */
  server: { state: string; since: string | null; retryAt: string | null; reason: string | null };
  journal: { healthy: boolean; problem: string | null };
  gatewayListReceived: boolean;
  gateways: GatewayReport[];
}

export interface GatewayReport {
  id: string;
  displayName: string;
  device: string;
  direction: 'I' | 'O';
  state: string;
  since: string;
  problem: string | null;
}

/**
 * Ready means: session up, journal healthy, gateway list received. A failing gateway is reported and makes the answer
 * `degraded`, but it does not make the connector unready: orchestrators restart what is not ready, and one mailbox with
 * a wrong password must not restart the other forty-nine.
 */
export function readiness(sources: ProbeSources, clock: Clock): () => Promise<Readiness> {
  const redact = sources.redact ?? ((text) => text);
  const journal = journalCheck(sources, clock);
  return async () => {
    const found = await journal();
    const view = sources.server();
    const server = serverReport(view, redact);
    const gatewayListReceived = sources.listed();
    const gateways = sources.gateways().map((gateway) => gatewayReport(gateway, redact));
    const bad = gateways.filter(needsAttention);
    const problem = found && redact(found);
    const suspects = suspectsProblem(sources.suspects?.() ?? 0);
    const blockers = [
      ...(view.is === 'up' ? [] : [`server session is ${server.state}${server.reason ? `: ${server.reason}` : ''}`]),
      ...(problem === null ? [] : [`journal: ${problem}`]),
      ...(gatewayListReceived ? [] : ['the server has not sent its gateway list yet']),
    ];
    return {
      status: blockers.length === 0 ? 'ready' : 'not ready',
      degraded: bad.length > 0 || suspects.length > 0,
      problems: [...blockers, ...suspects, ...bad.map(gatewayProblem)],
      server,
      journal: { healthy: problem === null, problem },
      gatewayListReceived,
      gateways,
    };
  };
}

/** Null when healthy, else the sentence; never rejects. */
function journalCheck({ healthy }: ProbeSources, clock: Clock): () => Promise<string | null> {
  const verdict = async () => {
    try {
      await healthy();
      return null;
    } catch (error) {
      return sentenceOf(error);
    }
  };
  const options = { clock, keepMs: JOURNAL_CHECK_MS, withinMs: JOURNAL_PATIENCE_MS, what: 'the write test' };
  const check = cached(options, verdict);
  return () => check().catch(sentenceOf);
}

function sentenceOf(error: unknown): string {
  const advice = error instanceof GatepostError ? error.advice : undefined;
  return advice ? `${messageOf(error)}; ${advice}` : messageOf(error);
}

function serverReport(view: ServerView, redact: (text: string) => string): Readiness['server'] {
  return {
    state: view.is,
    since: view.since === undefined ? null : isoTime(view.since),
    retryAt: view.retryAt === undefined ? null : isoTime(view.retryAt),
    reason: view.reason ? redact(view.reason) : null,
  };
}

function gatewayReport(gateway: GatewayView, redact: (text: string) => string): GatewayReport {
  const { id, displayName, device, direction, state } = gateway;
  const problem = gateway.problem && redact(gateway.problem);
  return { id, displayName, device, direction, state, since: isoTime(gateway.since), problem };
}

function suspectsProblem(count: number): string[] {
  if (count === 0) return [];
  const messages = count === 1 ? '1 message was' : `${count} messages were`;
  return [`${messages} being read when the process died; each is read in a process of its own when it comes again`];
}

function needsAttention({ state }: GatewayReport): boolean {
  return state === 'failing' || state === 'skipped' || state === 'degraded';
}

function gatewayProblem({ displayName, device, direction, state, problem }: GatewayReport): string {
  return `gateway "${displayName}" (${device}, ${direction}) is ${state}${problem ? `: ${problem}` : ''}`;
}

/** The same as aligned lines, for curl. */
export function readinessText(report: Readiness): string {
  const { server, journal, gateways } = report;
  const head = [
    ['status', report.degraded ? `${report.status}, degraded` : report.status],
    ['server', [server.state, server.since && `since ${server.since}`, server.reason].filter(Boolean).join(', ')],
    ...(server.retryAt ? [['', `next try at ${server.retryAt}`]] : []),
    ['journal', journal.problem ?? 'healthy'],
    ['gateways', report.gatewayListReceived ? String(gateways.length) : 'list not received yet'],
  ];
  const rows = gateways.map((g) => [`  ${g.state}`, g.direction, g.device, g.displayName, g.id, g.problem ?? '']);
  return [...aligned(head), ...aligned(rows)].map((line) => `${line}\n`).join('');
}

/** One line per row, whatever line breaks a display name or a counterparty's sentence has in it. */
function aligned(rows: readonly (readonly string[])[]): string[] {
  const flat = rows.map((row) => row.map((cell) => cell.replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ')));
  const width = (column: number) => Math.max(...flat.map((row) => row[column]?.length ?? 0));
  return flat.map((row) =>
    row
      .map((cell, column) => cell.padEnd(width(column)))
      .join('  ')
      .trimEnd(),
  );
}
