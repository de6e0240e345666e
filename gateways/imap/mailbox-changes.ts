// What confirming does in the folder: flags, moves, deletions. Servers that announce MOVE or UID EXPUNGE and refuse it get the
// older commands that do the same.
// A plain EXPUNGE would also remove what other users have marked as deleted (RFC 4315, 2.1). It runs only where the server has
// no UID EXPUNGE, and only while every mail that is marked was marked here.
import type { GatewayContext } from '../../src/driver/contract.js';
import type { Connection } from './connection.js';
import { execute } from './execute.js';
import { uidSet } from './identity.js';
import { isServersTrouble, Refused } from './refusals.js';
import type { Settings } from './settings.js';

export type Action =
  | { readonly do: 'flag'; readonly flags: readonly string[] }
  | { readonly do: 'move'; readonly to: string }
  | { readonly do: 'delete' };

export interface MailboxChanges {
  /** The server passes over UIDs that are gone (RFC 3501, 6.4.8), so a repeat is harmless. */
  perform(uids: readonly number[], action: Action): Promise<void>;
}

interface State {
  readonly connection: Connection;
  readonly log: GatewayContext<Settings>['log'];
  /** Commands that the server announces and refuses; forgotten with the session. */
  readonly refused: Set<'MOVE' | 'UID EXPUNGE' | 'EXPUNGE'>;
  /** Mails that were copied and are not removed yet: a repeat must not copy them again. Bounded by the mails in the folder. */
  readonly copied: Set<string>;
  /** Mails that this session marked as deleted and could not remove yet. Bounded by the mails in the folder. */
  readonly marked: Set<number>;
}

export function mailboxChanges({ log }: GatewayContext<Settings>, connection: Connection): MailboxChanges {
  const state: State = { connection, log, refused: new Set(), copied: new Set(), marked: new Set() };
  return { perform: (uids, action) => perform(state, uids, action) };
}

async function perform(state: State, uids: readonly number[], action: Action): Promise<void> {
  const mails = uids.length === 1 ? 'a mail' : `${uids.length} mails`;
  if (action.do === 'flag') return flag(state, uids, action.flags, `marking ${mails} (${action.flags.join(' ')})`);
  if (action.do === 'delete') return remove(state, uids, `deleting ${mails}`);
  const what = `moving ${mails} to "${action.to}"`;
  if (await move(state, uids, action.to, what)) return;
  // Without MOVE (RFC 6851) a crash between the two leaves a copy too many in the other folder, never one too few.
  await copy(state, uids, action.to, what);
  await remove(state, uids, what);
  for (const uid of uids) state.copied.delete(copyOf(uid, action.to));
}

/** Codes of a MOVE for which COPY would be refused as well. */
const COPY_FAILS_TOO: ReadonlySet<string> = new Set(['TRYCREATE', 'NONEXISTENT', 'OVERQUOTA', 'CANNOT']);

/** False when MOVE is of no use here. What a refused MOVE has moved already is gone from the folder, so COPY passes it over. */
async function move({ connection, refused, log }: State, uids: readonly number[], to: string, what: string) {
  if (!connection.has('MOVE') || refused.has('MOVE')) return false;
  try {
    await connection.demand(what, () => connection.client.messageMove(uidSet(uids), to, { uid: true }));
    return true;
  } catch (error) {
    if (!(error instanceof Refused) || isServersTrouble(error.answer) || COPY_FAILS_TOO.has(error.answer.code))
      throw error;
    refused.add('MOVE');
    log.warn({ err: error.message, next: 'mails are copied and deleted' }, 'server refuses MOVE');
    return false;
  }
}

async function copy({ connection, copied }: State, uids: readonly number[], to: string, what: string): Promise<void> {
  const missing = uids.filter((uid) => !copied.has(copyOf(uid, to)));
  if (missing.length === 0) return;
  await connection.demand(what, () => connection.client.messageCopy(uidSet(missing), to, { uid: true }));
  for (const uid of missing) copied.add(copyOf(uid, to));
}

function copyOf(uid: number, folder: string): string {
  return `${uid} ${folder}`;
}

async function flag({ connection }: State, uids: readonly number[], flags: readonly string[], what: string) {
  const work = () => connection.client.messageFlagsAdd(uidSet(uids), [...flags], { uid: true, silent: true });
  await connection.demand(what, work);
}

async function remove(state: State, uids: readonly number[], what: string): Promise<void> {
  if (await expungeByUid(state, uids, what)) return;
  await flag(state, uids, ['\\Deleted'], what);
  for (const uid of uids) state.marked.add(uid);
  await expungeMarked(state, what);
}

/** False when the server has no UID EXPUNGE (RFC 4315), or refuses it. */
async function expungeByUid({ connection, refused, log }: State, uids: readonly number[], what: string) {
  if (!connection.has('UIDPLUS') || refused.has('UID EXPUNGE')) return false;
  try {
    await connection.demand(what, () => connection.client.messageDelete(uidSet(uids), { uid: true }));
    return true;
  } catch (error) {
    if (!(error instanceof Refused) || isServersTrouble(error.answer)) throw error;
    // The library marks and expunges in one call. Where the mark was refused, the next attempt to set it shows that.
    refused.add('UID EXPUNGE');
    log.warn({ err: error.message, next: 'EXPUNGE while no other mail is marked' }, 'server refuses UID EXPUNGE');
    return false;
  }
}

/** Where others have marked mails, too, or EXPUNGE is refused, the mails keep their marks: mail programs hide them. */
async function expungeMarked({ connection, marked, refused, log }: State, what: string): Promise<void> {
  if (refused.has('EXPUNGE')) return;
  try {
    const found = await connection.demand(what, () => connection.client.search({ deleted: true }, { uid: true }));
    const deleted = Array.isArray(found) ? found : [];
    const others = deleted.filter((uid) => !marked.has(uid));
    if (others.length > 0)
      return log.info(
        { others: others.length, next: 'mails keep the mark \\Deleted' },
        'other mails are marked as deleted',
      );
    if (deleted.length > 0) await execute(connection, what, 'EXPUNGE');
    marked.clear();
  } catch (error) {
    if (!(error instanceof Refused) || isServersTrouble(error.answer)) throw error;
    refused.add('EXPUNGE');
    log.warn({ err: error.message, next: 'mails keep the mark \\Deleted' }, 'server refuses EXPUNGE');
  }
}
