// Texts on their way in. The SMSC gets its response to a message of one part when the contact center has the message
// (single-part.ts), and its response to a part of a long message when the part is stored (reassembly.ts).
// One loop: a round takes what came and what is due, then the loop sleeps until something wakes it.
import { createHash } from 'node:crypto';
import {
  GatepostError,
  type GatewayContext,
  type InboundMessage,
  sleep,
  type TextMessage,
} from '../../../src/driver/contract.js';
import type { Pdu } from '../pdu/pdu.js';
import { STATUS } from '../pdu/status.js';
import type { Connection } from '../session/connection.js';
import type { SmppSettings } from '../settings.js';
import { PAGE, Reassembly } from './reassembly.js';
import { type Delivery, ResponseCache } from './response-cache.js';
import { type Segment, segmentOf } from './segment.js';
import { type JournalRecord, SinglePartMessages } from './single-part.js';
import { textMessage } from './text-message.js';

/** Deliveries that no round has processed yet. An SMSC that sends more without waiting for responses gets ESME_RX_T_APPN (not now). */
const MOST_WAITING = 1_000;
/** Deliveries of one round, so that the journal is asked once for all of them. */
const BATCH = 64;
/** Longest sleep of the loop, ms; everything that matters wakes it. */
const LONGEST_SLEEP_MS = 3_600_000;

interface Received {
  readonly delivery: Delivery;
  readonly segment: Segment;
}

type Inbound = InboundMessage<TextMessage>;

export class Inbox {
  readonly #context: GatewayContext<SmppSettings>;
  readonly #partsTimeoutMs: number;
  readonly #responses: ResponseCache;
  readonly #singles: SinglePartMessages;
  readonly #reassembly: Reassembly;
  readonly #waiting: Delivery[] = [];
  /** Groups that were yielded and are not finished; bounded by the window of inbound messages. */
  readonly #inFlight = new Set<string>();
  /** When the next group of parts may expire; 0: not read yet. */
  #nextExpiry = 0;
  #mayHaveReady = true;
  #failure: string | undefined;
  #isClosed = false;
  #isWoken = false;
  #sleep: AbortController | undefined;

  constructor(context: GatewayContext<SmppSettings>) {
    this.#context = context;
    this.#partsTimeoutMs = context.settings.PartsTimeoutSeconds * 1000;
    this.#responses = new ResponseCache(context);
    this.#singles = new SinglePartMessages(context, this.#responses, context.settings.DefaultAlphabet);
    this.#reassembly = new Reassembly(context.driverState, this.#partsTimeoutMs, context.settings.DefaultAlphabet);
  }

  /** A text from the SMSC. */
  push(pdu: Pdu, connection: Connection): void {
    if (this.#isClosed || this.#waiting.length >= MOST_WAITING)
      return void connection.respond(pdu, STATUS.temporaryAppError);
    const hash = createHash('sha256').update(pdu.command).update(pdu.body).digest('base64url').slice(0, 32);
    this.#waiting.push({ pdu, connection, hash, at: this.#context.clock.now() });
    this.#wake();
  }

  /** Ends `messages` with this reason: the session is broken. */
  fail(why: string): void {
    this.#failure = why;
    this.#wake();
  }

  async *messages(signal: AbortSignal): AsyncGenerator<Inbound> {
    while (!signal.aborted) {
      for (const message of await this.#round()) yield message;
      if (this.#failure !== undefined && this.#waiting.length === 0)
        throw new GatepostError('smpp/connection-lost', `the connection to the SMSC is lost: ${this.#failure}`);
      await this.#untilWoken(signal);
    }
  }

  /** Answers everything that waits, so that the SMSC keeps it. */
  close(): void {
    this.#isClosed = true;
    this.#wake();
    for (const delivery of this.#waiting.splice(0)) this.#responses.respond(delivery, STATUS.temporaryAppError);
    this.#singles.close();
  }

  async #round(): Promise<Inbound[]> {
    // A delivery on a closed connection cannot be answered any more, and the SMSC delivers it again.
    const batch = this.#waiting
      .splice(0, BATCH)
      .filter(({ connection }) => connection.isOpen)
      .map((delivery) => ({ delivery, segment: segmentOf(delivery.pdu) }));
    const parts = batch.filter(({ segment }) => segment.place);
    const singles = batch.filter(({ segment }) => !segment.place);
    const records = await this.#recordsOf(batch, singles);
    return [
      ...singles.flatMap(({ delivery, segment }) => {
        return this.#singles.inboundMessage(delivery, segment, records.get(delivery.hash) ?? []) ?? [];
      }),
      ...(await this.#completedBy(parts)),
      ...(await this.#expired()),
      ...(await this.#ready()),
    ];
  }

  /** What the journal knows of the single messages. Without an answer of the journal the SMSC keeps the whole batch. */
  async #recordsOf(batch: readonly Received[], singles: readonly Received[]): Promise<Map<string, JournalRecord[]>> {
    const byHash = new Map<string, JournalRecord[]>();
    if (singles.length === 0) return byHash;
    try {
      const known = await this.#context.driverState.byFingerprint(singles.map(({ delivery }) => delivery.hash));
      for (const { fingerprint, key, state } of known)
        byHash.set(fingerprint, [...(byHash.get(fingerprint) ?? []), { key, state }]);
      return byHash;
    } catch (error) {
      for (const { delivery } of batch) this.#responses.respond(delivery, STATUS.temporaryAppError);
      throw error;
    }
  }

  async #completedBy(parts: readonly Received[]): Promise<Inbound[]> {
    if (parts.length === 0) return [];
    const byBase = new Map<string, Received[]>();
    for (const received of parts) {
      const base = received.segment.place?.base ?? '';
      byBase.set(base, [...(byBase.get(base) ?? []), received]);
    }
    // The parts of different messages together, so that the journal commits them together; those of one message in turn.
    const completed = await Promise.all([...byBase.values()].map((group) => this.#store(group)));
    const messages = await this.#assembled(completed.flat());
    this.#nextExpiry = Math.min(this.#nextExpiry, this.#context.clock.now() + this.#partsTimeoutMs);
    return messages;
  }

  /** Returns the groups that these parts have completed. */
  async #store(parts: readonly Received[]): Promise<string[]> {
    const completed: string[] = [];
    for (const { delivery, segment } of parts) {
      if (!segment.place) continue;
      try {
        const isRepeat = this.#responses.isRepeat(delivery);
        const now = this.#context.clock.now();
        const group = isRepeat ? undefined : await this.#reassembly.add(segment, segment.place, now);
        if (group) completed.push(group);
        this.#responses.respond(delivery, STATUS.ok);
      } catch (error) {
        this.#responses.respond(delivery, STATUS.temporaryAppError);
        throw error;
      }
    }
    return completed;
  }

  async #expired(): Promise<Inbound[]> {
    const now = this.#context.clock.now();
    if (now < this.#nextExpiry) return [];
    const messages = await this.#assembled(await this.#reassembly.expire(now));
    this.#nextExpiry = (await this.#reassembly.nextExpiry()) ?? Number.POSITIVE_INFINITY;
    return messages;
  }

  async #ready(): Promise<Inbound[]> {
    if (!this.#mayHaveReady) return [];
    const page = await this.#reassembly.ready();
    const messages = await this.#assembled(page);
    this.#mayHaveReady = page.length >= PAGE;
    return messages;
  }

  async #assembled(groups: readonly string[]): Promise<Inbound[]> {
    const fresh = groups.filter((group) => !this.#inFlight.has(group));
    if (fresh.length === 0) return [];
    const states = await this.#context.driverState.statesOf(fresh);
    const messages: Inbound[] = [];
    for (const group of fresh) {
      const state = states.get(group);
      const isFinished = state === 'confirmed' || state === 'quarantined';
      const text = isFinished ? undefined : await this.#reassembly.read(group);
      // Without a text: the process ended between the entry in `waiting` and the first part.
      if (text)
        messages.push(this.#inboundMessage(group, state === 'acknowledged' ? null : textMessage(text), text.bytes));
      else await this.#reassembly.delete(group);
    }
    return messages;
  }

  /** It cannot be deferred: its parts are stored here, so the SMSC does not deliver them again. */
  #inboundMessage(group: string, content: TextMessage | null, octets: number): Inbound {
    this.#inFlight.add(group);
    const finish = async () => {
      if (!this.#inFlight.has(group)) return;
      await this.#reassembly.delete(group);
      this.#inFlight.delete(group);
      if (this.#mayHaveReady) this.#wake();
    };
    const bytes = content ? octets + content.text.length : 0;
    return { key: group, fingerprint: '', content, bytes, confirm: finish, reject: finish };
  }

  async #untilWoken(signal: AbortSignal): Promise<void> {
    const { clock } = this.#context;
    const ms = Math.max(0, Math.min(LONGEST_SLEEP_MS, this.#nextExpiry - clock.now()));
    if (this.#waiting.length === 0 && !this.#isWoken && !signal.aborted && ms > 0) {
      this.#sleep = new AbortController();
      await sleep(clock, ms, AbortSignal.any([this.#sleep.signal, signal])).catch(() => {});
      this.#sleep = undefined;
    }
    this.#isWoken = false;
  }

  #wake(): void {
    this.#isWoken = true;
    this.#sleep?.abort();
  }
}
