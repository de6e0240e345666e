import type { Clock } from '../../../kit/clock.js';
import { GatepostError } from '../../../kit/errors.js';
import { type FaxTask, faxReply, type PagesRead } from '../process/page-task.js';
import { createWorkerProcess, processModule } from '../process/worker-process.js';

export interface PageReading {
  /**
   * Rejects with code `content/fax-unable` when this machine lacks a library, with `content/closed`, with the signal's reason, and
   * when the process fails or takes longer than `ms`.
   */
  read(task: FaxTask, ms: number, signal?: AbortSignal): Promise<PagesRead>;
  close(): Promise<void>;
}

export interface PageReadingOptions {
  readonly clock: Clock;
  /** Idle time after which the process ends, ms. */
  readonly idleMs: number;
  /** Module that the process runs. */
  readonly module?: string;
}

/** MB of JavaScript heap; pictures are outside of it, bounded by the limits of the task. */
const HEAP_MB = 256;

export function createPageReading({ clock, idleMs, module }: PageReadingOptions): PageReading {
  const worker = createWorkerProcess({
    work: 'reading the pages of a fax',
    module: module ?? processModule('page-process'),
    reply: faxReply,
    ...{ clock, idleMs, heapMb: HEAP_MB, graceMs: 0, env: process.env },
  });
  return {
    async read(task, ms, signal) {
      const reply = await worker.ask(task, ms, signal);
      if ('unable' in reply) throw new GatepostError('content/fax-unable', reply.unable);
      if ('failed' in reply) throw new GatepostError('content/fax-failed', reply.failed);
      return reply;
    },
    close: () => worker.close(),
  };
}
