// Owns the set of running gateways: compares the server's list with what runs; starts the new, drains the vanished,
// restarts the changed, never touches the unchanged. A bad line is reported and skipped; it stops nobody else.

import type { RawRequest, WebhookReply } from '../../driver/contract.js';
import { sharedByDevice } from '../../driver/shared-state.js';
import { messageOf } from '../../kit/errors.js';
import type { Log } from '../../kit/log.js';
import type { Notice } from '../../model/content.js';
import type { GatewayView } from '../../model/gateway-view.js';
import type { GatewayInfo } from '../../model/message.js';
import { startInbound } from '../inbound/gateway.js';
import { startOutbound } from '../outbound/gateway.js';
import { type GatewayConfigDeps, problemLine, resolveGateway } from './config.js';
import type { InboundDeps, InboundGateway, OutboundDeps, OutboundGateway, RunningGateway } from './gateway.js';
import { rulesOf } from './text-rules.js';

export interface GatewayRegistry {
  /** The whole list as the server has it now. Resolves when everything vanished has drained and everything new has started. */
  apply(list: readonly GatewayInfo[]): Promise<void>;
  outbound(gatewayId: string): OutboundGateway | undefined;
  /** A request at a gateway's webhook: its inbound side is asked first, the other one when it says so; 404 when neither has one. */
  webhook(gatewayId: string, request: RawRequest): Promise<WebhookReply>;
  /** Lets every inbound gateway hand over what was released from quarantine. */
  dispatchRequeued(): Promise<void>;
  /** Running and skipped ones. */
  views(): GatewayView[];
  stop(graceMs: number): Promise<void>;
}

/** What only the set of gateways knows. */
type Given = 'notify' | 'otherDirection' | 'shared';

export interface GatewayRegistryDeps extends GatewayConfigDeps, Omit<InboundDeps, Given>, Omit<OutboundDeps, Given> {
  /** How long a vanished or changed gateway may finish what is under way, ms. */
  drainMs: number;
}

/** A two-way gateway comes as two entries with one Id. */
const keyOf = (info: GatewayInfo) => `${info.Id}|${info.Direction}`;

/** What makes an entry a different gateway; the rest of GatewayInfo does not reach the driver. */
const faceOf = (info: GatewayInfo) => JSON.stringify([info.Device, info.Channel, info.DisplayName ?? '']);

type Slot = { is: 'running'; face: string; unit: RunningGateway } | { is: 'skipped'; face: string; view: GatewayView };

export function gatewayRegistry(deps: GatewayRegistryDeps): GatewayRegistry {
  const { log, clock, redactor } = deps;
  const slots = new Map<string, Slot>();
  const inbound = new Map<string, InboundGateway>();
  const outbound = new Map<string, OutboundGateway>();
  const shared = sharedByDevice();
  let turn = Promise.resolve();

  /** One list after the other: a second answer waits until the first is in place. */
  const inTurn = (work: () => Promise<void>): Promise<void> => {
    turn = turn.then(work, work);
    return turn;
  };

  async function notify(gatewayId: string, notice: Notice): Promise<boolean> {
    const unit = inbound.get(gatewayId);
    if (unit) await unit.notify(notice);
    return unit !== undefined;
  }

  async function compare(list: readonly GatewayInfo[]): Promise<void> {
    const wanted = new Map(list.map((info) => [keyOf(info), info]));
    const gone = [...slots].filter(([key, slot]) => {
      const info = wanted.get(key);
      return !info || faceOf(info) !== slot.face;
    });
    await Promise.all(gone.map(([key, slot]) => end(key, slot, wanted.has(key) ? 'changed' : 'removed')));
    // Inbound ones first: an outbound one may at once have results to report to one of them.
    const inOrder = [...wanted].sort(([, one], [, other]) => one.Direction.localeCompare(other.Direction));
    for (const [key, info] of inOrder) if (!slots.has(key)) await begin(key, info);
  }

  async function begin(key: string, info: GatewayInfo): Promise<void> {
    const own = logOf(log, info);
    const result = await resolveGateway(info, deps).catch((error) => ({
      ok: false as const,
      problems: [{ setting: null, message: messageOf(error), local: true }],
    }));
    if (!result.ok) {
      const problem = redactor.redact(problemLine(result.problems));
      own.error({ problem }, 'gateway is skipped');
      slots.set(key, { is: 'skipped', face: faceOf(info), view: skipped(info, problem, clock.now()) });
      return;
    }
    // For whoever reads the journal from the command line; nothing here depends on it.
    note(info, 'displayName', info.DisplayName ?? info.Id);
    if (info.Channel === 'SMS') note(info, 'optOutGroup', rulesOf(result.config).optOutGroup ?? '');
    if (info.Direction === 'I') {
      const otherDirection = () => outbound.get(info.Id)?.config;
      const unit = startInbound(result.config, { ...deps, shared, log: own, notify, otherDirection });
      inbound.set(info.Id, unit);
      slots.set(key, { is: 'running', face: faceOf(info), unit });
    } else {
      const unit = startOutbound(result.config, { ...deps, shared, log: own, notify });
      outbound.set(info.Id, unit);
      slots.set(key, { is: 'running', face: faceOf(info), unit });
    }
  }

  function note({ Id, Direction }: GatewayInfo, name: string, value: string): void {
    void deps.journal.putCheckpoint(Id, Direction, name, value).catch(() => undefined);
  }

  async function end(key: string, slot: Slot, why: string): Promise<void> {
    slots.delete(key);
    if (slot.is === 'skipped') return;
    const { info } = slot.unit.config;
    logOf(log, info).info({ why }, 'gateway is stopped by the server’s list');
    (info.Direction === 'O' ? outbound : inbound).delete(info.Id);
    await slot.unit
      .drain(deps.drainMs)
      .catch((error) => logOf(log, info).warn({ error: messageOf(error) }, 'gateway did not stop cleanly'));
  }

  return {
    apply: (list) => inTurn(() => compare(list)),
    outbound: (gatewayId) => outbound.get(gatewayId),
    async webhook(gatewayId, request) {
      let reply: WebhookReply = { status: 404 };
      for (const unit of [inbound.get(gatewayId), outbound.get(gatewayId)]) {
        if (!unit?.config.driver.webhook) continue;
        const pushed = await unit.webhook(request);
        if (!pushed.otherDirection) return pushed.reply;
        reply = pushed.reply;
      }
      return reply;
    },
    async dispatchRequeued() {
      await Promise.all([...inbound.values()].map((unit) => unit.dispatchRequeued()));
    },
    views: () => [...slots.values()].map((slot) => (slot.is === 'running' ? slot.unit.view() : slot.view)),
    stop: (graceMs) =>
      inTurn(async () => {
        const units = [...slots.values()].flatMap((slot) => (slot.is === 'running' ? [slot.unit] : []));
        slots.clear();
        inbound.clear();
        outbound.clear();
        await Promise.allSettled(units.map((unit) => unit.drain(graceMs)));
      }),
  };
}

function logOf(log: Log, info: GatewayInfo): Log {
  return log.child({ gateway: info.DisplayName ?? info.Id, direction: info.Direction });
}

function skipped(info: GatewayInfo, problem: string, now: number): GatewayView {
  return {
    id: info.Id,
    direction: info.Direction,
    displayName: info.DisplayName ?? info.Id,
    device: info.Device.trim().split(/\s/, 1)[0] ?? '',
    state: 'skipped',
    problem,
    since: now,
    inFlight: 0,
    window: 0,
    backingOff: 0,
    oldestMs: 0,
  };
}
