// The sentences that agents read. A message with an unknown attempt is never called "not sent".
import type { Outcome } from '../../driver/contract.js';
import { acceptedBy } from '../../journal/outbound/fold.js';
import type { AttemptRecord } from '../../journal/types/outbound.js';
import type { SendResult } from '../gateways/gateway.js';
import type { OutboundResult } from '../metrics.js';

/** How a delivery ended, and the answer that goes with it. */
export interface End extends SendResult {
  result: OutboundResult;
}

export const failed = (result: OutboundResult, error: string): End => ({ result, error, deliverySystemId: null });

export const done = (deliverySystemId: string | null): End => ({ result: 'sent', error: null, deliverySystemId });

export function newestUnknown(attempts: readonly AttemptRecord[]): AttemptRecord | undefined {
  return attempts.findLast(({ state }) => state === 'unknown');
}

/** Nothing more is sent, because of `detail`; what earlier attempts came to decides the answer. */
export function notSent(attempts: readonly AttemptRecord[], kind: 'deferred' | 'rejected', detail: string): End {
  const unknown = newestUnknown(attempts);
  if (unknown) return uncertain(`${unknownDetail(unknown)}; not sent again: ${bare(detail)}`);
  const accepted = acceptedBy(attempts);
  if (accepted.length === 0) return failed(kind, detail);
  return failed('partial', `accepted for ${accepted.join(', ')}; not sent to the others: ${bare(detail)}`);
}

export function uncertain(detail: string): End {
  return failed('unknown', `delivery uncertain: ${detail}`);
}

export function heldForOperator(detail: string): End {
  return failed('unknown', `delivery uncertain, held until an operator resolves it: ${detail}`);
}

export function unknownDetail({ detail }: AttemptRecord): string {
  return detail ?? 'an earlier attempt has no known outcome';
}

/** Names the recipients that have the message and those that rejected it, with the counterparty's words. */
export function partly(attempts: readonly AttemptRecord[], { refused }: Extract<Outcome, { kind: 'partial' }>): End {
  const rejections = refused.map(({ recipient, detail }) => `${recipient}: ${detail}`).join('; ');
  return failed('partial', `accepted for ${acceptedBy(attempts).join(', ')}; rejected: ${rejections}`);
}

function bare(detail: string): string {
  return detail.replace(/^not sent: /, '');
}
