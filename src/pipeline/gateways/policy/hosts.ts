// Which addresses a gateway may connect to.
import { lookup as systemLookup } from 'node:dns';
import { BlockList, isIP, type LookupFunction } from 'node:net';
import type { Network } from '../../../driver/network.js';
import { isPublicAddress } from '../../../driver/shared/address-guard.js';
import { GatepostError } from '../../../kit/errors.js';

/** One entry of policy.hosts, `DEVICE=WHAT` or `WHAT`. */
export interface HostRule {
  /** Device type word in lower case; undefined for every device. */
  readonly device: string | undefined;
  /** `private`, a host name in lower case, an address or a network. */
  readonly what: string;
}

export type AddressVerdict = 'allowed' | 'never' | 'private';

/** Addresses that belong to the machine or the cloud it runs in: credentials are served there (metadata services). */
const NEVER: readonly (readonly [network: string, prefix: number])[] = [
  ['169.254.0.0', 16],
  ['100.100.100.200', 32],
  ['192.0.0.192', 32],
  ['168.63.129.16', 32],
  ['fe80::', 10],
  ['fd00:ec2::254', 128],
  ['fd20:ce::254', 128],
];
const PRIVATE: readonly (readonly [network: string, prefix: number])[] = [
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
  ['::1', 128],
  ['fc00::', 7],
];

const NETWORK = /^([0-9a-f:.]+)\/(\d{1,3})$/i;
const LABELS = /^(?=.{1,253}$)(?:\*\.)?[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)*$/i;

/** `Smpp=10.0.0.0/8` -> its two parts; null for what is no rule. */
export function parseHostRule(text: string): HostRule | null {
  const [, device, what = ''] = /^(?:([A-Za-z0-9]+)=)?(.+)$/.exec(text.trim()) ?? [];
  const isRule = what === 'private' || isIP(what) !== 0 || networkOf(what) !== null || LABELS.test(what);
  return isRule ? { device: device?.toLowerCase(), what: what.toLowerCase() } : null;
}

function networkOf(text: string): BlockList | null {
  const [, address = '', prefix = ''] = NETWORK.exec(text) ?? [];
  const family = isIP(address);
  if (family === 0 || Number(prefix) > (family === 6 ? 128 : 32)) return null;
  const list = new BlockList();
  list.addSubnet(address, Number(prefix), family === 6 ? 'ipv6' : 'ipv4');
  return list;
}

export function blockListOf(networks: readonly (readonly [string, number])[]): BlockList {
  const list = new BlockList();
  for (const [network, prefix] of networks) list.addSubnet(network, prefix, network.includes(':') ? 'ipv6' : 'ipv4');
  return list;
}

const never = blockListOf(NEVER);
const privateNetworks = blockListOf(PRIVATE);

/** An IPv4 address inside an IPv6 one (mapped, compatible, NAT64, 6to4) is judged as the IPv4 address. */
const EMBEDDED: readonly RegExp[] = [
  /^(?:0:){5}(?:0|ffff):([0-9a-f]{1,4}):([0-9a-f]{1,4})$/,
  /^(?:0:){4}ffff:0:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/,
  /^64:ff9b:(?:[0-9a-f]{1,4}:){4}([0-9a-f]{1,4}):([0-9a-f]{1,4})$/,
  /^2002:([0-9a-f]{1,4}):([0-9a-f]{1,4}):/,
];

/** The IPv4 address that an IPv6 address leads to; undefined for all others. `::1` and `::` stay what they are. */
export function embeddedIpv4(address: string): string | undefined {
  if (isIP(address) !== 6) return undefined;
  const whole = expanded(address);
  for (const form of EMBEDDED) {
    const [, high, low] = form.exec(whole) ?? [];
    if (high === undefined || low === undefined) continue;
    const number = Number.parseInt(high, 16) * 65_536 + Number.parseInt(low, 16);
    if (number > 1) return [24, 16, 8, 0].map((shift) => (number >>> shift) & 255).join('.');
  }
  return undefined;
}

function withoutZone(address: string): string {
  return address.split('%', 1)[0] ?? '';
}

/** All eight groups, in lower case, without leading zeros. */
function expanded(address: string): string {
  const text = new URL(`http://[${withoutZone(address)}]`).hostname.slice(1, -1);
  const [left = '', right] = text.split('::');
  const head = left === '' ? [] : left.split(':');
  const tail = right === undefined || right === '' ? [] : right.split(':');
  const zeros = right === undefined ? [] : Array.from({ length: 8 - head.length - tail.length }, () => '0');
  return [...head, ...zeros, ...tail].join(':');
}

/** `host` is the name under which the address was found, or the address itself. */
export function judgeAddress(
  address: string,
  host: string,
  device: string,
  rules: readonly HostRule[],
): AddressVerdict {
  const plain = withoutZone(address);
  const inner = embeddedIpv4(plain);
  if (isIn(never, plain) || (inner !== undefined && isIn(never, inner))) return 'never';
  const own = rules.filter((rule) => rule.device === undefined || rule.device === device.toLowerCase());
  const judged = [plain, ...(inner === undefined ? [] : [inner])];
  if (own.some(({ what }) => judged.some((one) => names(what, one, host)))) return 'allowed';
  // A tunnel to a public IPv4 address is not public by itself: the way there is not known.
  const isPrivate = !isPublicAddress(plain) || (inner !== undefined && !isPublicAddress(inner));
  if (!isPrivate) return 'allowed';
  const granted = own.some(({ what }) => what === 'private') && judged.some((one) => isIn(privateNetworks, one));
  return granted ? 'allowed' : 'private';
}

function names(what: string, address: string, host: string): boolean {
  if (what === 'private') return false;
  const network = networkOf(what);
  if (network) return isIn(network, address);
  return matchesHost(what, address) || matchesHost(what, host);
}

/** Names are compared without capitals and final dot; `*.example.com` stands for every name below example.com. */
export function matchesHost(pattern: string, host: string): boolean {
  const wanted = plainHost(pattern);
  const given = plainHost(host);
  return wanted.startsWith('*.') ? given.endsWith(wanted.slice(1)) : given === wanted;
}

export function plainHost(host: string): string {
  return host
    .trim()
    .toLowerCase()
    .replace(/^\[|\]$/g, '')
    .replace(/\.$/, '');
}

function isIn(list: BlockList, address: string): boolean {
  const family = isIP(address);
  return family !== 0 && list.check(address, family === 6 ? 'ipv6' : 'ipv4');
}

/** True for the names and addresses of this very machine: nothing sent there crosses a network. */
export function isLoopbackHost(host: string): boolean {
  const plain = plainHost(host);
  return plain === 'localhost' || plain === '::1' || (isIP(plain) === 4 && plain.startsWith('127.'));
}

function forbidden(verdict: AddressVerdict, host: string, address: string, device: string): GatepostError {
  const shown = host === address ? host : `${host} (${address})`;
  if (verdict === 'never') {
    return new GatepostError(
      'policy/host',
      `${shown} is a link-local or metadata address, which no gateway may reach`,
      {
        advice: 'write the name or address of the counterparty itself into the settings',
      },
    );
  }
  return new GatepostError(
    'policy/host',
    `${shown} is in a private network, which ${device} gateways of this server may not reach`,
    { advice: `add "${device}=${host}" to policy.hosts in the configuration of this connector to allow it` },
  );
}

/** The network of the gateways of one device, restricted to what the rules allow. */
export function restrictedNetwork(
  device: string,
  rules: readonly HostRule[],
  resolve: LookupFunction = systemLookup as LookupFunction,
): Network {
  const assert = (address: string, host: string) => {
    const verdict = judgeAddress(address, host, device, rules);
    if (verdict !== 'allowed') throw forbidden(verdict, host, address, device);
  };
  const lookup: LookupFunction = (host, options, done) => {
    resolve(host, { ...options, all: true }, (error, found) => {
      if (error) return done(error, '', 0);
      const all = Array.isArray(found) ? found : [];
      const [first] = all;
      try {
        // One forbidden address among several refuses the name: which one a socket takes is chance.
        for (const { address } of all) assert(address, host);
      } catch (refusal) {
        return done(refusal as NodeJS.ErrnoException, '', 0);
      }
      if (!first) return done(new GatepostError('policy/host', `${host} has no address`), '', 0);
      return options.all ? done(null, all) : done(null, first.address, first.family);
    });
  };
  return {
    to(host) {
      // A socket does not look up what is an address already.
      if (isIP(host) !== 0) assert(host, host);
      return { host, lookup };
    },
    async addressOf(host) {
      if (isIP(host) !== 0) {
        assert(host, host);
        return host;
      }
      return new Promise((done, fail) => {
        lookup(host, {}, (error, address) => (error ? fail(error) : done(String(address))));
      });
    },
  };
}
