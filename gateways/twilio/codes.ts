// Owns the judgement: what Twilio's statuses and error codes mean for a send request, and in which words. Pure.
// Only codes that change the verdict are named one by one, because Twilio keeps adding more precise ones: any other
// refusal with a 4xx is final for this message.
import { codeOf, type DeliveryState, messageOf, type Outcome } from '../../src/driver/contract.js';
import type { Call } from './api.js';

const OPTED_OUT = 21610;
/** The recipient is not at fault: Twilio is full at the moment, or our account is not in order. */
const NOT_NOW = new Set([14107, 20003, 20005, 20429, 21611]);

/** What the usual codes mean, for those who read the delivery log. */
const MEANINGS: Readonly<Record<number, string>> = {
  20003: 'Permission denied: check AccountSid and AuthToken, or ApiKey and ApiSecret',
  20005: 'The account is not active',
  20404: 'There is no such thing in this account',
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
export function wordsOf(code: number, text: string | null): string {
  const meaning = MEANINGS[code];
  const own = text?.trim().replace(/\s+/g, ' ') ?? '';
  if (!meaning) return own ? `${code}: ${own}` : String(code);
  return own && own.toLowerCase() !== meaning.toLowerCase() ? `${code}: ${meaning} (${own})` : `${code}: ${meaning}`;
}

export interface Progress {
  readonly state: DeliveryState;
  /** Nothing comes after it. */
  readonly final: boolean;
  /** Twilio's word and code: `undelivered 30003: Unreachable destination handset`. */
  readonly detail: string;
  /** What that says beyond the state: `30003: Unreachable destination handset`; null when nothing. */
  readonly note: string | null;
  readonly optedOut: boolean;
}

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

/** How far a message of ours has come; undefined for statuses that say nothing about that. */
export function progressOf(status: string, code: number | null, text: string | null): Progress | undefined {
  const word = status.toLowerCase();
  const state = STATES[word];
  if (!state) return undefined;
  const reason = code ? wordsOf(code, text) : null;
  const detail = reason === null ? word : `${word} ${reason}`;
  const note = word === state ? reason : detail;
  return { state, final: state === 'delivered' || state === 'undelivered', detail, note, optedOut: code === OPTED_OUT };
}

/** What a failed create means. A 5xx is answered here as deferred; whoever asks makes sure first that nothing went out. */
export function judge(error: unknown, call: Call | undefined): Outcome {
  const { status, code, text } = refusalOf(error);
  if (status === 0) return unanswered(error, call?.committed === true);
  const detail = code > 0 ? wordsOf(code, text) : `Twilio answered ${status}${text ? `: ${text}` : ''}`;
  if (code === OPTED_OUT) return { kind: 'rejected', detail, optedOut: true };
  const later = status === 429 || status >= 500 || status < 400 || status === 401 || status === 408;
  if (!later && !NOT_NOW.has(code)) return { kind: 'rejected', detail };
  const retryAfterMs = call?.retryAfterMs;
  return { kind: 'deferred', detail, ...(retryAfterMs !== undefined && { retryAfterMs }) };
}

function unanswered(error: unknown, committed: boolean): Outcome {
  const why = reasonOf(error);
  return committed
    ? { kind: 'unknown', detail: `the message was handed over, but Twilio's answer is missing: ${why}` }
    : { kind: 'deferred', detail: `Twilio could not be reached: ${why}` };
}

export interface TwilioRefusal {
  /** HTTP status; 0 when there was no answer that could be understood. */
  readonly status: number;
  /** 0 when there was none. */
  readonly code: number;
  readonly text: string;
}

/** What the SDK puts on its errors, as far as it is there. */
export function refusalOf(error: unknown): TwilioRefusal {
  const has = (name: string): unknown =>
    typeof error === 'object' && error !== null ? Reflect.get(error, name) : undefined;
  const status = Number(has('status'));
  if (!(error instanceof Error) || !Number.isInteger(status) || status < 300) return { status: 0, code: 0, text: '' };
  const code = Number(has('code'));
  return {
    status,
    code: Number.isInteger(code) ? code : 0,
    text: typeof error.message === 'string' ? error.message : '',
  };
}

/** One sentence of any failure to use the API. */
export function reasonOf(error: unknown): string {
  const { status, code, text } = refusalOf(error);
  if (code > 0) return wordsOf(code, text);
  if (status > 0) return `Twilio answered ${status}${text ? `: ${text}` : ''}`;
  if (error instanceof SyntaxError || error instanceof TypeError) return 'the answer is not one of the Twilio API';
  const words = messageOf(error);
  return codeOf(error) && !words.includes(codeOf(error)) ? `${words} (${codeOf(error)})` : words;
}
