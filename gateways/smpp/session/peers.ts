// Owns how many gateways go the same way on one account, as far as each of them has seen, also before a restart. They come
// and go one by one, and what the SMSC pushes in between may be for one that is not there yet.
import { type GatewayContext, messageOf } from '../../../src/driver/contract.js';
import { z } from '../../../src/driver/settings.js';
import type { SmppSettings } from '../settings.js';

/** Ms that the others are waited for: they are opened within moments, unless they were taken away. */
export const COMPANY_MS = 60_000;

export interface Company {
  /** This one included. */
  readonly count: number;
  saw(count: number): void;
}

type Context = Pick<GatewayContext<SmppSettings>, 'gateway' | 'driverState' | 'log'>;

export async function companyOf({ gateway, driverState, log }: Context): Promise<Company> {
  // The two directions of a number may be one gateway to the memory.
  const name = `company.${gateway.direction}`;
  const noted = z
    .int()
    .min(1)
    .safeParse(await driverState.getCheckpoint(name));
  let count = noted.success ? noted.data : 1;
  return {
    get count() {
      return count;
    },
    saw(now) {
      if (now === count) return;
      count = now;
      driverState
        .putCheckpoint(name, now)
        .catch((error) => log.warn({ error: messageOf(error) }, 'how many gateways share the account was not noted'));
    },
  };
}
