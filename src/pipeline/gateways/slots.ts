import { deferred } from '../../kit/deferred.js';
import type { GatewayView } from '../../model/gateway-view.js';
import type { Direction, GatewayInfo } from '../../model/message.js';
import type { InboundGateway, OutboundGateway } from './gateway.js';

export type Running = { direction: 'I'; gateway: InboundGateway } | { direction: 'O'; gateway: OutboundGateway };

/** Why a gateway drains: the list dropped it, its settings changed, or the connector stops. */
export type DrainReason = 'removed' | 'changed' | 'stopping';

/** One gateway and direction of the list. The registry's comment describes the transitions. */
export type Slot = { info: GatewayInfo } & (
  | { is: 'starting' }
  | { is: 'running'; running: Running }
  | { is: 'draining'; running: Running; reason: DrainReason; drained: Promise<void> }
  | { is: 'skipped'; problem: string; since: number }
);

/** What the registry knows of the server's list. */
export interface ListState {
  keys: ReadonlySet<string>;
  /** False from the loss of the link until the next complete list. */
  current: boolean;
}

export type Lookup =
  | { is: 'running'; running: Running }
  | { is: 'absent'; reason: string }
  | { is: 'pending'; reason: string };

/** A two-way gateway comes as two entries with one Id. */
export const keyOf = (id: string, direction: Direction): string => `${id}|${direction}`;

/** What makes an entry a different gateway; the rest of GatewayInfo does not reach the driver. */
export function sameGateway(one: GatewayInfo, other: GatewayInfo): boolean {
  return one.Device === other.Device && one.Channel === other.Channel && nameOf(one) === nameOf(other);
}

export const nameOf = (info: GatewayInfo): string => info.DisplayName ?? info.Id;

/** Only a current list says that a gateway is absent; a gateway that restarts is pending. */
export function lookUp(slot: Slot | undefined, list: ListState, key: string): Lookup {
  if (slot?.is === 'running') return { is: 'running', running: slot.running };
  if (!list.current)
    return { is: 'pending', reason: 'the list of gateways has not been received since the last login to the server' };
  if (slot?.is === 'skipped') return { is: 'absent', reason: `it is skipped: ${slot.problem}` };
  if (list.keys.has(key)) return { is: 'pending', reason: pendingReason(slot) };
  return { is: 'absent', reason: 'this connector runs no such gateway, the list of the server does not contain it' };
}

function pendingReason(slot: Slot | undefined): string {
  return slot?.is === 'draining' ? 'it restarts because its settings changed' : 'it is still starting';
}

export interface Slots {
  get(key: string): Slot | undefined;
  entries(): [string, Slot][];
  set(key: string, slot: Slot): void;
  delete(key: string): void;
  /** Wakes everything that waits in `until`. */
  changed(): void;
  /** Calls `read` now and after every change until it returns something; undefined once `signal` aborts. */
  until<T>(read: () => T | undefined, signal: AbortSignal): Promise<T | undefined>;
}

export function createSlots(): Slots {
  const slots = new Map<string, Slot>();
  let change = deferred<void>();
  const changed = () => {
    const previous = change;
    change = deferred();
    previous.resolve();
  };
  return {
    get: (key) => slots.get(key),
    entries: () => [...slots],
    changed,
    set(key, slot) {
      slots.set(key, slot);
      changed();
    },
    delete(key) {
      slots.delete(key);
      changed();
    },
    async until(read, signal) {
      const aborted = deferred<void>();
      const abort = () => aborted.resolve();
      signal.addEventListener('abort', abort, { once: true });
      try {
        for (;;) {
          const found = read();
          if (found !== undefined || signal.aborted) return found;
          await Promise.race([change.promise, aborted.promise]);
        }
      } finally {
        signal.removeEventListener('abort', abort);
      }
    },
  };
}

/** What can be seen of a gateway, running or not. */
export function viewOf(slot: Slot, now: number): GatewayView {
  if ('running' in slot) return slot.running.gateway.view();
  return {
    id: slot.info.Id,
    direction: slot.info.Direction,
    displayName: nameOf(slot.info),
    device: slot.info.Device.trim().split(/\s/, 1)[0] ?? '',
    state: slot.is,
    problem: slot.is === 'skipped' ? slot.problem : null,
    since: slot.is === 'skipped' ? slot.since : now,
    inFlight: 0,
    window: 0,
    backingOff: 0,
    oldestMs: 0,
  };
}
