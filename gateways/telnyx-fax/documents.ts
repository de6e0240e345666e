// How Telnyx gets the document of a fax: uploaded to its media storage, or put into a folder that the operator's web server
// publishes; removed again when the fax has ended.
import { createHmac } from 'node:crypto';
import { mkdir, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { type GatewayContext, messageOf } from '../../src/driver/contract.js';
import { z } from '../../src/driver/settings.js';
import { FormData } from '../../src/driver/shared/http-client.js';
import { type Api, ApiRefusal, extract, isSuccess } from './api.js';
import type { Settings } from './settings.js';

/** The media storage takes up to 20 MB, a fax up to 50 MB and 350 pages. */
export const MAX_UPLOAD = 20_000_000;
export const MAX_BYTES = 50_000_000;
export const MAX_PAGES = 350;
/** Ms for an upload; the time of the attempt ends it before. */
const UPLOAD_MS = 85_000;
/** Telnyx deletes an upload by itself after this, s: longer than any call takes, for uploads that a crash left behind. */
const RETENTION_SECONDS = 2 * 86_400;
const FILE = /^[0-9a-f]{64}\.pdf$/;

/** A document that Telnyx can get at. */
export interface Document {
  /** Names the document in the request that sends the fax. */
  readonly fields: { readonly media_name: string } | { readonly media_url: string };
  /** For `withdraw`: `media:<name>` or `file:<name>`. Stored in driver records. */
  readonly handle: string;
}

export interface Documents {
  /** Largest document that can be published, bytes. */
  readonly maxBytes: number;
  /** The same `identity` gets the same place. A rejection means that the fax was not sent. */
  publish(pdf: Uint8Array, identity: string, signal: AbortSignal): Promise<Document>;
  /** Never rejects: Telnyx or the next `publish` deletes what is left over. */
  withdraw(handle: string, signal: AbortSignal): Promise<void>;
}

export function documentsOf(context: GatewayContext<Settings>, api: Api): Documents {
  const { settings, dataDir, log } = context;
  const folder = settings.DocumentFolder === undefined ? null : resolve(dataDir, settings.DocumentFolder);
  const shown = folder !== null && settings.DocumentUrl !== undefined;
  return {
    maxBytes: shown ? MAX_BYTES : MAX_UPLOAD,
    publish: (pdf, identity, signal) =>
      shown ? put(context, folder, settings.DocumentUrl ?? '', pdf, identity) : upload(api, pdf, signal),
    async withdraw(handle, signal) {
      try {
        if (handle.startsWith('media:')) await drop(api, handle.slice('media:'.length), signal);
        else if (folder !== null && FILE.test(handle.slice('file:'.length)))
          await rm(join(folder, handle.slice('file:'.length)), { force: true });
      } catch (error) {
        log.debug({ reason: handle, err: messageOf(error) }, 'document was not withdrawn, it expires');
      }
    },
  };
}

const stored = z.object({ data: z.object({ media_name: z.string().min(1).max(300) }) });

async function upload(api: Api, pdf: Uint8Array, signal: AbortSignal): Promise<Document> {
  const form = new FormData();
  // Without a file name the part is not taken for a file.
  form.set('media', new Blob([new Uint8Array(pdf)], { type: 'application/pdf' }), 'fax.pdf');
  form.set('ttl_secs', String(RETENTION_SECONDS));
  const answer = await api.request({ method: 'POST', path: '/media', form }, signal, UPLOAD_MS);
  if (!isSuccess(answer)) throw new ApiRefusal(answer);
  const { media_name } = extract(stored, answer.body).data;
  return { fields: { media_name }, handle: `media:${media_name}` };
}

async function drop(api: Api, name: string, signal: AbortSignal): Promise<void> {
  const answer = await api.request({ method: 'DELETE', path: `/media/${encodeURIComponent(name)}` }, signal);
  if (!isSuccess(answer) && answer.status !== 404) throw new ApiRefusal(answer);
}

/** Under a name that cannot be guessed, and complete from the moment it is visible. */
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
    context.log.debug({ err: messageOf(error) }, 'old documents could not be deleted'),
  );
  const part = join(folder, `.${name}.part`);
  await writeFile(part, pdf);
  await rename(part, join(folder, name));
  return { fields: { media_url: `${base.replace(/\/$/, '')}/${name}` }, handle: `file:${name}` };
}

/** Deletes the documents that a crashed process left behind. */
async function sweep(folder: string, now: number): Promise<void> {
  for (const name of await readdir(folder)) {
    if (!FILE.test(name)) continue;
    const file = join(folder, name);
    if ((await stat(file)).mtimeMs < now - RETENTION_SECONDS * 1_000) await rm(file, { force: true });
  }
}
