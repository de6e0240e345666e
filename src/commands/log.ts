import { stringify } from 'csv-stringify/sync';
import type { JournalReader } from '../journal/open.js';
import type { LogEntry, LogFilter } from '../journal/types/log.js';
import { type Clock, isoTime, sleep } from '../kit/clock.js';
import { GatepostError } from '../kit/errors.js';
import { oneLine } from '../kit/terminal.js';
import { logTime, type Output } from './output.js';
import { table } from './table.js';

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

/** Display names of the gateways that the journal knows, by id. */
export type GatewayNames = ReadonlyMap<string, string>;

/** Pause between two reads of a followed log, ms. */
const FOLLOW_MS = 500;

const TITLES = ['time', 'gateway', 'dir', 'event', 'address', 'id', 'detail'] as const;
/** Other programs read the CSV by these names, so `step` stays although the glossary says event. */
const CSV_KEYS = TITLES.map((title) => (title === 'event' ? 'step' : title));

/** Event names of releases before the glossary; scripts may still ask for them. */
const OLD_EVENTS: Readonly<Record<string, string>> = {
  handed: 'dispatched',
  refused: 'rejected',
  postponed: 'deferred',
  released: 'requeued',
  ordered: 'requested',
  begun: 'attempt_started',
};

interface FollowDeps {
  journal: Pick<JournalReader, 'entries' | 'lastEntryId'>;
  names: GatewayNames;
  output: Output;
}

export async function logCommand(
  options: LogOptions,
  journal: Pick<JournalReader, 'entries' | 'lastEntryId'>,
  names: GatewayNames,
  clock: Clock,
  output: Output,
  signal: AbortSignal,
): Promise<number> {
  const filter = filterOf(options, names, clock.now());
  // Read first: an entry that is written between the two reads is then shown by the next round, not skipped.
  const last = await journal.lastEntryId();
  const entries = await journal.entries(filter);
  output.out(print(entries, options.format, names, true));
  if (entries.length === 0 && !options.follow) output.say('no entry of the delivery log matches\n');
  let after = Math.max(last, entries.at(-1)?.id ?? 0);
  while (options.follow && !signal.aborted) {
    await sleep(clock, FOLLOW_MS, signal).catch(() => undefined);
    after = await printNext({ ...filter, after }, options.format, { journal, names, output });
  }
  return 0;
}

/** Prints what came after `filter.after` and returns the highest id looked at, so that no read covers an entry twice. */
async function printNext(
  filter: LogFilter & { after: number },
  format: LogFormat,
  { journal, names, output }: FollowDeps,
): Promise<number> {
  const last = await journal.lastEntryId();
  const entries = await journal.entries(filter);
  if (entries.length > 0) output.out(print(entries, format, names, false));
  const shown = entries.at(-1)?.id ?? filter.after;
  // A full page may end before `last`: the rest is for the next round.
  return entries.length >= filter.limit ? shown : Math.max(last, shown);
}

function filterOf(options: LogOptions, names: GatewayNames, now: number): LogFilter {
  const filter: LogFilter = { limit: options.limit };
  if (options.gateway !== undefined) filter.gatewayId = gatewayId(options.gateway, names);
  if (options.since !== undefined) filter.since = timeOf(options.since, now, '--since');
  if (options.until !== undefined) filter.until = timeOf(options.until, now, '--until');
  if (options.status !== undefined) filter.event = OLD_EVENTS[options.status] ?? options.status;
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
  if (format === 'json') return entries.map((entry) => `${JSON.stringify(jsonOf(entry, names))}\n`).join('');
  const rows = entries.map((entry) => rowOf(entry, names));
  if (format === 'csv') return csvOf(first ? [CSV_KEYS, ...rows] : rows);
  if (rows.length === 0) return '';
  const text = table(TITLES, rows);
  return first ? text : text.slice(text.indexOf('\n') + 1);
}

/** Other programs read these members by name: `event` is printed as `step`, as it always was. */
function jsonOf({ event, ...entry }: LogEntry, names: GatewayNames): Record<string, unknown> {
  const { id, at, gatewayId, direction, ...rest } = entry;
  const gateway = names.get(gatewayId) ?? null;
  return { id, at: isoTime(at), gatewayId, direction, step: event, ...rest, gateway };
}

/** RFC 4180. Cells that a spreadsheet would run as a formula get a quote in front. */
function csvOf(rows: readonly (readonly string[])[]): string {
  return stringify([...rows], { record_delimiter: 'windows', escape_formulas: true });
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
