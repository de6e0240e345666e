// One message from its slot in the window to its end. Only a journal, a disk or a counterparty that fails makes it start again.
import type { InboundRecord } from '../../journal/types/inbound.js';
import { raceSignal } from '../../kit/deadline.js';
import { messageOf } from '../../kit/errors.js';
import { retry } from '../../kit/retry.js';
import type { Semaphore } from '../../kit/semaphore.js';
import type { InboundDeps } from '../gateways/gateway.js';
import { type Confirming, confirm } from './confirm.js';
import type { InboundHandle, InFlight } from './in-flight.js';
import type { Ingest } from './ingest.js';
import { type Delivering, type End, runDelivery } from './run-delivery.js';

export interface Carrying extends Confirming, Omit<Delivering, keyof Confirming>, Pick<InboundDeps, 'limits'> {
  ingest: Ingest;
  /** Bounds the acknowledged messages whose confirmation is under way. */
  unconfirmed: Semaphore;
}

/** Never rejects. A handle that is shown while the end is told to an older one takes another round, because it needs an answer, too. */
export async function carry(entry: InFlight, deps: Carrying): Promise<void> {
  let told: InboundHandle;
  do told = await toItsEnd(entry, deps);
  while (told !== entry.handle && !deps.stopped.aborted);
  deps.table.release(entry);
}

/** Gives the handle that was told how it ended. */
function toItsEnd(entry: InFlight, deps: Carrying): Promise<InboundHandle> {
  const { clock, random, log, limits, stopped } = deps;
  return retry(() => once(entry, deps), {
    clock,
    random,
    signal: stopped,
    backoff: limits.backoff,
    // A sender that waits on the line comes again by itself.
    worthIt: () => !entry.handle.defer,
    onFailure: (error, pause) =>
      log.error({ message_key: entry.key, err: messageOf(error), retry_in_ms: pause }, 'inbound message failed here'),
  }).catch((error) => defer(entry, messageOf(error), deps));
}

async function once(entry: InFlight, deps: Carrying): Promise<InboundHandle> {
  const { ingest, stopped } = deps;
  const { content } = entry;
  // A driver asks about its keys before it downloads, so content means: new, or still pending. `open` decides.
  if (!content) return knownOnly(entry, deps);
  const { record, message } = await raceSignal(ingest.open(entry, content), stopped, 'reading');
  if (!message) return settled(entry, record, deps);
  return ended(entry, record, await runDelivery(entry, record, message, deps), deps);
}

async function ended(entry: InFlight, record: InboundRecord, end: End, deps: Carrying): Promise<InboundHandle> {
  const { gatewayId, metrics, clock, unconfirmed, stopped } = deps;
  if (end.is === 'stopped') return entry.handle;
  if (end.is === 'deferred') return defer(entry, end.reason, deps);
  metrics.inboundMessage(gatewayId, end.is, (clock.monotonic() - entry.since) / 1000);
  if (end.is === 'quarantined') return reject(entry, 'the contact center rejected it');
  // The server is done with this message, so others may be handed over while the counterparty is told.
  const leave = await unconfirmed.enter(0, stopped);
  entry.releaseSlot();
  await confirm(entry, record, deps).finally(leave);
  return entry.handle;
}

async function knownOnly(entry: InFlight, deps: Carrying): Promise<InboundHandle> {
  const { handle } = entry;
  const record = (await deps.journal.recordsOf(deps.gatewayId, [entry.key])).get(entry.key);
  if (record && record.state !== 'pending') return settled(entry, record, deps);
  deps.log.warn({ message_key: entry.key }, 'pending inbound message has no content');
  return handle;
}

/** The end of this message is in the journal already; only the counterparty does not know it. */
async function settled(entry: InFlight, record: InboundRecord, deps: Carrying): Promise<InboundHandle> {
  if (record.state === 'skipped') return entry.handle;
  if (record.state === 'quarantined') return reject(entry, 'it is in quarantine');
  deps.metrics.inboundMessage(deps.gatewayId, 'duplicate', 0);
  await confirm(entry, record, deps);
  return entry.handle;
}

async function reject({ handle }: InFlight, reason: string): Promise<InboundHandle> {
  await handle.reject(reason);
  return handle;
}

/** The journal first: a sender that is back at once finds the record, and coming back ends the deferral. */
async function defer(entry: InFlight, reason: string, deps: Carrying): Promise<InboundHandle> {
  const { handle } = entry;
  const fields = { message_key: entry.key, reason };
  if (!handle.defer) return handle;
  deps.log.info(fields, 'inbound message deferred');
  await recordDeferral(entry, deps).catch((error) =>
    deps.log.warn({ ...fields, err: messageOf(error) }, 'deferral could not be recorded'),
  );
  await handle.defer(reason).catch((error) => deps.log.warn({ ...fields, err: messageOf(error) }, 'deferral failed'));
  return handle;
}

/** A message that was never opened has nothing to defer. */
async function recordDeferral({ key }: InFlight, { journal, gatewayId }: Carrying): Promise<void> {
  const record = (await journal.recordsOf(gatewayId, [key])).get(key);
  if (record) await journal.deferred(record.id);
}
