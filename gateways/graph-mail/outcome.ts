// What Graph's answer to "send this" means.
import type { Outcome } from '../../src/driver/contract.js';
import { HttpFailure } from '../../src/driver/shared/http-client.js';
import { type ApiAnswer, describeAnswer, errorOf, isSuccess, reasonOf } from './api.js';

/** The words of a whole account or service, not of this mail. */
const SERVICE = /Throttl|TooManyRequests|ServerBusy|MailboxStoreUnavailable|QuotaExceeded|ConcurrencyLimit/i;

/** Refused before anything was done: another attempt may succeed. */
const NOT_NOW: ReadonlySet<number> = new Set([401, 404, 409, 423, 429, 503, 509]);

export function judge(answer: ApiAnswer, deliverySystemId: string): Outcome {
  const { status, retryAfterMs } = answer;
  const detail = describeAnswer(answer);
  if (isSuccess(answer))
    return { kind: 'sent', deliverySystemId, detail: `Microsoft Graph accepted the mail (${status})` };
  const { code } = errorOf(answer);
  const deferred: Outcome = { kind: 'deferred', detail, ...(retryAfterMs !== undefined && { retryAfterMs }) };
  if (NOT_NOW.has(status) || SERVICE.test(code)) return deferred;
  // The right to send as somebody else is about this mail; without the right to send at all no mail would go.
  if (status === 403) return /SendAs|SendOnBehalf/i.test(code) ? { kind: 'rejected', detail } : deferred;
  // A gateway in between gave up waiting, or the service failed somewhere: the mail may have been accepted.
  if (status >= 500 || status === 408) return { kind: 'unknown', detail };
  return { kind: 'rejected', detail };
}

/** True when the request may have been read: every failure before that is no failure of the exchange. */
export function mayBeSent(error: unknown): boolean {
  return error instanceof HttpFailure && error.written;
}

export function failed(error: unknown): Outcome {
  const detail = `Microsoft Graph gave no answer: ${reasonOf(error)}`;
  return mayBeSent(error)
    ? { kind: 'unknown', detail }
    : { kind: 'deferred', detail: `cannot use Microsoft Graph: ${reasonOf(error)}` };
}

/** True for an outcome that says something about the account or the service. */
export function isAboutService(outcome: Outcome): boolean {
  return outcome.kind === 'deferred' || outcome.kind === 'unknown';
}
