// What identifies a mail: its key in the mailbox, and the fingerprint that survives a renumbering.
import { createHash } from 'node:crypto';

/** A mailbox as long as its UIDs mean the same (RFC 3501, 2.3.1.1). */
export interface MailboxRef {
  readonly user: string;
  readonly folder: string;
  readonly uidValidity: string;
}

/** Keys may have 500 characters; beyond this the mailbox is named by its hash. */
const LONGEST_NAME = 400;

/** The user is part of it, because two mailboxes may well have the same UIDVALIDITY (1, on some servers). */
export function mailboxName({ user, folder }: Pick<MailboxRef, 'user' | 'folder'>): string {
  const name = `${user}/${folder}`;
  return name.length <= LONGEST_NAME ? name : sha256(name);
}

export function keyOf(mailboxRef: MailboxRef, uid: number): string {
  return `${mailboxName(mailboxRef)};UIDVALIDITY=${mailboxRef.uidValidity};UID=${uid}`;
}

export function readKey(key: string): { mailbox: string; uidValidity: string; uid: number } | undefined {
  const match = /^(.*);UIDVALIDITY=(\d+);UID=(\d+)$/s.exec(key);
  if (!match) return undefined;
  const [, mailbox = '', uidValidity = '', uid = ''] = match;
  return { mailbox, uidValidity, uid: Number(uid) };
}

/** What of a mail without Message-ID goes into its fingerprint. */
export const HASHED_BYTES = 64 * 1024;

export interface Features {
  /** As messageIdOf gives it; '' when there is none. */
  messageId: string;
  /** RFC822.SIZE as the server says it. */
  size: number;
  /** INTERNALDATE, ms. */
  at: number;
  /** The first HASHED_BYTES of the mail; used only without a Message-ID. */
  start: Uint8Array;
}

export function fingerprintOf({ messageId, size, at, start }: Features): string {
  const body = messageId === '' ? sha256(start.subarray(0, HASHED_BYTES)) : '';
  return sha256(`${messageId}\n${size}\n${at}\n${body}`);
}

/** No sane header is longer; what lies beyond is not searched. */
const LONGEST_HEADER = 256 * 1024;

/** The value of the first Message-ID field of a mail or header, folding undone; '' when there is none. */
export function messageIdOf(mail: Uint8Array): string {
  const bytes = Buffer.from(mail.buffer, mail.byteOffset, Math.min(mail.byteLength, LONGEST_HEADER));
  const ends = [bytes.indexOf('\r\n\r\n'), bytes.indexOf('\n\n')].filter((at) => at >= 0);
  const header = bytes.toString('latin1', 0, Math.min(bytes.length, ...ends));
  const match = /^message-id[ \t]*:((?:[^\r\n]|\r?\n[ \t])*)/im.exec(header);
  return (match?.[1] ?? '').replace(/\s+/g, ' ').trim();
}

function sha256(content: string | Uint8Array): string {
  return createHash('sha256').update(content).digest('base64url');
}

/** UIDs, ascending, as an IMAP sequence set: `1:4,9`. */
export function uidSet(uids: readonly number[]): string {
  const ranges: [number, number][] = [];
  for (const uid of uids) {
    const last = ranges.at(-1);
    if (last && uid === last[1] + 1) last[1] = uid;
    else ranges.push([uid, uid]);
  }
  return ranges.map(([from, to]) => (from === to ? `${from}` : `${from}:${to}`)).join(',');
}

/** Mails that are listed, and asked about in the journal, at a time. */
export const PAGE = 500;

/** Slices of at most `size`. */
export function* pages<T>(items: readonly T[], size: number): Generator<readonly T[]> {
  for (let at = 0; at < items.length; at += size) yield items.slice(at, at + size);
}
