// How many gateways of one direction share an account, remembered over restarts. The gateways are opened one by one, and
// what the SMSC sends meanwhile may belong to a gateway that is not open yet.
import { type GatewayContext, messageOf } from '../../../src/driver/contract.js';
import { z } from '../../../src/driver/settings.js';
import type { SmppSettings } from '../settings.js';

/** How long the other gateways are waited for, ms: they open within moments, unless they were removed. */
export const PEER_WAIT_MS = 60_000;

export interface Peers {
  /** This gateway included. */
  readonly count: number;
  observe(count: number): void;
}

type Context = Pick<GatewayContext<SmppSettings>, 'gateway' | 'driverState' | 'log'>;

export async function peersOf({ gateway, driverState, log }: Context): Promise<Peers> {
  // The name under which earlier versions stored it; both directions of a gateway share one driver state.
  const checkpoint = `company.${gateway.direction}`;
  const stored = z
    .int()
    .min(1)
    .safeParse(await driverState.getCheckpoint(checkpoint));
  let count = stored.success ? stored.data : 1;
  return {
    get count() {
      return count;
    },
    observe(now) {
      if (now === count) return;
      count = now;
      driverState
        .putCheckpoint(checkpoint, now)
        .catch((error) => log.warn({ err: messageOf(error) }, 'number of gateways on the account not stored'));
    },
  };
}
