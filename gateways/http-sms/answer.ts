// Owns what the gateway's answer to a send means.
import type { ComposedText, Outcome } from '../../src/driver/contract.js';
import type { Answer } from './exchange.js';
import { type AnswerPlace, atPath, between, parseJson, splitPlace, wordOf } from './places.js';
import type { HttpSmsSettings } from './settings.js';
import type { Match } from './shapes.js';

/** What people read of an answer. */
const MAX_WORDS = 300;
/** Longer ones are no ids. */
const MAX_ID = 200;
/**
 * Said before anything was done with the message. Refused credentials are our fault, not the message's. A 502 or 504 comes
 * from something in front of the gateway (RFC 9110 15.6), which may have taken the message all the same.
 */
const LATER = (status: number) =>
  [401, 407, 408, 425, 429].includes(status) || (status >= 500 && status !== 502 && status !== 504);

export function judge(answer: Answer, settings: HttpSmsSettings, message: ComposedText, now: number): Outcome {
  const read = reading(answer);
  const { status } = answer;
  const success = isSuccess(read, settings.SuccessWhen);
  if (success === 'yes') return sent(read, settings, message);
  const detail = refusalWords(read, settings.ErrorFrom);
  if (success === 'cannot tell') return { kind: 'unknown', detail: `the answer cannot be read: ${detail}` };
  if (settings.OptedOutWhen && anyOf(read, settings.OptedOutWhen)) return { kind: 'rejected', detail, optedOut: true };
  if (settings.DeferWhen ? anyOf(read, settings.DeferWhen) : LATER(status)) return later(answer, detail, now);
  if (status === 502 || status === 504) return { kind: 'unknown', detail };
  return { kind: 'rejected', detail };
}

interface Reading extends Answer {
  /** undefined when the text is not JSON. */
  readonly json: unknown;
}

function reading(answer: Answer): Reading {
  try {
    return { ...answer, json: answer.whole ? parseJson(answer.text) : undefined };
  } catch {
    return { ...answer, json: undefined };
  }
}

/** `cannot tell`: the status is right, and the rest of the evidence is missing. */
function isSuccess(read: Reading, match: Match = {}): 'yes' | 'no' | 'cannot tell' {
  const status = match.Status ? match.Status.includes(read.status) : read.status >= 200 && read.status < 300;
  if (!status) return 'no';
  if (match.Json && read.json === undefined) return 'cannot tell';
  if (match.Text && !startsWithAny(read.text, match.Text)) return read.whole ? 'no' : 'cannot tell';
  return Object.entries(match.Json ?? {}).every((condition) => holds(read, condition)) ? 'yes' : 'no';
}

function anyOf(read: Reading, match: Match): boolean {
  return (
    (match.Status?.includes(read.status) ?? false) ||
    (match.Text ? startsWithAny(read.text, match.Text) : false) ||
    Object.entries(match.Json ?? {}).some((condition) => holds(read, condition))
  );
}

const startsWithAny = (text: string, beginnings: readonly string[]) =>
  beginnings.some((beginning) => text.trimStart().startsWith(beginning));

const holds = (read: Reading, [path, wanted]: [string, readonly string[]]) =>
  wanted.includes(wordOf(atPath(read.json, path)) ?? '\0');

function sent(read: Reading, settings: HttpSmsSettings, message: ComposedText): Outcome {
  const id = settings.IdFrom ? find(read, settings.IdFrom) : undefined;
  if (id && id.length <= MAX_ID) return { kind: 'sent', deliverySystemId: id, detail: words(read), ids: [id] };
  const detail = settings.IdFrom ? `taken, but without an id where IdFrom looks: ${words(read)}` : words(read);
  return { kind: 'sent', deliverySystemId: message.reference, detail, ids: [message.reference] };
}

function find(read: Reading, place: AnswerPlace): string | undefined {
  if (typeof place !== 'string') return between(read.text, place) || undefined;
  const { where, name } = splitPlace(place);
  return where === 'header' ? read.headers[name.toLowerCase()] : wordOf(atPath(read.json, name)) || undefined;
}

function refusalWords(read: Reading, place: AnswerPlace | undefined): string {
  const found = place ? find(read, place) : undefined;
  if (found) return `HTTP ${read.status}: ${tidy(found)}`;
  const { location } = read.headers;
  if (read.status >= 300 && read.status < 400 && location)
    return `HTTP ${read.status}: it lives at another address now, which is not followed; put it into SendUrl: ${tidy(location.split('?')[0] ?? '')}`;
  return words(read);
}

const words = ({ status, text }: Answer) => (tidy(text) ? `HTTP ${status}: ${tidy(text)}` : `HTTP ${status}`);

function tidy(text: string): string {
  const line = text
    .slice(0, 4 * MAX_WORDS)
    .replace(/[\s\p{Cc}\p{Cf}]+/gu, ' ')
    .trim();
  return line.length > MAX_WORDS ? `${line.slice(0, MAX_WORDS)}…` : line;
}

function later(answer: Answer, detail: string, now: number): Outcome {
  const retryAfterMs = retryAfter(answer.headers['retry-after'] ?? '', now);
  return { kind: 'deferred', detail, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
}

/** Seconds or a date (RFC 9110 10.2.3). */
function retryAfter(value: string, now: number): number | undefined {
  if (/^\d{1,9}$/.test(value)) return Number(value) * 1000;
  const at = value ? Date.parse(value) : Number.NaN;
  return Number.isFinite(at) ? Math.max(0, at - now) : undefined;
}
