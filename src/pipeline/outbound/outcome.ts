import type { ComposedMessage, Outcome, WhenUncertain } from '../../driver/contract.js';
import { NotSent } from '../../driver/contract.js';
import { messageOf } from '../../kit/errors.js';

/** A throw from `send` means unknown, unless it is the declared "not sent". */
export function thrown(error: unknown): Outcome {
  const detail = messageOf(error);
  return error instanceof NotSent ? { kind: 'deferred', detail } : { kind: 'unknown', detail };
}

/** The counterparty's words without our secrets: servers like to repeat what they were told. */
export function redacted(outcome: Outcome, redact: (text: string) => string): Outcome {
  if (outcome.kind === 'partial') {
    const refused = outcome.refused.map((refusal) => ({ ...refusal, detail: redact(refusal.detail) }));
    return { ...outcome, refused };
  }
  return outcome.detail === undefined ? outcome : { ...outcome, detail: redact(outcome.detail) };
}

/**
 * A mail is known outside under the Message-ID that we gave it, in the form that fits the server's column; a fax under the
 * reference of its message, because the numbers of jobs come round again. Their receipts still name the counterparty's own ids.
 */
export function withOurId(outcome: Outcome, kind: ComposedMessage['kind'], deliverySystemId: string): Outcome {
  if (kind === 'text' || !('deliverySystemId' in outcome)) return outcome;
  if (kind === 'mail' || outcome.kind !== 'sent') return { ...outcome, deliverySystemId };
  return { ...outcome, deliverySystemId, ids: outcome.ids ?? [outcome.deliverySystemId] };
}

/** Receivers of e-mail drop a repeated Message-ID; nothing of that kind protects a text message or a fax. */
export function defaultPolicy(channel: string): WhenUncertain {
  return channel === 'Email' ? 'Resend' : 'Hold';
}
