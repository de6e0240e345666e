// Owns texts on their way in. A message of one part is answered by confirm or refuse, and "not now" when neither comes;
// a part of a long one is answered as soon as it is kept durably, and from then on is ours.
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
import type { Wire } from '../session/connection.js';
import type { SmppSettings } from '../settings.js';
import { type Assembly, assemblyOf, PAGE } from './reassembly.js';
import { answersOf, type Pushed } from './response-cache.js';
import { type Piece, pieceOf } from './segment.js';
import { type Known, singlesOf, textMessage } from './single-part.js';

export interface Inbox {
  push(pdu: Pdu, wire: Wire): void;
  /** Ends `inbound messages` with this reason: the session is broken. */
  fail(why: string): void;
  inboundMessages(signal: AbortSignal): AsyncGenerator<InboundMessage<TextMessage>>;
  /** Answers everything that waits, so that the SMSC keeps it. */
  close(): void;
}

/** PDUs not looked at yet; an SMSC that pushes more without waiting for answers hears "not now". */
const MOST_WAITING = 1_000;
const WOKEN = new Error('woken');
/** Looked at in one go, so that the journal is asked once. */
const BATCH = 64;
/** Longest pause of the loop, ms; it is woken by everything that matters. */
const LONGEST_PAUSE_MS = 3_600_000;

export function inboxOf(context: GatewayContext<SmppSettings>): Inbox {
  const { settings, clock, driverState } = context;
  const assembly: Assembly = assemblyOf(driverState, settings.PartsTimeoutSeconds * 1000);
  const waiting: Pushed[] = [];
  const underWay = new Set<string>();
  const answers = answersOf(context);
  const singles = singlesOf(context, answers);
  let dueAt = 0;
  let readyMayBeMore = true;
  let failure: string | undefined;
  let closed = false;
  let isAwake = false;
  let nap: AbortController | undefined;

  const wake = () => {
    isAwake = true;
    nap?.abort(WOKEN);
  };

  // ------------------------------------------------------------ long messages

  /** The groups that this batch made complete. */
  async function keepParts(parts: readonly { push: Pushed; piece: Piece }[]): Promise<string[]> {
    const lines = new Map<string, { push: Pushed; piece: Piece }[]>();
    for (const entry of parts) {
      const base = entry.piece.part?.base ?? '';
      lines.set(base, [...(lines.get(base) ?? []), entry]);
    }
    // Side by side, so that the journal commits them together; those of one message one after the other.
    const complete = await Promise.all([...lines.values()].map(keepLine));
    return complete.flat();
  }

  async function keepLine(line: readonly { push: Pushed; piece: Piece }[]): Promise<string[]> {
    const complete: string[] = [];
    for (const { push, piece } of line) {
      if (!piece.part) continue;
      try {
        const again = answers.isRepeat(push);
        const group = again ? undefined : await assembly.keep(piece, piece.part, clock.now());
        if (group) complete.push(group);
        answers.give(push, STATUS.ok);
      } catch (error) {
        answers.give(push, STATUS.temporary);
        throw error;
      }
    }
    return complete;
  }

  async function assembled(groups: readonly string[]): Promise<InboundMessage<TextMessage>[]> {
    const inboundMessages: InboundMessage<TextMessage>[] = [];
    const fresh = groups.filter((group) => !underWay.has(group));
    if (fresh.length === 0) return inboundMessages;
    const states = await driverState.statesOf(fresh);
    for (const group of fresh) {
      const state = states.get(group);
      if (state === 'confirmed' || state === 'quarantined') {
        await assembly.forget(group);
        continue;
      }
      const whole = await assembly.read(group);
      if (!whole) {
        // Its place among the waiting was noted, and then the process ended before a part was kept.
        await assembly.forget(group);
        continue;
      }
      underWay.add(group);
      const done = async () => {
        if (!underWay.has(group)) return;
        await assembly.forget(group);
        underWay.delete(group);
        if (readyMayBeMore) wake();
      };
      const content = state === 'acknowledged' ? null : textMessage(whole);
      const bytes = content ? whole.bytes + content.text.length : 0;
      // Nobody is waiting on the line for it, so it is not for the SMSC to try again: no postpone.
      inboundMessages.push({ key: group, fingerprint: '', content, bytes, confirm: done, reject: done });
    }
    return inboundMessages;
  }

  // ------------------------------------------------------------ the loop

  /** One question for all; when the journal cannot answer, the SMSC keeps them. */
  async function knownOf(
    batch: readonly { push: Pushed }[],
    whole: readonly { push: Pushed }[],
  ): Promise<Map<string, Known[]>> {
    const byHash = new Map<string, Known[]>();
    if (whole.length === 0) return byHash;
    try {
      const known = await driverState.byFingerprint(whole.map(({ push }) => push.hash));
      for (const { fingerprint, key, state } of known)
        byHash.set(fingerprint, [...(byHash.get(fingerprint) ?? []), { key, state }]);
      return byHash;
    } catch (error) {
      for (const { push } of batch) answers.give(push, STATUS.temporary);
      throw error;
    }
  }

  /** What there is to show now: of the messages that came, of the parts, and of the groups whose time is over. */
  async function round(): Promise<InboundMessage<TextMessage>[]> {
    // What came on a connection that is gone cannot be answered any more: it comes again.
    const batch = waiting
      .splice(0, BATCH)
      .filter(({ wire }) => wire.open)
      .map((push) => ({ push, piece: pieceOf(push.pdu) }));
    const whole = batch.filter(({ piece }) => !piece.part);
    const known = await knownOf(batch, whole);
    const inboundMessages = whole.flatMap(
      ({ push, piece }) => singles.inboundMessage(push, piece, known.get(push.hash) ?? []) ?? [],
    );
    const parts = batch.filter(({ piece }) => piece.part);
    if (parts.length > 0) {
      inboundMessages.push(...(await assembled(await keepParts(parts))));
      dueAt = Math.min(dueAt, clock.now() + settings.PartsTimeoutSeconds * 1000);
    }
    if (clock.now() >= dueAt) {
      inboundMessages.push(...(await assembled(await assembly.expire(clock.now()))));
      dueAt = (await assembly.nextDue()) ?? Number.POSITIVE_INFINITY;
    }
    if (readyMayBeMore) {
      const page = await assembly.ready();
      inboundMessages.push(...(await assembled(page)));
      readyMayBeMore = page.length >= PAGE;
    }
    return inboundMessages;
  }

  async function nextRound(signal: AbortSignal): Promise<void> {
    const ms = Math.max(0, Math.min(LONGEST_PAUSE_MS, dueAt - clock.now()));
    if (waiting.length === 0 && !isAwake && !signal.aborted && ms > 0) {
      nap = new AbortController();
      await sleep(clock, ms, AbortSignal.any([nap.signal, signal])).catch(() => {});
      nap = undefined;
    }
    isAwake = false;
  }

  function close(): void {
    closed = true;
    wake();
    for (const push of waiting.splice(0)) answers.give(push, STATUS.temporary);
    singles.close();
  }

  return {
    push(pdu, wire) {
      const hash = createHash('sha256').update(pdu.command).update(pdu.body).digest('base64url').slice(0, 32);
      if (closed || waiting.length >= MOST_WAITING) return void wire.answer(pdu, STATUS.temporary);
      waiting.push({ pdu, wire, hash, at: clock.now() });
      wake();
    },
    fail(why) {
      failure = why;
      wake();
    },
    async *inboundMessages(signal) {
      while (!signal.aborted) {
        for (const inboundMessage of await round()) yield inboundMessage;
        if (failure !== undefined && waiting.length === 0)
          throw new GatepostError('smpp/link-lost', `the link to the SMSC is lost: ${failure}`);
        await nextRound(signal);
      }
    },
    close,
  };
}
