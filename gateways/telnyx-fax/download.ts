// Owns fetching a document from the address that Telnyx names: bounded in size and hops, safely encrypted, without the API
// key unless it is the API's own host, and never from an address inside the house, whoever says that it is there.
import { lookup } from 'node:dns';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { BlockList, isIP, type LookupFunction } from 'node:net';
import { GatepostError } from '../../src/driver/contract.js';

/** Telnyx takes faxes of up to 50 MB; a PDF of pages in black and white is far below. */
const MAX_BYTES = 50_000_000;
/** Stores send a reader on once, if at all. */
const MAX_HOPS = 3;

/** Not reachable from the outside, or not one machine (RFC 6890). */
const INSIDE = new BlockList();
for (const [net, prefix] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['224.0.0.0', 3],
] as const)
  INSIDE.addSubnet(net, prefix, 'ipv4');
for (const [net, prefix] of [
  ['::', 127],
  ['64:ff9b::', 96],
  ['fc00::', 7],
  ['fe80::', 10],
  ['ff00::', 8],
] as const)
  INSIDE.addSubnet(net, prefix, 'ipv6');

export interface Home {
  /** Base address of the API, where the key may go. */
  readonly url: URL;
  readonly authorization: string;
}

/** Resolves with the bytes; rejects with `telnyx/gone` for an address that no longer has it, else another try may help. */
export async function download(address: string, home: Home, signal: AbortSignal): Promise<Buffer> {
  let url = parsed(address);
  for (let hop = 0; hop <= MAX_HOPS; hop++) {
    const reply = await open(url, home, signal);
    const status = reply.statusCode ?? 0;
    if (status >= 200 && status < 300) return collect(reply);
    reply.destroy();
    const { location } = reply.headers;
    if (status >= 300 && status < 400 && location !== undefined) url = parsed(location, url);
    else if (status === 429 || status >= 500)
      throw new GatepostError('telnyx/store', `the store answered ${status}`, { advice: 'it is asked again' });
    else throw gone(`the store answered ${status}`);
  }
  throw gone('the store sent us from one address to the next');
}

function gone(why: string): GatepostError {
  return new GatepostError('telnyx/gone', why);
}

function parsed(address: string, base?: URL): URL {
  if (!URL.canParse(address, base?.href)) throw gone('its address is none');
  return new URL(address, base);
}

function open(url: URL, home: Home, signal: AbortSignal): Promise<IncomingMessage> {
  const own = url.origin === home.url.origin;
  const near = isHttpHere(home.url) && isHttpHere(url);
  // A test server on this very machine, named by the administrator, is trusted; nobody else is without encryption.
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && (own || near)))
    throw gone(`it is kept at ${url.protocol}//${url.host}, which is not https`);
  const trusted = own || near;
  if (!trusted && isIP(bare(url)) !== 0 && isInside(bare(url))) throw gone('its address is inside the house');
  const start = url.protocol === 'https:' ? httpsRequest : httpRequest;
  const headers = own ? { authorization: home.authorization } : {};
  return new Promise((resolve, reject) => {
    const request = start(url, { agent: false, headers, signal, ...(!trusted && { lookup: outsideOnly }) }, resolve);
    request.on('error', reject);
    request.end();
  });
}

function isHttpHere(url: URL): boolean {
  return url.protocol === 'http:' && /^(?:localhost|127(?:\.\d+){3}|::1)$/.test(bare(url));
}

/** Without the brackets of an IPv6 address. */
function bare(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, '');
}

export function isInside(address: string): boolean {
  return INSIDE.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4');
}

/** The very addresses that are connected to are looked at, so that no name can change its mind in between. */
const outsideOnly: LookupFunction = (hostname, options, done) => {
  lookup(hostname, { ...options, all: true }, (error, found) => {
    if (error) return done(error, '', 0);
    const [first] = found;
    if (!first || found.some(({ address }) => isInside(address)))
      return done(gone('its address is inside the house'), '', 0);
    return options.all ? done(null, found) : done(null, first.address, first.family);
  });
};

async function collect(reply: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of reply) {
    bytes += chunk.length;
    if (bytes > MAX_BYTES) throw gone(`it is larger than ${MAX_BYTES / 1_000_000} MB`);
    chunks.push(chunk);
  }
  if (!reply.complete) throw new GatepostError('telnyx/store', 'the document was cut off');
  if (bytes === 0) throw gone('it is empty');
  return Buffer.concat(chunks, bytes);
}
