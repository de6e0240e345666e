// What is known of the addresses that clients come from: their open connections, how fast they connect, and their refused
// logins. An address of IPv6 is a whole /64: one client may choose among all of it.
import type { Clock } from '../../src/driver/contract.js';
import { boundedMap } from '../../src/driver/shared/bounded-map.js';
import { keyOf, networks } from './networks.js';
import type { SmtpListenerSettings } from './settings.js';

export interface Addresses {
  opened(address: string): void;
  closed(address: string): void;
  /** Why a connection that was opened is not to be served; undefined when it is. */
  refusal(address: string): 'connections' | 'rate' | undefined;
  /** True while no login is tried for this address: then neither a right nor a wrong password tells anything. */
  loginBlocked(address: string): boolean;
  /** Returns how many logins of this address were refused in a row. */
  loginRefused(address: string): number;
  loginAccepted(address: string): void;
}

type Limits = Pick<SmtpListenerSettings, 'MaxConnectionsPerAddress' | 'MaxConnectionsPerMinute' | 'TrustedAddresses'>;

interface History {
  /** Connections since `minute`, monotonic ms. */
  minute: number;
  connections: number;
  failures: number;
  failedAt: number;
}

const MINUTE_MS = 60_000;
/** After this time without a refused login the earlier ones are forgotten. */
const FORGET_MS = 60 * MINUTE_MS;
/** Addresses whose history is known; the ones seen longest ago are dropped. */
const MOST_ADDRESSES = 10_000;
/** Refused logins that cost nothing: people mistype. */
const FREE_FAILURES = 3;

/** Ms in which no login is tried after this many refused ones. A trusted address may be shared with a rightful client. */
export function loginPause(failures: number, trusted: boolean): number {
  if (failures <= FREE_FAILURES) return 0;
  return Math.min(1000 * 2 ** Math.min(failures - FREE_FAILURES - 1, 20), trusted ? 2_000 : 5 * MINUTE_MS);
}

export function addressBook(clock: Clock, limits: Limits): Addresses {
  const { MaxConnectionsPerAddress, MaxConnectionsPerMinute } = limits;
  const trusted = networks(limits.TrustedAddresses);
  /** Bounded by the open sockets. */
  const open = new Map<string, number>();
  const histories = boundedMap<History>(MOST_ADDRESSES);
  const historyOf = (key: string): History => {
    const now = clock.monotonic();
    const history = histories.get(key) ?? { minute: now, connections: 0, failures: 0, failedAt: now };
    if (now - history.minute >= MINUTE_MS) Object.assign(history, { minute: now, connections: 0 });
    if (now - history.failedAt >= FORGET_MS) history.failures = 0;
    histories.set(key, history);
    return history;
  };
  return {
    opened(address) {
      const key = keyOf(address);
      open.set(key, (open.get(key) ?? 0) + 1);
      historyOf(key).connections += 1;
    },
    closed(address) {
      const key = keyOf(address);
      const left = (open.get(key) ?? 1) - 1;
      if (left > 0) open.set(key, left);
      else open.delete(key);
    },
    refusal(address) {
      if (trusted(address)) return undefined;
      const key = keyOf(address);
      if ((open.get(key) ?? 0) > MaxConnectionsPerAddress) return 'connections';
      const tooFast = MaxConnectionsPerMinute > 0 && historyOf(key).connections > MaxConnectionsPerMinute;
      return tooFast ? 'rate' : undefined;
    },
    loginBlocked(address) {
      const { failures, failedAt } = historyOf(keyOf(address));
      return failures > 0 && clock.monotonic() - failedAt < loginPause(failures, trusted(address));
    },
    loginRefused(address) {
      const history = historyOf(keyOf(address));
      history.failedAt = clock.monotonic();
      history.failures += 1;
      return history.failures;
    },
    loginAccepted(address) {
      historyOf(keyOf(address)).failures = 0;
    },
  };
}
