import { createHash } from 'node:crypto';
import { bareIds, bracketed, idsOf, trimReferences } from '../kit/references.js';
import { LIMITS } from '../model/message.js';
import { boundaryBefore } from './limits.js';

/** Of a mail without id its beginning, its end and its size tell it from others; all of a large one would hold up the process. */
const HASHED_HEAD = 1024 * 1024;
const HASHED_TAIL = 64 * 1024;
/** Characters of a long id that stay readable; the rest of the 80 characters is "~" and a hash. */
const READABLE = 36;

/**
 * The form of a Message-ID (without brackets) for DeliverySystemId and InReplyToId: itself up to 80 characters, else its first
 * 36, "~" and the base64url SHA-256 of the whole.
 */
export function shortId(id: string): string {
  if (id.length <= LIMITS.DeliverySystemId) return id;
  return `${id.slice(0, boundaryBefore(id, READABLE))}~${hash(id)}`;
}

/** The id of a mail that came without one: the same whenever the same mail comes through the same gateway. */
export function madeId(gatewayId: string, raw: Uint8Array): string {
  const fingerprint = createHash('sha256').update(`${gatewayId.toLowerCase()}\n${raw.byteLength}\n`);
  fingerprint.update(raw.subarray(0, HASHED_HEAD));
  fingerprint.update(raw.subarray(Math.max(HASHED_HEAD, raw.byteLength - HASHED_TAIL)));
  return `${fingerprint.digest('base64url')}@gatepost`;
}

/**
 * The id of an attachment, the same each time the same message is read: one that is read again after a crash must link to
 * what was stored the first time. What keeps others out is the signature of the link, not the id.
 */
export function attachmentId(seed: string, place: string): string {
  return hash(`${seed}\n${place}`).slice(0, 22);
}

/** The one id of a Message-ID header; without brackets the whole value counts, if it is one word. */
export function messageIdOf(value: string): string | null {
  const id = idsOf(value)[0] ?? withoutBlanks(value.replace(/[<>]/g, ''));
  return id === '' ? null : id;
}

/** The id of the message that this one answers: In-Reply-To's first, else the last of References. */
export function answeredId(inReplyTo: string, references: readonly string[]): string | null {
  const ids = looseIds(inReplyTo);
  // `Message from Jana <jana@b.example> of Monday <id@b.example>`, as RFC 822 allowed: the first brackets hold an address.
  const isSentence = ids.length > 1 && /^\s*[^\s<(,]/.test(inReplyTo);
  const answered = isSentence ? (ids.find((id) => references.includes(id)) ?? ids.at(-1)) : ids[0];
  return answered ?? references.at(-1) ?? null;
}

/** The ids of an In-Reply-To or References field, with or without brackets. */
export function looseIds(value: string): string[] {
  const ids = idsOf(value);
  return ids.length > 0 ? ids : bareIds(value);
}

/** The References of an answer: the mail's own, then its Message-ID; null when it has none. */
export function referencesFor(own: readonly string[], messageId: string | null): string | null {
  const ids = messageId === null ? [] : trimReferences(own, messageId);
  return ids.length === 0 ? null : bracketed(ids);
}

function withoutBlanks(text: string): string {
  return text.replace(/[\s\p{Cc}]+/gu, '');
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('base64url');
}
