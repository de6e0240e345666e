// Owns the small arithmetic on outcomes: what a throw means, what people get to read, what may be shown.
import type { Outcome, WhenUncertain } from '../../driver/contract.js';
import { NotSent } from '../../driver/contract.js';
import { messageOf } from '../../kit/errors.js';
import type { SendResult } from '../gateways/gateway.js';
import type { OutboundResult } from '../metrics.js';

/** How an outbound message ended here, and the answer that goes with it. */
export interface End extends SendResult {
  result: OutboundResult;
}

export const failed = (result: OutboundResult, error: string): End => ({ result, error, deliverySystemId: null });

export const done = (deliverySystemId: string): End => ({ result: 'sent', error: null, deliverySystemId });

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

/** One sentence naming who took it and who refused, with the counterparty's words. */
export function partialWords({ accepted, refused }: Extract<Outcome, { kind: 'partial' }>): string {
  const refusals = refused.map(({ recipient, detail }) => `${recipient}: ${detail}`).join('; ');
  return `accepted for ${accepted.join(', ')}; refused: ${refusals}`;
}

/** Receivers of e-mail drop a repeated Message-ID; nothing of that kind protects a text message or a fax. */
export function defaultPolicy(channel: string): WhenUncertain {
  return channel === 'Email' ? 'Resend' : 'Hold';
}
