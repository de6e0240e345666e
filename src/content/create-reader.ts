// Text messages and small ordinary mails are read on the main thread, large or odd mails in a worker thread that is ended
// when it takes too much time or memory, faxes in a process of their own. A mail that cannot be read arrives reduced.
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Clock } from '../kit/clock.js';
import { GatepostError, messageOf } from '../kit/errors.js';
import type { Log } from '../kit/log.js';
import type { RawMail } from '../model/content.js';
import type { OcrOptions } from './fax/receive/examine.js';
import { createPageReading } from './fax/receive/page-reading.js';
import { readFax, summarizeFax } from './fax/receive/read-fax.js';
import { createIsolatedReading } from './mail/isolated-reading.js';
import { fallbackMail } from './mail/parse/fallback.js';
import { type MailBudget, type ParsedMail, parseMail, prepare } from './mail/parse/parse-mail.js';
import { FULL_BUDGET, finishMail } from './mail/parse/read-mail.js';
import { createMailWorkers, type Reduce } from './mail-workers.js';
import type { ReadContext, Reader } from './reader.js';
import { readText } from './sms/read-text.js';

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
    scan: { parts: 200, depth: 20, candidates: 5_000, headerLines: 3_000, contentFields: 32 * 1024 },
    // Base64 of 1 MB.
    heavy: { rawBytes: 1.5 * 1024 * 1024, textBytes: 128 * 1024, tags: 1_500 },
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
  const closing = new AbortController();
  const reduced: Reduce = (mail, gatewayId, reason) => reduce(mail, gatewayId, reason, log);
  // The file is looked up at once: a missing file is a broken installation, not a broken mail.
  const workers = createMailWorkers({ clock, file: workerFile(), limits, closing: closing.signal, reduce: reduced });
  const isolated = createIsolatedReading({ clock, limits, reduce: reduced });
  const ocrMissing = warnOnce(log);

  return {
    async readMail(mail, context: ReadContext) {
      closing.signal.throwIfAborted();
      const { gatewayId, signal } = context;
      if (context.isolated) return finishMail(await isolated.read(mail, gatewayId, context), mail, context);
      const inline = await readInline(mail, gatewayId, limits.inline, reduced);
      return finishMail(inline ?? (await workers.read(mail, gatewayId, signal)), mail, context);
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
      await Promise.all([faxes.close(), workers.close(), isolated.close()]);
    },
  };
}

/** Undefined when the mail exceeds the budget of the main thread. */
async function readInline(
  mail: RawMail,
  gatewayId: string,
  budget: MailBudget,
  reduced: Reduce,
): Promise<ParsedMail | undefined> {
  try {
    const prepared = prepare(mail, budget);
    return prepared && (await parseMail(prepared, gatewayId));
  } catch (error) {
    return reduced(mail, gatewayId, messageOf(error));
  }
}

function reduce(mail: RawMail, gatewayId: string, reason: string, log: Log): ParsedMail {
  log.warn({ gateway_id: gatewayId, bytes: mail.raw.byteLength, reason }, 'mail cannot be read in full, reduced');
  return fallbackMail(mail, gatewayId, reason);
}

/** One warning for each missing package; there are only as many as there are languages. */
function warnOnce(log: Log): (advice: string) => void {
  const warned = new Set<string>();
  return (advice) => {
    if (warned.has(advice)) return;
    warned.add(advice);
    log.warn({ advice }, 'the text of faxes is not recognized');
  };
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
