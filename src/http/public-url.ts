import { GatepostError } from '../kit/errors.js';

/**
 * Where counterparties and agents reach the HTTP port: the configured address, or the one that the port was bound to.
 * The port is bound before the first gateway starts.
 */
export interface PublicUrl {
  /** Without a slash at the end. Throws before the port is bound. */
  readonly base: string;
  webhook(gatewayId: string): string;
  bound(url: string): void;
}

/** `configured` is http.publicUrl; empty when there is none. Throws `http/base-url` when it cannot be one. */
export function publicUrl(configured: string): PublicUrl {
  let base = configured && trimmedBase(configured);
  const known = () => {
    if (base) return base;
    throw new GatepostError('http/not-bound', 'the HTTP port is not open yet');
  };
  return {
    get base() {
      return known();
    },
    webhook: (gatewayId) => `${known()}/webhooks/${gatewayId}`,
    bound(url) {
      base ||= trimmedBase(url);
    },
  };
}

function trimmedBase(baseUrl: string): string {
  const url = URL.canParse(baseUrl) ? new URL(baseUrl) : undefined;
  if ((url?.protocol === 'http:' || url?.protocol === 'https:') && !url.search && !url.hash)
    return url.href.replace(/\/+$/, '');
  throw new GatepostError('http/base-url', `links and webhooks cannot start with "${baseUrl}"`, {
    advice: 'write the address under which others reach this port, like https://gatepost.example.com/files',
  });
}
