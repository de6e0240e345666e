// Owns `gatepost log` and `gatepost explain`: the delivery log as people search it, and the story of one message.
import type { DeliveryLog, LogEntry, LogFilter, MessageTrace } from '../journal/types/log.js';
import { type Clock, isoTime, sleep } from '../kit/clock.js';
import { GatepostError } from '../kit/errors.js';
import { logTime, type Output, oneLine, table } from './output.js';

export type LogFormat = 'table' | 'json' | 'csv';

export interface LogOptions {
  gateway?: string;
  since?: string;
  until?: string;
  status?: string;
  follow?: boolean;
  format: LogFormat;
  limit: number;
}

/** Names of gateways by id, as far as they are known here. */
export type GatewayNames = ReadonlyMap<string, string>;

/** How often a followed log is looked at, ms. */
const FOLLOW_MS = 500;
const COLUMNS = ['time', 'gateway', 'dir', 'step', 'address', 'id', 'detail'] as const;

export async function logCommand(
  options: LogOptions,
  journal: Pick<DeliveryLog, 'entries' | 'traces'>,
  names: GatewayNames,
  clock: Clock,
  output: Output,
  signal: AbortSignal,
): Promise<number> {
  const filter = filterOf(options, names, clock.now());
  let entries = await journal.entries(filter);
  output.out(print(entries, options.format, names, true));
  if (entries.length === 0 && !options.follow) output.say('nothing in the delivery log matches\n');
  let after = entries.at(-1)?.id ?? 0;
  while (options.follow && !signal.aborted) {
    await sleep(clock, FOLLOW_MS, signal).catch(() => undefined);
    entries = await journal.entries({ ...filter, after });
    after = entries.at(-1)?.id ?? after;
    if (entries.length > 0) output.out(print(entries, options.format, names, false));
  }
  return 0;
}

export async function explainCommand(
  id: string,
  format: 'text' | 'json',
  journal: Pick<DeliveryLog, 'entries' | 'traces'>,
  names: GatewayNames,
  { out }: Output,
): Promise<number> {
  const traces = await journal.traces(id.trim());
  if (traces.length === 0) {
    throw new GatepostError('explain/unknown', `nothing is known under "${oneLine(id)}"`, {
      advice: 'give a MessageId, RequestId, DeliverySystemId, Message-ID or key as `gatepost log` shows it',
    });
  }
  out(
    format === 'json' ? `${JSON.stringify(traces, null, 2)}\n` : traces.map((trace) => tell(trace, names)).join('\n'),
  );
  return 0;
}

function tell(trace: MessageTrace, names: GatewayNames): string {
  const gateway = names.get(trace.gatewayId) ?? trace.gatewayId;
  const head = trace.is === 'inbound' ? `Message received through ${gateway}` : `Message sent through ${gateway}`;
  const ids = trace.ids.map(({ label, value }) => `  ${label.padEnd(18)} ${oneLine(value)}\n`).join('');
  const rows = trace.entries.map((entry) => [logTime(isoTime(entry.at)), entry.event, oneLine(entry.detail ?? '')]);
  return `${head}: ${trace.state}\n${ids}\n${table(['time (UTC)', 'step', 'detail'], rows)}`;
}

function filterOf(options: LogOptions, names: GatewayNames, now: number): LogFilter {
  const filter: LogFilter = { limit: options.limit };
  if (options.gateway !== undefined) filter.gatewayId = gatewayId(options.gateway, names);
  if (options.since !== undefined) filter.since = timeOf(options.since, now, '--since');
  if (options.until !== undefined) filter.until = timeOf(options.until, now, '--until');
  if (options.status !== undefined) filter.event = options.status;
  return filter;
}

function gatewayId(asked: string, names: GatewayNames): string {
  const wanted = asked.toLowerCase();
  for (const [id, name] of names) if (id === wanted || name.toLowerCase() === wanted) return id;
  return wanted;
}

const UNITS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** An ISO time, or how long ago: `90s`, `15m`, `2h`, `7d`. */
function timeOf(text: string, now: number, option: string): number {
  const [, amount, unit = ''] = /^(\d+)\s*([smhd])$/.exec(text.trim()) ?? [];
  if (amount !== undefined) return now - Number(amount) * (UNITS[unit] ?? 0);
  const time = Date.parse(text);
  if (!Number.isNaN(time)) return time;
  throw new GatepostError('log/time', `${option} "${text}" is not a time`, {
    advice: 'write an ISO time such as 2026-11-22T10:00:00Z, or how long ago, such as 15m, 2h or 7d',
  });
}

function print(entries: readonly LogEntry[], format: LogFormat, names: GatewayNames, first: boolean): string {
  if (format === 'json')
    return entries
      .map(
        (entry) =>
          `${JSON.stringify({ ...entry, at: isoTime(entry.at), gateway: names.get(entry.gatewayId) ?? null })}\n`,
      )
      .join('');
  const rows = entries.map((entry) => rowOf(entry, names));
  if (format === 'csv')
    return [...(first ? [[...COLUMNS]] : []), ...rows].map((row) => `${row.map(csv).join(',')}\r\n`).join('');
  if (rows.length === 0) return '';
  const text = table(COLUMNS, rows);
  return first ? text : text.slice(text.indexOf('\n') + 1);
}

function rowOf(entry: LogEntry, names: GatewayNames): string[] {
  return [
    logTime(isoTime(entry.at)),
    names.get(entry.gatewayId) ?? entry.gatewayId,
    entry.direction === 'I' ? 'in' : 'out',
    entry.event,
    entry.remoteAddress ?? '',
    entry.messageId ?? entry.deliverySystemId ?? entry.subject,
    entry.detail ?? '',
  ].map(oneLine);
}

/** RFC 4180, and a quote before what a spreadsheet would take for a formula. */
function csv(cell: string): string {
  const safe = /^[=+\-@\t]/.test(cell) ? `'${cell}` : cell;
  return /[",\r\n]/.test(safe) ? `"${safe.replace(/"/g, '""')}"` : safe;
}
