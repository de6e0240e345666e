// Who may be at the port without a login, and how fast passwords may be tried. A guest is
//   waiting    connected, not logged in -> admitted | gone
//   admitted   logged in: no limit of this file concerns it any more -> gone
// When there are too many waiting ones, the oldest of the address that has most is cut: strangers who linger make room for a
// connector, which logs in within a round trip. Limits and delays count per address, an IPv6 one by its /64.
import type { Clock } from '../kit/clock.js';
import type { Log } from '../kit/log.js';

/** Connections without a login, of all addresses and of one. */
const MAX_WAITING = 32;
const MAX_WAITING_PER_ADDRESS = 8;
/** The delay before a login is checked, ms: none for a slip or two, then doubled with each failure. */
const FREE_FAILURES = 3;
const DELAY = { first: 250, longest: 5_000 };
/** Failures are forgotten after so long without another, ms. */
const FORGET_MS = 10 * 60_000;
/** Addresses with failures that are remembered; of more, the oldest is forgotten. */
const MAX_ADDRESSES = 1_000;

export interface Guest {
  admitted(): void;
  gone(): void;
}

export interface AdmissionCounts {
  /** Logins that were refused. */
  refusedLogins: number;
  /** Connections without a login that were cut to make room. */
  cutConnections: number;
}

export interface Admission {
  readonly counts: Readonly<AdmissionCounts>;
  /** A connection begins. `cut` ends it. */
  arrive(remoteAddress: string | undefined, cut: () => void): Guest;
  /** Ms to wait before a login from this address is checked. */
  delay(remoteAddress: string | undefined): number;
  /** A login from this address was refused. */
  failed(remoteAddress: string | undefined): void;
}

interface Waiting {
  readonly address: string;
  readonly cut: () => void;
}

interface Failures {
  count: number;
  lastAt: number;
}

export function createAdmission({ clock, log }: { clock: Clock; log: Log }): Admission {
  const waiting = new Set<Waiting>();
  const failures = new Map<string, Failures>();
  const counts: AdmissionCounts = { refusedLogins: 0, cutConnections: 0 };

  const makeRoom = () => {
    const victim = victimOf([...waiting].map(({ address }) => address));
    const guest = [...waiting].find(({ address }) => address === victim);
    if (!guest) return;
    waiting.delete(guest);
    counts.cutConnections += 1;
    if (isRound(counts.cutConnections))
      log.warn({ address: guest.address, count: counts.cutConnections }, 'connection without login cut for others');
    guest.cut();
  };
  const known = (address: string): Failures | undefined => {
    const found = failures.get(address);
    if (found && clock.monotonic() - found.lastAt >= FORGET_MS) failures.delete(address);
    return failures.get(address);
  };
  return {
    counts,
    arrive(remoteAddress, cut) {
      const guest = { address: addressGroup(remoteAddress), cut };
      waiting.add(guest);
      makeRoom();
      return { admitted: () => void waiting.delete(guest), gone: () => void waiting.delete(guest) };
    },
    delay: (remoteAddress) => delayAfter(known(addressGroup(remoteAddress))?.count ?? 0),
    failed(remoteAddress) {
      const address = addressGroup(remoteAddress);
      const count = (known(address)?.count ?? 0) + 1;
      failures.delete(address);
      failures.set(address, { count, lastAt: clock.monotonic() });
      const [oldest] = failures.keys();
      if (failures.size > MAX_ADDRESSES && oldest !== undefined) failures.delete(oldest);
      counts.refusedLogins += 1;
      if (isRound(count))
        log.warn({ address, failures: count, delay_ms: delayAfter(count) }, 'login refused at embedded server');
    },
  };
}

/** Whose oldest connection makes room, of the addresses in the sequence of their connections; undefined when there is room. */
export function victimOf(addresses: readonly string[]): string | undefined {
  const held = new Map<string, number>();
  for (const address of addresses) held.set(address, (held.get(address) ?? 0) + 1);
  const [most = '', count = 0] = [...held].reduce((a, b) => (b[1] > a[1] ? b : a), ['', 0]);
  return count > MAX_WAITING_PER_ADDRESS || addresses.length > MAX_WAITING ? most : undefined;
}

export function delayAfter(failures: number): number {
  if (failures < FREE_FAILURES) return 0;
  return Math.min(DELAY.longest, DELAY.first * 2 ** Math.min(20, failures - FREE_FAILURES));
}

/** Thins a log that strangers can fill: 1, 2, 4, 8, ... */
function isRound(count: number): boolean {
  return Number.isInteger(Math.log2(count));
}

/** Who has one IPv6 address has its whole /64. */
export function addressGroup(remoteAddress = ''): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(remoteAddress)?.[1];
  if (mapped !== undefined || !remoteAddress.includes(':')) return mapped ?? remoteAddress;
  const [head = '', tail] = (remoteAddress.split('%')[0] ?? '').split('::');
  const before = head === '' ? [] : head.split(':');
  const after = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - before.length - after.length);
  const groups = [...before, ...Array<string>(zeros).fill('0'), ...after];
  const prefix = groups.slice(0, 4).map((group) => Number.parseInt(group || '0', 16).toString(16));
  return `${prefix.join(':')}::/64`;
}
