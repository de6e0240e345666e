import type { JournalReader } from '../journal/open.js';
import type { MessageTrace } from '../journal/types/log.js';
import type { OutboundRecord } from '../journal/types/outbound.js';
import { type Clock, isoTime, sleep } from '../kit/clock.js';
import { codeOf, GatepostError } from '../kit/errors.js';
import { oneLine } from '../kit/terminal.js';
import { type ResolveRequest, requestResolve } from '../pipeline/control-requests.js';
import type { GatewayNames } from './log.js';
import { logTime, type Output } from './output.js';
import { table } from './table.js';

/** A running connector looks for requests every second; one that has not done this in 15 s has a problem of its own. */
const PATIENCE_MS = 15_000;
const LOOK_MS = 200;

export interface ResolveOptions {
  sent?: boolean;
  notSent?: boolean;
  note?: string;
}

export interface ResolveDeps {
  journal: Pick<JournalReader, 'traces' | 'unresolved' | 'outboundMessage'>;
  names: GatewayNames;
  dataDir: string;
  clock: Clock;
  output: Output;
  /** Records the decision when no connector runs; rejects with `journal/busy` when one does. */
  resolveDirectly(request: ResolveRequest): Promise<unknown>;
}

/** The messages whose outcome is unknown and that wait for a decision. */
export async function resolveList({ journal, names, output }: ResolveDeps): Promise<number> {
  const waiting = await journal.unresolved();
  if (waiting.length === 0) {
    output.say('no message waits for a decision\n');
    return 0;
  }
  const rows = waiting.map(({ messageId, gatewayId, remoteAddress, subject, since, detail }) =>
    [messageId, logTime(isoTime(since)), names.get(gatewayId) ?? gatewayId, remoteAddress, subject, detail ?? ''].map(
      oneLine,
    ),
  );
  output.out(table(['message', 'since (UTC)', 'gateway', 'to', 'subject', 'what is known'], rows));
  return 0;
}

/** Records an operator's decision about a message whose outcome is unknown. */
export async function resolveCommand(id: string, options: ResolveOptions, deps: ResolveDeps): Promise<number> {
  const verdict = verdictOf(options);
  const messageId = await unresolvedMessage(id, deps);
  const { output, clock } = deps;
  output.out(`${describe(messageId, verdict, options.note)}\n`);
  const request = { messageId, verdict, note: options.note?.trim() || null, at: clock.now() };
  const done = await record(request, deps);
  const message = await deps.journal.outboundMessage(messageId);
  output.out(`${result(done, message)}\n`);
  return done && message?.state !== 'unknown' ? 0 : 1;
}

function verdictOf({ sent = false, notSent = false }: ResolveOptions): ResolveRequest['verdict'] {
  if (sent !== notSent) return sent ? 'sent' : 'not-sent';
  throw new GatepostError('resolve/verdict', 'resolve needs to know whether the message was sent', {
    advice: 'find out from the recipient or the counterparty, then give --sent or --not-sent',
  });
}

async function unresolvedMessage(id: string, { journal }: ResolveDeps): Promise<string> {
  const found = (await journal.traces(id)).filter(({ is }) => is === 'outbound');
  const [trace, ...others] = found;
  if (!trace) {
    throw new GatepostError('resolve/unknown', `no outbound message has the id ${oneLine(id)}`, {
      advice: 'see the messages that wait for a decision with: gatepost resolve',
    });
  }
  const messageId = idOf(trace);
  if (others.length > 0) {
    throw new GatepostError(
      'resolve/ambiguous',
      `${found.length} messages have an id that begins with ${oneLine(id)}`,
      {
        advice: `give the whole MessageId: ${found.map(idOf).join(', ')}`,
      },
    );
  }
  if (trace.state === 'unknown') return messageId;
  throw new GatepostError('resolve/known', `there is nothing to decide: message ${messageId} is ${trace.state}`, {
    advice: `see what happened with: gatepost trace ${messageId}`,
  });
}

function idOf({ ids }: MessageTrace): string {
  return ids.find(({ label }) => label === 'MessageId')?.value ?? '';
}

function describe(messageId: string, verdict: ResolveRequest['verdict'], note = ''): string {
  const effect =
    verdict === 'sent'
      ? 'as sent: a repeat of the server is answered with success, and nothing is sent again'
      : 'as not sent: a repeat of the server is sent afresh';
  return `message ${messageId} is recorded ${effect}${note.trim() ? ` (note: ${oneLine(note.trim())})` : ''}`;
}

/** False when a connector runs that has not done it in time. */
async function record(request: ResolveRequest, { dataDir, clock, resolveDirectly }: ResolveDeps): Promise<boolean> {
  try {
    await resolveDirectly(request);
    return true;
  } catch (error) {
    if (codeOf(error) !== 'journal/busy') throw error;
  }
  const pending = requestResolve(dataDir, request);
  const end = clock.monotonic() + PATIENCE_MS;
  while (!pending.done() && clock.monotonic() < end) await sleep(clock, LOOK_MS);
  return pending.done();
}

function result(done: boolean, record: OutboundRecord | null): string {
  if (!done) return 'the running connector has not recorded it yet; see its log, or look again with: gatepost resolve';
  return record?.state === 'unknown'
    ? 'the connector did not record it; see its log'
    : `recorded: the message is now ${record?.state === 'sent' ? 'sent' : 'not sent'}`;
}
