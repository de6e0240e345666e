// Owns the process that looks into faxes, from this side. What it may take of the machine is in the limits of its tasks.
import type { Clock } from '../../../kit/clock.js';
import { GatepostError } from '../../../kit/errors.js';
import { type FaxTask, faxReply, type PagesRead } from '../process/page-task.js';
import { createWorkerProcess, processModule } from '../process/worker-process.js';

export interface PageReading {
  /**
   * Rejects with code `content/fax-unable` when this machine lacks what it needs, with `content/closed`, and otherwise when the
   * process fails or takes longer than `ms`.
   */
  read(task: FaxTask, ms: number): Promise<PagesRead>;
  close(): Promise<void>;
}

export interface PageReadingOptions {
  readonly clock: Clock;
  /** Ms without work after which the process ends. */
  readonly idleMs: number;
  /** Module that the process runs. */
  readonly module?: string;
}

/** MB of JavaScript heap; pictures live outside of it, bounded by the limits of the task. */
const HEAP_MB = 256;

export function createPageReading({ clock, idleMs, module }: PageReadingOptions): PageReading {
  const child = createWorkerProcess({
    work: 'reading the pages of a fax',
    module: module ?? processModule('page-process'),
    reply: faxReply,
    ...{ clock, idleMs, heapMb: HEAP_MB, graceMs: 0, env: process.env },
  });
  return {
    async read(task, ms) {
      const reply = await child.ask(task, ms);
      if ('unable' in reply) throw new GatepostError('content/fax-unable', reply.unable);
      if ('failed' in reply) throw new GatepostError('content/fax-failed', reply.failed);
      return reply;
    },
    close: () => child.close(),
  };
}
