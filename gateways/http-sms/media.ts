// Owns fetching the pictures of a pushed message: only from hosts that the settings name, within bounds. What is not
// fetched is mentioned with its address, so that nothing is lost silently.
import { request as plainRequest } from 'node:http';
import { request as tlsRequest } from 'node:https';
import { type Clock, deadline, messageOf, type TextMessage } from '../../src/driver/contract.js';

/** MMS carries some hundred KB. */
const MAX_BYTES = 5 * 1024 * 1024;
/** All pictures of one push are held at once. */
const MAX_ALL_BYTES = 25 * 1024 * 1024;
/** Ms for all pictures of one push: most counterparties give up after 10 s. */
const MEDIA_MS = 8_000;
const MAX_MEDIA = 10;
const MAX_ADDRESS = 2_000;

export type Media = Pick<TextMessage, 'media' | 'notes'>;

/** What the pictures of one push may cost, all messages in it together. */
export interface Fetching {
  /** Bytes that there is room for. */
  room: number;
  /** Aborts when the time is over or the counterparty has hung up: the rest is mentioned then. */
  readonly signal: AbortSignal;
  /** Aborts when the gateway is closed: then nothing of the push is taken. */
  readonly closed: AbortSignal;
  dispose(): void;
}

export function fetchingFor(clock: Clock, patience: AbortSignal, closed: AbortSignal): Fetching {
  const due = deadline(clock, MEDIA_MS, AbortSignal.any([patience, closed]));
  return { room: MAX_ALL_BYTES, signal: due.signal, closed, dispose: due.dispose };
}

export async function mediaOf(given: unknown, hosts: readonly string[], fetching: Fetching): Promise<Media> {
  const addresses = [given ?? []].flat().filter((address) => typeof address === 'string' && address !== '');
  const media: TextMessage['media'][number][] = [];
  const notes: string[] = [];
  for (const [index, address] of addresses.slice(0, MAX_MEDIA).entries()) {
    const result = await fetchOne(String(address), index, hosts, fetching);
    if (typeof result === 'string') notes.push(result);
    else media.push(result);
  }
  if (addresses.length > MAX_MEDIA) notes.push(`${addresses.length - MAX_MEDIA} more attachments were left out.`);
  return { media, notes };
}

async function fetchOne(
  address: string,
  index: number,
  hosts: readonly string[],
  fetching: Fetching,
): Promise<TextMessage['media'][number] | string> {
  const url = address.length <= MAX_ADDRESS && URL.canParse(address) ? new URL(address) : undefined;
  if (!url || !/^https?:$/.test(url.protocol)) return 'An attachment has no usable address.';
  if (!hosts.some((host) => host.toLowerCase() === url.host || host.toLowerCase() === url.hostname))
    return `An attachment was not fetched, because MediaHosts does not name ${url.host}: ${address}`;
  try {
    const { bytes, type } = await download(url, Math.min(MAX_BYTES, fetching.room), fetching.signal);
    fetching.room -= bytes.length;
    const extension = /^[\w.-]+\/([\w-]{1,10})/.exec(type)?.[1]?.replace('jpeg', 'jpg') ?? 'bin';
    return { name: `media-${index + 1}.${extension}`, type, bytes };
  } catch (error) {
    fetching.closed.throwIfAborted();
    return `An attachment could not be fetched (${messageOf(error)}): ${address}`;
  }
}

function download(url: URL, maxBytes: number, signal: AbortSignal): Promise<{ bytes: Uint8Array; type: string }> {
  signal.throwIfAborted();
  return new Promise((resolve, reject) => {
    const get = url.protocol === 'https:' ? tlsRequest : plainRequest;
    const request = get(url, { agent: false, signal, headers: { 'user-agent': 'Gatepost' } }, async (response) => {
      const chunks: Buffer[] = [];
      let size = 0;
      try {
        if (response.statusCode !== 200) throw new Error(`HTTP ${response.statusCode}`);
        for await (const chunk of response) {
          chunks.push(Buffer.from(chunk));
          size += chunk.length;
          if (size > maxBytes) throw new Error(tooLarge(maxBytes));
        }
        const type = response.headers['content-type']?.split(';')[0]?.trim() || 'application/octet-stream';
        resolve({ bytes: Buffer.concat(chunks), type });
      } catch (error) {
        reject(error);
      } finally {
        request.destroy();
      }
    });
    request.on('error', reject);
    request.on('close', () => reject(new Error('it hung up')));
    request.end();
  });
}

function tooLarge(maxBytes: number): string {
  if (maxBytes < MAX_BYTES) return `with it the push would hold more than ${MAX_ALL_BYTES / 1024 / 1024} MB`;
  return `it is larger than ${MAX_BYTES / 1024 / 1024} MB`;
}
