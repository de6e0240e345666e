// Owns fetching what came with an MMS: bounded, with the account's credentials, which no other host gets to see.
import { codeOf, GatepostError, type TextMessage } from '../../src/driver/contract.js';
import type { Api } from './api.js';
import { reasonOf, refusalOf } from './codes.js';

/** Twilio takes up to ten media of 5 MB together; what is larger is a fault. */
const MAX_MEDIA = 10;
const MAX_BYTES = 10 * 1024 * 1024;
const MAX_ALL_BYTES = 25 * 1024 * 1024;
/** Twilio sends the reader on to its store, once. */
const MAX_REDIRECTS = 3;

export type Media = TextMessage['media'];

export interface Fetched {
  readonly media: Media;
  /** One sentence for each one that is not there. */
  readonly notes: readonly string[];
}

/** Rejects when another try may help; what will never come becomes a note. */
export async function fetchMedia(api: Api, messageSid: string, signal: AbortSignal): Promise<Fetched> {
  const listed = await api.call(signal, ({ client }) =>
    client.messages(messageSid).media.page({ pageSize: MAX_MEDIA + 1 }),
  );
  const media: Media[number][] = [];
  const notes: string[] = [];
  let room = MAX_ALL_BYTES;
  for (const [index, { sid, contentType, uri }] of listed.instances.entries()) {
    if (index >= MAX_MEDIA) {
      notes.push(`more than ${MAX_MEDIA} attachments came with the message; the others were left with the provider`);
      break;
    }
    const type = contentType || 'application/octet-stream';
    const got = await fetchOne(api, uri.replace(/\.json$/, ''), Math.min(MAX_BYTES, room), signal);
    if ('problem' in got) notes.push(`an attachment (${type}, ${sid}) could not be fetched: ${got.problem}`);
    else {
      room -= got.bytes.length;
      media.push({ name: `${sid}${extensionOf(type)}`, type, bytes: got.bytes });
    }
  }
  return { media, notes };
}

async function fetchOne(
  api: Api,
  path: string,
  maxBytes: number,
  signal: AbortSignal,
): Promise<{ bytes: Buffer } | { problem: string }> {
  let url = api.at(path);
  const home = url;
  for (let hop = 0; hop <= MAX_REDIRECTS; hop++) {
    const headers: Record<string, string> = url.origin === home.origin ? { authorization: api.authorization } : {};
    const reply = await api.wire.exchange({ method: 'GET', url, headers, maxBytes, signal }).catch(tooLarge);
    if ('problem' in reply) return reply;
    const { status, body } = reply;
    if (status >= 200 && status < 300) return { bytes: body };
    const location = reply.headers.location;
    if (status >= 300 && status < 400 && location !== undefined) {
      url = new URL(location, url);
      // Credentials aside, a store that is not reached safely is not Twilio's.
      if (url.protocol !== 'https:' && url.protocol !== home.protocol)
        return { problem: `it is kept at ${url.origin}` };
      continue;
    }
    if (status === 429 || status >= 500)
      throw new GatepostError('twilio/media', `an attachment cannot be fetched now: the provider answered ${status}`);
    return { problem: `the provider answered ${status}` };
  }
  return { problem: 'the provider sent us from one address to the next' };
}

function tooLarge(error: unknown): { problem: string } {
  if (error instanceof GatepostError && codeOf(error) === 'twilio/too-large') return { problem: error.message };
  throw error;
}

/** Whether trying again later may bring what is missing. */
export function mayComeLater(error: unknown): boolean {
  const { status } = refusalOf(error);
  return status === 0 || status === 401 || status === 429 || status >= 500;
}

/** What stands in the message for media that could not be had at all. */
export function lostMedia(count: number, error: unknown): Fetched {
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
