import { GatepostError } from '../../kit/errors.js';
import { hostOf } from './address-guard.js';
import type { HttpClient, HttpReply } from './http-client.js';

/** How media that a counterparty names may be fetched. */
export interface MediaPolicy {
  /** True for hosts that the administrator named: they may be private and without TLS. All others are public and https. */
  trusts(url: URL): boolean;
  /** Headers for one address: credentials go to the counterparty's own host only, never along a redirect. */
  headersFor?(url: URL): Readonly<Record<string, string>>;
  readonly maxBytes: number;
  readonly maxRedirects: number;
  readonly signal: AbortSignal;
}

export interface DownloadedMedia {
  readonly bytes: Buffer;
  /** Content type without parameters; null when the server says none. */
  readonly type: string | null;
}

/** Rejects with an error for which `isMediaGone` is true when no later try will bring it; with any other when one may. */
export async function downloadMedia(
  client: HttpClient,
  address: string,
  policy: MediaPolicy,
): Promise<DownloadedMedia> {
  let url = parse(address);
  for (let hop = 0; hop <= policy.maxRedirects; hop++) {
    const reply = await get(client, url, policy);
    const { status, headers, cut } = reply;
    if (status >= 200 && status < 300) {
      if (cut) throw cut.code === 'http/too-large' ? tooLarge(policy.maxBytes) : cut;
      return { bytes: reply.body, type: headers['content-type']?.split(';')[0]?.trim().toLowerCase() || null };
    }
    if (status === 429 || status >= 500)
      throw new GatepostError('media/unavailable', `${url.host} answered HTTP ${status}`);
    if (status < 300 || status >= 400 || !headers.location || policy.maxRedirects === 0)
      throw mediaGone(`${url.host} answered HTTP ${status}`);
    url = parse(headers.location, url);
  }
  throw mediaGone(`it was redirected more than ${policy.maxRedirects} times`);
}

export function mediaGone(reason: string): GatepostError {
  return new GatepostError('media/gone', reason);
}

export function isMediaGone(error: unknown): error is GatepostError {
  return error instanceof GatepostError && (error.code === 'media/gone' || isMediaTooLarge(error));
}

export function isMediaTooLarge(error: unknown): boolean {
  return error instanceof GatepostError && error.code === 'media/too-large';
}

function tooLarge(maxBytes: number): GatepostError {
  return new GatepostError('media/too-large', `it is larger than ${size(maxBytes)}`);
}

/** A test server or proxy on this very machine: names that cannot lead anywhere else. */
export function isLoopback(url: URL): boolean {
  return /^(?:localhost|127(?:\.\d+){3}|::1)$/.test(hostOf(url));
}

async function get(client: HttpClient, url: URL, policy: MediaPolicy): Promise<HttpReply> {
  const { maxBytes, signal } = policy;
  const trusted = policy.trusts(url);
  if (url.protocol !== 'https:' && !(trusted && url.protocol === 'http:'))
    throw mediaGone(`its address ${url.protocol}//${url.host} is not https`);
  const headers = policy.headersFor?.(url) ?? {};
  try {
    return await client.request({ method: 'GET', url, headers, maxBytes, signal, publicOnly: !trusted });
  } catch (error) {
    if (isPrivate(error)) throw mediaGone(`its address ${url.host} belongs to a private network`);
    throw error;
  }
}

function isPrivate(error: unknown): boolean {
  if (!(error instanceof GatepostError)) return false;
  return error.code === 'http/private-address' || isPrivate(error.cause);
}

function parse(address: string, base?: URL): URL {
  if (!URL.canParse(address, base?.href)) throw mediaGone('its address is not a URL');
  return new URL(address, base);
}

function size(bytes: number): string {
  for (const megabyte of [1_048_576, 1_000_000]) if (bytes % megabyte === 0) return `${bytes / megabyte} MB`;
  return `${bytes} bytes`;
}
