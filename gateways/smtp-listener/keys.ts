// The identity of a mail that comes by SMTP, where the client gives it none: the same when a client sends the mail again,
// different for every other mail. It never depends on the time of reading.
import { createHash, type Hash } from 'node:crypto';
import type { Clock } from '../../src/driver/contract.js';

export interface Envelope {
  readonly from: string;
  readonly recipients: readonly string[];
}

/** The mail itself is added to it piece by piece. */
export function digestOver({ from, recipients }: Envelope): Hash {
  const envelope = JSON.stringify([from, [...recipients].sort()]);
  return createHash('sha256').update(envelope).update('\n');
}

/** Bytes of the header section that are searched. */
export const HEAD_BYTES = 64 * 1024;

/** True when the header distinguishes this mail from an equal one that is sent later. `start` is HEAD_BYTES of the mail. */
export function isUnique(start: Buffer): boolean {
  const head = start.toString('latin1');
  const end = head.search(/\r?\n\r?\n/);
  return /^(?:message-id|date):/im.test(end < 0 ? head : head.slice(0, end));
}

export interface Identified {
  readonly digest: string;
  /** False for a mail with neither Message-ID nor Date: two different ones may then be equal to the last byte. */
  readonly unique: boolean;
}

export interface Keys {
  of(mail: Identified): string;
  /** Records whether the client got a final answer; without one it will send the mail again. */
  answered(mail: Identified, key: string, final: boolean): void;
}

/** Mails without a unique header whose clients have no final answer; the oldest are dropped. */
const MAX_UNANSWERED = 10_000;

export function mailKeys(clock: Clock): Keys {
  const unanswered = new Map<string, string>();
  let count = 0;
  return {
    of({ digest, unique }) {
      if (unique) return digest;
      return unanswered.get(digest) ?? `${digest}-${clock.now()}-${++count}`;
    },
    answered({ digest, unique }, key, final) {
      if (unique) return;
      unanswered.delete(digest);
      if (!final) unanswered.set(digest, key);
      const [oldest] = unanswered.keys();
      if (unanswered.size > MAX_UNANSWERED && oldest !== undefined) unanswered.delete(oldest);
    },
  };
}
