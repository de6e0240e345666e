// Where a message is read: text messages and small ordinary mails at once, large or odd mails in a worker thread that
// is ended when it takes too much time or memory, faxes in a process of their own. What cannot be read becomes a
// reduced message.
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Piscina } from 'piscina';
import type { Clock } from '../kit/clock.js';
import { deadline } from '../kit/deadline.js';
import { GatepostError, messageOf } from '../kit/errors.js';
import type { Log } from '../kit/log.js';
import { semaphore } from '../kit/semaphore.js';
import type { RawMail } from '../model/content.js';
import type { OcrOptions } from './fax/receive/examine.js';
import { createPageReading } from './fax/receive/page-reading.js';
import { readFax, summarizeFax } from './fax/receive/read-fax.js';
import { fallbackMail } from './mail/parse/fallback.js';
import { type MailBudget, type ParsedMail, parseMail, prepare } from './mail/parse/parse-mail.js';
import { FULL_BUDGET, finishMail } from './mail/parse/read-mail.js';
import type { ReadContext, Reader } from './reader.js';
import { readText } from './sms/read-text.js';
import type { ReadTask } from './worker.js';

export interface ReadBudgets {
  /** Ms a worker may take for one mail. */
  workerMs: number;
  /** Worker threads at once. They keep the main thread free; they do not make reading faster. */
  workers: number;
  /** MB of JavaScript heap per worker. */
  workerHeapMb: number;
  /** Ms after which an idle worker thread, or the idle process that reads faxes, ends. */
  workerIdleMs: number;
  /** What is read in the main thread: nothing in it takes 50 ms in one go. */
  inline: MailBudget;
  /** What is read at all. */
  full: MailBudget;
}

export const DEFAULT_BUDGETS: ReadBudgets = {
  workerMs: 10_000,
  workers: 1,
  workerHeapMb: 512,
  workerIdleMs: 30_000,
  inline: {
    ...FULL_BUDGET,
    scan: { parts: 200, depth: 20, candidates: 5_000, headerLines: 3_000 },
    heavy: { rawBytes: 8 * 1024 * 1024, textBytes: 128 * 1024, tags: 1_500 },
  },
  full: FULL_BUDGET,
};

export interface ReaderOptions {
  clock: Clock;
  log: Log;
  budgets?: Partial<ReadBudgets>;
  /** Recognition of the text of faxes: languages as the data packages call them, seconds for one fax. English, 60 s. */
  ocr?: OcrOptions | false;
}

export function createReader({
  clock,
  log,
  budgets,
  ocr = { languages: ['eng'], secondsPerFax: 60 },
}: ReaderOptions): Reader {
  const limits: ReadBudgets = { ...DEFAULT_BUDGETS, ...budgets };
  const faxes = createPageReading({ clock, idleMs: limits.workerIdleMs });
  const places = semaphore({ places: limits.workers, weight: Number.POSITIVE_INFINITY });
  const closing = new AbortController();
  // Looked up at once: a missing file is a broken installation, not a broken mail.
  const worker = workerFile();
  let pool: Pool | undefined;

  const readInline = async (mail: RawMail, gatewayId: string): Promise<ParsedMail | undefined> => {
    try {
      const prepared = prepare(mail, limits.inline);
      return prepared && (await parseMail(prepared, gatewayId));
    } catch (error) {
      return given(mail, gatewayId, messageOf(error));
    }
  };

  const given = (mail: RawMail, gatewayId: string, reason: string): ParsedMail => {
    log.warn(
      { gateway: gatewayId, bytes: mail.raw.byteLength, reason },
      'a mail could not be read in full and arrives reduced',
    );
    return fallbackMail(mail, gatewayId, reason);
  };

  const readInWorker = async (mail: RawMail, { gatewayId, signal: caller }: ReadContext): Promise<ParsedMail> => {
    const stop = caller ? AbortSignal.any([caller, closing.signal]) : closing.signal;
    const leave = await places.enter(1, stop);
    pool ??= openPool(worker, limits);
    const { threads, broken } = pool;
    const limit = deadline(clock, limits.workerMs, stop);
    try {
      // A copy goes to the worker: should it be ended, the original is still here.
      const copy = new Uint8Array(mail.raw);
      const task = { mail: { ...mail, raw: copy }, gatewayId, budget: limits.full };
      const signal = AbortSignal.any([limit.signal, broken]);
      return await threads.run(task, { signal, transferList: [copy.buffer] });
    } catch (error) {
      stop.throwIfAborted();
      if (broken.aborted && pool?.broken === broken) await dropPool();
      return given(mail, gatewayId, reasonOf(broken.aborted ? broken.reason : error, limit.signal, limits));
    } finally {
      limit.dispose();
      leave();
    }
  };

  const missing = new Set<string>();
  const ocrMissing = (advice: string) => {
    if (missing.has(advice)) return;
    missing.add(advice);
    log.warn({ advice }, 'the text of faxes is not recognized');
  };

  const dropPool = async () => {
    const { threads } = pool ?? {};
    pool = undefined;
    await threads?.destroy();
  };

  return {
    async readMail(mail, context: ReadContext) {
      closing.signal.throwIfAborted();
      const read = (await readInline(mail, context.gatewayId)) ?? (await readInWorker(mail, context));
      return finishMail(read, mail, context);
    },
    async readText(message, rules, context) {
      closing.signal.throwIfAborted();
      return readText(message, rules, context);
    },
    summarizeFax,
    async readFax(fax, rules, context) {
      closing.signal.throwIfAborted();
      return readFax(fax, rules, context, { reading: faxes, ocr, log, ocrMissing });
    },
    async close() {
      if (!closing.signal.aborted) closing.abort(new GatepostError('content/closed', 'the mail reader is closed'));
      await Promise.all([faxes.close(), places.empty()]);
      await dropPool();
    },
  };
}

function reasonOf(error: unknown, signal: AbortSignal, limits: ReadBudgets): string {
  if (signal.aborted) return `reading it took longer than ${Math.round(limits.workerMs / 100) / 10} s`;
  if (/memory/i.test(messageOf(error))) return `reading it took more than ${limits.workerHeapMb} MB of memory`;
  return messageOf(error);
}

interface Pool {
  readonly threads: Piscina<ReadTask, ParsedMail>;
  /** Aborts when no thread comes up any more: waiting tasks would wait for ever, and a new pool is needed. */
  readonly broken: AbortSignal;
}

function openPool(filename: string, limits: ReadBudgets): Pool {
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

/** Beside this file when compiled; run from the sources, a worker thread still needs the compiled one. */
function workerFile(): string {
  const beside = fileURLToPath(new URL('./worker.js', import.meta.url));
  if (existsSync(beside)) return beside;
  const compiled = fileURLToPath(new URL('../../dist/src/content/worker.js', import.meta.url));
  if (existsSync(compiled)) return compiled;
  throw new GatepostError('content/worker-missing', `the compiled worker ${compiled} is missing`, {
    advice: 'Run npm run build.',
  });
}
