// The fax composer works in a process of its own: it reads pictures and markup of strangers, and its libraries are large. When the
// process fails, the fax is composed again without pictures, and after a second failure the result is a problem.
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
  /** Time of the programs for one fax without waiting, ms. */
  composeMs?: number;
  /** Idle time after which the process and its browser end, ms. */
  idleMs?: number;
  env?: Environment;
  /** Module that the process runs. */
  module?: string;
}

const COMPOSE_MS = 20_000;
const IDLE_MS = 60_000;
/** Added to the limits of layout and page images, for a process that does not observe them, ms. */
const SLACK_MS = 15_000;
/** MB; the longest message that is accepted needs a third of it. */
const HEAP_MB = 512;
/** Time of the process to end its browser, which may hang for 3 s, ms. */
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
      const settings = { now: clock.now(), chromium, ghostscript, composeMs };
      const task: ComposeTask = { sendRequest: whatIsFaxed(sendRequest), rules, pictures: true, ...settings };
      const tried = (again: ComposeTask) => attempt(again, { child, log }, stop);
      return (await tried(task)) ?? (await tried({ ...task, pictures: false })) ?? FAILED_TWICE;
    },
    async close() {
      closing.abort(new GatepostError('fax/closed', 'the fax composer is closed'));
      await child.close();
    },
  };
}

const FAILED_TWICE: FaxResult = {
  ok: false,
  problem: 'the message cannot be laid out as a fax: the attempt failed twice',
};

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
    for (const { fields, message } of reply.logged) log.warn(fields, message);
    return reply.result;
  } catch (error) {
    stop.throwIfAborted();
    log.warn({ err: messageOf(error), pictures: task.pictures }, 'composing a fax failed');
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
