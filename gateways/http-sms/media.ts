// The pictures of a pushed message, fetched within bounds from hosts that the settings name. A picture that is not fetched is
// mentioned with its address, so that nothing is lost silently.
import { type Clock, deadline, messageOf, type TextMessage } from '../../src/driver/contract.js';
import type { HttpClient } from '../../src/driver/shared/http-client.js';
import { downloadMedia, isMediaTooLarge } from '../../src/driver/shared/media-download.js';

/** MMS carries some hundred KB. */
const MAX_BYTES = 5 * 1024 * 1024;
/** All pictures of one push are held at once. */
const MAX_ALL_BYTES = 25 * 1024 * 1024;
/** Ms for all pictures of one push: most counterparties give up after 10 s. */
const MEDIA_MS = 8_000;
const MAX_MEDIA = 10;
const MAX_ADDRESS = 2_000;

export type Media = Pick<TextMessage, 'media' | 'notes'>;

/** The budget for the pictures of one push, all its messages together. */
export interface Fetching {
  readonly http: HttpClient;
  /** Bytes that are left. */
  room: number;
  /** Aborts when the time is over or the counterparty has hung up: the other pictures are only mentioned. */
  readonly signal: AbortSignal;
  /** Aborts when the gateway closes: then the whole push fails and is repeated by the counterparty. */
  readonly closed: AbortSignal;
  dispose(): void;
}

export function fetchingFor(http: HttpClient, clock: Clock, patience: AbortSignal, closed: AbortSignal): Fetching {
  const due = deadline(clock, MEDIA_MS, AbortSignal.any([patience, closed]));
  return { http, room: MAX_ALL_BYTES, signal: due.signal, closed, dispose: due.dispose };
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
  const isNamed = ({ host, hostname }: URL) => hosts.some((one) => [host, hostname].includes(one.toLowerCase()));
  if (!isNamed(url)) return `An attachment was not fetched, because MediaHosts does not name ${url.host}: ${address}`;
  const maxBytes = Math.min(MAX_BYTES, fetching.room);
  const { http, signal } = fetching;
  try {
    const headersFor = () => ({ 'user-agent': 'Gatepost' });
    const got = await downloadMedia(http, address, { trusts: isNamed, headersFor, maxBytes, maxRedirects: 0, signal });
    fetching.room -= got.bytes.length;
    const type = got.type ?? 'application/octet-stream';
    const extension = /^[\w.-]+\/([\w-]{1,10})/.exec(type)?.[1]?.replace('jpeg', 'jpg') ?? 'bin';
    return { name: `media-${index + 1}.${extension}`, type, bytes: got.bytes };
  } catch (error) {
    fetching.closed.throwIfAborted();
    return `An attachment could not be fetched (${reasonOf(error, maxBytes)}): ${address}`;
  }
}

function reasonOf(error: unknown, maxBytes: number): string {
  if (!isMediaTooLarge(error) || maxBytes === MAX_BYTES) return messageOf(error);
  return `with it the push would hold more than ${MAX_ALL_BYTES / 1024 / 1024} MB`;
}
