// Mails in worker threads. The pool is opened by the first mail and replaced once its threads no longer start. Each mail has
// its own deadline; a thread that exceeds the time or the memory is ended and costs only that mail, which arrives reduced.
import { Piscina } from 'piscina';
import type { Clock } from '../kit/clock.js';
import { deadline } from '../kit/deadline.js';
import { messageOf } from '../kit/errors.js';
import { semaphore } from '../kit/semaphore.js';
import type { RawMail } from '../model/content.js';
import type { MailBudget, ParsedMail } from './mail/parse/parse-mail.js';
import type { ReadTask } from './worker.js';

/** Makes what is handed over instead of a mail that cannot be read in full. */
export type Reduce = (mail: RawMail, gatewayId: string, reason: string) => ParsedMail;

export interface WorkerLimits {
  readonly workerMs: number;
  readonly workers: number;
  readonly workerHeapMb: number;
  readonly workerIdleMs: number;
  readonly full: MailBudget;
}

export interface MailWorkersOptions {
  readonly clock: Clock;
  /** The compiled worker. */
  readonly file: string;
  readonly limits: WorkerLimits;
  /** Ends all reading; `read` then rejects with its reason. */
  readonly closing: AbortSignal;
  readonly reduce: Reduce;
}

export interface MailWorkers {
  /** Rejects only with the reason of `caller` or of `closing`. */
  read(mail: RawMail, gatewayId: string, caller: AbortSignal | undefined): Promise<ParsedMail>;
  /** Waits for the mails under way, which `closing` ends. */
  close(): Promise<void>;
}

export function createMailWorkers({ clock, file, limits, closing, reduce }: MailWorkersOptions): MailWorkers {
  const slots = semaphore({ slots: limits.workers, weight: Number.POSITIVE_INFINITY });
  let pool: Pool | undefined;

  const drop = async (gone: Pool | undefined) => {
    if (pool !== gone) return;
    pool = undefined;
    await gone?.threads.destroy();
  };

  return {
    async read(mail, gatewayId, caller) {
      const stop = caller ? AbortSignal.any([caller, closing]) : closing;
      const release = await slots.enter(1, stop);
      pool ??= openPool(file, limits);
      const used = pool;
      const limit = deadline(clock, limits.workerMs, stop);
      try {
        return await run(used, mail, gatewayId, limits.full, limit.signal);
      } catch (error) {
        stop.throwIfAborted();
        const { broken } = used;
        if (broken.aborted) await drop(used);
        return reduce(mail, gatewayId, reasonOf(broken.aborted ? broken.reason : error, limit.signal, limits));
      } finally {
        limit.dispose();
        release();
      }
    },
    async close() {
      await slots.empty();
      await drop(pool);
    },
  };
}

function run(
  { threads, broken }: Pool,
  mail: RawMail,
  gatewayId: string,
  budget: MailBudget,
  limit: AbortSignal,
): Promise<ParsedMail> {
  // The worker gets a copy: the original is needed when the worker has to be ended.
  const copy = new Uint8Array(mail.raw);
  const task = { mail: { ...mail, raw: copy }, gatewayId, budget };
  return threads.run(task, { signal: AbortSignal.any([limit, broken]), transferList: [copy.buffer] });
}

function reasonOf(error: unknown, signal: AbortSignal, limits: WorkerLimits): string {
  if (signal.aborted) return `reading it took longer than ${Math.round(limits.workerMs / 100) / 10} s`;
  if (/memory/i.test(messageOf(error))) return `reading it took more than ${limits.workerHeapMb} MB of memory`;
  return messageOf(error);
}

interface Pool {
  readonly threads: Piscina<ReadTask, ParsedMail>;
  /** Aborts when no thread starts any more: queued tasks would wait for ever, and a new pool is needed. */
  readonly broken: AbortSignal;
}

function openPool(filename: string, limits: WorkerLimits): Pool {
  const threads = new Piscina<ReadTask, ParsedMail>({
    filename,
    minThreads: 0,
    maxThreads: limits.workers,
    idleTimeout: limits.workerIdleMs,
    resourceLimits: { maxOldGenerationSizeMb: limits.workerHeapMb },
    atomics: 'disabled',
  });
  const broken = new AbortController();
  threads.on('error', (error) => broken.abort(error));
  return { threads, broken: broken.signal };
}
