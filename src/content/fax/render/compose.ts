// Owns how a send request becomes a fax without anybody waiting for it: the work is done in a process of its own (see child.ts), for
// it reads pictures and markup that strangers may have sent, and its libraries are large and slow to load. What brings the
// process down costs the pictures at most, or else that one fax.
import type { Clock } from '../../../kit/clock.js';
import { codeOf, GatepostError, messageOf } from '../../../kit/errors.js';
import type { Log } from '../../../kit/log.js';
import type { MessageContentInfo } from '../../../model/message.js';
import { readFaxNumber } from '../numbers.js';
import {
  type ComposeReply,
  type ComposeTask,
  composeReply,
  type FaxComposer,
  type FaxResult,
} from '../process/compose-task.js';
import { type Environment, findChromium, findGhostscript } from '../process/programs.js';
import { createWorkerProcess, processModule, type WorkerProcess } from '../process/worker-process.js';

export type { ComposedFax, FaxComposer, FaxResult } from '../process/compose-task.js';

export interface FaxComposerOptions {
  clock: Clock;
  log: Log;
  /** The program; null: lay out without it; absent: wherever it is installed. */
  chromium?: string | null;
  /** The program; null: make no page images; absent: wherever it is installed. */
  ghostscript?: string | null;
  /** Ms that the programs may take for one fax, waiting for their turn not counted. */
  composeMs?: number;
  /** Ms without a fax after which the process and its browser are ended. */
  idleMs?: number;
  env?: Environment;
  /** Module that the process runs. */
  module?: string;
}

const COMPOSE_MS = 20_000;
const IDLE_MS = 60_000;
/** Layout and page images have their limits inside; this one is for a process that does not keep them. Ms. */
const SLACK_MS = 15_000;
/** MB; the longest message that is laid out at all needs a third. */
const HEAP_MB = 512;
/** Ms in which it ends its browser; a browser that hangs is given 3 s. */
const GRACE_MS = 5_000;

export function createFaxComposer(options: FaxComposerOptions): FaxComposer {
  const { clock, log, composeMs = COMPOSE_MS, idleMs = IDLE_MS, env = process.env } = options;
  const chromium = (options.chromium === undefined ? findChromium(env) : options.chromium) ?? null;
  const ghostscript = (options.ghostscript === undefined ? findGhostscript(env) : options.ghostscript) ?? null;
  const child = createWorkerProcess({
    work: 'laying out a fax',
    module: options.module ?? processModule('compose-process'),
    reply: composeReply,
    ...{ clock, env, idleMs, heapMb: HEAP_MB, graceMs: GRACE_MS },
  });
  const closing = new AbortController();
  return {
    async compose(sendRequest, rules, signal) {
      const to = readFaxNumber(sendRequest.RemoteAddress ?? '', rules.region);
      if (!to.ok) return to;
      const stop = AbortSignal.any([signal, closing.signal]);
      const how = { now: clock.now(), chromium, ghostscript, composeMs };
      const task: ComposeTask = { sendRequest: whatIsFaxed(sendRequest), rules, pictures: true, ...how };
      const tried = (again: ComposeTask) => attempt(again, { child, log }, stop);
      return (await tried(task)) ?? (await tried({ ...task, pictures: false })) ?? UNLAID;
    },
    async close() {
      closing.abort(new GatepostError('fax/closed', 'the fax composer is closed'));
      await child.close();
    },
  };
}

const UNLAID: FaxResult = { ok: false, problem: 'the message cannot be laid out as a fax: the attempt failed twice' };

/** Undefined when the process failed and another try, without pictures, may help. */
async function attempt(
  task: ComposeTask,
  { child, log }: { child: WorkerProcess<ComposeReply>; log: Log },
  stop: AbortSignal,
): Promise<FaxResult | undefined> {
  const ms = 2 * task.composeMs + SLACK_MS;
  try {
    const reply = await child.ask(task, ms, stop);
    if ('failed' in reply) throw new GatepostError('content/fax-failed', reply.failed);
    for (const { fields, message } of reply.said) log.warn(fields, message);
    return reply.result;
  } catch (error) {
    stop.throwIfAborted();
    log.warn({ reason: messageOf(error), pictures: task.pictures }, 'the process that lays out faxes failed');
    if (codeOf(error) !== 'deadline') return undefined;
    return { ok: false, problem: `the message cannot be laid out as a fax within ${Math.round(ms / 1000)} s` };
  }
}

/** The members of a send request that are on the pages or say where they go. */
function whatIsFaxed(sendRequest: MessageContentInfo): MessageContentInfo {
  const { GatewayId, MessageId, DeliverySystemId, RemoteAddress, FromField, ToField } = sendRequest;
  const { SubjectField, BodyHtml, BodyText, Culture } = sendRequest;
  const whom = { GatewayId, MessageId, DeliverySystemId, RemoteAddress, FromField, ToField };
  return { ...whom, SubjectField, BodyHtml, BodyText, Culture };
}
