// The gateways of this process, one slot per Id and direction.
//
// Registry: running -> stopping -> stopped. From `stopping` on it ignores lists and starts nothing; every step that waited
//           checks that before it goes on.
// Slot:     starting -> running     the settings can be used
//           starting -> skipped     they cannot; the view has the reason, the other gateways are not touched
//           running  -> draining    the list no longer names the gateway, or names other settings, or the registry stops
//           draining -> (no slot)   what was under way has finished, or the grace is over; a changed gateway starts anew
//           skipped  -> (no slot)   the list no longer names the gateway, or names other settings
// List:     current from a complete list until the link to the server is lost. Only a current list says that a gateway
//           does not exist.
import type { RawRequest, WebhookReply } from '../../driver/contract.js';
import { sharedByDevice } from '../../driver/shared-state.js';
import { type Deadline, deadline, raceSignal } from '../../kit/deadline.js';
import { GatepostError, messageOf } from '../../kit/errors.js';
import type { Log } from '../../kit/log.js';
import { stopper } from '../../kit/stopper.js';
import type { Notice } from '../../model/content.js';
import type { GatewayView } from '../../model/gateway-view.js';
import type { GatewayInfo } from '../../model/message.js';
import { startInbound } from '../inbound/gateway.js';
import { startOutbound } from '../outbound/gateway.js';
import { type GatewayConfig, type GatewayConfigDeps, problemLine, resolveGateway } from './config.js';
import type { InboundDeps, InboundGateway, OutboundDeps, OutboundGateway, RunningGateway } from './gateway.js';
import {
  createSlots,
  type DrainReason,
  keyOf,
  type ListState,
  lookUp,
  nameOf,
  type Running,
  type Slot,
  sameGateway,
  viewOf,
} from './slots.js';
import { rulesOf } from './text-rules.js';

export interface GatewayRegistry {
  /** A complete list of the server. Resolves when everything vanished has drained and everything new has started. */
  apply(list: readonly GatewayInfo[]): Promise<void>;
  /** The link was lost: until the next complete list, no gateway counts as absent. Gateways that run go on running. */
  invalidateList(): void;
  /**
   * Waits, no longer than `due`, until the outbound gateway of this Id runs, or a current list says that it does not.
   * `absent` is final; `unavailable`: neither was known in time.
   */
  outbound(gatewayId: string, due: Pick<Deadline, 'signal'>): Promise<OutboundLookup>;
  /**
   * A request at a gateway's webhook: its inbound side is asked first, the other one when it says so; 404 when a current list
   * contains neither. Rejects when the request should come again: the gateway starts, restarts or is skipped.
   */
  webhook(gatewayId: string, request: RawRequest): Promise<WebhookReply>;
  /** Wakes every inbound gateway to hand over what was requeued. Returns at once. */
  dispatchRequeued(): void;
  /** Running, draining and skipped gateways. */
  views(): GatewayView[];
  /** Gives what is under way `graceMs`; starts nothing any more. Resolves in at most `graceMs` and the time for closing. */
  stop(graceMs: number): Promise<void>;
}

export type OutboundLookup =
  | { is: 'running'; gateway: OutboundGateway }
  | { is: 'absent'; reason: string }
  | { is: 'unavailable'; reason: string };

/** What the registry itself hands to a gateway. */
type Given = 'notify' | 'otherDirection' | 'shared';

export interface GatewayRegistryDeps extends GatewayConfigDeps, Omit<InboundDeps, Given>, Omit<OutboundDeps, Given> {
  /** How long a vanished or changed gateway may finish what is under way, ms. */
  drainMs: number;
}

/** A notice waits this long for an inbound gateway that starts or restarts, ms: longer than a gateway drains. */
const NOTICE_PATIENCE_MS = 30_000;
/** A counterparty that pushes waits this long for a gateway that starts or restarts, ms: carriers give up after 10 s or more. */
const PUSH_PATIENCE_MS = 5_000;
/** After its grace a gateway has this long to close its session, ms; then the registry goes on without it. */
const CLOSE_MS = 1_500;

export function gatewayRegistry(deps: GatewayRegistryDeps): GatewayRegistry {
  return new Registry(deps);
}

class Registry implements GatewayRegistry {
  readonly #deps: GatewayRegistryDeps;
  readonly #shared = sharedByDevice();
  readonly #slots = createSlots();
  /** Aborts when the grace of `stop` is over: also for gateways that drained before. */
  readonly #cut = stopper();
  #state: 'running' | 'stopping' | 'stopped' = 'running';
  #list: ListState = { keys: new Set(), current: false };
  #applying = Promise.resolve();
  #stopped: Promise<void> | undefined;

  constructor(deps: GatewayRegistryDeps) {
    this.#deps = deps;
  }

  /** One list after the other: the next one waits until this one is in place. */
  apply(list: readonly GatewayInfo[]): Promise<void> {
    const work = () => this.#applyNow(list);
    this.#applying = this.#applying.then(work, work);
    return this.#applying;
  }

  async #applyNow(list: readonly GatewayInfo[]): Promise<void> {
    if (this.#state !== 'running') return;
    const wanted = new Map(list.map((info) => [keyOf(info.Id, info.Direction), info]));
    this.#list = { keys: new Set(wanted.keys()), current: true };
    this.#slots.changed();
    const outdated = this.#slots.entries().filter(([key, slot]) => {
      const info = wanted.get(key);
      return !info || !sameGateway(info, slot.info);
    });
    // All of them before anything starts: a new gateway may need the port or the mailbox of one that drains.
    await Promise.all(outdated.map(([key, slot]) => this.#end(key, slot, wanted.has(key) ? 'changed' : 'removed')));
    // Inbound ones first: an outbound one may at once have notices for one of them.
    const inboundFirst = [...wanted].sort(([, one], [, other]) => one.Direction.localeCompare(other.Direction));
    for (const [key, info] of inboundFirst) if (!this.#slots.get(key)) await this.#start(key, info);
  }

  invalidateList(): void {
    this.#list = { ...this.#list, current: false };
  }

  async #start(key: string, info: GatewayInfo): Promise<void> {
    if (this.#state !== 'running') return;
    this.#slots.set(key, { info, is: 'starting' });
    const result = await resolveGateway(info, this.#deps).catch((error) => ({
      ok: false as const,
      problems: [{ setting: null, message: messageOf(error), local: true }],
    }));
    if (this.#state !== 'running') return this.#slots.delete(key);
    if (result.ok) return this.#slots.set(key, { info, is: 'running', running: this.#run(result.config) });
    const problem = this.#deps.redactor.redact(problemLine(result.problems));
    this.#log(info).error({ reason: problem }, 'gateway is skipped');
    this.#slots.set(key, { info, is: 'skipped', problem, since: this.#deps.clock.now() });
  }

  #run(config: GatewayConfig): Running {
    const { info } = config;
    const notify = (gatewayId: string, notice: Notice) => this.#notify(gatewayId, notice);
    this.#noteForCommands(config);
    const own = { ...this.#deps, shared: this.#shared, log: this.#log(info), notify };
    if (info.Direction === 'O') return { direction: 'O', gateway: startOutbound(config, own) };
    const otherDirection = () => this.#gateway(keyOf(info.Id, 'O'))?.config;
    return { direction: 'I', gateway: startInbound(config, { ...own, otherDirection }) };
  }

  /** For commands that read the journal; nothing in this process depends on it. */
  #noteForCommands(config: GatewayConfig): void {
    const { Id, Direction, Channel } = config.info;
    const note = (name: string, value: string) =>
      void this.#deps.journal.putCheckpoint(Id, Direction, name, value).catch(() => undefined);
    note('displayName', nameOf(config.info));
    if (Channel === 'SMS') note('optOutGroup', rulesOf(config).optOutGroup ?? '');
  }

  async #end(key: string, slot: Slot, reason: DrainReason): Promise<void> {
    if (slot.is === 'running') {
      const { info, running } = slot;
      this.#log(info).info({ reason }, 'gateway drains');
      const drained = this.#drain(running.gateway, info);
      this.#slots.set(key, { info, running, is: 'draining', reason, drained });
    }
    const now = this.#slots.get(key);
    if (now?.is === 'draining') await now.drained;
    this.#slots.delete(key);
  }

  /** Never rejects. Ends in bounded time, also when a driver does not close. */
  async #drain(gateway: RunningGateway, info: GatewayInfo): Promise<void> {
    const { clock, drainMs } = this.#deps;
    const grace = deadline(clock, drainMs, this.#cut.signal);
    const draining = gateway.drain(grace.signal);
    await raceSignal(draining, grace.signal, 'draining').catch(() => undefined);
    grace.dispose();
    const closing = deadline(clock, CLOSE_MS);
    await closing
      .race(draining, 'closing the gateway')
      .catch((error) => this.#log(info).warn({ err: messageOf(error) }, 'gateway did not stop cleanly'));
    closing.dispose();
  }

  async outbound(gatewayId: string, due: Pick<Deadline, 'signal'>): Promise<OutboundLookup> {
    const key = keyOf(gatewayId, 'O');
    const known = (): OutboundLookup | undefined => {
      if (this.#state !== 'running') return { is: 'unavailable', reason: 'the connector is stopping' };
      const found = lookUp(this.#slots.get(key), this.#list, key);
      if (found.is === 'running' && found.running.direction === 'O')
        return { is: 'running', gateway: found.running.gateway };
      return found.is === 'absent' ? found : undefined;
    };
    const found = await this.#slots.until(known, due.signal);
    if (found) return found;
    const { is, ...last } = lookUp(this.#slots.get(key), this.#list, key);
    return { is: 'unavailable', reason: 'reason' in last ? last.reason : 'it became available too late' };
  }

  async webhook(gatewayId: string, request: RawRequest): Promise<WebhookReply> {
    const gateways = await this.#within(PUSH_PATIENCE_MS, request.signal, () => this.#pushTargets(gatewayId));
    if (!gateways) throw notReady(gatewayId, 'it is starting, restarting or not listed yet');
    let reply: WebhookReply = { status: 404 };
    for (const gateway of gateways) {
      const pushed = await gateway.webhook(request);
      if (!pushed.otherDirection) return pushed.reply;
      reply = pushed.reply;
    }
    return reply;
  }

  /** The gateways to hand a push to, inbound first; undefined while a side starts or restarts, or no list is known. */
  #pushTargets(gatewayId: string): RunningGateway[] | undefined {
    const slots = [this.#slots.get(keyOf(gatewayId, 'I')), this.#slots.get(keyOf(gatewayId, 'O'))];
    if (slots.some((slot) => slot?.is === 'starting' || slot?.is === 'draining')) return undefined;
    const running = slots.flatMap((slot) => (slot?.is === 'running' ? [slot.running.gateway] : []));
    const skipped = slots.find((slot) => slot?.is === 'skipped');
    if (running.length === 0 && skipped?.is === 'skipped')
      throw notReady(gatewayId, `it is skipped: ${skipped.problem}`);
    if (running.length === 0 && !this.#list.current) return undefined;
    return running.filter(({ config }) => config.driver.webhook);
  }

  /** A notice survives a restart of its gateway, and the stop: the journal has it before the gateway closes. */
  async #notify(gatewayId: string, notice: Notice): Promise<boolean> {
    const found = await this.#within(NOTICE_PATIENCE_MS, this.#cut.signal, () => this.#noticeTarget(gatewayId));
    if (!found) return false;
    await found.notify(notice);
    return true;
  }

  /** Null: there is none; undefined: not known yet. */
  #noticeTarget(gatewayId: string): InboundGateway | null | undefined {
    const key = keyOf(gatewayId, 'I');
    const slot = this.#slots.get(key);
    const usable = slot?.is === 'running' || (slot?.is === 'draining' && slot.reason !== 'removed');
    if (usable && slot.running.direction === 'I') return slot.running.gateway;
    if (this.#state !== 'running') return null;
    return lookUp(slot, this.#list, key).is === 'absent' ? null : undefined;
  }

  async #within<T>(ms: number, signal: AbortSignal, read: () => T | undefined): Promise<T | undefined> {
    const due = deadline(this.#deps.clock, ms, signal);
    try {
      return await this.#slots.until(read, due.signal);
    } finally {
      due.dispose();
    }
  }

  dispatchRequeued(): void {
    for (const [, slot] of this.#slots.entries())
      if (slot.is === 'running' && slot.running.direction === 'I') slot.running.gateway.dispatchRequeued();
  }

  views(): GatewayView[] {
    return this.#slots.entries().map(([, slot]) => viewOf(slot, this.#deps.clock.now()));
  }

  stop(graceMs: number): Promise<void> {
    this.#stopped ??= this.#stop(graceMs);
    return this.#stopped;
  }

  async #stop(graceMs: number): Promise<void> {
    this.#state = 'stopping';
    this.#slots.changed();
    const grace = deadline(this.#deps.clock, graceMs);
    grace.signal.addEventListener('abort', () => this.#cut.abort(new Error('the connector is stopping')), {
      once: true,
    });
    await Promise.all(this.#slots.entries().map(([key, slot]) => this.#end(key, slot, 'stopping')));
    grace.dispose();
    this.#state = 'stopped';
  }

  #gateway(key: string): RunningGateway | undefined {
    const slot = this.#slots.get(key);
    return slot && 'running' in slot ? slot.running.gateway : undefined;
  }

  #log({ Id, DisplayName, Direction }: GatewayInfo): Log {
    return this.#deps.log.child({ gateway_id: Id, gateway: DisplayName ?? Id, direction: Direction });
  }
}

function notReady(gatewayId: string, why: string): GatepostError {
  return new GatepostError('gateway/not-ready', `gateway ${gatewayId} cannot take the request now: ${why}`);
}
