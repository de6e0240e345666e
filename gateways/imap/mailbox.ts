// Reads from the opened folder: which UIDs there are, how large the mails are, and the mails themselves in chunks bounded
// by count and by bytes. Nothing here changes the folder (BODY.PEEK throughout).
import type { FetchMessageObject, FetchQueryObject } from 'imapflow';
import { codeOf, messageOf } from '../../src/driver/contract.js';
import { fingerprintOf, HASHED_BYTES, messageIdOf, uidSet } from './identity.js';
import type { Session } from './session.js';
import { CUT_BYTES } from './settings.js';

/** Size and time of a mail, as listed before anything is downloaded. */
export interface Facts {
  readonly uid: number;
  /** RFC822.SIZE. */
  readonly size: number;
  /** INTERNALDATE, ms. */
  readonly at: number;
}

export interface Fingerprinted extends Facts {
  readonly fingerprint: string;
}

/** What is fetched in one go. Two of them are held at a time: the one being processed and the next. */
export interface Chunk {
  readonly mails: readonly Facts[];
  /** True for a single mail over MaxMessageBytes, of which only the beginning is fetched. */
  readonly cut: boolean;
}

const CHUNK_MAILS = 50;
const CHUNK_BYTES = 2 * 1024 * 1024;

/** Mails in the folder, as the server last announced. */
export function existing({ connection }: Session): number {
  return connection.client.mailbox === false ? 0 : connection.client.mailbox.exists;
}

/** Existing UIDs from `from` on, ascending. */
export async function listUids({ connection }: Session, from: number, signal: AbortSignal): Promise<number[]> {
  const search = () => connection.client.search({ uid: `${from}:*` }, { uid: true });
  const found = await connection.demand('listing mails', search, { signal });
  // `n:*` names the last mail even when its UID is below n (RFC 3501, 6.4.8).
  return Array.isArray(found) ? found.filter((uid) => uid >= from) : [];
}

export async function readFacts(session: Session, uids: readonly number[], signal: AbortSignal): Promise<Facts[]> {
  const messages = await fetch(session, uids, { uid: true, size: true, internalDate: true }, signal);
  return messages.map(factsOf).sort((a, b) => a.uid - b.uid);
}

/** Without downloading bodies; of mails without a Message-ID the beginning is read. */
export async function readFingerprints(
  session: Session,
  uids: readonly number[],
  signal: AbortSignal,
): Promise<Fingerprinted[]> {
  const query = { uid: true, size: true, internalDate: true, headers: ['message-id'] };
  const found = new Map<number, { facts: Facts; messageId: string }>();
  for (const message of await fetch(session, uids, query, signal))
    found.set(message.uid, { facts: factsOf(message), messageId: messageIdOf(message.headers ?? Buffer.alloc(0)) });
  const withoutId = [...found].filter(([, { messageId }]) => messageId === '').map(([uid]) => uid);
  const starts = await readStarts(session, withoutId, signal);
  return [...found.values()]
    .map(({ facts, messageId }) => {
      const start = starts.get(facts.uid) ?? Buffer.alloc(0);
      return { ...facts, fingerprint: fingerprintOf({ ...facts, messageId, start }) };
    })
    .sort((a, b) => a.uid - b.uid);
}

async function readStarts(
  session: Session,
  uids: readonly number[],
  signal: AbortSignal,
): Promise<Map<number, Buffer>> {
  if (uids.length === 0) return new Map();
  const source = { start: 0, maxLength: HASHED_BYTES };
  const messages = await fetch(session, uids, { uid: true, source }, signal);
  return new Map(messages.map((message) => [message.uid, message.source ?? Buffer.alloc(0)]));
}

/** Cuts a list into chunks; a mail over `limit` bytes gets one of its own, and so does one that must come `alone`. */
export function plan(mails: readonly Facts[], limit: number, alone: (uid: number) => boolean = () => false): Chunk[] {
  const chunks: Chunk[] = [];
  let current: Facts[] = [];
  let bytes = 0;
  const close = () => {
    if (current.length > 0) chunks.push({ mails: current, cut: false });
    [current, bytes] = [[], 0];
  };
  for (const mail of mails) {
    const cut = mail.size > limit;
    const single = cut || alone(mail.uid);
    if (single || current.length >= CHUNK_MAILS || bytes + mail.size > CHUNK_BYTES) close();
    if (single) chunks.push({ mails: [mail], cut });
    else {
      current.push(mail);
      bytes += mail.size;
    }
  }
  close();
  return chunks;
}

export interface Download {
  readonly facts: Facts;
  readonly raw: Buffer;
}

export interface Downloads {
  readonly mails: readonly Download[];
  /** Expunged by another user since they were listed. */
  readonly gone: readonly number[];
  /** There, but the server does not hand them out. */
  readonly unfetchable: readonly { uid: number; detail: string }[];
}

export async function download(session: Session, chunk: Chunk, signal: AbortSignal): Promise<Downloads> {
  const source = chunk.cut ? { start: 0, maxLength: CUT_BYTES } : true;
  const raws = new Map<number, Buffer>();
  const take = async (uids: readonly number[]) => {
    for (const { uid, source: raw } of await fetch(session, uids, { uid: true, source }, signal))
      if (raw && raw.length > 0) raws.set(uid, raw);
  };
  const uids = chunk.mails.map(({ uid }) => uid);
  const rejections = new Map<number, string>();
  // One mail that the server cannot read must not hold up the others of its chunk: then each is fetched alone.
  if (!(await unlessRejected(() => take(uids))).ok)
    for (const uid of uids.filter((uid) => !raws.has(uid))) {
      const single = await unlessRejected(() => take([uid]));
      if (!single.ok) rejections.set(uid, single.detail);
    }
  const mails = chunk.mails.flatMap((facts) => {
    const raw = raws.get(facts.uid);
    return raw ? [{ facts, raw }] : [];
  });
  const missing = uids.filter((uid) => !raws.has(uid));
  const left = missing.length > 0 ? await stillThere(session, missing, signal) : new Set<number>();
  return {
    mails,
    gone: missing.filter((uid) => !left.has(uid)),
    unfetchable: [...left].map((uid) => ({ uid, detail: rejections.get(uid) ?? 'the server sends nothing' })),
  };
}

async function stillThere({ connection }: Session, uids: readonly number[], signal: AbortSignal): Promise<Set<number>> {
  const search = () => connection.client.search({ uid: uidSet(uids) }, { uid: true });
  const found = await connection.demand('searching for mails that were not sent', search, { signal });
  return new Set(Array.isArray(found) ? found.filter((uid) => uids.includes(uid)) : []);
}

type Fetched = { ok: true } | { ok: false; detail: string };

/** A tagged NO concerns these mails; every other error concerns the connection and is thrown. */
async function unlessRejected(work: () => Promise<void>): Promise<Fetched> {
  try {
    await work();
    return { ok: true };
  } catch (error) {
    if (codeOf(error) !== 'gateway/failed') throw error;
    return { ok: false, detail: messageOf(error) };
  }
}

async function fetch(
  { connection }: Session,
  uids: readonly number[],
  query: FetchQueryObject,
  signal: AbortSignal,
): Promise<FetchMessageObject[]> {
  if (uids.length === 0) return [];
  const work = () => connection.client.fetchAll(uidSet(uids), query, { uid: true });
  const messages = await connection.ask('fetching mails', work, { signal });
  // The server may slip in flag changes of other mails (RFC 3501, 7.4.2).
  const asked = new Set(uids);
  return messages.filter(({ uid }) => asked.has(uid));
}

function factsOf({ uid, size, internalDate }: FetchMessageObject): Facts {
  return { uid, size: size ?? 0, at: internalDate === undefined ? 0 : new Date(internalDate).getTime() };
}
