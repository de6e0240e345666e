// The media of an MMS, fetched within bounds with the account's credentials, which no other host receives.
import type { TextMessage } from '../../src/driver/contract.js';
import { downloadMedia, isLoopback, isMediaGone } from '../../src/driver/shared/media-download.js';
import type { Api } from './api.js';
import { reasonOf, refusalOf } from './codes.js';

/** Twilio takes up to ten media of 5 MB together; what is larger is a fault. */
const MAX_MEDIA = 10;
const MAX_BYTES = 10 * 1024 * 1024;
const MAX_ALL_BYTES = 25 * 1024 * 1024;
/** Twilio redirects to its media store, once. */
const MAX_REDIRECTS = 3;

export type Media = TextMessage['media'];

export interface FetchedMedia {
  readonly media: Media;
  /** One sentence for each medium that is missing. */
  readonly notes: readonly string[];
}

export const NO_MEDIA: FetchedMedia = { media: [], notes: [] };

/** Rejects when another try may help; media that will never come become notes. */
export async function fetchMedia(api: Api, messageSid: string, signal: AbortSignal): Promise<FetchedMedia> {
  const listed = await api.call(signal, ({ client }) =>
    client.messages(messageSid).media.page({ pageSize: MAX_MEDIA + 1 }),
  );
  const media: Media[number][] = [];
  const notes: string[] = [];
  let room = MAX_ALL_BYTES;
  for (const { sid, contentType, uri } of listed.instances.slice(0, MAX_MEDIA)) {
    const type = contentType || 'application/octet-stream';
    const got = await fetchOne(api, uri.replace(/\.json$/, ''), Math.min(MAX_BYTES, room), signal);
    if ('problem' in got) notes.push(`an attachment (${type}, ${sid}) could not be fetched: ${got.problem}`);
    else {
      room -= got.bytes.length;
      media.push({ name: `${sid}${extensionOf(type)}`, type, bytes: got.bytes });
    }
  }
  if (listed.instances.length > MAX_MEDIA)
    notes.push(`more than ${MAX_MEDIA} attachments came with the message; the others stayed at the provider`);
  return { media, notes };
}

async function fetchOne(
  api: Api,
  path: string,
  maxBytes: number,
  signal: AbortSignal,
): Promise<{ bytes: Buffer } | { problem: string }> {
  const home = api.urlOf(path);
  const trusts = (url: URL) => url.origin === home.origin || (isLoopback(home) && isLoopback(url));
  const headersFor = (url: URL): Record<string, string> =>
    url.origin === home.origin ? { authorization: api.authorization } : {};
  try {
    return await downloadMedia(api.http, home.href, {
      trusts,
      headersFor,
      maxBytes,
      maxRedirects: MAX_REDIRECTS,
      signal,
    });
  } catch (error) {
    if (!isMediaGone(error)) throw error;
    return { problem: error.message };
  }
}

/** True when a later try may bring the missing media. */
export function mayComeLater(error: unknown): boolean {
  const { status } = refusalOf(error);
  return status === 0 || status === 401 || status === 429 || status >= 500;
}

/** Stands in the message for media that could not be fetched at all. */
export function lostMedia(count: number, error: unknown): FetchedMedia {
  return { media: [], notes: [`${count} attachments of the message could not be fetched: ${reasonOf(error)}`] };
}

const EXTENSIONS: Readonly<Record<string, string>> = {
  'image/jpeg': '.jpg',
  'image/png': '.png',
  'image/gif': '.gif',
  'image/webp': '.webp',
  'image/heic': '.heic',
  'video/mp4': '.mp4',
  'video/3gpp': '.3gp',
  'audio/mpeg': '.mp3',
  'audio/mp4': '.m4a',
  'audio/amr': '.amr',
  'audio/ogg': '.ogg',
  'text/vcard': '.vcf',
  'text/x-vcard': '.vcf',
  'text/plain': '.txt',
  'application/pdf': '.pdf',
};

function extensionOf(type: string): string {
  return EXTENSIONS[type.split(';', 1)[0]?.trim().toLowerCase() ?? ''] ?? '';
}
