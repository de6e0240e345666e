// Owns the list of gateways: asked for after every login and at every refresh, address by address, then put in place.
import type { Clock } from '../../kit/clock.js';
import { deadline } from '../../kit/deadline.js';
import { messageOf } from '../../kit/errors.js';
import type { Log } from '../../kit/log.js';
import { loop } from '../../kit/loop.js';
import type { GatewayInfo } from '../../model/message.js';
import { type ChannelTable, gatewayInfo, MSG, problemsOf } from '../../simprot/messages.js';
import type { ServerLink } from '../server/ack-tracker.js';
import type { GatewayRegistry } from './registry.js';

/** How long the server may take to answer ES_SL_GETGATEWAYS before it is asked again, ms. */
const LIST_PATIENCE_MS = 30_000;
/** As long as there is no list at all, nothing works: it is asked for more often, ms. */
const FIRST_LIST_PAUSE_MS = 5_000;

export interface GatewaySyncDeps {
  clock: Clock;
  log: Log;
  line: ServerLink;
  gateways: Pick<GatewayRegistry, 'apply'>;
  channels: ChannelTable;
  peerAddresses: readonly string[];
  refreshMs: number;
}

export interface GatewaySync {
  /** One SE_SL_MSGGATEWAYS. */
  onList(content: unknown): void;
  /** Asks at once: the link has just come up. */
  refresh(): void;
  /** True once a list has been put in place. */
  readonly listed: boolean;
  stop(): Promise<void>;
}

/** Begins to ask as soon as the link is up, and goes on until `stop`. */
export function gatewaySync({
  clock,
  log,
  line,
  gateways,
  channels,
  peerAddresses,
  refreshMs,
}: GatewaySyncDeps): GatewaySync {
  const entry = gatewayInfo(channels);
  const lists = new Map<string, GatewayInfo[]>();
  let asked: { address: string; answered: () => void } | undefined;
  let listed = false;
  let waitingForLink = false;

  async function ask(address: string, signal: AbortSignal): Promise<void> {
    const due = deadline(clock, LIST_PATIENCE_MS, signal);
    const answer = new Promise<void>((answered) => {
      asked = { address, answered };
    });
    try {
      await line.send(MSG.getGateways, address);
      await due.race(answer, 'the list of gateways');
    } finally {
      asked = undefined;
      due.dispose();
    }
  }

  async function askAll(signal: AbortSignal): Promise<void> {
    for (const address of peerAddresses) await ask(address, signal);
    await gateways.apply([...lists.values()].flat());
    listed = true;
  }

  function readable(item: unknown): GatewayInfo[] {
    const result = entry.safeParse(item);
    if (result.success) return [result.data];
    log.error(
      { problem: problemsOf(result.error), gateway: nameOf(item) },
      'a line of the list of gateways cannot be read and is skipped',
    );
    return [];
  }

  async function round(signal: AbortSignal): Promise<number> {
    try {
      waitingForLink = true;
      await line.untilUp(signal);
      waitingForLink = false;
      await askAll(signal);
    } catch (error) {
      if (signal.aborted) return 0;
      log.warn({ error: messageOf(error) }, 'the list of gateways could not be refreshed; what runs goes on running');
    }
    return listed ? refreshMs : Math.min(refreshMs, FIRST_LIST_PAUSE_MS);
  }

  const rounds = loop({ clock, log, name: 'refreshing the list of gateways', failurePauseMs: refreshMs }, round);

  return {
    get listed() {
      return listed;
    },
    refresh() {
      // A round that waits for the link goes on by itself.
      if (!waitingForLink) rounds.wake();
    },
    onList(content) {
      // The answer carries no address, so a list that nobody asked for is only a hint to ask.
      if (!asked) return rounds.wake();
      if (!Array.isArray(content)) {
        log.error({ address: asked.address }, 'the list of gateways is not an array; what runs goes on running');
        return;
      }
      lists.set(asked.address, content.flatMap(readable));
      asked.answered();
    },
    stop: () => rounds.stop(),
  };
}

/** Names a line that cannot be read as well as it can be named. */
function nameOf(item: unknown): string {
  if (typeof item !== 'object' || item === null) return 'not an object';
  const { DisplayName, Id } = item as Readonly<Record<string, unknown>>;
  return String(DisplayName ?? Id ?? 'without name and Id');
}
