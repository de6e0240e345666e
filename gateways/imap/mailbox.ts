// Owns reading from the opened folder: which UIDs there are, how large they are, and the mails themselves in chunks
// bounded by count and by bytes. Nothing here changes anything (BODY.PEEK throughout).
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

/** What is fetched in one go. Two of them are held at a time: the one being processed and the next. */
export interface Chunk {
  readonly mails: readonly Facts[];
  /** True for a single mail over MaxMessageBytes, of which only the beginning is fetched. */
  readonly cut: boolean;
}

const CHUNK_MAILS = 50;
const CHUNK_BYTES = 2 * 1024 * 1024;

/** Existing UIDs from `from` on, ascending. */
export async function listUids({ link }: Session, from: number, signal: AbortSignal): Promise<number[]> {
  const search = () => link.client.search({ uid: `${from}:*` }, { uid: true });
  const found = await link.demand('listing the mails', search, { signal });
  // `n:*` names the last mail even when its UID is below n (RFC 3501, 6.4.8).
  return Array.isArray(found) ? found.filter((uid) => uid >= from) : [];
}

export async function readFacts(session: Session, uids: readonly number[], signal: AbortSignal): Promise<Facts[]> {
  const messages = await fetch(session, uids, { uid: true, size: true, internalDate: true }, signal);
  return messages.map(factsOf).sort((a, b) => a.uid - b.uid);
}

/** Facts and fingerprints without downloading bodies; only of mails without a Message-ID the beginning is looked at. */
export async function readFingerprints(
  session: Session,
  uids: readonly number[],
  signal: AbortSignal,
): Promise<(Facts & { fingerprint: string })[]> {
  const query = { uid: true, size: true, internalDate: true, headers: ['message-id'] };
  const found = new Map<number, { facts: Facts; messageId: string }>();
  for (const message of await fetch(session, uids, query, signal))
    found.set(message.uid, { facts: factsOf(message), messageId: messageIdOf(message.headers ?? Buffer.alloc(0)) });
  const nameless = [...found].filter(([, { messageId }]) => messageId === '').map(([uid]) => uid);
  const starts = await readStarts(session, nameless, signal);
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
  let held: Facts[] = [];
  let bytes = 0;
  const close = () => {
    if (held.length > 0) chunks.push({ mails: held, cut: false });
    [held, bytes] = [[], 0];
  };
  for (const mail of mails) {
    const cut = mail.size > limit;
    const single = cut || alone(mail.uid);
    if (single || held.length >= CHUNK_MAILS || bytes + mail.size > CHUNK_BYTES) close();
    if (single) chunks.push({ mails: [mail], cut });
    else {
      held.push(mail);
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
  /** Expunged by somebody else since they were listed. */
  readonly gone: readonly number[];
  /** There, but the server does not hand them out. */
  readonly stuck: readonly { uid: number; words: string }[];
}

export async function download(session: Session, chunk: Chunk, signal: AbortSignal): Promise<Downloads> {
  const source = chunk.cut ? { start: 0, maxLength: CUT_BYTES } : true;
  const raws = new Map<number, Buffer>();
  const take = async (uids: readonly number[]) => {
    for (const { uid, source: raw } of await fetch(session, uids, { uid: true, source }, signal))
      if (raw && raw.length > 0) raws.set(uid, raw);
  };
  const uids = chunk.mails.map(({ uid }) => uid);
  const refusals = new Map<number, string>();
  // One mail that the server cannot read must not keep the others of its chunk: then they are asked for one by one.
  if (!(await unlessRefused(() => take(uids))).ok)
    for (const uid of uids.filter((uid) => !raws.has(uid))) {
      const single = await unlessRefused(() => take([uid]));
      if (!single.ok) refusals.set(uid, single.words);
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
    stuck: [...left].map((uid) => ({ uid, words: refusals.get(uid) ?? 'it sends nothing' })),
  };
}

async function stillThere({ link }: Session, uids: readonly number[], signal: AbortSignal): Promise<Set<number>> {
  const search = () => link.client.search({ uid: uidSet(uids) }, { uid: true });
  const found = await link.demand('looking for mails that did not come', search, { signal });
  return new Set(Array.isArray(found) ? found.filter((uid) => uids.includes(uid)) : []);
}

type Tried = { ok: true } | { ok: false; words: string };

/** A tagged NO is an answer about these mails; anything else is about the connection and is thrown. */
async function unlessRefused(work: () => Promise<void>): Promise<Tried> {
  try {
    await work();
    return { ok: true };
  } catch (error) {
    if (codeOf(error) !== 'gateway/failed') throw error;
    return { ok: false, words: messageOf(error) };
  }
}

async function fetch(
  { link }: Session,
  uids: readonly number[],
  query: FetchQueryObject,
  signal: AbortSignal,
): Promise<FetchMessageObject[]> {
  if (uids.length === 0) return [];
  const work = () => link.client.fetchAll(uidSet(uids), query, { uid: true });
  const messages = await link.ask('fetching mails', work, { signal });
  // The server may slip in flag changes of other mails (RFC 3501, 7.4.2).
  const asked = new Set(uids);
  return messages.filter(({ uid }) => asked.has(uid));
}

function factsOf({ uid, size, internalDate }: FetchMessageObject): Facts {
  return { uid, size: size ?? 0, at: internalDate === undefined ? 0 : new Date(internalDate).getTime() };
}
