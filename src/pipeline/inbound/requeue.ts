// Requeued and spooled messages are dispatched by one loop per gateway. Wake-ups coalesce: any number of them during a round make
// one more round. The loop pages through the rows and loads a raw message only when it holds a slot of the window. A message that cannot
// be read back is logged and tried again in a later round; those behind it are dispatched.
import type { InboundRecord } from '../../journal/types/inbound.js';
import { messageOf } from '../../kit/errors.js';
import { type Loop, loop } from '../../kit/loop.js';
import type { GatewayConfig } from '../gateways/config.js';
import type { InboundDeps } from '../gateways/gateway.js';
import type { InboundHandle, InFlight, InFlightTable } from './in-flight.js';
import { contentOf } from './spool-codec.js';
import type { DeliveryWindow } from './window.js';

/** Rows asked for at a time. */
const PAGE = 100;
/** Without a wake-up the loop looks this often, ms, for messages whose delivery ended without an acknowledgement. */
const IDLE_MS = 60_000;
const FAILURE_PAUSE_MS = 1_000;

export interface Requeueing {
  config: GatewayConfig;
  table: InFlightTable;
  window: DeliveryWindow;
  /** Delivers a message that holds its slot; never rejects. */
  carry(entry: InFlight): void;
}

export function requeueLoop({ journal, clock, log }: InboundDeps, deps: Requeueing): Loop {
  const { config, table, window, carry } = deps;
  const gatewayId = config.info.Id;

  async function dispatch(record: InboundRecord, signal: AbortSignal): Promise<void> {
    if (signal.aborted || table.has(record.key)) return;
    const stored = storedHandle(record);
    const entry = table.reserve(stored);
    if (!entry) return;
    entry.identity = record;
    try {
      entry.releaseSlot = await window.enterNew(record.bytes, signal);
      const content = await contentStored(record);
      entry.content ??= content;
    } catch (error) {
      if (signal.aborted) return table.release(entry);
      log.error({ message_key: record.key, err: messageOf(error) }, 'stored message cannot be read');
      // The driver may have shown the message meanwhile, and waits for its end.
      if (entry.handle === stored) return table.release(entry);
    }
    carry(entry);
  }

  /** Null when the server accepted the message after its row was listed, or its file is gone. */
  async function contentStored({ id, key }: InboundRecord): Promise<InFlight['content']> {
    const raw = await journal.quarantinedRaw(id);
    return raw && contentOf(config, { key, raw }, clock.now());
  }

  return loop(
    { clock, log, name: 'dispatching requeued messages', failurePauseMs: FAILURE_PAUSE_MS },
    async (signal) => {
      for (let after = 0; ; ) {
        const page = await journal.requeued(gatewayId, after, PAGE);
        for (const record of page) await dispatch(record, signal);
        const last = page.at(-1);
        if (!last || page.length < PAGE || signal.aborted) return IDLE_MS;
        after = last.id;
      }
    },
  );
}

/** The sender of a spooled message was answered when it was stored. A message out of quarantine is still at the counterparty. */
function storedHandle({ key, bytes, spooled }: InboundRecord): InboundHandle {
  return {
    key,
    fingerprint: '',
    content: null,
    bytes,
    detached: !spooled,
    confirm: async () => {},
    reject: async () => {},
  };
}
