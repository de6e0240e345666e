import { GatepostError } from '../kit/errors.js';
import { trimEndWhere } from '../kit/trim.js';

/**
 * Where counterparties and agents reach the HTTP port: the configured address, or the one that the port was bound to.
 * The port is bound before the first gateway starts.
 */
export interface PublicUrl {
  /** Without a slash at the end. Throws before the port is bound. */
  readonly base: string;
  webhook(gatewayId: string): string;
  /** A request target below the base: some proxies cut the path of the base off, others hand it on. */
  below(target: string): string;
  /** The public address under which a request came, spelled as its sender wrote it. */
  received(target: string): string;
  bound(url: string): void;
}

/** `configured` is http.publicUrl; empty when there is none. Throws `http/base-url` when it cannot be one. */
export function publicUrl(configured: string): PublicUrl {
  let base = configured && trimmedBase(configured);
  const path = base && withoutSlashes(new URL(base).pathname);
  const known = () => {
    if (base) return base;
    throw new GatepostError('http/not-bound', 'the HTTP port is not open yet');
  };
  return {
    get base() {
      return known();
    },
    webhook: (gatewayId) => `${known()}/webhooks/${gatewayId}`,
    below: (target) => belowBase(target, path).replace(/^\/{2,}/, '/'),
    received: (target) => known() + belowBase(target, path),
    bound(url) {
      base ||= trimmedBase(url);
    },
  };
}

/** Senders may name the whole address in the request line (RFC 9112 3.2.2). */
function belowBase(target: string, path: string): string {
  const origin = target.replace(/^https?:\/\/[^/?#]*/i, '');
  return path && origin.startsWith(`${path}/`) ? origin.slice(path.length) : origin;
}

function withoutSlashes(address: string): string {
  return trimEndWhere(address, (character) => character === '/');
}

function trimmedBase(baseUrl: string): string {
  const url = URL.canParse(baseUrl) ? new URL(baseUrl) : undefined;
  if ((url?.protocol === 'http:' || url?.protocol === 'https:') && !url.search && !url.hash)
    return withoutSlashes(url.href);
  throw new GatepostError('http/base-url', `links and webhooks cannot start with "${baseUrl}"`, {
    advice: 'write the address under which others reach this port, like https://gatepost.example.com/files',
  });
}
