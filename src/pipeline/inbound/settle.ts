// Acknowledged messages that the counterparty no longer shows are settled: after a crash between a confirmation and its record
// (the mail is moved or deleted, the client of the SMTP listener has gone), nothing would ever confirm them again.
import { type Loop, loop } from '../../kit/loop.js';
import type { InboundDeps } from '../gateways/gateway.js';
import type { InFlightTable } from './in-flight.js';

const CHECK_MS = 60_000;
/** A session shows every message that it still has within this time, ms: the longest time between two rounds of a driver is 10 min. */
export const SHOWN_WITHIN_MS = 15 * 60_000;
/** The driver has gone through its list when it has had nothing to offer for this long, ms. */
const QUIET_MS = 60_000;

export interface Settling {
  gatewayId: string;
  table: InFlightTable;
  /** When the present session was opened, ms since the epoch; null while there is none. */
  sessionSince(): number | null;
  /** For how long the driver has been asked for a message without offering one, ms. */
  quietMs(): number;
}

export function settleLoop({ journal, clock, log }: InboundDeps, deps: Settling): Loop {
  const { gatewayId, table, sessionSince, quietMs } = deps;
  return loop({ clock, log, name: 'settling absent messages', failurePauseMs: CHECK_MS }, async () => {
    const before = clock.now() - SHOWN_WITHIN_MS;
    const since = sessionSince();
    if (since === null || since > before || quietMs() < QUIET_MS) return CHECK_MS;
    const settled = await journal.settleAbsent(gatewayId, before, table.keys());
    if (settled > 0) log.info({ settled }, 'absent messages settled');
    return CHECK_MS;
  });
}
