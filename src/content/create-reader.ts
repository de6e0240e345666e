// Text messages and small ordinary mails are read on the main thread, large or odd mails in a worker thread that is ended
// when it takes too much time or memory, faxes in a process of their own. A mail that cannot be read arrives reduced.
import 'mailparser';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Clock } from '../kit/clock.js';
import { GatepostError } from '../kit/errors.js';
import type { Log } from '../kit/log.js';
import type { OcrOptions } from './fax/receive/examine.js';
import { createPageReading } from './fax/receive/page-reading.js';
import { readFax, summarizeFax } from './fax/receive/read-fax.js';
import './html/clean.js';
import './html/text.js';
import { createIsolatedReading } from './mail/isolated-reading.js';
import { libmime } from './mail/parse/libmime.js';
import { finishMail } from './mail/parse/read-mail.js';
import { createMailWorkers, type Reduce } from './mail-workers.js';
import type { ReadContext, Reader } from './reader.js';
import { DEFAULT_BUDGETS, type ReadBudgets, readOnMainThread, reduce } from './small-mail.js';
import { readText } from './sms/read-text.js';

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
  // Together with the imports without a name: what the mails of a service need sooner or later is loaded at its start.
  libmime();
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
      const inline = await readOnMainThread(mail, gatewayId, limits.inline, reduced);
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
