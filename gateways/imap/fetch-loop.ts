// The one loop of a receiving mailbox: list new mails, ask the journal which of them it knows, fetch the others in chunks,
// offer them, move the watermark over those that are settled, wait for an announcement. Each UID is offered once per session,
// unless its state asks for it again (see session.ts).
import type { InboundMessage, InboundState } from '../../src/driver/contract.js';
import { type Checkpoint, writeCheckpoint } from './checkpoint.js';
import { refusal } from './errors.js';
import { PAGE, pages } from './identity.js';
import { waitForMail } from './idle.js';
import { initialSync } from './initial-sync.js';
import { type Look, mayBeTheirs, newLook, verdictOf } from './look.js';
import { listUids } from './mailbox.js';
import { offer, setAside, statesOf } from './offer.js';
import { Refused } from './refusals.js';
import type { MailState, Session } from './session.js';
import { isResting, loadSuspects } from './suspects.js';
import { endTrouble, troubleOf, waitInTrouble } from './trouble.js';

/** Rejected mails that are watched in the folder; of more, the oldest are left to RefuseTo or to an operator. */
const MAX_WATCHED_REJECTED = 1_000;

export async function* receive(session: Session, signal: AbortSignal): AsyncGenerator<InboundMessage> {
  try {
    yield* loop(session, signal);
  } catch (error) {
    if (signal.aborted) return;
    throw error;
  }
}

async function* loop(session: Session, signal: AbortSignal): AsyncGenerator<InboundMessage> {
  let checkpoint: Checkpoint | undefined;
  let revisit: readonly number[] = [];
  while (!signal.aborted) {
    const look = newLook();
    try {
      if (!checkpoint) {
        checkpoint = await begin(session, signal);
        revisit = checkpoint.rejected;
      }
      session.connection.announced = false;
      const fresh = await listUids(session, session.cursor + 1, signal);
      for await (const messages of oneAhead(
        offer(session, [...pages(revisit, PAGE), ...pages(fresh, PAGE)], look, signal),
      )) {
        yield* messages;
        checkpoint = await moveWatermark(session, checkpoint);
      }
      await endLook(session, look);
    } catch (error) {
      if (!(error instanceof Refused) || session.connection.down) throw error;
      await suspectAfterMany(session, look);
      await waitInTrouble(session, error, signal);
      revisit = await due(session);
      continue;
    }
    checkpoint = await moveWatermark(session, checkpoint);
    const woken = await waitForMail(session, signal);
    revisit = woken === 'poll' ? await due(session) : [];
  }
}

async function begin(session: Session, signal: AbortSignal): Promise<Checkpoint> {
  const checkpoint = await initialSync(session, signal);
  await loadSuspects(session);
  session.cursor = checkpoint.watermark;
  return checkpoint;
}

/** Throws when the server handed nothing out. */
async function endLook(session: Session, look: Look): Promise<void> {
  const [, answer] = [...look.refused].at(-1) ?? [];
  const verdict = verdictOf(look, troubleOf(session).looks);
  if (answer && verdict === 'server') throw refusal(session.context.settings, 'fetching mails', answer);
  await setAside(session, look.refused);
  endTrouble(session);
}

/** So that a few damaged mails at the beginning never hold up those behind them. */
async function suspectAfterMany(session: Session, { refused }: Look): Promise<void> {
  if (mayBeTheirs(refused, troubleOf(session).looks)) await setAside(session, refused);
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

/** What is to be offered again: failed confirms, mails released from quarantine, and what was not handed out so far. */
async function due(session: Session): Promise<number[]> {
  const failed = (await statesIn(session, 'failed')).filter(([, state]) => state === 'acknowledged');
  const rejected = await statesIn(session, 'rejected');
  for (const [uid, state] of rejected) if (isSettled(state)) session.mails.delete(uid);
  const released = rejected.filter(([, state]) => state === 'acknowledged' || state === 'pending');
  const settled = [...failed, ...released].map(([uid]) => uid);
  const rested = uidsIn(session, 'unfetchable').filter((uid) => !isResting(session, uid));
  return [...settled, ...rested, ...uidsIn(session, 'listed')].sort((a, b) => a - b);
}

/** The mails in this state, with what the journal says about them. */
async function statesIn(session: Session, mailState: MailState): Promise<[number, InboundState | undefined][]> {
  const uids = uidsIn(session, mailState);
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

function uidsIn({ mails }: Session, mailState: MailState): number[] {
  return [...mails].filter(([, state]) => state === mailState).map(([uid]) => uid);
}
