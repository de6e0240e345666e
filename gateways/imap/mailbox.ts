// Reads from the opened folder: which UIDs there are, how large the mails are, and the mails themselves in chunks bounded
// by count and by bytes. Nothing here changes the folder (BODY.PEEK throughout).
import type { FetchMessageObject, FetchQueryObject } from 'imapflow';
import { codeOf, messageOf } from '../../src/driver/contract.js';
import { refusal } from './errors.js';
import { fingerprintOf, HASHED_BYTES, messageIdOf, uidSet } from './identity.js';
import { type Look, REFUSED_IN_A_ROW } from './look.js';
import { literalLimit } from './options.js';
import { type Answer, isServersTrouble, Refused } from './refusals.js';
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

/** A FETCH answer with a UID, and one with the header field Message-ID; more is tolerated. */
const ROW_BYTES = 64;
const HEADER_BYTES = 4 * 1024;

/** Mails in the folder, as the server last announced. */
export function existing({ connection }: Session): number {
  return connection.client.mailbox === false ? 0 : connection.client.mailbox.exists;
}

/** Existing UIDs from `from` on, ascending. */
export async function listUids(session: Session, from: number, signal: AbortSignal): Promise<number[]> {
  const found = await existingIn(session, `${from}:*`, signal);
  // `n:*` names the last mail even when its UID is below n (RFC 3501, 6.4.8).
  return found.filter((uid) => uid >= from);
}

/** The existing UIDs of a set, ascending. Some servers refuse SEARCH, above all in an empty folder; FETCH tells the same. */
async function existingIn(session: Session, set: string, signal: AbortSignal): Promise<number[]> {
  const { connection } = session;
  const search = () => connection.client.search({ uid: set }, { uid: true });
  try {
    const bytes = existing(session) * ROW_BYTES;
    const found = await connection.demand('listing mails', search, { signal, bytes });
    return Array.isArray(found) ? found.sort((a, b) => a - b) : [];
  } catch (error) {
    if (!(error instanceof Refused) || isServersTrouble(error.answer)) throw error;
    if (existing(session) === 0) return [];
    const bytes = existing(session) * ROW_BYTES;
    const rows = await rowsOf(session, set, { uid: true }, { signal, bytes }, () => true);
    return [...rows.keys()].sort((a, b) => a - b);
  }
}

export async function readFacts(session: Session, uids: readonly number[], signal: AbortSignal): Promise<Facts[]> {
  const messages = await fetch(session, uids, { uid: true, size: true, internalDate: true }, { signal });
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
  for (const message of await fetch(session, uids, query, { signal, bytes: uids.length * HEADER_BYTES }))
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
  const messages = await fetch(session, uids, { uid: true, source }, { signal, bytes: uids.length * HASHED_BYTES });
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
}

/** Throws Refused when the server hands nothing out; mails that it refuses while others come are left in `look`. */
export async function download(session: Session, chunk: Chunk, look: Look, signal: AbortSignal): Promise<Downloads> {
  const source = chunk.cut ? { start: 0, maxLength: CUT_BYTES } : true;
  const bytes = chunk.cut ? CUT_BYTES : chunk.mails.reduce((sum, mail) => sum + mail.size, 0);
  // A mail of 0 bytes is there; a mail whose size is larger and that comes empty is one that the server cannot read.
  const empty = new Set(chunk.mails.filter(({ size }) => size === 0).map(({ uid }) => uid));
  const raws = new Map<number, Buffer>();
  const take = async (uids: readonly number[]) => {
    const rows = await fetch(session, uids, { uid: true, source }, { signal, bytes });
    for (const { uid, source: raw } of rows) if (raw && (raw.length > 0 || empty.has(uid))) raws.set(uid, raw);
    look.handedOut += raws.size;
  };
  const uids = chunk.mails.map(({ uid }) => uid);
  const failure = await refusalOf(session, () => take(uids));
  if (failure && uids.length > 1) await takeSingly(session, uids, { raws, look, take });
  else for (const uid of failure ? uids : []) look.refused.set(uid, failure?.answer ?? NOTHING_SENT);
  const mails = chunk.mails.flatMap((facts) => {
    const raw = raws.get(facts.uid);
    return raw ? [{ facts, raw }] : [];
  });
  const missing = uids.filter((uid) => !raws.has(uid) && !look.refused.has(uid));
  const there = missing.length > 0 ? new Set(await existingIn(session, uidSet(missing), signal)) : new Set<number>();
  for (const uid of missing) if (there.has(uid)) look.refused.set(uid, NOTHING_SENT);
  return { mails, gone: missing.filter((uid) => !there.has(uid)) };
}

const NOTHING_SENT: Answer = { status: 'NO', code: '', words: 'the server says OK and sends nothing' };

interface Taking {
  raws: ReadonlyMap<number, Buffer>;
  look: Look;
  take(uids: readonly number[]): Promise<void>;
}

/** One mail that the server cannot read must not hold up the others of its chunk. */
async function takeSingly(session: Session, uids: readonly number[], { raws, look, take }: Taking): Promise<void> {
  for (const uid of uids) {
    if (raws.has(uid)) continue;
    const failure = await refusalOf(session, () => take([uid]));
    if (!failure) continue;
    look.refused.set(uid, failure.answer);
    if (look.handedOut === 0 && look.refused.size >= REFUSED_IN_A_ROW) throw failure;
  }
}

/** A tagged NO or BAD, or an answer that cannot be parsed; every error of the connection is thrown. */
async function refusalOf({ connection, context }: Session, work: () => Promise<void>): Promise<Refused | undefined> {
  try {
    await work();
    return undefined;
  } catch (error) {
    if (error instanceof Refused) return error;
    if (codeOf(error) !== 'gateway/failed' || connection.down) throw error;
    return refusal(context.settings, 'fetching mails', { status: 'BAD', code: '', words: messageOf(error) }, error);
  }
}

interface FetchOptions {
  signal: AbortSignal;
  /** What the server is expected to send, bytes. */
  bytes?: number;
}

async function fetch(
  session: Session,
  uids: readonly number[],
  query: FetchQueryObject,
  options: FetchOptions,
): Promise<FetchMessageObject[]> {
  if (uids.length === 0) return [];
  // The server may slip in flag changes of other mails (RFC 3501, 7.4.2).
  const asked = new Set(uids);
  return [...(await rowsOf(session, uidSet(uids), query, options, (uid) => asked.has(uid))).values()];
}

/** One row for each mail that is `wanted`: servers may split what they say of a mail, repeat it, or speak of others. */
async function rowsOf(
  { connection, context }: Session,
  set: string,
  query: FetchQueryObject,
  { signal, bytes = 0 }: FetchOptions,
  wanted: (uid: number) => boolean,
): Promise<Map<number, FetchMessageObject>> {
  const work = async () => {
    const rows = new Map<number, FetchMessageObject>();
    for await (const row of connection.client.fetch(set, query, { uid: true })) {
      if (row.uid === undefined || !wanted(row.uid)) continue;
      const before = rows.get(row.uid);
      rows.set(row.uid, before ? { ...row, ...before } : row);
    }
    return rows;
  };
  return connection.ask('fetching mails', work, { signal, bytes, tolerance: literalLimit(context.settings) });
}

function factsOf({ uid, size, internalDate }: FetchMessageObject): Facts {
  return { uid, size: size ?? 0, at: internalDate === undefined ? 0 : new Date(internalDate).getTime() };
}
