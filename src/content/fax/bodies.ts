// Owns that no order for a fax stops anybody else: short ones are read at once, long ones in a worker thread, which is ended
// when nobody waits for its result any more.
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Piscina } from 'piscina';
import { type BodyResult, bodyOf, type Written } from './body.js';

export interface Bodies {
  /** Rejects with the signal's reason only. */
  read(order: Written, signal: AbortSignal): Promise<BodyResult>;
  close(): Promise<void>;
}

/** Neither takes 50 ms. */
const INLINE = { characters: 128 * 1024, tags: 1_500 };
/** MB; ten times what the longest order needs that is laid out at all. */
const HEAP_MB = 512;
/** Ms after which an idle thread ends. */
const IDLE_MS = 30_000;

export function createBodies(): Bodies {
  const worker = workerFile();
  let pool: Piscina<Written, BodyResult> | undefined;
  return {
    async read({ BodyHtml, BodyText }, signal) {
      const order = { BodyHtml, BodyText };
      signal.throwIfAborted();
      if (worker === undefined || isShort(order)) return bodyOf(order);
      pool ??= openPool(worker);
      try {
        return await pool.run(order, { signal });
      } catch {
        signal.throwIfAborted();
        return { ok: false, problem: 'the message is too large to be laid out as a fax' };
      }
    },
    async close() {
      const open = pool;
      pool = undefined;
      await open?.destroy();
    },
  };
}

function openPool(filename: string): Piscina<Written, BodyResult> {
  const limits = { maxOldGenerationSizeMb: HEAP_MB };
  const settings = { minThreads: 0, maxThreads: 1, idleTimeout: IDLE_MS, resourceLimits: limits };
  return new Piscina({ filename, ...settings, atomics: 'disabled' });
}

function isShort({ BodyHtml, BodyText }: Written): boolean {
  const html = BodyHtml ?? '';
  if (html.length + (BodyText?.length ?? 0) > INLINE.characters) return false;
  let tags = 0;
  for (let at = html.indexOf('<'); at >= 0 && tags <= INLINE.tags; at = html.indexOf('<', at + 1)) tags += 1;
  return tags <= INLINE.tags;
}

/** Beside this file when compiled; run from the sources, a thread still needs the compiled one. Without it nothing is lost but time. */
function workerFile(): string | undefined {
  const places = ['./body-worker.js', '../../../dist/src/content/fax/body-worker.js'];
  return places.map((place) => fileURLToPath(new URL(place, import.meta.url))).find((file) => existsSync(file));
}
