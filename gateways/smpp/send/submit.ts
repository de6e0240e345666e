// Owns one message on its way out: each part one submit_sm, and what became of all of them together.
// Point of no return: a submit_sm that was handed to the socket. From then on only its answer tells; without one the
// message may be out. A part that was refused makes the whole message fail, also when others were taken: sent again they
// would arrive twice, so that is "rejected" with the detail, never "deferred".
import { type Attempt, type ComposedText, messageOf, type Outcome, raceSignal } from '../../../src/driver/contract.js';
import type { Pdu } from '../pdu/pdu.js';
import { isTemporary, isThrottle, STATUS, statusWords } from '../pdu/status.js';
import type { Link } from '../session/account.js';
import { LinkLost } from '../session/connection.js';
import type { SmppSettings } from '../settings.js';
import { type Fields, partsOf } from './compose.js';

/** What became of one part. `refused`: surely not taken; `lost`: may have been. */
export type PartEnd =
  | { kind: 'taken'; id: string }
  | { kind: 'refused'; temporary: boolean; detail: string; optedOut?: boolean }
  | { kind: 'lost'; detail: string };

export interface Sending {
  readonly link: Link;
  readonly settings: SmppSettings;
  /** Told when it is the message's turn; the result is called when it is no longer under way. */
  begin(): () => void;
  /** Told of every part that was taken, also of those whose answer comes when nobody waits any more. */
  onTaken(part: number, id: string): void;
}

/** Carries a message to its outcome before the attempt's time is over. */
export async function submitText(message: ComposedText, attempt: Attempt, sending: Sending): Promise<Outcome> {
  const { signal } = attempt;
  const { link, settings } = sending;
  const plan = partsOf(message, settings);
  if ('problem' in plan) return { kind: 'rejected', detail: plan.problem };
  const leave = await link.traffic.recipient(message.to, signal).catch(() => undefined);
  if (!leave) return { kind: 'deferred', detail: 'other messages to this recipient were ahead and took all the time' };
  const over = sending.begin();
  try {
    const ends: Promise<PartEnd>[] = [];
    const fate = { failed: false };
    for (const [at, fields] of plan.parts.entries()) {
      if (fate.failed) break;
      // The next part follows when this one is written, not when it is answered.
      await new Promise<void>((written) => {
        const end = submitPart(fields, signal, sending, fate, written, (id) => sending.onTaken(at + 1, id));
        ends.push(
          end.then((what) => {
            written();
            return what;
          }),
        );
      });
    }
    return outcomeOf(await Promise.all(ends), plan.parts.length, message);
  } finally {
    over();
    leave();
  }
}

/** The parts of one message fail together: once one has, no further one is written. */
interface Fate {
  failed: boolean;
}

/** One part, again and again while the SMSC asks to slow down and there is time. Never rejects. */
async function submitPart(
  fields: Fields,
  signal: AbortSignal,
  sending: Sending,
  fate: Fate,
  written: () => void,
  taken: (id: string) => void,
): Promise<PartEnd> {
  let throttled: string | undefined;
  for (;;) {
    let leave: () => void;
    try {
      leave = await sending.link.traffic.part(signal);
    } catch {
      fate.failed = true;
      return { kind: 'refused', temporary: true, detail: throttled ?? 'the rate limit left no time for it' };
    }
    if (fate.failed) {
      leave();
      return { kind: 'refused', temporary: true, detail: 'another part failed' };
    }
    const end = await submitOnce(fields, signal, sending, fate, written, taken).finally(leave);
    if (end.kind !== 'throttled') return end;
    throttled = end.detail;
  }
}

async function submitOnce(
  fields: Fields,
  signal: AbortSignal,
  sending: Sending,
  fate: Fate,
  written: () => void,
  taken: (id: string) => void,
): Promise<PartEnd | { kind: 'throttled'; detail: string }> {
  const { link, settings } = sending;
  let asked: Promise<Pdu>;
  try {
    const wire = link.wire ?? (await raceSignal(link.sending(), signal, 'waiting for the link'));
    asked = wire.request('submit_sm', fields);
    written();
  } catch (error) {
    fate.failed = true;
    return { kind: 'refused', temporary: true, detail: `the SMSC cannot be reached: ${messageOf(error)}` };
  }
  const ended = asked.then((answer): PartEnd | { kind: 'throttled'; detail: string } => {
    // Here and not later: the place in the window is free at once, and the next one must know.
    if (settings.OptedOutStatus?.includes(answer.status)) {
      fate.failed = true;
      return { kind: 'refused', temporary: false, detail: statusWords(answer.status), optedOut: true };
    }
    if (isThrottle(answer.status)) {
      link.traffic.slowDown();
      return { kind: 'throttled', detail: statusWords(answer.status) };
    }
    if (answer.status !== STATUS.ok) {
      fate.failed = true;
      return { kind: 'refused', temporary: isTemporary(answer.status), detail: statusWords(answer.status) };
    }
    const id = answer.text('message_id').trim();
    link.traffic.taken();
    taken(id);
    return { kind: 'taken', id };
  });
  try {
    return await raceSignal(ended, signal, 'submit_sm');
  } catch (error) {
    fate.failed = true;
    if (error instanceof LinkLost && !error.written)
      return { kind: 'refused', temporary: true, detail: `the SMSC cannot be reached: ${error.message}` };
    return { kind: 'lost', detail: `no answer to submit_sm: ${messageOf(error)}` };
  }
}

function outcomeOf(ends: readonly PartEnd[], total: number, message: ComposedText): Outcome {
  const ids = ends.flatMap((end) => (end.kind === 'taken' ? [end.id] : []));
  const lost = ends.find((end) => end.kind === 'lost');
  if (lost?.kind === 'lost')
    return {
      kind: 'unknown',
      detail: total === 1 ? lost.detail : `${ids.length} of ${total} parts were taken; ${lost.detail}`,
    };
  const refusals = ends.flatMap((end, at) => (end.kind === 'refused' ? [{ ...end, at }] : []));
  // A final refusal says more than one for now, and than that of a part that was not tried for its sake.
  const refused = refusals.find(({ temporary }) => !temporary) ?? refusals[0];
  if (!refused) return sent(ids, message);
  const optedOut = refused.optedOut && { optedOut: true };
  if (ids.length > 0) {
    const detail = `${ids.length} of ${total} parts were taken, part ${refused.at + 1} was not: ${refused.detail}; not sent again, or it would arrive twice`;
    return { kind: 'rejected', detail, ...optedOut };
  }
  if (refused.temporary) return { kind: 'deferred', detail: refused.detail };
  return { kind: 'rejected', detail: refused.detail, ...optedOut };
}

/** An SMSC that gives no ids gives no receipts; then our own reference has to do. */
export function sent(ids: readonly string[], { reference }: ComposedText): Extract<Outcome, { kind: 'sent' }> {
  const named = ids.filter((id) => id !== '');
  const [first] = named;
  if (first === undefined) return { kind: 'sent', deliverySystemId: reference, ids: [], state: 'accepted' };
  const detail = named.length > 1 ? { detail: `${named.length} parts` } : {};
  return { kind: 'sent', deliverySystemId: first, ids: named, state: 'accepted', ...detail };
}
