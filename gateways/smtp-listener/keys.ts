// Owns the identity of mails that come by SMTP, where the counterparty gives them none: the same for a client's retry of
// the same mail, different for everything else.
import { createHash } from 'node:crypto';
import type { Clock } from '../../src/driver/contract.js';

export function digestOf(from: string, recipients: readonly string[], mail: Uint8Array): string {
  const envelope = JSON.stringify([from, [...recipients].sort()]);
  return createHash('sha256').update(envelope).update('\n').update(mail).digest('hex');
}

/** Bytes of a header section that are looked at. */
const HEAD = 64 * 1024;

/** True when the header has something that sets this mail apart from an equal one sent later. */
export function isUnique(mail: Buffer): boolean {
  const head = mail.toString('latin1', 0, HEAD);
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
  /** Records whether the client was told what became of its mail; one that was not may send it again. */
  told(mail: Identified, key: string, final: boolean): void;
}

/** Bound of the list of equal-looking mails whose clients have not been told the result; the oldest are forgotten. */
const UNTOLD_LIMIT = 10_000;

export function mailKeys(clock: Clock): Keys {
  const untold = new Map<string, string>();
  let count = 0;
  return {
    of({ digest, unique }) {
      if (unique) return digest;
      return untold.get(digest) ?? `${digest}-${clock.now()}-${++count}`;
    },
    told({ digest, unique }, key, final) {
      if (unique) return;
      untold.delete(digest);
      if (!final) untold.set(digest, key);
      const [oldest] = untold.keys();
      if (untold.size > UNTOLD_LIMIT && oldest !== undefined) untold.delete(oldest);
    },
  };
}
