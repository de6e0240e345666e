// What the gateway's answer to a send means. Pure.
import type { ComposedText, Outcome } from '../../src/driver/contract.js';
import { retryAfterMs } from '../../src/driver/shared/retry-after.js';
import type { Answer } from './exchange.js';
import type { Match } from './schemas.js';
import type { HttpSmsSettings } from './settings.js';
import { type AnswerPath, atPath, between, parseJson, scalarText, splitPath } from './value-path.js';

/** Characters of an answer that go into the delivery log. */
const MAX_TEXT = 300;
/** A longer value is no id. */
const MAX_ID = 200;
/**
 * The gateway has not accepted the message. Refused credentials are the gateway's fault, not the message's. A 502 or 504 comes
 * from a proxy (RFC 9110 15.6), behind which the gateway may have accepted the message.
 */
const isDeferral = (status: number) =>
  [401, 407, 408, 425, 429].includes(status) || (status >= 500 && status !== 502 && status !== 504);

export function outcomeOf(answer: Answer, settings: HttpSmsSettings, message: ComposedText, now: number): Outcome {
  const read = reading(answer);
  const { status } = answer;
  const success = isSuccess(read, settings.SuccessWhen);
  if (success === 'yes') return sent(read, settings, message);
  const detail = describeRefusal(read, settings.ErrorFrom);
  if (success === 'cannot tell') return { kind: 'unknown', detail: `the answer cannot be read: ${detail}` };
  if (settings.OptedOutWhen && anyOf(read, settings.OptedOutWhen)) return { kind: 'rejected', detail, optedOut: true };
  if (settings.DeferWhen ? anyOf(read, settings.DeferWhen) : isDeferral(status)) return deferred(answer, detail, now);
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
  wanted.includes(scalarText(atPath(read.json, path)) ?? '\0');

function sent(read: Reading, settings: HttpSmsSettings, message: ComposedText): Outcome {
  const id = settings.IdFrom ? find(read, settings.IdFrom) : undefined;
  if (id && id.length <= MAX_ID) return { kind: 'sent', deliverySystemId: id, detail: describe(read), ids: [id] };
  const detail = settings.IdFrom ? `accepted, but without an id at IdFrom: ${describe(read)}` : describe(read);
  return { kind: 'sent', deliverySystemId: message.reference, detail, ids: [message.reference] };
}

function find(read: Reading, place: AnswerPath): string | undefined {
  if (typeof place !== 'string') return between(read.text, place) || undefined;
  const { where, name } = splitPath(place);
  return where === 'header' ? read.headers[name.toLowerCase()] : scalarText(atPath(read.json, name)) || undefined;
}

function describeRefusal(read: Reading, place: AnswerPath | undefined): string {
  const found = place ? find(read, place) : undefined;
  if (found) return `HTTP ${read.status}: ${tidy(found)}`;
  const { location } = read.headers;
  if (read.status >= 300 && read.status < 400 && location)
    return `HTTP ${read.status}: the gateway redirects, which is not followed; put the new address into SendUrl: ${tidy(location.split('?')[0] ?? '')}`;
  return describe(read);
}

const describe = ({ status, text }: Answer) => (tidy(text) ? `HTTP ${status}: ${tidy(text)}` : `HTTP ${status}`);

function tidy(text: string): string {
  const line = text
    .slice(0, 4 * MAX_TEXT)
    .replace(/[\s\p{Cc}\p{Cf}]+/gu, ' ')
    .trim();
  return line.length > MAX_TEXT ? `${line.slice(0, MAX_TEXT)}…` : line;
}

function deferred(answer: Answer, detail: string, now: number): Outcome {
  const pause = retryAfterMs(answer.headers['retry-after'], now);
  return { kind: 'deferred', detail, ...(pause !== undefined && { retryAfterMs: pause }) };
}
