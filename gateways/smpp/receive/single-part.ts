// Owns messages of one part: from the deliver_sm to an inbound message, and from the inbound message's confirm, refuse or postpone to the
// answer. A message that is sent again before it was answered is the same inbound message, and every sending of it is answered.
import {
  GatepostError,
  type GatewayContext,
  type InboundMessage,
  type InboundState,
  type TextMessage,
} from '../../../src/driver/contract.js';
import { STATUS } from '../pdu/status.js';
import { decodeText } from './data-coding.js';
import { type Answers, type Pushed, RESEND_AFTER_MS, RESEND_WITHIN_MS } from './response-cache.js';
import type { Piece } from './segment.js';

export interface Singles {
  /** The inbound message to show, or undefined when the message is answered already. `known`: records with the same hash. */
  inboundMessage(push: Pushed, piece: Piece, known: readonly Known[]): InboundMessage<TextMessage> | undefined;
  /** Answers everything that waits, so that the SMSC keeps it. */
  close(): void;
}

export interface Known {
  readonly key: string;
  readonly state: InboundState;
}

/** A message that is not answered yet. */
interface Open {
  readonly key: string;
  readonly since: number;
  /** The same message, as often as it was sent. */
  readonly pushes: Pushed[];
  /** What the SMSC was told last; `nothing` also when it was to be told but no connection was there. */
  told: 'nothing' | 'taken' | 'no';
  /** Confirmed here. */
  confirmed: boolean;
}

type Context = Pick<GatewayContext<unknown>, 'clock' | 'log' | 'inputRejected'>;

export function singlesOf({ clock, log, inputRejected }: Context, answers: Answers): Singles {
  const open = new Map<string, Open>();
  const byHash = new Map<string, Open[]>();
  let count = 0;

  function settle(entry: Open): void {
    open.delete(entry.key);
    for (const { hash } of entry.pushes) {
      const rest = (byHash.get(hash) ?? []).filter((other) => other !== entry);
      if (rest.length > 0) byHash.set(hash, rest);
      else byHash.delete(hash);
    }
  }

  /** False when no connection is left to say it on. */
  function tell(entry: Open, status: number): boolean {
    const heard = entry.pushes.map((push) => answers.give(push, status)).some(Boolean);
    if (heard) entry.told = status === STATUS.ok ? 'taken' : 'no';
    return heard;
  }

  async function confirm(entry: Open): Promise<void> {
    entry.confirmed = true;
    if (entry.told === 'taken') return;
    const isOpen = open.get(entry.key) === entry;
    if (isOpen && tell(entry, STATUS.ok)) return settle(entry);
    // After this long an SMSC that has not sent it again never will.
    if (clock.now() - entry.since > RESEND_WITHIN_MS) return settle(entry);
    throw new GatepostError('smpp/link-lost', 'the link broke before the answer; the SMSC has to send it again');
  }

  /** Whether it gives up or comes again, nothing of ours waits for it. */
  async function refuse(entry: Open, status: number): Promise<void> {
    if (open.get(entry.key) !== entry) return;
    tell(entry, status);
    settle(entry);
  }

  function inboundMessageOf(entry: Open, content: TextMessage | null): InboundMessage<TextMessage> {
    const [push] = entry.pushes;
    return {
      key: entry.key,
      fingerprint: push?.hash ?? '',
      content,
      bytes: content ? (push?.pdu.body.length ?? 0) + content.text.length : 0,
      confirm: () => confirm(entry),
      reject: () => refuse(entry, STATUS.rejected),
      defer: () => refuse(entry, STATUS.temporary),
    };
  }

  /** One that is not answered yet, sent again: because its connection is gone, or after the SMSC's patience was over. */
  function sentAgain({ hash, at }: Pushed): Open | undefined {
    return byHash.get(hash)?.find(({ pushes }) => {
      const last = pushes.at(-1);
      return last && (!last.wire.open || at - last.at >= RESEND_AFTER_MS);
    });
  }

  function begin(push: Pushed, key: string): Open {
    const entry: Open = { key, since: clock.now(), pushes: [push], told: 'nothing', confirmed: false };
    open.set(key, entry);
    byHash.set(push.hash, [...(byHash.get(push.hash) ?? []), entry]);
    return entry;
  }

  /** What the journal knows under the same hash, of a life before this one or a link before this one. */
  function remembered(known: readonly Known[], now: number): Known | undefined {
    return known.find(({ key, state }) => {
      if (open.has(key)) return false;
      const seen = Number.parseInt(key.split('.')[1] ?? '', 36);
      if (state === 'pending') return true;
      return (state === 'acknowledged' || state === 'quarantined') && now - seen <= RESEND_WITHIN_MS;
    });
  }

  function inboundMessage(
    push: Pushed,
    piece: Piece,
    known: readonly Known[],
  ): InboundMessage<TextMessage> | undefined {
    const again = sentAgain(push);
    const content = textOf(push, piece);
    if (!content) {
      inputRejected('binary');
      log.warn({ coding: piece.coding, octets: piece.bytes.length }, 'a binary message was refused');
      answers.give(push, STATUS.rejected);
      return undefined;
    }
    if (again) {
      again.pushes.push(push);
      if (!again.confirmed || !tell(again, STATUS.ok)) return inboundMessageOf(again, content);
      settle(again);
      return undefined;
    }
    const old = remembered(known, clock.now());
    if (!old && answers.isRepeat(push)) {
      answers.give(push, STATUS.ok);
      return undefined;
    }
    count += 1;
    const entry = begin(push, old?.key ?? `${push.hash}.${clock.now().toString(36)}.${count}`);
    // The contact center has it: the SMSC need not wait until that is asked for again.
    if (old?.state === 'acknowledged' && tell(entry, STATUS.ok)) settle(entry);
    return inboundMessageOf(entry, old && old.state !== 'pending' ? null : content);
  }

  function textOf({ at }: Pushed, { bytes, coding, from, to, note }: Piece): TextMessage | undefined {
    const decoded = decodeText(bytes, coding);
    if (!decoded) return undefined;
    // It arrives all the same, as far as it can be read.
    if (note !== null) inputRejected('bad_header');
    const notes = [note, decoded.note].filter((line) => line !== null);
    return textMessage({ from, to, text: decoded.text, notes, receivedAt: at });
  }

  return {
    inboundMessage,
    close() {
      for (const entry of [...open.values()]) {
        tell(entry, entry.confirmed ? STATUS.ok : STATUS.temporary);
        settle(entry);
      }
    },
  };
}

export function textMessage(from: Pick<TextMessage, 'from' | 'to' | 'text' | 'notes' | 'receivedAt'>): TextMessage {
  const { from: sender, to, text, notes, receivedAt } = from;
  return { kind: 'text', from: sender, to, text, notes, receivedAt, providerId: null, sentAt: null, media: [] };
}
