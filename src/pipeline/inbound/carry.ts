// One message from its slot in the window to its end. Only a journal, a disk or a counterparty that fails makes it start again.
import type { InboundRecord } from '../../journal/types/inbound.js';
import { raceSignal } from '../../kit/deadline.js';
import { messageOf } from '../../kit/errors.js';
import { retry } from '../../kit/retry.js';
import type { Semaphore } from '../../kit/semaphore.js';
import type { InboundDeps } from '../gateways/gateway.js';
import { type Confirming, confirm } from './confirm.js';
import type { InFlight } from './in-flight.js';
import type { Ingest } from './ingest.js';
import { type Delivering, runDelivery } from './run-delivery.js';

export interface Carrying extends Confirming, Omit<Delivering, keyof Confirming>, Pick<InboundDeps, 'limits'> {
  ingest: Ingest;
  /** Bounds the acknowledged messages whose confirmation is under way. */
  unconfirmed: Semaphore;
}

/** Never rejects. */
export async function carry(entry: InFlight, deps: Carrying): Promise<void> {
  const { clock, random, log, limits, stopped, table } = deps;
  await retry(() => once(entry, deps), {
    clock,
    random,
    signal: stopped,
    backoff: limits.backoff,
    // A sender that waits on the line comes again by itself.
    worthIt: () => !entry.handle.defer,
    onFailure: (error, pause) =>
      log.error({ message_key: entry.key, err: messageOf(error), retry_in_ms: pause }, 'inbound message failed here'),
  }).catch((error) => defer(entry, messageOf(error), deps));
  table.release(entry);
}

async function once(entry: InFlight, deps: Carrying): Promise<void> {
  const { gatewayId, ingest, metrics, clock, unconfirmed, stopped } = deps;
  const { content } = entry;
  // A driver asks about its keys before it downloads, so content means: new, or still pending. `open` decides.
  if (!content) return knownOnly(entry, deps);
  const { record, message } = await raceSignal(ingest.open(entry, content), stopped, 'reading');
  if (!message) return settled(entry, record, deps);
  const end = await runDelivery(entry, record, message, deps);
  const seconds = (clock.monotonic() - entry.since) / 1000;
  if (end.is === 'stopped') return;
  if (end.is === 'deferred') return defer(entry, end.reason, deps);
  metrics.inboundMessage(gatewayId, end.is, seconds);
  if (end.is === 'quarantined') return entry.handle.reject('the contact center rejected it');
  // The server is done with this message, so others may be handed over while the counterparty is told.
  const leave = await unconfirmed.enter(0, stopped);
  entry.releaseSlot();
  await confirm(entry, record, deps).finally(leave);
}

async function knownOnly(entry: InFlight, deps: Carrying): Promise<void> {
  const record = (await deps.journal.recordsOf(deps.gatewayId, [entry.key])).get(entry.key);
  if (record && record.state !== 'pending') return settled(entry, record, deps);
  deps.log.warn({ message_key: entry.key }, 'inbound message is not acknowledged after all');
}

/** The end of this message is in the journal already; only the counterparty does not know it. */
async function settled(entry: InFlight, record: InboundRecord, deps: Carrying): Promise<void> {
  if (record.state === 'skipped') return;
  if (record.state === 'quarantined') return entry.handle.reject('it is in quarantine');
  deps.metrics.inboundMessage(deps.gatewayId, 'duplicate', 0);
  await confirm(entry, record, deps);
}

/** The journal first: a sender that is back at once finds the record, and coming back ends the deferral. */
async function defer(entry: InFlight, reason: string, deps: Carrying): Promise<void> {
  const { handle } = entry;
  const fields = { message_key: entry.key, reason };
  if (!handle.defer) return;
  deps.log.info(fields, 'inbound message deferred');
  await recordDeferral(entry, deps).catch((error) =>
    deps.log.warn({ ...fields, err: messageOf(error) }, 'deferral could not be recorded'),
  );
  await handle.defer(reason).catch((error) => deps.log.warn({ ...fields, err: messageOf(error) }, 'deferral failed'));
}

/** A message that was never opened has nothing to defer. */
async function recordDeferral({ key }: InFlight, { journal, gatewayId }: Carrying): Promise<void> {
  const record = (await journal.recordsOf(gatewayId, [key])).get(key);
  if (record) await journal.deferred(record.id);
}
