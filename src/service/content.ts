import { join } from 'node:path';
import type { Config } from '../config.js';
import { createReader } from '../content/create-reader.js';
import type { FaxComposer } from '../content/fax/process/compose-task.js';
import { lazyFaxComposer } from '../content/fax/render/lazy-composer.js';
import type { Reader } from '../content/reader.js';
import { type LinkSigner, linkSigner, loadLinkKey } from '../http/links.js';
import type { PublicUrl } from '../http/public-url.js';
import type { Platform } from './platform.js';

const DAY_MS = 86_400_000;

export function startReader({ fax }: Config, { clock, log }: Platform): Reader {
  const ocr = fax.ocr && { languages: fax.ocrLanguages, secondsPerFax: fax.ocrSeconds };
  return createReader({ clock, log, ocr });
}

/** Its image and PDF libraries are loaded with the first fax. */
export function faxComposer({ fax }: Config, { clock, log, env }: Platform): FaxComposer {
  const program = (setting: string) => (setting === 'auto' ? undefined : setting === 'off' ? null : setting);
  const [chromium, ghostscript] = [program(fax.chromium), program(fax.ghostscript)];
  return lazyFaxComposer(async () => {
    const { createFaxComposer } = await import('../content/fax/render/compose.js');
    return createFaxComposer({
      clock,
      log: log.child({ part: 'fax composer' }),
      env,
      ...(chromium !== undefined && { chromium }),
      ...(ghostscript !== undefined && { ghostscript }),
    });
  });
}

export async function createSigner(config: Config, address: PublicUrl, { clock }: Platform): Promise<LinkSigner> {
  const key = await loadLinkKey(join(config.dataDir, 'link.key'));
  return linkSigner({ key, baseUrl: () => address.base, clock, lifetimeMs: config.retention.attachmentDays * DAY_MS });
}
