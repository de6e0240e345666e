// Asks for the list of gateways after every login and at every refresh, one peer address after the other, and hands the
// complete list to the registry.
//
// An answer does not say which address it is for. The server answers the questions of one connection in order, so all
// unanswered questions of a connection are for one address at any time: the next address is asked only when nothing is
// owed. An answer that stays out until then ends the connection; questions and answers never cross connections.
import type { Clock } from '../../kit/clock.js';
import { deadline, raceSignal } from '../../kit/deadline.js';
import { type Deferred, deferred } from '../../kit/deferred.js';
import { messageOf } from '../../kit/errors.js';
import type { Log } from '../../kit/log.js';
import { loop } from '../../kit/loop.js';
import type { GatewayInfo } from '../../model/message.js';
import { type ChannelTable, gatewayInfo, MSG, problemsOf } from '../../simprot/messages.js';
import type { ServerLink } from '../server/link.js';
import type { GatewayRegistry } from './registry.js';

/** How long the server may take to answer ES_SL_GETGATEWAYS before it is asked again, ms. */
const ANSWER_MS = 30_000;
/** While there is no list at all, nothing works: it is asked for more often, ms. */
const FIRST_LIST_PAUSE_MS = 5_000;

export interface GatewaySyncDeps {
  clock: Clock;
  log: Log;
  serverLink: ServerLink;
  gateways: Pick<GatewayRegistry, 'apply' | 'invalidateList'>;
  channels: ChannelTable;
  peerAddresses: readonly string[];
  refreshMs: number;
}

export interface GatewaySync {
  /** One SE_SL_MSGGATEWAYS. */
  onList(content: unknown): void;
  /** The link has come up: a new connection, so asks at once. */
  connected(): void;
  disconnected(): void;
  /** True once a list has been put in place. */
  readonly listed: boolean;
  stop(): Promise<void>;
}

/** What was asked on the present connection. */
interface Questions {
  address: string;
  /** Answers that the server still owes, all for `address`. */
  owed: number;
  /** Settled by the next answer. */
  answer: Deferred<void>;
}

/** Begins to ask as soon as the link is up, and goes on until `stop`. */
export function gatewaySync(deps: GatewaySyncDeps): GatewaySync {
  return new Sync(deps);
}

class Sync implements GatewaySync {
  readonly #deps: GatewaySyncDeps;
  readonly #rounds: ReturnType<typeof loop>;
  /** What this connection has answered so far, by address. */
  #lists = new Map<string, GatewayInfo[]>();
  #questions: Questions | undefined;
  /** Aborts when the present connection is lost. */
  #connection = new AbortController();
  #listed = false;
  #waitingForLink = false;

  constructor(deps: GatewaySyncDeps) {
    this.#deps = deps;
    const { clock, log, refreshMs } = deps;
    const options = { clock, log, name: 'refreshing the list of gateways', failurePauseMs: refreshMs };
    this.#rounds = loop(options, (signal) => this.#round(signal));
  }

  get listed(): boolean {
    return this.#listed;
  }

  connected(): void {
    // A round that waits for the link goes on by itself.
    if (!this.#waitingForLink) this.#rounds.wake();
  }

  disconnected(): void {
    this.#connection.abort(new Error('the connection to the server was lost'));
    this.#connection = new AbortController();
    this.#questions = undefined;
    this.#lists = new Map();
    this.#deps.gateways.invalidateList();
  }

  stop(): Promise<void> {
    return this.#rounds.stop();
  }

  async #round(signal: AbortSignal): Promise<number> {
    const { serverLink, log, refreshMs } = this.#deps;
    try {
      this.#waitingForLink = true;
      await serverLink.untilUp(signal);
      this.#waitingForLink = false;
      await this.#askAll(AbortSignal.any([signal, this.#connection.signal]), signal);
      this.#listed = true;
    } catch (error) {
      if (signal.aborted) return 0;
      log.warn({ err: messageOf(error) }, 'list of gateways was not refreshed');
    }
    return this.#listed ? refreshMs : Math.min(refreshMs, FIRST_LIST_PAUSE_MS);
  }

  /** `signal` aborts with the connection: a list is complete only when one connection answered for every address. */
  async #askAll(signal: AbortSignal, stop: AbortSignal): Promise<void> {
    for (const address of this.#deps.peerAddresses) await this.#ask(address, signal);
    signal.throwIfAborted();
    const applied = this.#deps.gateways.apply([...this.#lists.values()].flat());
    // Gateways may take long to drain; the stop does not wait for the list, it cuts the drain short in the registry.
    await raceSignal(applied, stop, 'applying the list of gateways');
  }

  async #ask(address: string, signal: AbortSignal): Promise<void> {
    await this.#untilNothingOwed(address, signal);
    const questions = this.#questions ?? { address, owed: 0, answer: deferred<void>() };
    this.#questions = questions;
    questions.owed += 1;
    await this.#deps.serverLink.send(MSG.getGateways, address);
    await this.#answerOf(questions, signal);
  }

  /** Late answers for another address come first; a connection that does not give them is replaced. */
  async #untilNothingOwed(address: string, signal: AbortSignal): Promise<void> {
    while (this.#questions && this.#questions.address !== address) {
      await this.#answerOf(this.#questions, signal).catch((error) => {
        if (!signal.aborted)
          this.#deps.serverLink.reset('the server did not answer a question for the list of gateways');
        throw error;
      });
    }
  }

  async #answerOf({ answer }: Questions, signal: AbortSignal): Promise<void> {
    const due = deadline(this.#deps.clock, ANSWER_MS, signal);
    try {
      await due.race(answer.promise, 'the list of gateways');
    } finally {
      due.dispose();
    }
  }

  onList(content: unknown): void {
    const questions = this.#questions;
    // An unsolicited list is only a hint to ask.
    if (!questions) {
      this.#rounds.wake();
      return;
    }
    const list = this.#readable(content, questions.address);
    questions.owed -= 1;
    if (list) this.#lists.set(questions.address, list);
    const { answer } = questions;
    if (questions.owed === 0) this.#questions = undefined;
    else questions.answer = deferred();
    if (list) answer.resolve();
    else answer.reject(new Error('the answer cannot be used'));
  }

  /** Undefined when the answer as a whole cannot be the list of this address: what runs goes on running. */
  #readable(content: unknown, address: string): GatewayInfo[] | undefined {
    const { log, channels, peerAddresses } = this.#deps;
    if (!Array.isArray(content)) {
      log.error({ peer_address: address }, 'list of gateways is not an array');
      return undefined;
    }
    const entry = gatewayInfo(channels);
    const list = content.flatMap((item) => readEntry(entry, item, log));
    const foreign = list.find(({ PeerAddress }) => otherAddress(PeerAddress, address, peerAddresses));
    if (!foreign) return list;
    log.error(
      { peer_address: address, answered: foreign.PeerAddress, gateway_id: foreign.Id },
      'list of gateways is for another address',
    );
    return undefined;
  }
}

/** True for one of our own addresses that is not the one asked for; a foreign one says nothing about whose list it is. */
function otherAddress(given: string | null | undefined, asked: string, ours: readonly string[]): boolean {
  const named = given?.trim().toLowerCase();
  return named !== asked.toLowerCase() && ours.some((address) => address.toLowerCase() === named);
}

function readEntry(entry: ReturnType<typeof gatewayInfo>, item: unknown, log: Log): GatewayInfo[] {
  const result = entry.safeParse(item);
  if (result.success) return [result.data];
  log.error({ reason: problemsOf(result.error), gateway: nameOf(item) }, 'entry of the list of gateways is skipped');
  return [];
}

/** Names an entry that cannot be read as well as it can be named. */
function nameOf(item: unknown): string {
  if (typeof item !== 'object' || item === null) return 'not an object';
  const { DisplayName, Id } = item as Readonly<Record<string, unknown>>;
  return String(DisplayName ?? Id ?? 'without name and Id');
}
