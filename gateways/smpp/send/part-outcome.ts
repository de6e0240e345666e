// What became of each part, and what follows for the message. Pure.
// A rejected part makes the whole message rejected, also after others were accepted: a second attempt would deliver those
// twice, so that is never "deferred".
import type { ComposedText, Outcome } from '../../../src/driver/contract.js';

export type PartOutcome =
  | { readonly kind: 'accepted'; readonly id: string }
  /** The SMSC does not have it. */
  | { readonly kind: 'rejected'; readonly temporary: boolean; readonly detail: string; readonly optedOut?: boolean }
  /** Handed to the socket, no response: the SMSC may have it. */
  | { readonly kind: 'unanswered'; readonly detail: string };

type Accepted = Extract<PartOutcome, { kind: 'accepted' }>;
type Rejected = Extract<PartOutcome, { kind: 'rejected' }>;

/** `parts`: of those that were tried, in order; `partId`: the id under which an unanswered part is settled later. */
export function outcomeOf(
  parts: readonly PartOutcome[],
  total: number,
  message: ComposedText,
  partId: (part: number) => string,
): Outcome {
  const ids = parts.filter((part): part is Accepted => part.kind === 'accepted').map(({ id }) => id);
  const unanswered = parts.find((part) => part.kind === 'unanswered');
  if (unanswered) {
    const detail = total === 1 ? unanswered.detail : `${ids.length} of ${total} parts accepted; ${unanswered.detail}`;
    return { kind: 'unknown', detail, ...idsToSettle(parts, total, partId) };
  }
  // A permanent rejection says more than a temporary one, or than that of a part that was not tried because of it.
  const isRejected = (part: PartOutcome): part is Rejected => part.kind === 'rejected';
  const rejected = parts.filter(isRejected).find(({ temporary }) => !temporary) ?? parts.find(isRejected);
  if (!rejected) return sent(ids, message);
  return rejection(rejected, parts.indexOf(rejected) + 1, ids.length, total);
}

function rejection(rejected: Rejected, number: number, accepted: number, total: number): Outcome {
  const optedOut = rejected.optedOut && { optedOut: true };
  if (accepted > 0) {
    const detail = `${accepted} of ${total} parts were accepted, part ${number} was not: ${rejected.detail}; not sent again, because the accepted parts would arrive twice`;
    return { kind: 'rejected', detail, ...optedOut };
  }
  if (rejected.temporary) return { kind: 'deferred', detail: rejected.detail };
  return { kind: 'rejected', detail: rejected.detail, ...optedOut };
}

/** None when a part is surely missing: then no receipt may settle the message as sent. */
function idsToSettle(parts: readonly PartOutcome[], total: number, partId: (part: number) => string) {
  if (parts.length < total || parts.some(({ kind }) => kind === 'rejected')) return {};
  const ids = parts.map((part, at) => (part.kind === 'accepted' ? part.id : partId(at + 1)));
  return { ids: ids.filter((id) => id !== '') };
}

/** An SMSC that gives no ids sends no receipts either; then our own reference identifies the message. */
export function sent(ids: readonly string[], { reference }: ComposedText): Extract<Outcome, { kind: 'sent' }> {
  const named = ids.filter((id) => id !== '');
  const [first] = named;
  if (first === undefined) return { kind: 'sent', deliverySystemId: reference, ids: [], state: 'accepted' };
  const detail = named.length > 1 ? { detail: `${named.length} parts` } : {};
  return { kind: 'sent', deliverySystemId: first, ids: named, state: 'accepted', ...detail };
}
