// Owns the judgement: what Telnyx's statuses and failure reasons mean for a send request, and in which words. Pure.
import type { DeliveryState, Outcome } from '../../src/driver/contract.js';
import { type Answer, wordsOf } from './api.js';
import type { Fax } from './faxes.js';

export interface Progress {
  readonly state: DeliveryState;
  /** Nothing comes after it. */
  readonly final: boolean;
  /** Telnyx's word and what it means: `failed user_busy: the number is busy`. */
  readonly detail: string;
  /** How far along it is, to tell news from repeats and latecomers. */
  readonly rank: number;
  /** Nothing was dialled, and another try may find it otherwise. */
  readonly notNow: boolean;
}

const UNDER_WAY: Readonly<Record<string, [rank: number, words: string]>> = {
  queued: [1, 'queued'],
  'media.processed': [2, 'media.processed: the pages are ready'],
  originated: [3, 'originated: the number is being called'],
  sending: [4, 'sending: the pages are on the line'],
};
const END = 9;

/** What the reasons mean, for those who read the delivery log. Telnyx adds more; those are shown as they come. */
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
  invalid_ecm_response_from_receiver: 'the other machine broke the error correction',
  media_processing_exception: 'Telnyx failed to turn the document into pages',
  no_outbound_profile: 'the fax application has no outbound voice profile',
  outbound_profile_channel_limit_exceeded: 'the outbound profile has no free line',
  outbound_profile_daily_spend_limit_exceeded: 'the outbound profile has spent its limit of the day',
  page_count_limit_exceeded: 'the document has more than 350 pages',
  receiver_call_dropped: 'the other side hung up',
  receiver_communication_error: 'the call to the other side failed',
  receiver_decline: 'the other side declined the call',
  receiver_incompatible_destination: 'the other side cannot take faxes',
  receiver_invalid_number_format: 'the number is not a complete one',
  receiver_no_answer: 'nobody answered',
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

/** Nothing was dialled for want of a line, which may be free again soon. */
const NOT_NOW = new Set([
  'connection_channel_limit_exceeded',
  'outbound_profile_channel_limit_exceeded',
  'service_unavailable',
  'user_channel_limit_exceeded',
]);

type Facts = Pick<Fax, 'status' | 'failureReason' | 'internalReason' | 'pages' | 'seconds'>;

/** How far a fax of ours has come; undefined for statuses that say nothing about that. */
export function progressOf(fax: Facts): Progress | undefined {
  const status = fax.status?.toLowerCase() ?? '';
  if (status === 'delivered') return delivered(fax);
  if (status === 'failed') return failed(fax);
  const known = UNDER_WAY[status];
  if (!known) return undefined;
  const [rank, detail] = known;
  return { state: 'accepted', final: false, detail, rank, notNow: false };
}

function delivered({ pages, seconds }: Facts): Progress {
  const end = { final: true, rank: END, notNow: false };
  if (pages === 0) return { ...end, state: 'undelivered', detail: 'said to be delivered, but with 0 pages' };
  const facts = [pages === null ? [] : pagesWords(pages), seconds === null ? [] : duration(seconds)].flat();
  return { ...end, state: 'delivered', detail: ['delivered', ...facts].join(', ') };
}

function failed({ failureReason, internalReason, pages }: Facts): Progress {
  const reason = failureReason ?? '';
  const meaning = reasonWords(reason);
  const inner = internalReason && internalReason !== failureReason ? ` (${internalReason})` : '';
  const part = pages ? `, after ${pagesWords(pages)}` : '';
  const detail = `failed${reason ? ` ${meaning}` : ' without a reason'}${inner}${part}`;
  return { state: 'undelivered', final: true, detail: detail.slice(0, 500), rank: END, notNow: NOT_NOW.has(reason) };
}

/** `user_busy: the number is busy`. */
function reasonWords(reason: string): string {
  const meaning = REASONS[reason];
  return meaning ? `${reason}: ${meaning}` : reason;
}

/** Why nothing came of a call that came in, for the log. */
export function failureWords({ from, failureReason }: Pick<Fax, 'from' | 'failureReason'>): string {
  return `a fax from ${from ?? 'an unknown number'} failed: ${reasonWords(failureReason ?? 'no reason given')}`;
}

function pagesWords(pages: number): string {
  return `${pages} ${pages === 1 ? 'page' : 'pages'}`;
}

/** `1:05` for 65 seconds. */
export function duration(seconds: number): string {
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
}

/**
 * What a refusal of the API means. Surely not taken: 4xx and 429. Of the 5xx only 503 says that the request was not
 * handled (RFC 9110 15.6.4); with the others it may have been. Whoever asks has looked into the list before.
 */
export function judge(answer: Answer): Outcome {
  const { status, retryAfterMs } = answer;
  const detail = wordsOf(answer);
  if (status >= 500 && status !== 503) return { kind: 'unknown', detail: `${detail}; it may have taken the fax` };
  // Our account or its pace is at fault, not the send request; a redirect is no answer of the API at all.
  const later = status < 400 || [401, 402, 408, 425, 429, 503].includes(status);
  if (!later) return { kind: 'rejected', detail };
  return { kind: 'deferred', detail, ...(retryAfterMs !== undefined && { retryAfterMs }) };
}
