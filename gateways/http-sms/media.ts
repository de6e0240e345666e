// Owns fetching the pictures of a pushed message: only from hosts that the settings name, within bounds. What is not
// fetched is mentioned with its address, so that nothing is lost silently.
import { request as plainRequest } from 'node:http';
import { request as tlsRequest } from 'node:https';
import { messageOf, type TextMessage } from '../../src/driver/contract.js';

/** MMS carries some hundred KB; the whole push must be answered within the counterparty's patience. */
const MAX_BYTES = 5 * 1024 * 1024;
const MAX_MEDIA = 10;
const MAX_ADDRESS = 2_000;

export type Media = Pick<TextMessage, 'media' | 'notes'>;

export async function mediaOf(given: unknown, hosts: readonly string[], signal: AbortSignal): Promise<Media> {
  const addresses = [given ?? []].flat().filter((address) => typeof address === 'string' && address !== '');
  const media: TextMessage['media'][number][] = [];
  const notes: string[] = [];
  for (const [index, address] of addresses.slice(0, MAX_MEDIA).entries()) {
    const result = await fetchOne(String(address), index, hosts, signal);
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
  signal: AbortSignal,
): Promise<TextMessage['media'][number] | string> {
  const url = address.length <= MAX_ADDRESS && URL.canParse(address) ? new URL(address) : undefined;
  if (!url || !/^https?:$/.test(url.protocol)) return 'An attachment has no usable address.';
  if (!hosts.some((host) => host.toLowerCase() === url.host || host.toLowerCase() === url.hostname))
    return `An attachment was not fetched, because MediaHosts does not name ${url.host}: ${address}`;
  try {
    const { bytes, type } = await download(url, signal);
    const extension = /^[\w.-]+\/([\w-]{1,10})/.exec(type)?.[1]?.replace('jpeg', 'jpg') ?? 'bin';
    return { name: `media-${index + 1}.${extension}`, type, bytes };
  } catch (error) {
    return `An attachment could not be fetched (${messageOf(error)}): ${address}`;
  }
}

function download(url: URL, signal: AbortSignal): Promise<{ bytes: Uint8Array; type: string }> {
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
          if (size > MAX_BYTES) throw new Error(`it is larger than ${MAX_BYTES / 1024 / 1024} MB`);
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
