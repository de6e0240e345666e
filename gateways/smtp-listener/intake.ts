// Owns the mails whose clients are waiting on the line: who waits for which, what they are told, and when at the latest.
// Knows nothing of SMTP. A client is told "taken" only by the flow's confirm, or when the journal says that the very
// same mail was confirmed before.
import type { Clock, DriverState, InboundMessage, RawMail } from '../../src/driver/contract.js';
import { type Identified, mailKeys } from './keys.js';

export type Verdict =
  | { kind: 'taken' }
  /** Nothing came of it now; the client keeps the mail and tries again. */
  | { kind: 'later'; reason: string }
  | { kind: 'refused'; reason: string };

export interface Submission extends Identified {
  readonly content: RawMail;
  /** Aborts when the client is gone. */
  readonly gone: AbortSignal;
}

export interface Intake {
  /** Resolves with what the client is to be told, after AckSeconds at the latest. */
  submit(mail: Submission): Promise<Verdict>;
  inboundMessages(signal: AbortSignal): AsyncGenerator<InboundMessage>;
  /** Bytes of mails that nobody has asked for yet. */
  readonly held: number;
  /** Tells every waiting client to try again later, and everyone who comes after. */
  close(): void;
}

/**
 * A mail on offer: queued until the flow asks for it, pending until the flow has said what became of it. Clients come
 * and go meanwhile: one that gives up leaves, one that sends the same mail again joins.
 */
interface Offer {
  readonly key: string;
  readonly content: RawMail | null;
  readonly bytes: number;
  readonly clients: Set<(verdict: Verdict) => void>;
}

interface Room {
  readonly clock: Clock;
  readonly driverState: DriverState;
  readonly ackMs: number;
  readonly pending: Map<string, Offer>;
  readonly queue: Offer[];
  closed: boolean;
  /** Wakes the flow's asking. */
  wake(): void;
}

const CLOSING: Verdict = { kind: 'later', reason: 'shutting down' };
const TROUBLE: Verdict = { kind: 'later', reason: 'local trouble' };

export function openIntake(clock: Clock, driverState: DriverState, ackMs: number): Intake {
  const room: Room = { clock, driverState, ackMs, pending: new Map(), queue: [], closed: false, wake() {} };
  const keys = mailKeys(clock);
  return {
    get held() {
      return room.queue.reduce((sum, { bytes }) => sum + bytes, 0);
    },
    async submit(mail) {
      const key = keys.of(mail);
      // The journal cannot say whether the mail is known: its own trouble is nothing for strangers to read.
      const placed = await place(room, mail, key).catch(() => TROUBLE);
      const verdict = 'kind' in placed ? placed : await waitIn(room, placed, mail.gone);
      keys.told(mail, key, verdict.kind !== 'later' && !mail.gone.aborted);
      return verdict;
    },
    inboundMessages: (signal) => inboundMessages(room, signal),
    close() {
      room.closed = true;
      for (const offer of [...room.pending.values()]) settle(room, offer, CLOSING);
      room.wake();
    },
  };
}

/** The offer that this mail waits in, or the verdict that is known already. */
async function place(room: Room, mail: Submission, key: string): Promise<Offer | Verdict> {
  const state = (await room.driverState.statesOf([key])).get(key);
  if (room.closed) return CLOSING;
  if (state === 'confirmed' || state === 'skipped') return { kind: 'taken' };
  if (state === 'quarantined') return { kind: 'refused', reason: 'this mail was refused before' };
  const there = room.pending.get(key);
  if (there) return there;
  const content = state === 'acknowledged' ? null : mail.content;
  const offer = { key, content, bytes: content?.raw.length ?? 0, clients: new Set<(verdict: Verdict) => void>() };
  room.pending.set(key, offer);
  room.queue.push(offer);
  room.wake();
  return offer;
}

/** Whoever is the last to give up takes a mail that the flow has not asked for out of the queue. */
function waitIn(room: Room, offer: Offer, gone: AbortSignal): Promise<Verdict> {
  return new Promise((resolve) => {
    const tell = (verdict: Verdict) => {
      disarm();
      gone.removeEventListener('abort', leave);
      offer.clients.delete(tell);
      if (offer.clients.size === 0 && room.queue.includes(offer)) settle(room, offer, verdict);
      resolve(verdict);
    };
    const leave = () => tell({ kind: 'later', reason: 'the client is gone' });
    const disarm = room.clock.schedule(room.ackMs, () => tell({ kind: 'later', reason: 'not processed in time' }));
    gone.addEventListener('abort', leave, { once: true });
    offer.clients.add(tell);
    if (gone.aborted) leave();
  });
}

function settle(room: Room, offer: Offer, verdict: Verdict): void {
  if (room.pending.get(offer.key) === offer) room.pending.delete(offer.key);
  const at = room.queue.indexOf(offer);
  if (at >= 0) room.queue.splice(at, 1);
  for (const tell of offer.clients) tell(verdict);
}

async function* inboundMessages(room: Room, signal: AbortSignal): AsyncGenerator<InboundMessage> {
  const stop = () => room.wake();
  signal.addEventListener('abort', stop);
  try {
    while (!signal.aborted) {
      const next = room.queue.shift();
      if (next) yield inboundMessageOf(room, next);
      else
        await new Promise<void>((resolve) => {
          room.wake = resolve;
        });
    }
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

function inboundMessageOf(room: Room, offer: Offer): InboundMessage {
  const { key, content, bytes } = offer;
  return {
    key,
    fingerprint: '',
    content,
    bytes,
    confirm: async () => settle(room, offer, { kind: 'taken' }),
    reject: async (reason) => settle(room, offer, { kind: 'refused', reason }),
    defer: async (reason) => settle(room, offer, { kind: 'later', reason }),
  };
}
