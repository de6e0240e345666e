import type { Clock } from '../../../kit/clock.js';
import { GatepostError } from '../../../kit/errors.js';
import { semaphore } from '../../../kit/semaphore.js';
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
/** Faxes that are read at once: a fax that takes all its time must not hold up the others. */
const READERS = 2;

export function createPageReading({ clock, idleMs, module }: PageReadingOptions): PageReading {
  const create = () =>
    createWorkerProcess({
      work: 'reading the pages of a fax',
      module: module ?? processModule('page-process'),
      reply: faxReply,
      ...{ clock, idleMs, heapMb: HEAP_MB, graceMs: 0, env: process.env },
    });
  const workers = Array.from({ length: READERS }, create);
  const turn = semaphore({ slots: READERS, weight: Number.POSITIVE_INFINITY });
  /** The last one is used next: the process of the others ends when there is little work. */
  const free = [...workers];
  return {
    async read(task, ms, signal) {
      const release = await turn.enter(1, signal);
      const worker = free.pop();
      let whole = false;
      try {
        if (!worker) throw new Error('more faxes are read than there are workers');
        const reply = await worker.ask(task, ms, signal);
        whole = true;
        if ('unable' in reply) throw new GatepostError('content/fax-unable', reply.unable);
        if ('failed' in reply) throw new GatepostError('content/fax-failed', reply.failed);
        return reply;
      } finally {
        // A worker that failed first waits for the end of its process.
        if (whole && worker) free.push(worker);
        else if (worker) free.unshift(worker);
        release();
      }
    },
    close: async () => void (await Promise.all(workers.map((worker) => worker.close()))),
  };
}
