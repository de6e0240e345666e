import type { DeliveryLog, MessageTrace, RelatedMessage } from '../journal/types/log.js';
import { isoTime } from '../kit/clock.js';
import { GatepostError } from '../kit/errors.js';
import { oneLine } from '../kit/terminal.js';
import type { GatewayNames } from './log.js';
import { logTime, type Output } from './output.js';
import { table } from './table.js';

const RELATION: Readonly<Record<RelatedMessage['kind'], string>> = {
  answer: 'Answered by',
  answers: 'Answers',
  notice: 'Notice of its end',
  'notice of': 'Notice about',
};

export async function traceCommand(
  id: string,
  format: 'text' | 'json',
  journal: Pick<DeliveryLog, 'traces'>,
  names: GatewayNames,
  { out }: Output,
): Promise<number> {
  const traces = await journal.traces(id.trim());
  if (traces.length === 0) {
    throw new GatepostError('trace/unknown', `the journal knows no message with the id "${oneLine(id)}"`, {
      advice: 'give a MessageId, RequestId, DeliverySystemId, Message-ID or key as `gatepost log` shows it',
    });
  }
  if (format === 'json') out(`${JSON.stringify(traces, null, 2)}\n`);
  else out(traces.map((trace) => describe(trace, names)).join('\n'));
  return 0;
}

function describe(trace: MessageTrace, names: GatewayNames): string {
  const gateway = names.get(trace.gatewayId) ?? trace.gatewayId;
  const what = trace.is === 'inbound' ? 'Inbound message received through' : 'Outbound message sent through';
  const ids = trace.ids.map(({ label, value }) => `  ${label.padEnd(18)} ${oneLine(value)}\n`).join('');
  const rows = trace.entries.map((entry) => [logTime(isoTime(entry.at)), entry.event, oneLine(entry.detail ?? '')]);
  const events = table(['time (UTC)', 'event', 'detail'], rows);
  return `${what} ${gateway}: ${trace.state}\n${ids}${relatedLines(trace.related)}\n${events}`;
}

function relatedLines(related: readonly RelatedMessage[]): string {
  if (related.length === 0) return '';
  const lines = related.map(({ kind, id }) => `  ${RELATION[kind].padEnd(18)} gatepost trace ${oneLine(id)}\n`);
  return `\nRelated messages:\n${lines.join('')}`;
}
