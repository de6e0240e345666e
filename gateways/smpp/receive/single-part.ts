// Messages of one part: the SMSC gets its response when the contact center has the message. A message that is delivered
// again before it was answered is the same inbound message, and every delivery of it is answered.
// A message: pending -> answered (confirmed, rejected or deferred) -> forgotten. A confirmed message whose connection is
// lost stays pending until the SMSC delivers it again, or for an hour.
import {
  GatepostError,
  type GatewayContext,
  type InboundMessage,
  type InboundState,
  type TextMessage,
} from '../../../src/driver/contract.js';
import { STATUS } from '../pdu/status.js';
import { type DefaultAlphabet, decodeText } from './data-coding.js';
import { type Delivery, REDELIVERY_AFTER_MS, REDELIVERY_WITHIN_MS, type ResponseCache } from './response-cache.js';
import type { Segment } from './segment.js';
import { textMessage } from './text-message.js';

/** What the journal knows of a message with the same hash. */
export interface JournalRecord {
  readonly key: string;
  readonly state: InboundState;
}

/** A message that is not answered yet. */
interface PendingMessage {
  readonly key: string;
  readonly since: number;
  /** Every delivery of it. */
  readonly deliveries: Delivery[];
  /** The SMSC has our positive response. */
  isAccepted: boolean;
  isConfirmed: boolean;
}

type Context = Pick<GatewayContext<unknown>, 'clock' | 'log' | 'inputRejected'>;

export class SinglePartMessages {
  readonly #context: Context;
  readonly #responses: ResponseCache;
  readonly #defaultAlphabet: DefaultAlphabet | undefined;
  /** Both bounded by the window of inbound messages and by MOST_WAITING of the inbox. */
  readonly #pending = new Map<string, PendingMessage>();
  readonly #byHash = new Map<string, PendingMessage[]>();
  #count = 0;

  constructor(context: Context, responses: ResponseCache, defaultAlphabet?: DefaultAlphabet) {
    this.#context = context;
    this.#defaultAlphabet = defaultAlphabet;
    this.#responses = responses;
  }

  /** The inbound message to yield, or undefined when the delivery is answered already. `known`: records with the same hash. */
  inboundMessage(
    delivery: Delivery,
    segment: Segment,
    known: readonly JournalRecord[],
  ): InboundMessage<TextMessage> | undefined {
    const content = this.#textOf(delivery, segment);
    if (!content) return this.#rejectBinary(delivery, segment);
    const again = this.#deliveredAgain(delivery);
    if (again) return this.#repeated(again, delivery, content);
    const record = this.#recordOf(known);
    if (!record && this.#responses.isRepeat(delivery)) {
      this.#responses.respond(delivery, STATUS.ok);
      return undefined;
    }
    const message = this.#add(delivery, record?.key);
    // The contact center has it, so the SMSC need not wait for the second confirmation.
    if (record?.state === 'acknowledged' && this.#respond(message, STATUS.ok)) this.#forget(message);
    return this.#inboundMessageOf(message, record && record.state !== 'pending' ? null : content);
  }

  /** Answers everything that waits, so that the SMSC keeps what is not confirmed. */
  close(): void {
    for (const message of [...this.#pending.values()]) {
      this.#respond(message, message.isConfirmed ? STATUS.ok : STATUS.temporaryAppError);
      this.#forget(message);
    }
  }

  #textOf({ at }: Delivery, { bytes, coding, from, to, note, shift }: Segment): TextMessage | undefined {
    const decoded = decodeText(bytes, coding, { defaultAlphabet: this.#defaultAlphabet, shift });
    if (!decoded) return undefined;
    if (note !== null) this.#context.inputRejected('bad_header');
    // Octets of a header that makes no sense are in no alphabet.
    const notes = [note ?? decoded.note].filter((line) => line !== null);
    return textMessage({ from, to, text: decoded.text, notes, receivedAt: at });
  }

  #rejectBinary(delivery: Delivery, { coding, bytes }: Segment): undefined {
    this.#context.inputRejected('binary');
    this.#context.log.warn({ data_coding: coding, octets: bytes.length }, 'binary message rejected');
    this.#responses.respond(delivery, STATUS.rejectedByApp);
  }

  /** A pending message, delivered again after its connection was lost or after the SMSC has waited long enough. */
  #deliveredAgain({ hash, at }: Delivery): PendingMessage | undefined {
    return this.#byHash.get(hash)?.find(({ deliveries }) => {
      const last = deliveries.at(-1);
      return last && (!last.connection.isOpen || at - last.at >= REDELIVERY_AFTER_MS);
    });
  }

  #repeated(message: PendingMessage, delivery: Delivery, content: TextMessage) {
    message.deliveries.push(delivery);
    if (!message.isConfirmed || !this.#respond(message, STATUS.ok)) return this.#inboundMessageOf(message, content);
    this.#forget(message);
    return undefined;
  }

  /** Recorded by an earlier process or on an earlier connection. */
  #recordOf(known: readonly JournalRecord[]): JournalRecord | undefined {
    const now = this.#context.clock.now();
    return known.find(({ key, state }) => {
      if (this.#pending.has(key)) return false;
      const seenAt = Number.parseInt(key.split('.')[1] ?? '', 36);
      if (state === 'pending') return true;
      return (state === 'acknowledged' || state === 'quarantined') && now - seenAt <= REDELIVERY_WITHIN_MS;
    });
  }

  #add(delivery: Delivery, recordedKey: string | undefined): PendingMessage {
    this.#count += 1;
    const now = this.#context.clock.now();
    const key = recordedKey ?? `${delivery.hash}.${now.toString(36)}.${this.#count}`;
    const message = { key, since: now, deliveries: [delivery], isAccepted: false, isConfirmed: false };
    this.#pending.set(key, message);
    this.#byHash.set(delivery.hash, [...(this.#byHash.get(delivery.hash) ?? []), message]);
    return message;
  }

  #inboundMessageOf(message: PendingMessage, content: TextMessage | null): InboundMessage<TextMessage> {
    const [delivery] = message.deliveries;
    return {
      key: message.key,
      fingerprint: delivery?.hash ?? '',
      content,
      bytes: content ? (delivery?.pdu.body.length ?? 0) + content.text.length : 0,
      confirm: () => this.#confirm(message),
      reject: async () => this.#giveBack(message, STATUS.rejectedByApp),
      defer: async () => this.#giveBack(message, STATUS.temporaryAppError),
    };
  }

  async #confirm(message: PendingMessage): Promise<void> {
    message.isConfirmed = true;
    if (message.isAccepted) return;
    const isPending = this.#pending.get(message.key) === message;
    if (isPending && this.#respond(message, STATUS.ok)) return this.#forget(message);
    // An SMSC that has not delivered it again by now never will.
    if (this.#context.clock.now() - message.since > REDELIVERY_WITHIN_MS) return this.#forget(message);
    throw new GatepostError(
      'smpp/connection-lost',
      'the connection was lost before the response; the SMSC has to deliver the message again',
    );
  }

  /** The SMSC drops the message or delivers it again; nothing here waits for that. */
  #giveBack(message: PendingMessage, status: number): void {
    if (this.#pending.get(message.key) !== message) return;
    this.#respond(message, status);
    this.#forget(message);
  }

  /** Returns false when no connection is left. */
  #respond(message: PendingMessage, status: number): boolean {
    const isSaid = message.deliveries.map((delivery) => this.#responses.respond(delivery, status)).some(Boolean);
    if (isSaid) message.isAccepted = status === STATUS.ok;
    return isSaid;
  }

  #forget(message: PendingMessage): void {
    this.#pending.delete(message.key);
    for (const { hash } of message.deliveries) {
      const rest = (this.#byHash.get(hash) ?? []).filter((other) => other !== message);
      if (rest.length > 0) this.#byHash.set(hash, rest);
      else this.#byHash.delete(hash);
    }
  }
}
