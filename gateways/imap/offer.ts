// Offers mails page by page: the journal says which of them it knows, the others are fetched in chunks.
import { codeOf, type InboundMessage, type InboundState } from '../../src/driver/contract.js';
import { keyOf } from './identity.js';
import type { Look } from './look.js';
import { type Chunk, type Downloads, download, plan, readFacts } from './mailbox.js';
import { acknowledgedMessage, fetchedMessage, trackRejected } from './messages.js';
import type { Session } from './session.js';
import { clear, isResting, isSuspect, refuse, suspect } from './suspects.js';

/** UIDs named in one log line. */
const LOGGED_UIDS = 20;

export async function* offer(
  session: Session,
  uidPages: readonly (readonly number[])[],
  look: Look,
  signal: AbortSignal,
): AsyncGenerator<InboundMessage[]> {
  for (const uids of uidPages) {
    const states = await statesOf(session, uids);
    const wanted = uids.filter((uid) => isWanted(states.get(uid)));
    const acknowledged = uids.filter((uid) => states.get(uid) === 'acknowledged');
    const quarantined = uids.filter((uid) => states.get(uid) === 'quarantined');
    for (const uid of wanted) session.mails.set(uid, 'listed');
    for (const uid of acknowledged) session.mails.set(uid, 'listed');
    for (const uid of quarantined) trackRejected(session, uid);
    session.cursor = Math.max(session.cursor, uids.at(-1) ?? 0);
    if (acknowledged.length > 0) {
      const messages = await acknowledgedMessages(session, acknowledged, signal);
      // Not before the server has said their sizes: a refusal ends the look, and the next one takes up what is listed.
      for (const uid of acknowledged) session.mails.set(uid, 'offered');
      yield messages;
    }
    yield* fetched(session, wanted, look, signal);
  }
}

function isWanted(state: InboundState | undefined): boolean {
  return state === undefined || state === 'pending';
}

async function* fetched(
  session: Session,
  uids: readonly number[],
  look: Look,
  signal: AbortSignal,
): AsyncGenerator<InboundMessage[]> {
  const resting = new Set(uids.filter((uid) => isResting(session, uid)));
  for (const uid of resting) reportUnfetchable(session, uid, 'it could not be fetched before');
  if (resting.size > 0) showUnfetchable(session, '');
  const awake = uids.filter((uid) => !resting.has(uid));
  const facts = await readFacts(session, awake, signal);
  const listed = new Set(facts.map(({ uid }) => uid));
  reportGone(
    session,
    awake.filter((uid) => !listed.has(uid)),
  );
  const limit = session.context.settings.MaxMessageBytes;
  for (const chunk of plan(facts, limit, (uid) => isSuspect(session, uid))) {
    const messages = await messagesOf(session, chunk, look, signal);
    if (messages.length > 0) yield messages;
  }
}

async function messagesOf(session: Session, chunk: Chunk, look: Look, signal: AbortSignal): Promise<InboundMessage[]> {
  const { mails, gone } = await downloadOrSuspect(session, chunk, look, signal);
  const uids = mails.map(({ facts }) => facts.uid);
  await clear(session, [...uids, ...gone]);
  reportGone(session, gone);
  for (const uid of uids) session.mails.set(uid, 'offered');
  return mails.map((mail) => fetchedMessage(session, mail, chunk.cut));
}

/** Whatever ended the connection: a silent server, a lost connection, an answer without end. */
async function downloadOrSuspect(session: Session, chunk: Chunk, look: Look, signal: AbortSignal): Promise<Downloads> {
  try {
    return await download(session, chunk, look, signal);
  } catch (error) {
    const uids = chunk.mails.map(({ uid }) => uid);
    if (session.connection.down && codeOf(error) !== 'gateway/closed') await suspect(session, uids);
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

/** These mails rest: the server did not hand them out, though it did others. */
export async function setAside(session: Session, refused: Look['refused']): Promise<void> {
  await refuse(session, [...refused.keys()]);
  for (const [uid, { words }] of refused) reportUnfetchable(session, uid, words);
  const [, last] = [...refused].at(-1) ?? [];
  showUnfetchable(session, last?.words ?? '');
}

function reportUnfetchable({ mails, context, mailboxRef }: Session, uid: number, reason: string): void {
  mails.set(uid, 'unfetchable');
  context.log.error(
    { message_key: keyOf(mailboxRef, uid), reason, next: 'it stays in the folder and is fetched again later' },
    'mail cannot be fetched',
  );
}

function showUnfetchable({ mails, context, mailboxRef }: Session, words: string): void {
  const count = [...mails.values()].filter((state) => state === 'unfetchable').length;
  const which = count === 1 ? 'a mail' : `${count} mails`;
  const answer = words === '' ? '' : ` (last answer: ${words})`;
  const problem = `${which} of "${mailboxRef.folder}" cannot be fetched and must wait${answer}; Gatepost tries again after a pause that grows to an hour`;
  context.reportProblem('unfetchable', count === 0 ? null : problem);
}

function reportGone({ context, mailboxRef, mails }: Session, uids: readonly number[]): void {
  if (uids.length === 0) return;
  for (const uid of uids) mails.delete(uid);
  context.log.info(
    { folder: mailboxRef.folder, uids: uids.slice(0, LOGGED_UIDS), count: uids.length },
    'mails removed by others before fetching',
  );
}

export async function statesOf(
  { context, mailboxRef }: Session,
  uids: readonly number[],
): Promise<Map<number, InboundState>> {
  const known = await context.driverState.statesOf(uids.map((uid) => keyOf(mailboxRef, uid)));
  const states = new Map<number, InboundState>();
  for (const uid of uids) {
    const state = known.get(keyOf(mailboxRef, uid));
    if (state) states.set(uid, state);
  }
  return states;
}
