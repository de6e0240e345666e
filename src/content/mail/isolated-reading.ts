// Reading in a process of its own what may have ended the service. When that process fails, too, the mail arrives reduced.
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import type { Clock } from '../../kit/clock.js';
import { messageOf } from '../../kit/errors.js';
import type { RawMail } from '../../model/content.js';
import { createWorkerProcess } from '../fax/process/worker-process.js';
import type { Reduce } from '../mail-workers.js';
import type { ReadContext } from '../reader.js';
import type { ParsedMail } from './parse/parse-mail.js';

export interface IsolatedReadingOptions {
  readonly clock: Clock;
  readonly limits: { workerMs: number; workerHeapMb: number; workerIdleMs: number };
  readonly reduce: Reduce;
}

export interface IsolatedReading {
  /** Calls `context.isolated` when the process has ended its work. Rejects only with the reason of `context.signal` or of `close`. */
  read(mail: RawMail, gatewayId: string, context: ReadContext): Promise<ParsedMail>;
  close(): Promise<void>;
}

/** Written by this program with the same type, so the shape is trusted. */
const reply = z.object({ read: z.custom<ParsedMail>((value) => typeof value === 'object' && value !== null) });

export function createIsolatedReading({ clock, limits, reduce }: IsolatedReadingOptions): IsolatedReading {
  const worker = createWorkerProcess({
    work: 'reading the mail in a process of its own',
    module: moduleFile(),
    reply,
    clock,
    env: {},
    heapMb: limits.workerHeapMb,
    idleMs: limits.workerIdleMs,
    graceMs: 0,
  });
  return {
    async read(mail, gatewayId, { signal, isolated }) {
      try {
        const { read } = await worker.ask({ mail, gatewayId }, limits.workerMs, signal);
        isolated?.();
        return read;
      } catch (error) {
        signal?.throwIfAborted();
        if (error instanceof Error && 'code' in error && error.code === 'content/closed') throw error;
        isolated?.();
        return reduce(mail, gatewayId, messageOf(error));
      }
    },
    close: () => worker.close(),
  };
}

/** Beside this file when compiled; run from the sources, the process still needs the compiled one. */
function moduleFile(): string {
  const beside = fileURLToPath(new URL('./mail-process.js', import.meta.url));
  return existsSync(beside)
    ? beside
    : fileURLToPath(new URL('../../../dist/src/content/mail/mail-process.js', import.meta.url));
}
