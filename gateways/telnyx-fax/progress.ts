// What Telnyx's statuses and failure reasons mean for an outbound fax. Pure.
import type { Outcome } from '../../src/driver/contract.js';
import type * as shared from '../../src/driver/shared/pending-sends.js';
import { type ApiAnswer, describeAnswer } from './api.js';
import type { Fax } from './faxes.js';

export interface Progress extends shared.Progress {
  /** Telnyx's word and what it means: `failed user_busy: the number is busy`. */
  readonly detail: string;
  /** True when no call was made, and another attempt may succeed. */
  readonly deferrable: boolean;
}

const UNDER_WAY: Readonly<Record<string, readonly [rank: number, detail: string]>> = {
  queued: [1, 'queued'],
  'media.processed': [2, 'media.processed: the pages are ready'],
  originated: [3, 'originated: the number is being called'],
  sending: [4, 'sending: the pages are on the line'],
};
/** Rank of every final state. */
export const END = 9;

/** What the reasons mean, for the delivery log. Telnyx adds more; those are shown as they come. */
const REASONS: Readonly<Record<string, string>> = {
  account_disabled: 'the Telnyx account is disabled',
  carrier_lost: 'the line was lost',
  connection_channel_limit_exceeded: 'the fax application has no free line',
  destination_invalid: 'the number does not exist or cannot be called',
  destination_not_in_countries_whitelist: 'the outbound profile does not allow this country',
  destination_not_in_service_plan: 'the service plan does not cover this destination',
  destination_unreachable: 'the number cannot be reached',
  fax_initial_communication_timeout: 'something answered, but no fax machine',
  fax_signaling_error: 'the two machines did not understand each other',
  file_download_failed: 'Telnyx could not get the document',
  file_format_invalid: 'Telnyx cannot read the document',
  file_size_limit_exceeded: 'the document is larger than 50 MB',
  invalid_ecm_response_from_receiver: 'the other fax machine broke the error correction',
  media_processing_exception: 'Telnyx failed to turn the document into pages',
  no_outbound_profile: 'the fax application has no outbound voice profile',
  outbound_profile_channel_limit_exceeded: 'the outbound profile has no free line',
  outbound_profile_daily_spend_limit_exceeded: 'the outbound profile has spent its limit of the day',
  page_count_limit_exceeded: 'the document has more than 350 pages',
  receiver_call_dropped: 'the other side hung up',
  receiver_communication_error: 'the call to the other side failed',
  receiver_decline: 'the other side declined the call',
  receiver_incompatible_destination: 'the other side cannot receive faxes',
  receiver_invalid_number_format: 'the number is not a complete one',
  receiver_no_answer: 'the call was not answered',
  receiver_no_response: 'the other side did not respond',
  receiver_recovery_on_timer_expire: 'the call ran into a time limit on the way',
  receiver_unallocated_number: 'the number is not in use',
  sender_call_dropped: 'the call was dropped on the sending side',
  sender_canceled: 'the fax was cancelled',
  sender_communication_error: 'the call failed on the sending side',
  service_unavailable: 'Telnyx could not place the call',
  unverified_destination_not_allowed: 'the account may only send to verified numbers',
  unverified_origination_number: 'the own number is not verified',
  user_busy: 'the number is busy',
  user_channel_limit_exceeded: 'the account has no free line',
};

/** No call was made because no line was free; one may be free again soon. */
const NO_FREE_LINE = new Set([
  'connection_channel_limit_exceeded',
  'outbound_profile_channel_limit_exceeded',
  'service_unavailable',
  'user_channel_limit_exceeded',
]);

type FaxStatus = Pick<Fax, 'status' | 'failureReason' | 'internalReason' | 'pages' | 'seconds'>;

/** How far a sent fax has come; undefined for statuses without that information. */
export function progressOf(fax: FaxStatus): Progress | undefined {
  const status = fax.status?.toLowerCase() ?? '';
  if (status === 'delivered') return delivered(fax);
  if (status === 'failed') return failed(fax);
  const known = UNDER_WAY[status];
  if (!known) return undefined;
  const [rank, detail] = known;
  return { state: 'accepted', final: false, detail, rank, deferrable: false };
}

function delivered({ pages, seconds }: FaxStatus): Progress {
  const end = { final: true, rank: END, deferrable: false };
  if (pages === 0) return { ...end, state: 'undelivered', detail: 'said to be delivered, but with 0 pages' };
  const counts = [pages === null ? [] : countPages(pages), seconds === null ? [] : duration(seconds)].flat();
  return { ...end, state: 'delivered', detail: ['delivered', ...counts].join(', ') };
}

function failed({ failureReason, internalReason, pages }: FaxStatus): Progress {
  const reason = failureReason ?? '';
  const meaning = describeReason(reason);
  const inner = internalReason && internalReason !== failureReason ? ` (${internalReason})` : '';
  const part = pages ? `, after ${countPages(pages)}` : '';
  const detail = `failed${reason ? ` ${meaning}` : ' without a reason'}${inner}${part}`;
  return {
    state: 'undelivered',
    final: true,
    detail: detail.slice(0, 500),
    rank: END,
    deferrable: NO_FREE_LINE.has(reason),
  };
}

/** `user_busy: the number is busy`. */
function describeReason(reason: string): string {
  const meaning = REASONS[reason];
  return meaning ? `${reason}: ${meaning}` : reason;
}

/** Why an incoming call brought no fax, for the log. */
export function describeFailure({ from, failureReason }: Pick<Fax, 'from' | 'failureReason'>): string {
  return `a fax from ${from ?? 'an unknown number'} failed: ${describeReason(failureReason ?? 'no reason given')}`;
}

function countPages(pages: number): string {
  return `${pages} ${pages === 1 ? 'page' : 'pages'}`;
}

/** `1:05` for 65 seconds. */
export function duration(seconds: number): string {
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
}

/**
 * The outcome of a refusal of the API. 4xx and 429 surely sent nothing. Of the 5xx only 503 says that the request was not
 * handled (RFC 9110 15.6.4); after the others the fax may have been accepted, and the caller has searched the list before.
 */
export function outcomeOf(answer: ApiAnswer): Outcome {
  const { status, retryAfterMs } = answer;
  const detail = describeAnswer(answer);
  if (status >= 500 && status !== 503) return { kind: 'unknown', detail: `${detail}; it may have accepted the fax` };
  // The account or its rate is at fault, not the fax; a redirect is no answer of the API at all.
  const later = status < 400 || [401, 402, 408, 425, 429, 503].includes(status);
  if (!later) return { kind: 'rejected', detail };
  return { kind: 'deferred', detail, ...(retryAfterMs !== undefined && { retryAfterMs }) };
}
