// The one loop of a receiving mailbox: list new mails, ask the journal which of them it knows, fetch the others in chunks,
// offer them, move the watermark over those that are settled, wait for an announcement. Each UID is offered once per session,
// unless its state asks for it again (see session.ts).
import { codeOf, type InboundMessage, type InboundState } from '../../src/driver/contract.js';
import { type Checkpoint, writeCheckpoint } from './checkpoint.js';
import { keyOf, PAGE, pages } from './identity.js';
import { waitForMail } from './idle.js';
import { initialSync } from './initial-sync.js';
import { type Chunk, type Downloads, download, listUids, plan, readFacts } from './mailbox.js';
import { acknowledgedMessage, fetchedMessage, trackRejected } from './messages.js';
import type { MailState, Session } from './session.js';
import { clear, isDamaged, isolate, isSuspect, loadSuspects, suspect } from './suspects.js';

/** Rejected mails that are watched in the folder; of more, the oldest are left to RefuseTo or to an operator. */
const MAX_WATCHED_REJECTED = 1_000;
/** UIDs named in one log line. */
const LOGGED_UIDS = 20;

export async function* receive(session: Session, signal: AbortSignal): AsyncGenerator<InboundMessage> {
  try {
    yield* loop(session, signal);
  } catch (error) {
    if (signal.aborted) return;
    throw error;
  }
}

async function* loop(session: Session, signal: AbortSignal): AsyncGenerator<InboundMessage> {
  let checkpoint = await initialSync(session, signal);
  await loadSuspects(session);
  session.cursor = checkpoint.watermark;
  let revisit: readonly number[] = checkpoint.rejected;
  while (!signal.aborted) {
    session.connection.announced = false;
    const fresh = await listUids(session, session.cursor + 1, signal);
    for await (const messages of oneAhead(offer(session, revisit, fresh, signal))) {
      yield* messages;
      checkpoint = await moveWatermark(session, checkpoint);
    }
    checkpoint = await moveWatermark(session, checkpoint);
    const woken = await waitForMail(session, signal);
    revisit = woken === 'poll' ? await due(session) : [];
  }
}

/** Fetching a chunk overlaps the processing of the one before; never more than one chunk is held ahead. */
async function* oneAhead<T>(source: AsyncGenerator<T>): AsyncGenerator<T> {
  let next = source.next();
  try {
    for (;;) {
      const { value, done } = await next;
      if (done) return;
      next = source.next();
      // Awaited later, or never when the consumer leaves: an unhandled rejection would end the process.
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
    const acknowledged = uids.filter((uid) => states.get(uid) === 'acknowledged');
    const quarantined = uids.filter((uid) => states.get(uid) === 'quarantined');
    for (const uid of [...wanted, ...acknowledged]) session.mails.set(uid, 'offered');
    for (const uid of quarantined) trackRejected(session, uid);
    session.cursor = Math.max(session.cursor, uids.at(-1) ?? 0);
    if (acknowledged.length > 0) yield await acknowledgedMessages(session, acknowledged, signal);
    yield* fetched(session, wanted, signal);
  }
}

function isWanted(state: InboundState | undefined): boolean {
  return state === undefined || state === 'pending';
}

async function* fetched(
  session: Session,
  uids: readonly number[],
  signal: AbortSignal,
): AsyncGenerator<InboundMessage[]> {
  const damaged = new Set(uids.filter((uid) => isDamaged(session, uid)));
  for (const uid of damaged) reportUnfetchable(session, uid, 'the connection breaks while it is fetched');
  const sound = uids.filter((uid) => !damaged.has(uid));
  const facts = await readFacts(session, sound, signal);
  const listed = new Set(facts.map(({ uid }) => uid));
  const gone = sound.filter((uid) => !listed.has(uid));
  reportGone(session, gone);
  const limit = session.context.settings.MaxMessageBytes;
  for (const chunk of plan(facts, limit, (uid) => isSuspect(session, uid))) {
    const messages = await messagesOf(session, chunk, signal);
    if (messages.length > 0) yield messages;
  }
}

async function messagesOf(session: Session, chunk: Chunk, signal: AbortSignal): Promise<InboundMessage[]> {
  const { mails, gone, unfetchable } = await downloadOrSuspect(session, chunk, signal);
  await clear(session, [...mails.map(({ facts }) => facts.uid), ...gone]);
  reportGone(session, gone);
  for (const { uid, detail } of unfetchable) {
    await isolate(session, uid);
    reportUnfetchable(session, uid, detail);
  }
  return mails.map((mail) => fetchedMessage(session, mail, chunk.cut));
}

async function downloadOrSuspect(session: Session, chunk: Chunk, signal: AbortSignal): Promise<Downloads> {
  try {
    return await download(session, chunk, signal);
  } catch (error) {
    const uids = chunk.mails.map(({ uid }) => uid);
    if (codeOf(error) === 'gateway/connection-lost') await suspect(session, uids);
    throw error;
  }
}

/** The size only matters where a mail that was not received whole could be deleted. */
async function acknowledgedMessages(
  session: Session,
  uids: readonly number[],
  signal: AbortSignal,
): Promise<InboundMessage[]> {
  const deletes = session.context.settings.AfterReceive === 'Delete';
  const facts = deletes ? await readFacts(session, uids, signal) : [];
  const sizes = new Map(facts.map(({ uid, size }) => [uid, size]));
  return uids.map((uid) => acknowledgedMessage(session, uid, sizes.get(uid)));
}

function reportUnfetchable({ mails, context, mailboxRef }: Session, uid: number, reason: string): void {
  mails.set(uid, 'unfetchable');
  context.log.error(
    { message_key: keyOf(mailboxRef, uid), reason, next: 'it stays in the folder and is fetched again in an hour' },
    'mail cannot be fetched',
  );
}

function reportGone({ context, mailboxRef, mails }: Session, uids: readonly number[]): void {
  if (uids.length === 0) return;
  for (const uid of uids) mails.delete(uid);
  context.log.info(
    { folder: mailboxRef.folder, uids: uids.slice(0, LOGGED_UIDS), count: uids.length },
    'mails removed by others before fetching',
  );
}

/** The watermark passes a mail once it is done here and settled in the journal, too. */
async function moveWatermark(session: Session, checkpoint: Checkpoint): Promise<Checkpoint> {
  for (const [uid, state] of await statesIn(session, 'done')) if (isSettled(state)) session.mails.delete(uid);
  const next = moved(session, checkpoint);
  if (next !== checkpoint) await writeCheckpoint(session, next);
  return next;
}

function isSettled(state: InboundState | undefined): boolean {
  return state === 'confirmed' || state === 'skipped';
}

/** What is to be offered again: failed confirms, mails released from quarantine, damaged mails after an hour. */
async function due(session: Session): Promise<number[]> {
  const failed = (await statesIn(session, 'failed')).filter(([, state]) => state === 'acknowledged');
  const rejected = await statesIn(session, 'rejected');
  for (const [uid, state] of rejected) if (isSettled(state)) session.mails.delete(uid);
  const released = rejected.filter(([, state]) => state === 'acknowledged' || state === 'pending');
  const unfetchable = (await statesIn(session, 'unfetchable')).filter(([uid]) => !isDamaged(session, uid));
  return [...failed, ...released, ...unfetchable].map(([uid]) => uid).sort((a, b) => a - b);
}

/** The mails in this state, with what the journal says about them. */
async function statesIn(session: Session, mailState: MailState): Promise<[number, InboundState | undefined][]> {
  const uids = [...session.mails].filter(([, state]) => state === mailState).map(([uid]) => uid);
  const found: [number, InboundState | undefined][] = [];
  for (const page of pages(uids, PAGE)) {
    const states = await statesOf(session, page);
    for (const uid of page) found.push([uid, states.get(uid)]);
  }
  return found;
}

function moved(session: Session, checkpoint: Checkpoint): Checkpoint {
  let lowest = session.cursor + 1;
  const rejected: number[] = [];
  for (const [uid, state] of session.mails) {
    if (state === 'rejected') rejected.push(uid);
    else lowest = Math.min(lowest, uid);
  }
  const watched = rejected.sort((a, b) => a - b).slice(-MAX_WATCHED_REJECTED);
  const watermark = Math.max(checkpoint.watermark, lowest - 1);
  if (watermark === checkpoint.watermark && watched.join() === checkpoint.rejected.join()) return checkpoint;
  const { mailbox } = session.connection.client;
  const messages = mailbox === false ? checkpoint.messages : mailbox.exists;
  return { ...checkpoint, watermark, rejected: watched, messages };
}

async function statesOf({ context, mailboxRef }: Session, uids: readonly number[]): Promise<Map<number, InboundState>> {
  const known = await context.driverState.statesOf(uids.map((uid) => keyOf(mailboxRef, uid)));
  const states = new Map<number, InboundState>();
  for (const uid of uids) {
    const state = known.get(keyOf(mailboxRef, uid));
    if (state) states.set(uid, state);
  }
  return states;
}
