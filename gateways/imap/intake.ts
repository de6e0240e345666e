// Owns the one loop of a receiving mailbox: list what is new, ask the memory, download in chunks, offer, look at what
// became of the offered, note the watermark, wait for news. Each UID is offered once per session.
import { codeOf, type InboundMessage, type InboundState } from '../../src/driver/contract.js';
import { knownInboundMessage, newInboundMessage, putAside } from './arrivals.js';
import { absolve, blame, condemn, isDamaged, isDoubted, loadDoubts } from './doubts.js';
import { keyOf, pages } from './identity.js';
import { type Chunk, type Downloads, download, listUids, plan, readFacts } from './mailbox.js';
import { type Note, writeNote } from './note.js';
import type { Pending, Session } from './session.js';
import { prepare } from './start.js';
import { waitForReceipts } from './wait.js';

/** Mails that are asked about, and listed with their sizes, at a time. */
const PAGE = 500;
/** Quarantined mails that are kept an eye on in the folder; of more, the oldest are left to RefuseTo or a person. */
const MOST_ASIDE = 1_000;

export async function* receive(session: Session, signal: AbortSignal): AsyncGenerator<InboundMessage> {
  try {
    yield* loop(session, signal);
  } catch (error) {
    if (signal.aborted) return;
    throw error;
  }
}

async function* loop(session: Session, signal: AbortSignal): AsyncGenerator<InboundMessage> {
  let note = await prepare(session, signal);
  await loadDoubts(session);
  session.cursor = note.watermark;
  let revisit: readonly number[] = note.aside;
  while (!signal.aborted) {
    session.link.receipts = false;
    const fresh = await listUids(session, session.cursor + 1, signal);
    for await (const inboundMessages of oneAhead(offer(session, revisit, fresh, signal))) {
      yield* inboundMessages;
      note = await moveWatermark(session, note);
    }
    note = await moveWatermark(session, note);
    const woken = await waitForReceipts(session, signal);
    revisit = woken === 'look' ? await due(session) : [];
  }
}

/** Chunk after chunk; fetching the next one overlaps the processing of this one, and never more than one is held ahead. */
async function* oneAhead<T>(source: AsyncGenerator<T>): AsyncGenerator<T> {
  let next = source.next();
  try {
    for (;;) {
      const { value, done } = await next;
      if (done) return;
      next = source.next();
      // It is awaited later, or never when the consumer leaves: then its failure is of no interest.
      next.catch(() => {});
      yield value;
    }
  } finally {
    source.return(undefined).catch(() => {});
  }
}

async function* offer(
  session: Session,
  revisit: readonly number[],
  fresh: readonly number[],
  signal: AbortSignal,
): AsyncGenerator<InboundMessage[]> {
  for (const uids of [...pages(revisit, PAGE), ...pages(fresh, PAGE)]) {
    const states = await statesOf(session, uids);
    const wanted = uids.filter((uid) => isWanted(states.get(uid)));
    const taken = uids.filter((uid) => states.get(uid) === 'acknowledged');
    const refused = uids.filter((uid) => states.get(uid) === 'quarantined');
    for (const uid of [...wanted, ...taken]) session.pending.set(uid, 'offered');
    for (const uid of refused) putAside(session, uid);
    session.cursor = Math.max(session.cursor, uids.at(-1) ?? 0);
    if (taken.length > 0) yield await knownInboundMessages(session, taken, signal);
    yield* downloaded(session, wanted, signal);
  }
}

function isWanted(state: InboundState | undefined): boolean {
  return state === undefined || state === 'pending';
}

async function* downloaded(
  session: Session,
  uids: readonly number[],
  signal: AbortSignal,
): AsyncGenerator<InboundMessage[]> {
  const damaged = new Set(uids.filter((uid) => isDamaged(session, uid)));
  for (const uid of damaged) reportStuck(session, uid, 'the connection breaks over it');
  const sound = uids.filter((uid) => !damaged.has(uid));
  const facts = await readFacts(session, sound, signal);
  const listed = new Set(facts.map(({ uid }) => uid));
  reportGone(
    session,
    sound.filter((uid) => !listed.has(uid)),
  );
  const limit = session.context.settings.MaxMessageBytes;
  for (const chunk of plan(facts, limit, (uid) => isDoubted(session, uid))) {
    const inboundMessages = await inboundMessagesOf(session, chunk, signal);
    if (inboundMessages.length > 0) yield inboundMessages;
  }
}

async function inboundMessagesOf(session: Session, chunk: Chunk, signal: AbortSignal): Promise<InboundMessage[]> {
  const { mails, gone, stuck } = await downloadOrBlame(session, chunk, signal);
  await absolve(session, [...mails.map(({ facts }) => facts.uid), ...gone]);
  reportGone(session, gone);
  for (const { uid, words } of stuck) {
    await condemn(session, uid);
    reportStuck(session, uid, words);
  }
  return mails.map((mail) => newInboundMessage(session, mail, chunk.cut));
}

async function downloadOrBlame(session: Session, chunk: Chunk, signal: AbortSignal): Promise<Downloads> {
  try {
    return await download(session, chunk, signal);
  } catch (error) {
    const uids = chunk.mails.map(({ uid }) => uid);
    if (codeOf(error) === 'gateway/connection-lost') await blame(session, uids);
    throw error;
  }
}

/** The size only matters where a mail that was not taken whole could be deleted. */
async function knownInboundMessages(
  session: Session,
  uids: readonly number[],
  signal: AbortSignal,
): Promise<InboundMessage[]> {
  const deletes = session.context.settings.AfterReceive === 'Delete';
  const facts = deletes ? await readFacts(session, uids, signal) : [];
  const sizes = new Map(facts.map(({ uid, size }) => [uid, size]));
  return uids.map((uid) => knownInboundMessage(session, uid, sizes.get(uid)));
}

function reportStuck({ pending, context, place }: Session, uid: number, words: string): void {
  pending.set(uid, 'stuck');
  context.log.error(
    { key: keyOf(place, uid), words },
    'the server does not hand out this mail; it stays in the folder and is tried again in an hour',
  );
}

function reportGone({ context, place, pending }: Session, uids: readonly number[]): void {
  if (uids.length === 0) return;
  for (const uid of uids) pending.delete(uid);
  context.log.info(
    { folder: place.folder, uids: uids.slice(0, 20), count: uids.length },
    'mails were removed from the folder by somebody else before they could be fetched',
  );
}

/** The watermark moves over those mails that are done and that the journal, too, has as settled. */
async function moveWatermark(session: Session, note: Note): Promise<Note> {
  for (const [uid, state] of await lookAfter(session, ['done']))
    if (state === 'confirmed' || state === 'skipped') session.pending.delete(uid);
  const next = moved(session, note);
  if (next !== note) await writeNote(session, next);
  return next;
}

/** Mails whose confirm failed, quarantined ones that were released or taken after all, damaged ones after an hour. */
async function due(session: Session): Promise<number[]> {
  const failed = (await lookAfter(session, ['failed'])).filter(([, state]) => state === 'acknowledged');
  const aside = (await lookAfter(session, ['aside'])).filter(
    ([, state]) => state === 'acknowledged' || state === 'pending',
  );
  const stuck = (await lookAfter(session, ['stuck'])).filter(([uid]) => !isDamaged(session, uid));
  return [...failed, ...aside, ...stuck].map(([uid]) => uid).sort((a, b) => a - b);
}

async function lookAfter(session: Session, which: readonly Pending[]): Promise<[number, InboundState | undefined][]> {
  const uids = [...session.pending].filter(([, pending]) => which.includes(pending)).map(([uid]) => uid);
  const found: [number, InboundState | undefined][] = [];
  for (const page of pages(uids, PAGE)) {
    const states = await statesOf(session, page);
    for (const uid of page) found.push([uid, states.get(uid)]);
  }
  return found;
}

function moved(session: Session, note: Note): Note {
  let lowest = session.cursor + 1;
  const aside: number[] = [];
  for (const [uid, state] of session.pending) {
    if (state === 'aside') aside.push(uid);
    else lowest = Math.min(lowest, uid);
  }
  const kept = aside.sort((a, b) => a - b).slice(-MOST_ASIDE);
  const watermark = Math.max(note.watermark, lowest - 1);
  if (watermark === note.watermark && kept.join() === note.aside.join()) return note;
  const { mailbox } = session.link.client;
  return { ...note, watermark, aside: kept, messages: mailbox === false ? note.messages : mailbox.exists };
}

async function statesOf({ context, place }: Session, uids: readonly number[]): Promise<Map<number, InboundState>> {
  const known = await context.driverState.statesOf(uids.map((uid) => keyOf(place, uid)));
  const states = new Map<number, InboundState>();
  for (const uid of uids) {
    const state = known.get(keyOf(place, uid));
    if (state) states.set(uid, state);
  }
  return states;
}
