// Owns how Telnyx comes by the document of a fax: uploaded to its media storage, or put where a web server of the house
// shows it; and that it is taken away again when the fax has ended.
import { createHmac } from 'node:crypto';
import { mkdir, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { type GatewayContext, messageOf } from '../../src/driver/contract.js';
import { z } from '../../src/driver/settings.js';
import { type Api, isGood, Refused, understood } from './api.js';
import type { Settings } from './settings.js';

/** The media storage takes up to 20 MB, a fax up to 50 MB and 350 pages. */
export const MAX_UPLOAD = 20_000_000;
export const MAX_BYTES = 50_000_000;
export const MAX_PAGES = 350;
/** Ms for an upload; the time of the attempt ends it before. */
const UPLOAD_MS = 85_000;
/** Telnyx itself drops an upload after this, s: longer than any call takes, for those that nobody is left to drop. */
const KEPT_SECONDS = 2 * 86_400;
const FILE = /^[0-9a-f]{64}\.pdf$/;

/** A document that Telnyx can get at. */
export interface Document {
  /** What names it when the fax is ordered. */
  readonly fields: { readonly media_name: string } | { readonly media_url: string };
  /** Under what it can be withdrawn: `media:<name>` or `file:<name>`. */
  readonly handle: string;
}

export interface Documents {
  /** Most bytes it can publish. */
  readonly most: number;
  /** The same `identity` gets the same place. Rejects when the document is not there, and then nothing was ordered. */
  publish(pdf: Uint8Array, identity: string, signal: AbortSignal): Promise<Document>;
  /** Never rejects: what is left over is dropped later, by Telnyx or by the next `publish`. */
  withdraw(handle: string, signal: AbortSignal): Promise<void>;
}

export function documentsOf(context: GatewayContext<Settings>, api: Api): Documents {
  const { settings, dataDir, log } = context;
  const folder = settings.DocumentFolder === undefined ? null : resolve(dataDir, settings.DocumentFolder);
  const shown = folder !== null && settings.DocumentUrl !== undefined;
  return {
    most: shown ? MAX_BYTES : MAX_UPLOAD,
    publish: (pdf, identity, signal) =>
      shown ? put(context, folder, settings.DocumentUrl ?? '', pdf, identity) : upload(api, pdf, signal),
    async withdraw(handle, signal) {
      try {
        if (handle.startsWith('media:')) await drop(api, handle.slice('media:'.length), signal);
        else if (folder !== null && FILE.test(handle.slice('file:'.length)))
          await rm(join(folder, handle.slice('file:'.length)), { force: true });
      } catch (error) {
        log.debug({ error: messageOf(error) }, 'the document of a fax is left to its expiry');
      }
    },
  };
}

const stored = z.object({ data: z.object({ media_name: z.string().min(1).max(300) }) });

async function upload(api: Api, pdf: Uint8Array, signal: AbortSignal): Promise<Document> {
  const form = new FormData();
  // Without a file name the part is not taken for a file.
  form.set('media', new Blob([new Uint8Array(pdf)], { type: 'application/pdf' }), 'fax.pdf');
  form.set('ttl_secs', String(KEPT_SECONDS));
  const answer = await api.ask({ method: 'POST', path: '/media', form }, signal, UPLOAD_MS);
  if (!isGood(answer)) throw new Refused(answer);
  const { media_name } = understood(stored, answer.body).data;
  return { fields: { media_name }, handle: `media:${media_name}` };
}

async function drop(api: Api, name: string, signal: AbortSignal): Promise<void> {
  const answer = await api.ask({ method: 'DELETE', path: `/media/${encodeURIComponent(name)}` }, signal);
  if (!isGood(answer) && answer.status !== 404) throw new Refused(answer);
}

/** Under a name that nobody can guess, and whole from the moment it can be seen. */
async function put(
  context: GatewayContext<Settings>,
  folder: string,
  base: string,
  pdf: Uint8Array,
  identity: string,
): Promise<Document> {
  const name = `${createHmac('sha256', context.settings.ApiKey).update(identity).digest('hex')}.pdf`;
  await mkdir(folder, { recursive: true });
  await sweep(folder, context.clock.now()).catch((error) =>
    context.log.debug({ error: messageOf(error) }, 'old documents of faxes could not be taken away'),
  );
  const part = join(folder, `.${name}.part`);
  await writeFile(part, pdf);
  await rename(part, join(folder, name));
  return { fields: { media_url: `${base.replace(/\/$/, '')}/${name}` }, handle: `file:${name}` };
}

/** What a process that died has left there. */
async function sweep(folder: string, now: number): Promise<void> {
  for (const name of await readdir(folder)) {
    if (!FILE.test(name)) continue;
    const file = join(folder, name);
    if ((await stat(file)).mtimeMs < now - KEPT_SECONDS * 1_000) await rm(file, { force: true });
  }
}
