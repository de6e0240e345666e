// Telling the counterparty that the server has the message. The journal has the acknowledgement, so a confirmation that fails is
// repeated until it works, the session shows the message afresh, or the gateway stops.
import type { InboundRecord } from '../../journal/types/inbound.js';
import { raceSignal } from '../../kit/deadline.js';
import { messageOf } from '../../kit/errors.js';
import { retry } from '../../kit/retry.js';
import type { InboundDeps } from '../gateways/gateway.js';
import type { InboundHandle, InFlight, InFlightTable } from './in-flight.js';

const RETRY = { first: 1_000, longest: 60_000 };

export interface Confirming extends Pick<InboundDeps, 'journal' | 'clock' | 'random' | 'log' | 'metrics'> {
  gatewayId: string;
  table: InFlightTable;
  stopped: AbortSignal;
}

/** A handle that was shown meanwhile (a client that sent the same mail again) is confirmed as well. */
export async function confirm(entry: InFlight, record: InboundRecord, deps: Confirming): Promise<void> {
  const { journal, table, metrics, gatewayId } = deps;
  let confirmed: InboundHandle | undefined;
  // The journal's own copy confirms nothing: the row stays acknowledged until the driver shows the key again.
  if (entry.handle.detached) confirmed = entry.handle;
  while (confirmed !== entry.handle) {
    confirmed = await confirmNewest(entry, deps);
    await untilDone(() => journal.confirmed([record.id]), entry, deps);
  }
  table.release(entry);
  if (!confirmed.detached) metrics.confirmed(gatewayId);
}

function confirmNewest(entry: InFlight, deps: Confirming): Promise<InboundHandle> {
  const once = async () => {
    const { handle } = entry;
    await raceSignal(handle.confirm(), deps.stopped, 'confirming');
    return handle;
  };
  return untilDone(once, entry, deps);
}

function untilDone<T>(
  work: () => Promise<T>,
  entry: InFlight,
  { clock, random, log, stopped }: Confirming,
): Promise<T> {
  return retry(work, {
    clock,
    random,
    signal: stopped,
    backoff: RETRY,
    onFailure: (error, pause) =>
      log.warn({ message_key: entry.key, err: messageOf(error), retry_in_ms: pause }, 'confirmation failed'),
  });
}
