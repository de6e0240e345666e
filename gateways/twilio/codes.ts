// What Twilio's statuses and error codes mean for an outbound message. Pure.
// Only codes that change the outcome are listed, because Twilio keeps adding more precise ones: any other error with a 4xx
// rejects the message.
import { codeOf, type DeliveryState, GatepostError, messageOf, type Outcome } from '../../src/driver/contract.js';
import type * as shared from '../../src/driver/shared/pending-sends.js';
import type { Call } from './api.js';

const OPTED_OUT = 21610;
/** The message is not at fault: Twilio's queue is full, or the account is not in order. */
const DEFERRED_CODES = new Set([14107, 20003, 20005, 20429, 21611]);

/** What the usual codes mean, for the delivery log. */
const MEANINGS: Readonly<Record<number, string>> = {
  20003: 'Permission denied: check AccountSid and AuthToken, or ApiKey and ApiSecret',
  20005: 'The account is not active',
  20404: 'The account has nothing under this SID',
  20429: 'Too many requests at once',
  21211: 'Invalid recipient number',
  21212: 'Invalid sender number',
  21408: 'The account may not send to this region',
  21602: 'The message has no text',
  21603: 'The message has no sender',
  21604: 'The message has no recipient',
  21606: 'The sender does not belong to the account or cannot send to this recipient',
  21608: 'A trial account sends to verified numbers only',
  21609: 'The address for delivery states is not a public one: check the public address of the HTTP port',
  21610: 'The recipient has opted out',
  21611: 'The queue of the sender is full',
  21612: 'The recipient cannot be reached from this sender',
  21614: 'The recipient is not a mobile number',
  21617: 'The text is longer than 1,600 characters',
  21659: 'The sender is not a number of Twilio or does not fit the country',
  21660: 'The sender does not belong to the account',
  21703: 'The messaging service has no senders',
  30001: 'Queue overflow',
  30002: 'Account suspended',
  30003: 'Unreachable destination handset',
  30004: 'Message blocked',
  30005: 'Unknown destination handset',
  30006: 'Landline or unreachable carrier',
  30007: 'Filtered by the carrier',
  30008: 'Unknown error at the carrier',
  30032: 'The toll-free number is not verified',
  30034: 'The number is not registered for A2P messages',
};

/** `30003: Unreachable destination handset`, followed by the provider's own text where that says more. */
export function describeCode(code: number, text: string | null): string {
  const meaning = MEANINGS[code];
  const own = text?.trim().replace(/\s+/g, ' ') ?? '';
  if (!meaning) return own ? `${code}: ${own}` : String(code);
  return own && own.toLowerCase() !== meaning.toLowerCase() ? `${code}: ${meaning} (${own})` : `${code}: ${meaning}`;
}

export interface Progress extends shared.Progress {
  /** Twilio's word and code: `undelivered 30003: Unreachable destination handset`. */
  readonly detail: string;
  /** What that says beyond the state: `30003: Unreachable destination handset`; null when nothing. */
  readonly note: string | null;
  readonly optedOut: boolean;
}

const COURSE: readonly DeliveryState[] = ['accepted', 'sent', 'delivered', 'undelivered'];

const STATES: Readonly<Record<string, DeliveryState>> = {
  accepted: 'accepted',
  scheduled: 'accepted',
  queued: 'accepted',
  sending: 'accepted',
  sent: 'sent',
  partially_delivered: 'sent',
  delivered: 'delivered',
  read: 'delivered',
  undelivered: 'undelivered',
  failed: 'undelivered',
  canceled: 'undelivered',
};

/** How far a message of ours has come; undefined for statuses without that information. */
export function progressOf(status: string, code: number | null, text: string | null): Progress | undefined {
  const word = status.toLowerCase();
  const state = STATES[word];
  if (!state) return undefined;
  const reason = code ? describeCode(code, text) : null;
  const detail = reason === null ? word : `${word} ${reason}`;
  const note = word === state ? reason : detail;
  const final = state === 'delivered' || state === 'undelivered';
  return { state, final, rank: COURSE.indexOf(state), detail, note, optedOut: code === OPTED_OUT };
}

/** A message that Twilio has accepted and says nothing more about. */
export const ACCEPTED: Progress = {
  state: 'accepted',
  final: false,
  rank: 0,
  detail: 'accepted',
  note: null,
  optedOut: false,
};

/** The outcome of a failed create. A 5xx counts as deferred: the caller makes sure first that no message was created. */
export function outcomeOf(error: unknown, call: Call | undefined): Outcome {
  const { status, code } = refusalOf(error);
  if (status === 0) return unanswered(error, call?.written === true);
  const detail = reasonOf(error);
  if (code === OPTED_OUT) return { kind: 'rejected', detail, optedOut: true };
  const later = status === 429 || status >= 500 || status < 400 || status === 401 || status === 408;
  if (!later && !DEFERRED_CODES.has(code)) return { kind: 'rejected', detail };
  const retryAfterMs = call?.retryAfterMs;
  return { kind: 'deferred', detail, ...(retryAfterMs !== undefined && { retryAfterMs }) };
}

function unanswered(error: unknown, written: boolean): Outcome {
  const reason = reasonOf(error);
  return written
    ? { kind: 'unknown', detail: `the request was sent to Twilio, but no answer came: ${reason}` }
    : { kind: 'deferred', detail: `Twilio could not be reached: ${reason}` };
}

export interface Refusal {
  /** HTTP status; 0 when there was no answer that could be understood. */
  readonly status: number;
  /** Twilio's error code; 0 when there was none. */
  readonly code: number;
  readonly text: string;
}

/** The members that the SDK puts on its errors, as far as they are there. */
export function refusalOf(error: unknown): Refusal {
  const member = (name: string): unknown =>
    typeof error === 'object' && error !== null ? Reflect.get(error, name) : undefined;
  const status = Number(member('status'));
  if (!(error instanceof Error) || !Number.isInteger(status) || status < 300) return { status: 0, code: 0, text: '' };
  const code = Number(member('code'));
  return {
    status,
    code: Number.isInteger(code) ? code : 0,
    text: typeof error.message === 'string' ? error.message : '',
  };
}

/** One sentence for any failure to use the API. */
export function reasonOf(error: unknown): string {
  const { status, code, text } = refusalOf(error);
  if (code > 0) return describeCode(code, text);
  if (status > 0) return `Twilio answered HTTP ${status}${text ? `: ${text}` : ''}`;
  if (error instanceof SyntaxError || error instanceof TypeError) return 'the answer does not come from the Twilio API';
  const message = messageOf(error);
  return codeOf(error) && !(error instanceof GatepostError) && !message.includes(codeOf(error))
    ? `${message} (${codeOf(error)})`
    : message;
}
