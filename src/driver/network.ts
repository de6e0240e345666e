// How a driver reaches its counterparty: every address is judged by the policy right before the socket connects to it.
import { lookup } from 'node:dns';
import type { LookupFunction } from 'node:net';

export interface Network {
  /**
   * Options for `net.connect` and `tls.connect`: the addresses that are judged are the ones that the socket connects to.
   * Throws a GatepostError for a host that is written as an address and may not be reached.
   */
  to(host: string): { readonly host: string; readonly lookup: LookupFunction };
  /** One allowed address of a host, for libraries that resolve names by themselves. Rejects with a GatepostError. */
  addressOf(host: string): Promise<string>;
}

/** What a gateway connects to, by its settings. */
export interface Destination {
  readonly host: string;
  /** True when all that goes there is encrypted and the certificate is verified. */
  readonly isProtected: boolean;
  /** The settings whose secrets go there: `Password`, `Mailbox.Password`. */
  readonly secrets: readonly string[];
}

/** Without restrictions: for gateways that the administrator of this machine wrote. */
export const openNetwork: Network = {
  to: (host) => ({ host, lookup: lookup as LookupFunction }),
  addressOf: async (host) => host,
};
